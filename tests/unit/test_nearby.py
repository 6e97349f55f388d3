"""Which repository a task works in: the one that is named, the one that one stands in, and never one that only lies above."""

from pathlib import Path

import pytest

from kugetsu_engine.errors import RepositoryError, UsageError
from kugetsu_engine.git import discovery, remotes
from tests.support.clients import local_client
from tests.support.repositories import commit, make_repository, run_git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    return make_repository(tmp_path / "repo")


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://github.com/user/repo.git", True), ("https://token@github.com/User/Repo", True),
        ("git@github.com:user/repo.git", True), ("ssh://git@github.com:22/user/repo", True),
        ("https://github.com/user/other.git", False), ("git@gitlab.com:user/repo.git", False),
        ("/srv/git/whatever.git", True), ("../whatever", True), ("file:///srv/git/whatever.git", True), (None, True),
    ],
)  # fmt: skip
def test_the_repository_one_stands_in_counts_when_a_remote_fits_or_none_says_otherwise(
    repository: Path, url: str | None, fits: bool
) -> None:
    """So that `enqueue` in a repository uses it, and not in one of another project."""
    if url:
        run_git(repository, "remote", "add", "origin", url)
    assert remotes.can_be_issue_repository(str(repository), "github.com/user/repo") == fits


@pytest.mark.parametrize(
    ("url", "issue", "fits"),
    [
        ("http://git.lan:3000/acme/app.git", "git.lan:3000/acme/app", True),
        ("ssh://git@git.lan:2222/acme/app.git", "git.lan:3000/acme/app", True),
        ("git@git.lan:acme/app.git", "git.lan:3000/acme/app", True),
        ("http://git.lan:8080/acme/app.git", "git.lan:3000/acme/app", False),
        ("https://git.lan/acme/app.git", "git.lan/acme/app", True),
        ("http://git.lan:3000/acme/other.git", "git.lan:3000/acme/app", False),
        ("ssh://git@git.lan/group/sub/app", "git.lan/group/sub/app", True),
        ("work:acme/app", "git.lan/acme/app", True),
    ],
)  # fmt: skip
def test_ports_schemes_and_short_names_of_hosts(repository: Path, url: str, issue: str, fits: bool) -> None:
    """A port of the web server is none of ssh's; `insteadOf` of the operator's settings is followed."""
    run_git(repository, "config", "url.ssh://git@git.lan/.insteadOf", "work:")
    run_git(repository, "remote", "add", "upstream", url)
    assert remotes.can_be_issue_repository(str(repository), issue) == fits


def test_the_enclosing_repository_is_found_from_any_folder_in_it(repository: Path, tmp_path: Path) -> None:
    """Upwards, as git finds it; none outside, nor where something only looks like one."""
    deep = repository / "a/b"
    deep.mkdir(parents=True)
    assert discovery.find_enclosing_repository(str(deep)) == str(repository)
    assert discovery.find_enclosing_repository(str(tmp_path)) is None
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/HEAD").write_text("nothing", encoding="utf-8")
    assert discovery.find_enclosing_repository(str(tmp_path / "odd")) is None


@pytest.mark.parametrize(
    "kind", ["itself", "git folder", "bare", "linked", "linked of bare", "separate", "submodule", "bare beside", "link"]
)
def test_a_named_repository_is_the_main_one(tmp_path: Path, repository: Path, kind: str) -> None:
    """Below another repository, as in a home folder under git. A linked worktree may go while the task waits."""
    home = make_repository(tmp_path / "home")
    place = home / "place"
    wanted: Path = place
    if kind == "itself":
        make_repository(place)
    elif kind == "git folder":
        make_repository(place)
        wanted, place = place, place / ".git"
    elif kind == "bare":
        run_git(home, "clone", "--quiet", "--bare", str(repository), "place")
    elif kind == "linked":
        run_git(repository, "worktree", "add", "--quiet", str(place))
        wanted = repository
    elif kind == "linked of bare":
        run_git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare.git")
        run_git(tmp_path / "bare.git", "worktree", "add", "--quiet", str(place), "main")
        wanted = tmp_path / "bare.git"
    elif kind == "separate":
        run_git(home, "clone", "--quiet", f"--separate-git-dir={tmp_path / 'apart'}", str(repository), "place")
    elif kind == "submodule":
        run_git(home, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "place")
    elif kind == "bare beside":
        run_git(home, "clone", "--quiet", "--bare", str(repository), "place/.bare")
        (place / ".git").write_text("gitdir: ./.bare\n", encoding="utf-8")
        wanted = place / ".bare"
    else:
        place.symlink_to(repository)
        wanted = repository
    assert discovery.find_named_repository(str(place)) == str(wanted)
    assert discovery.require_repository(str(place)) == str(wanted)
    assert discovery.find_enclosing_repository(str(place)) == str(wanted)
    assert discovery.resolve_main_folder(str(place)) == discovery.resolve_main_folder(str(wanted)), "one repository, one lock"


def test_a_folder_that_only_lies_in_a_repository_is_not_taken_for_it(tmp_path: Path) -> None:
    """Named, it is refused with the way to say what is meant; one that lies in none is left to the start of the task."""
    home = make_repository(tmp_path / "home")
    (home / "notes").mkdir()
    with pytest.raises(UsageError, match="only a folder inside"):
        discovery.find_named_repository(str(home / "notes"))
    with pytest.raises(RepositoryError, match="only a folder inside"):
        discovery.require_repository(str(home / "notes"))
    (tmp_path / "plain").mkdir()
    assert discovery.find_named_repository(str(tmp_path / "plain")) == str(tmp_path / "plain")


def test_a_worktree_says_which_repository_it_belongs_to(repository: Path, tmp_path: Path) -> None:
    """Without asking git; a folder that is no linked worktree, and one whose repository is gone, say nothing."""
    worktree = tmp_path / "linked"
    run_git(repository, "worktree", "add", "-q", str(worktree))
    assert discovery.find_worktree_repository(str(worktree)) == str(repository)
    bare = tmp_path / "bare.git"
    run_git(tmp_path, "clone", "-q", "--bare", str(repository), str(bare))
    run_git(bare, "worktree", "add", "-q", str(tmp_path / "of-bare"))
    assert discovery.find_worktree_repository(str(tmp_path / "of-bare")) == str(bare)
    assert discovery.find_worktree_repository(str(repository)) is None
    assert discovery.find_worktree_repository(str(tmp_path / "none")) is None
    repository.rename(tmp_path / "gone")
    assert discovery.find_worktree_repository(str(worktree)) is None


def test_an_issue_of_a_submodule_is_none_of_the_superproject(tmp_path: Path, state_dir: Path) -> None:
    """Standing in the superproject it is cloned; in the submodule, its own repository counts."""
    library, app = make_repository(tmp_path / "library"), make_repository(tmp_path / "app")
    run_git(app, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    run_git(app, "commit", "--quiet", "-m", "a submodule")
    run_git(app, "remote", "add", "origin", "git@github.com:acme/app.git")
    run_git(app, "config", "submodule.lib.url", "https://github.com/acme/lib.git")
    operator = local_client(str(state_dir), {})
    assert operator.enqueue("github.com/acme/lib#7", "x", folder=str(app), hold=True)[1] is None
    assert operator.enqueue("github.com/acme/app#7", "x", folder=str(app), hold=True)[1] == str(app)
    run_git(app / "lib", "remote", "set-url", "origin", "https://github.com/acme/lib.git")
    assert operator.enqueue("github.com/acme/lib#8", "x", folder=str(app / "lib"), hold=True)[1] == str(app / "lib")
    assert operator.enqueue("github.com/acme/app#8", "x", folder=str(app / "lib"), hold=True)[1] is None


def test_a_task_enqueued_in_a_linked_worktree_outlives_it(tmp_path: Path, repository: Path, state_dir: Path) -> None:
    """The repository is what it keeps."""
    run_git(repository, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    commit(tmp_path / "linked", "x", "x")
    operator = local_client(str(state_dir), {})
    linked = str(tmp_path / "linked")
    assert operator.enqueue("local/app#1", "x", hold=True, folder=linked)[1] == str(repository)
    assert operator.enqueue("local/app#1", "x", hold=True, repo=linked)[1] == str(repository)

"""Repositories, worktrees and deliveries, with real git."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.errors import GitError, RepositoryError
from kugetsu_engine.git import baseline, delivery, include_files, repositories, worktrees
from kugetsu_engine.git.change_counts import count_changes
from kugetsu_engine.git.command import build_environment, git, set_remote_variables
from kugetsu_engine.git.start_point import decide_start_point
from tests.support.repositories import bare_remote, commit, make_repository, run_git

BRANCH = "fix/issue-1"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    return make_repository(tmp_path / "repo")


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    """Where the issue's worktree is to be; nothing is there yet."""
    return tmp_path / "worktrees" / "local-work-1"


def _ready(repository: Path, worktree: Path, base: str | None = None, branch: str = BRANCH) -> bool:
    return not worktrees.prepare_worktree(str(repository), str(worktree), branch, base).kept


def _head(folder: Path, what: str = "HEAD") -> str:
    return run_git(folder, "rev-parse", what)


def test_a_worktree_is_made_on_a_new_branch_and_used_again(repository: Path, worktree: Path) -> None:
    """First call makes it from the head, the second finds it; the repository's own checkout does not move."""
    assert _ready(repository, worktree)
    assert run_git(worktree, "branch", "--show-current") == BRANCH
    assert _head(worktree) == _head(repository)
    assert (worktree / "README.md").exists()
    assert not _ready(repository, worktree)
    assert run_git(repository, "branch", "--show-current") == "main"
    assert run_git(worktree, "status", "--porcelain") == ""


def test_without_a_named_base_the_head_of_the_remote_counts(tmp_path: Path, repository: Path, worktree: Path) -> None:
    """Local commits that were never pushed are not the base of new work."""
    remote = bare_remote(tmp_path / "remote.git", repository)
    clone = tmp_path / "clone"
    assert repositories.clone_repository(str(remote), str(clone))
    run_git(clone, "checkout", "--quiet", "main")
    commit(clone, "local.txt", "not pushed\n")
    _ready(clone, worktree)
    assert _head(worktree) == _head(clone, "origin/main") != _head(clone)


@pytest.mark.parametrize("base", ["develop", "origin/develop", "refs/heads/develop"])
def test_a_named_base_branch_counts(tmp_path: Path, repository: Path, worktree: Path, base: str) -> None:
    """A branch, local or of the remote."""
    run_git(repository, "checkout", "--quiet", "-b", "develop")
    commit(repository, "dev.txt", "x\n")
    wanted = _head(repository)
    run_git(repository, "checkout", "--quiet", "main")
    if base.startswith("origin/"):
        remote = bare_remote(tmp_path / "remote.git", repository)
        repositories.clone_repository(str(remote), str(tmp_path / "clone"))
        repository = tmp_path / "clone"
    _ready(repository, worktree, base)
    assert _head(worktree) == wanted


@pytest.mark.parametrize("base", ["nowhere", "-x", "--output=/tmp/kugetsu-canary", "a..b", "$(id)"])
def test_a_base_branch_that_is_not_there_is_refused_and_nothing_is_made(repository: Path, worktree: Path, base: str) -> None:
    """Also one that looks like an option."""
    with pytest.raises(RepositoryError, match="has no branch"):
        _ready(repository, worktree, base)
    assert not worktree.exists()
    assert run_git(repository, "branch", "--list", BRANCH) == ""
    assert not os.path.exists("/tmp/kugetsu-canary")


def test_an_existing_branch_is_checked_out_and_not_moved(repository: Path, worktree: Path) -> None:
    """Work of an earlier attempt is where it was."""
    run_git(repository, "checkout", "--quiet", "-b", BRANCH)
    commit(repository, "work.txt", "earlier\n")
    earlier = _head(repository)
    run_git(repository, "checkout", "--quiet", "main")
    commit(repository, "main.txt", "later\n")
    assert _ready(repository, worktree)
    assert _head(worktree) == earlier
    assert (worktree / "work.txt").exists()


def test_what_lies_in_a_worktree_is_kept(repository: Path, worktree: Path) -> None:
    """Uncommitted, staged and untracked files are all as they were after the next call."""
    _ready(repository, worktree)
    (worktree / "README.md").write_text("changed\n", encoding="utf-8")
    (worktree / "staged.txt").write_text("staged\n", encoding="utf-8")
    run_git(worktree, "add", "staged.txt")
    (worktree / "untracked.txt").write_text("untracked\n", encoding="utf-8")
    before = run_git(worktree, "status", "--porcelain")
    assert not _ready(repository, worktree)
    assert run_git(worktree, "status", "--porcelain") == before
    assert (worktree / "README.md").read_text(encoding="utf-8") == "changed\n"


@pytest.mark.parametrize("kind", ["other repository", "plain folder", "file", "link", "dangling link"])
def test_what_is_not_ours_is_refused_and_never_touched(tmp_path: Path, repository: Path, worktree: Path, kind: str) -> None:
    """A worktree of another repository, an operator's folder, a file, a link: an error names it, not a byte is changed."""
    worktree.parent.mkdir(parents=True)
    precious = worktree / "precious.txt"
    if kind == "other repository":
        _ready(make_repository(tmp_path / "other"), worktree)
        precious.write_text("mine", encoding="utf-8")
    elif kind == "plain folder":
        worktree.mkdir()
        precious.write_text("mine", encoding="utf-8")
    elif kind == "file":
        worktree.write_text("mine", encoding="utf-8")
        precious = worktree
    else:
        target = tmp_path / "elsewhere"
        if kind == "link":
            target.mkdir()
            (target / "precious.txt").write_text("mine", encoding="utf-8")
        worktree.symlink_to(target)
    with pytest.raises(RepositoryError, match=f"{worktree} (is not a worktree of kugetsu|belongs to another repository)"):
        _ready(repository, worktree)
    if kind != "dangling link":
        assert precious.read_text(encoding="utf-8") == "mine"
    assert worktree.is_symlink() == ("link" in kind)


def test_a_worktree_that_a_crash_left_half_made_is_finished(repository: Path, worktree: Path) -> None:
    """Killed after `worktree add` and before the checkout was complete, with and without the mark."""
    for stage in ("added", "marked", "partly filled"):
        place = worktree.with_name(stage.replace(" ", "-"))
        place.parent.mkdir(exist_ok=True)
        branch = f"fix/{place.name}"
        run_git(repository, "worktree", "add", "--quiet", "--no-checkout", "-b", branch, str(place), "main")
        if stage != "added":
            worktrees._write_record(str(place), {"base": _head(repository)}, ready=False)
        if stage == "partly filled":
            (place / "README.md").write_text("# a rep", encoding="utf-8")
        _ready(repository, place, branch=branch)
        assert (place / "README.md").read_text(encoding="utf-8") == "# a repository\n"
        assert run_git(place, "status", "--porcelain") == ""
        assert worktrees.read_base_commit(str(place)) == _head(repository)


@pytest.mark.parametrize("marked", [False, True])
def test_a_half_made_worktree_whose_branch_is_gone_is_finished(repository: Path, worktree: Path, marked: bool) -> None:
    """git was killed while the worktree was made, and again while that was undone: the agent does not start without files."""
    run_git(repository, "worktree", "add", "--quiet", "--no-checkout", "-b", "fix/issue-1", str(worktree), "main")
    if marked:
        worktrees._write_record(str(worktree), {"base": _head(repository)}, ready=False)
    run_git(repository, "update-ref", "-d", "refs/heads/fix/issue-1")
    _ready(repository, worktree, branch="fix/issue-1")
    assert (worktree / "README.md").read_text(encoding="utf-8") == "# a repository\n"
    assert _head(worktree) == _head(repository)
    assert run_git(worktree, "status", "--porcelain") == ""


def test_a_worktree_whose_folder_was_removed_by_hand_is_made_again(repository: Path, worktree: Path) -> None:
    """git still knows it; its branch, with the work, is checked out again."""
    _ready(repository, worktree)
    work = commit(worktree, "work.txt", "x\n")
    git(str(worktree.parent), "--version")
    for path in sorted(worktree.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    worktree.rmdir()
    assert _ready(repository, worktree)
    assert _head(worktree) == work


def test_a_failed_making_leaves_nothing_but_the_branch_it_found(repository: Path, worktree: Path) -> None:
    """git refuses: its own words, no folder, and the operator's checkout of that branch as it was."""
    run_git(repository, "checkout", "--quiet", "-b", BRANCH)
    with pytest.raises(GitError, match=BRANCH):
        _ready(repository, worktree)
    assert not worktree.exists()
    assert run_git(repository, "branch", "--show-current") == BRANCH
    assert len(run_git(repository, "worktree", "list").splitlines()) == 1


def test_hooks_and_monitors_of_a_hostile_repository_are_not_run(tmp_path: Path, repository: Path, worktree: Path) -> None:
    """post-checkout, a hooks path and a file system monitor leave no canary, while plain git would run them."""
    canary = tmp_path / "canary"
    script = f"#!/bin/sh\ntouch {canary}\n"
    hook = repository / ".git/hooks/post-checkout"
    other = tmp_path / "hooks"
    other.mkdir()
    for path in (hook, other / "post-checkout", other / "fsmonitor"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
    run_git(repository, "config", "core.fsmonitor", str(other / "fsmonitor"))
    for hooks_path in (None, other):
        if hooks_path:
            run_git(repository, "config", "core.hooksPath", str(hooks_path))
        place = worktree.with_name(f"hooks-{bool(hooks_path)}")
        _ready(repository, place, branch=f"fix/{place.name}")
        delivery.measure_delivery(baseline.record_baseline(str(repository), str(place), f"fix/{place.name}", None))
        assert not canary.exists()
    run_git(repository, "checkout", "--quiet", "-b", "plain")
    assert canary.exists()


def test_gits_own_variables_do_not_lead_it_elsewhere(repository: Path, worktree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`GIT_DIR` and the like of the operator's shell are not passed on."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    assert worktrees.prepare_worktree(str(repository), str(worktree), BRANCH, None)


def test_a_missing_git_or_folder_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback, and the right one of the two is named."""
    with pytest.raises(GitError, match="gone is not there"):
        git(str(tmp_path / "gone"), "status")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match=r"^git is not there"):
        git(str(tmp_path), "status")


def test_what_is_no_repository_is_refused(tmp_path: Path) -> None:
    """Missing, a plain folder, one without a commit."""
    with pytest.raises(RepositoryError, match="is not there"):
        repositories.ask_common_dir(str(tmp_path / "gone"))
    with pytest.raises(RepositoryError, match="not a git repository"):
        repositories.ask_common_dir(str(tmp_path))
    run_git(tmp_path, "init", "--quiet", "empty")
    with pytest.raises(RepositoryError, match="has no commit yet"):
        decide_start_point(str(tmp_path / "empty"), BRANCH, None)


def test_a_clone_is_made_once_and_whole(tmp_path: Path, repository: Path) -> None:
    """A second call makes nothing; a failed one leaves nothing."""
    remote = bare_remote(tmp_path / "server/o/r.git", repository)
    folder = tmp_path / "clones/forge/o/r"
    assert repositories.clone_repository(str(remote), str(folder))
    assert not repositories.clone_repository(str(remote), str(folder))
    assert _head(folder, "origin/main") == _head(repository)
    with pytest.raises(GitError, match="does not exist"):
        repositories.clone_repository(str(tmp_path / "nothing"), str(tmp_path / "clones/forge/o/bad"))
    with pytest.raises(GitError):
        repositories.clone_repository("ext::sh -c touch% /tmp/kugetsu-canary", str(tmp_path / "clones/forge/o/evil"))
    assert [path.name for path in folder.parent.iterdir()] == ["r"]
    assert not os.path.exists("/tmp/kugetsu-canary")


def test_where_to_clone_from(tmp_path: Path) -> None:
    """An address is joined; a folder of bare repositories on this disk is found with `.git`."""
    assert repositories.build_clone_address("https://github.com/", "o/r") == "https://github.com/o/r"
    assert repositories.build_clone_address("git@host:", "o/r") == "git@host:/o/r"
    (tmp_path / "o/r.git").mkdir(parents=True)
    assert repositories.build_clone_address(str(tmp_path), "o/r") == f"{tmp_path}/o/r.git"
    assert repositories.build_clone_address(str(tmp_path), "o/other") == f"{tmp_path}/o/other"


def test_the_base_is_kept_in_gits_own_folder_and_not_among_the_files(repository: Path, worktree: Path) -> None:
    """Nothing of kugetsu's lies in the worktree; the mark is JSON with the commit."""
    _ready(repository, worktree)
    mark = json.loads((repository / ".git/worktrees" / worktree.name / worktrees.BASE_FILE).read_text(encoding="ascii"))
    assert mark == {"base": _head(repository), "ready": True, "ref": "main", "remote": None, "address": None}
    assert sorted(path.name for path in worktree.iterdir()) == [".git", "README.md"]


SSH = """#!/bin/sh
echo "$@" >> "$0.asked"
exit 1
"""


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[Path]:
    """A program in place of ssh, which writes down that it was asked; what is passed is forgotten afterwards."""
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    yield program
    set_remote_variables({})


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_SSH_COMMAND": "{ssh}"}, {"GIT_SSH": "{ssh}"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.sshCommand", "GIT_CONFIG_VALUE_0": "{ssh}"},
    ],
)  # fmt: skip
def test_a_clone_reaches_its_remote_as_the_variables_that_were_passed_say(
    ssh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """What merely stands in the environment does nothing; nor do they where no remote is asked."""
    wanted = {name: value.format(ssh=ssh) for name, value in variables.items()}
    asked = Path(f"{ssh}.asked")
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", os.environ["PATH"])
    set_remote_variables({})
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    with pytest.raises(GitError):
        repositories.clone_repository("ssh://nobody@localhost:1/x", str(tmp_path / "first"))
    assert not asked.exists()
    set_remote_variables({**wanted, "GIT_DIR": "/evil", "GIT_WORK_TREE": "/evil", "GIT_EXTERNAL_DIFF": "/evil"})
    assert {name for name in build_environment() if name in wanted or name.startswith("GIT_DIR")} == set()
    with pytest.raises(GitError):
        repositories.clone_repository("ssh://nobody@localhost:1/x", str(tmp_path / "second"))
    assert "nobody@localhost" in asked.read_text()


def test_files_whose_names_are_not_utf8_are_copied_and_counted(repository: Path, worktree: Path) -> None:
    """As every other one: git names them in bytes."""
    name = os.fsdecode(b"caf\xe9.env")
    (repository / ".worktreeinclude").write_text("*.env\n")
    (repository / name).write_text("A=1\nB=2\n")
    _ready(repository, worktree)
    assert include_files.copy_missing_files(str(repository), str(worktree)) == ".worktreeinclude: 1 file copied"
    assert (worktree / name).read_text() == "A=1\nB=2\n"
    counted, names = count_changes(str(worktree))
    assert (counted.files, counted.insertions) == (1, 2)
    assert names == {"caf\ufffd.env"}


def test_a_locked_worktree_whose_folder_is_gone_is_left_to_the_operator(repository: Path, worktree: Path) -> None:
    """It may lie on a disk that is not there now: git's lock says so, and the task names it."""
    _ready(repository, worktree)
    run_git(repository, "worktree", "lock", str(worktree))
    worktree.rename(worktree.with_name("away"))
    with pytest.raises(GitError, match="locked"):
        _ready(repository, worktree)
    worktree.with_name("away").rename(worktree)
    run_git(repository, "worktree", "unlock", str(worktree))
    assert not _ready(repository, worktree)


@pytest.mark.parametrize("name", ["odd\u2028name", "odd\u0085name", "caf\udce9"])
def test_branches_with_odd_names_do_not_hide_what_was_delivered(repository: Path, worktree: Path, name: str) -> None:
    """Git takes such names, and an agent can make them; the base among them is known all the same."""
    _ready(repository, worktree)
    run_git(repository, "branch", name)
    before = baseline.record_baseline(str(repository), str(worktree), BRANCH, None)
    commit(worktree, "new", "x\n")
    run_git(worktree, "branch", f"{name}-too")
    delivered, _ = delivery.measure_delivery(before)
    assert delivered is not None
    assert delivered["commits"] == 1

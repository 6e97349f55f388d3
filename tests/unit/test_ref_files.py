"""What is read from git's own files is what git says; where that is not sure, git is asked."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.git import baseline, new_worktree, ref_files, worktrees
from kugetsu_engine.git.git_settings import read_settings
from kugetsu_engine.git.remotes import list_remotes, read_remotes
from kugetsu_engine.storage import files
from tests.support.repositories import bare_remote, commit, make_repository, run_git

BRANCH = "fix/issue-1"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a remote, and refs of every kind: in files, packed, moved since, symbolic, tags of both kinds."""
    path = make_repository(tmp_path / "repo")
    remote = bare_remote(tmp_path / "remote.git", path)
    run_git(path, "remote", "add", "origin", str(remote))
    run_git(path, "fetch", "--quiet", "origin")
    run_git(path, "remote", "set-head", "origin", "main")
    run_git(path, "branch", "old/one")
    run_git(path, "tag", "light")
    run_git(path, "-c", "user.name=t", "-c", "user.email=t@localhost", "tag", "-a", "-m", "note", "heavy")
    run_git(path, "pack-refs", "--all")
    commit(path, "second.txt", "second\n")
    run_git(path, "branch", "new/one")
    run_git(path, "branch", "-D", "old/one")
    run_git(path, "update-ref", "refs/stash", "HEAD")
    return path


def _ask(folder: Path) -> dict[str, str]:
    lines = run_git(folder, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return {name: commit for name, commit in (line.split(" ") for line in lines)}


def test_all_refs_are_those_that_git_lists(repository: Path) -> None:
    """In the same order."""
    found = ref_files.list_refs(str(repository / ".git"))
    assert list(found.items()) == list(_ask(repository).items())
    assert {
        "refs/heads/main",
        "refs/heads/new/one",
        "refs/remotes/origin/HEAD",
        "refs/tags/heavy",
        "refs/stash",
    } <= found.keys()


@pytest.mark.parametrize(
    "name", ["HEAD", "refs/heads/main", "refs/heads/new/one", "refs/heads/old/one", "refs/remotes/origin/HEAD"]
)
def test_one_ref_is_what_git_says(repository: Path, name: str) -> None:
    """Also one that is packed, symbolic, or not there."""
    wanted = run_git(repository, "for-each-ref", "--format=%(objectname)", name) or None
    if name == "HEAD":
        wanted = run_git(repository, "rev-parse", "HEAD")
    assert ref_files.resolve_ref(str(repository / ".git"), name) == wanted


def test_a_commit_in_a_file_of_its_own_has_its_time_and_a_packed_one_is_left_to_git(repository: Path) -> None:
    """The same as git's."""
    head, git_dir = run_git(repository, "rev-parse", "HEAD"), str(repository / ".git")
    assert ref_files.read_commit_time(git_dir, head) == int(run_git(repository, "log", "-1", "--format=%ct"))
    run_git(repository, "gc", "--quiet")
    assert ref_files.read_commit_time(git_dir, head) is None


def _extension(path: Path) -> None:
    with open(path / ".git" / "config", "a", encoding="utf-8") as file:
        file.write("[Extensions]\n\tworktreeConfig = true\n")


def _link(path: Path) -> None:
    os.symlink("main", path / ".git" / "refs" / "heads" / "linked")


def _odd_name(path: Path) -> None:
    run_git(path, "branch", "ümlaut")


def _garbage(path: Path) -> None:
    (path / ".git" / "refs" / "heads" / "broken").write_text("nonsense\n")


def _pipe(path: Path) -> None:
    os.mkfifo(path / ".git" / "refs" / "heads" / "pipe")


@pytest.mark.parametrize("make", [_extension, _link, _odd_name, _garbage, _pipe])
def test_what_is_unusual_is_left_to_git(repository: Path, make: Callable[[Path], None]) -> None:
    """It is never guessed, and what is asked then is the same."""
    make(repository)
    with pytest.raises(ref_files.AskGit):
        ref_files.list_refs(str(repository / ".git"))
    if make is not _pipe:  # git waits for it
        assert baseline.list_refs(str(repository / ".git")) == _ask(repository)


def test_a_repository_of_another_user_is_left_to_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git has rules of its own about whom it trusts."""
    monkeypatch.setattr(os, "geteuid", lambda: os.lstat(repository).st_uid + 1)
    with pytest.raises(ref_files.AskGit):
        ref_files.find_plain_git_dir(str(repository))


def test_a_linked_worktree_is_no_main_repository(repository: Path, tmp_path: Path) -> None:
    """Its refs are elsewhere."""
    run_git(repository, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    with pytest.raises(ref_files.AskGit):
        ref_files.find_plain_git_dir(str(tmp_path / "linked"))


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"remote.upstream.url": "https://user:secret@forge.example/a/b.git"}, {"remote.pushDefault": "origin"},
        {"remote.other.prune": "true"}, {"url.https://mirror.example/.insteadOf": "https://forge.example/"},
    ],
)  # fmt: skip
def test_remotes_from_settings_are_those_that_git_lists_or_unknown(repository: Path, settings: dict[str, str]) -> None:
    """Without passwords."""
    for name, value in settings.items():
        run_git(repository, "config", name, value)
    found = read_remotes(read_settings(str(repository)))
    assert found in (None, list_remotes(str(repository)))
    assert (found is None) == any(name.startswith(("url.", "remote.other.")) for name in settings)


def test_settings_are_current_until_a_file_of_them_changes(repository: Path) -> None:
    """What the agent sets is asked for again."""
    settings = read_settings(str(repository))
    assert settings.is_current()
    run_git(repository, "config", "core.autocrlf", "true")
    assert not settings.is_current()


def test_a_worktree_made_by_hand_is_one_that_git_made(repository: Path, tmp_path: Path) -> None:
    """Git lists it, its files and its branch are the same as of one from `git worktree add`, and git removes it."""
    ours, theirs = tmp_path / "worktrees" / "ours", tmp_path / "worktrees" / "theirs"
    worktrees.prepare_worktree(str(repository), str(ours), BRANCH, None)
    run_git(repository, "worktree", "add", "--quiet", "--no-track", "-b", "fix/issue-2", str(theirs), BRANCH)
    folders = [repository / ".git" / "worktrees" / place.name for place in (ours, theirs)]
    names = [{path.relative_to(folder).as_posix() for path in folder.rglob("*")} for folder in folders]
    assert names[0] - names[1] <= {"kugetsu-base"}
    assert names[1] - names[0] <= {"ORIG_HEAD"}
    assert (folders[0] / "commondir").read_bytes() == (folders[1] / "commondir").read_bytes()
    text = [(folder / "gitdir").read_text().replace(folder.name, "x") for folder in folders]
    assert text[0] == text[1]
    assert run_git(ours, "status", "--porcelain=v2", "--branch").replace(BRANCH, "x") == run_git(
        theirs, "status", "--porcelain=v2", "--branch"
    ).replace("fix/issue-2", "x")
    assert run_git(repository, "fsck", "--no-progress") == ""
    run_git(repository, "worktree", "remove", str(ours))
    assert str(ours) not in run_git(repository, "worktree", "list")


def _attributes(repository: Path) -> None:
    run_git(repository, "remote", "remove", "origin")
    (repository / "README.md").write_bytes(b"one\r\ntwo\r\n")
    run_git(repository, "add", "README.md")
    commit(repository, ".gitattributes", "*.md text eol=lf\n")


def _settings(repository: Path) -> None:
    run_git(repository, "config", "core.autocrlf", "true")


def _nothing(_repository: Path) -> None:
    return


@pytest.mark.parametrize("make", [_attributes, _settings, _nothing])
def test_a_fresh_worktree_counts_as_clean_only_where_nothing_converts_its_files(
    repository: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """What git says about it is what the baseline says."""
    make(repository)
    place = tmp_path / "worktrees" / "one"
    _, fresh = worktrees.make_worktree(str(repository), str(place), BRANCH, None, fetch=False)
    assert fresh is not None
    assert fresh.clean == (make is _nothing)
    found = baseline.record_baseline(str(repository), str(place), BRANCH, None, fresh)
    assert found._replace(settings=None) == baseline.record_baseline(str(repository), str(place), BRANCH, None)


@pytest.mark.parametrize("stage", ["files", "record", "folder", "link"])
def test_a_worktree_whose_making_was_cut_short_is_made_anew(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Wherever the process was killed."""

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    place = tmp_path / "worktrees" / "one"
    real = files.replace

    def stop_at_the_link(path: str, data: bytes, durable: bool = True) -> None:
        if path.endswith("/.git"):
            raise Killed
        real(path, data, durable)

    with monkeypatch.context() as patch:
        patch.setattr(worktrees, "git_succeeds", killed)  # nothing tidies up after a kill
        if stage == "files":
            patch.setattr(worktrees, "_write_record_in", killed)
        elif stage == "folder":
            patch.setattr(files, "replace", stop_at_the_link)
        else:
            patch.setattr(new_worktree, "link_folder" if stage == "record" else "fill", killed)
        with pytest.raises(Killed):
            worktrees.prepare_worktree(str(repository), str(place), BRANCH, None, fetch=False)
    start = worktrees.prepare_worktree(str(repository), str(place), BRANCH, None, fetch=False)
    assert not start.kept
    assert run_git(place, "branch", "--show-current") == BRANCH
    assert run_git(place, "status", "--porcelain") == ""
    assert (place / "README.md").exists()

"""What `worktrees --clean`, `prune` and `destroy` do with one and the same worktree. Real git, real processes, no engine.

Each situation is something that a person, an agent or git itself left in the worktree. Only `destroy --force` may override it;
`prune --force` only means that nobody is asked.
"""

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.cli.main import run
from kugetsu_engine.domain.session import Session
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.git import worktrees
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import sessions
from kugetsu_engine.storage import locks
from kugetsu_engine.worktrees import destroy, prune
from kugetsu_engine.worktrees.inventory import WorktreeInventory
from tests.support.clients import local_client
from tests.support.repositories import IDENTITY, bare_remote, commit, make_repository, run_git

BRANCH = "fix/issue-1"
CLEAN, PRUNE, PRUNE_FORCE = ["worktrees", "--clean"], ["prune", "-y"], ["prune", "--force"]
DESTROY, DESTROY_FORCE = ["destroy", "local/work#1", "-y"], ["destroy", "local/work#1", "-y", "--force"]
EVERY = (CLEAN, PRUNE, PRUNE_FORCE, DESTROY)
"""The commands that override no objection."""


class Place:
    """A repository with a remote, the worktree of `local/work#1`, and one that the operator made elsewhere."""

    def __init__(self, folder: Path, paths: StatePaths) -> None:
        self.paths = paths
        self.folder = folder
        remote = bare_remote(folder / "remote.git", make_repository(folder / "first"))
        run_git(folder, "clone", "--quiet", str(remote), str(folder / "home"))
        self.home = folder / "home"
        self.worktree = Path(paths.worktree("local-work-1"))
        worktrees.prepare_worktree(str(self.home), str(self.worktree), BRANCH, None)
        self.outside = folder / "outside"
        run_git(self.home, "worktree", "add", "--quiet", "-b", "mine", str(self.outside))
        (self.outside / "notes.txt").write_text("mine\n", encoding="utf-8")

    def stops(self, *words: str) -> None:
        """Begin something in the worktree that git does not bring to its end."""
        done = subprocess.run(["git", *words], cwd=self.worktree, env=os.environ | IDENTITY, stdin=subprocess.DEVNULL,
                              check=False, capture_output=True)  # fmt: skip
        assert done.returncode != 0, "it came to its end"

    def conflict(self, *words: str) -> None:
        """Begin something in the worktree that stops at a conflict."""
        base = run_git(self.worktree, "rev-parse", "HEAD")
        theirs = commit(self.worktree, "README.md", "theirs\n")
        run_git(self.worktree, "reset", "--quiet", "--hard", base)
        commit(self.worktree, "README.md", "ours\n")
        run_git(self.worktree, "push", "--quiet", "origin", f"{BRANCH}:refs/heads/ours", f"{theirs}:refs/heads/theirs")
        self.stops(*words, theirs)
        run_git(self.worktree, "checkout", "--quiet", "--ours", "README.md")  # nothing uncommitted: the files are those of HEAD
        if words[0] != "rebase":
            run_git(self.worktree, "add", "README.md")


def _nothing(place: Place) -> None:
    assert place.worktree.is_dir()


def _locked(place: Place) -> None:
    run_git(place.home, "worktree", "lock", "--reason", "on a stick \x1b]52;c;eA==\x07", str(place.worktree))


def _rebase(place: Place) -> None:
    """Stopped by a command that fails, so that nothing is uncommitted."""
    commit(place.worktree, "a.txt", "a\n")
    run_git(place.worktree, "push", "--quiet", "origin", f"{BRANCH}:refs/heads/other")
    place.stops("rebase", "--quiet", "--exec", "false", "HEAD~1")
    assert run_git(place.worktree, "status", "--porcelain") == ""


def _merge(place: Place) -> None:
    place.conflict("merge", "--quiet")


def _cherry_pick(place: Place) -> None:
    place.conflict("cherry-pick")


def _cherry_pick_between_two(place: Place) -> None:
    """One commit was picked and settled by hand; git still has others to pick."""
    place.conflict("cherry-pick")
    run_git(place.worktree, "cherry-pick", "--abort")
    first = run_git(place.worktree, "rev-parse", "origin/theirs")
    second = run_git(place.worktree, "commit-tree", "-p", first, "-m", "more", f"{first}^{{tree}}")
    place.stops("cherry-pick", first, second)
    run_git(place.worktree, "checkout", "--quiet", "--theirs", "README.md")
    run_git(place.worktree, "commit", "--quiet", "-a", "-m", "settled")
    run_git(place.worktree, "push", "--quiet", "origin", f"{BRANCH}:refs/heads/settled")


def _bisect(place: Place) -> None:
    run_git(place.worktree, "bisect", "start")
    assert run_git(place.worktree, "status", "--porcelain") == ""


def _uncommitted(place: Place) -> None:
    (place.worktree / "new.txt").write_text("x\n", encoding="utf-8")


def _on_no_branch(place: Place) -> None:
    run_git(place.worktree, "checkout", "--quiet", "--detach")
    commit(place.worktree, "a.txt", "x\n")


def _unpushed(place: Place) -> None:
    commit(place.worktree, "a.txt", "x\n")


def _linked(place: Place) -> None:
    """A person keeps the worktree on another disk, with a link in its place."""
    run_git(place.home, "worktree", "remove", str(place.worktree))
    run_git(place.outside, "checkout", "--quiet", "-B", BRANCH)
    (place.outside / "notes.txt").unlink()
    place.worktree.symlink_to(place.outside)


def _by_hand(place: Place) -> None:
    """The operator made it in our folder, with git's own command."""
    run_git(place.home, "worktree", "remove", str(place.worktree))
    run_git(place.home, "worktree", "add", "--quiet", str(place.worktree), BRANCH)


def _not_git(place: Place) -> None:
    run_git(place.home, "worktree", "remove", str(place.worktree))
    place.worktree.mkdir()
    (place.worktree / "notes.txt").write_text("mine\n", encoding="utf-8")


KINDS: dict[str, tuple[Callable[[Place], None], str]] = {
    "locked": (_locked, "locked"),
    "rebase": (_rebase, "a rebase is in progress"),
    "merge": (_merge, "a merge is in progress"),
    "cherry-pick": (_cherry_pick, "a cherry-pick is in progress"),
    "cherry-pick of two": (_cherry_pick_between_two, "is in progress"),
    "bisect": (_bisect, "a bisection is in progress"),
    "uncommitted": (_uncommitted, "1 file not committed"),
    "on no branch": (_on_no_branch, "1 commit on no branch"),
    "unpushed": (_unpushed, "1 commit not pushed"),
    "linked": (_linked, "link"),
    "not git": (_not_git, "git"),
}
"""What is the matter with a worktree, and what every command says about it."""


@pytest.fixture
def place(tmp_path: Path, paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The commands work on its state directory."""
    monkeypatch.setenv("KUGETSU_DIR", paths.root)
    return Place(tmp_path, paths)


def _files(folder: Path) -> dict[str, str]:
    """What lies in a folder, links not followed."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            found[str(path)] = os.readlink(path) if path.is_symlink() else path.read_text(encoding="utf-8", errors="replace")
    return found


@contextlib.contextmanager
def _shell_in(folder: Path) -> Iterator[None]:
    """Someone works there."""
    guest = subprocess.Popen([sys.executable, "-I", "-S", "-c", "print(flush=True); input()"], cwd=folder,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert guest.stdout is not None
    guest.stdout.readline()
    try:
        yield
    finally:
        guest.communicate()


def _said(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(words)
    told = capsys.readouterr()
    return code, f"{told.out}{told.err}"


@pytest.mark.parametrize("words", [*EVERY, DESTROY_FORCE], ids=" ".join)
def test_one_with_nothing_of_its_own_goes(place: Place, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The control: else what follows would show nothing. A worktree elsewhere stays, whatever is done with ours."""
    outside = _files(place.outside)
    assert _said(words, capsys)[0] == 0
    assert not place.worktree.exists()
    assert _files(place.outside) == outside
    assert len(run_git(place.home, "worktree", "list").splitlines()) == 2
    assert bool(run_git(place.home, "branch", "--list", BRANCH)) == (words == CLEAN), "only cleaning keeps the branch"


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
@pytest.mark.parametrize("kind", KINDS)
def test_what_speaks_against_it_keeps_it(place: Place, kind: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It stays as it is, every command says the same about it, and a worktree elsewhere is not touched either."""
    make, reason = KINDS[kind]
    make(place)
    before, outside = _files(place.worktree), _files(place.outside)
    known = run_git(place.home, "worktree", "list", "--porcelain")
    code, said = _said(words, capsys)
    assert os.path.lexists(place.worktree)
    assert (_files(place.worktree), _files(place.outside)) == (before, outside)
    assert run_git(place.home, "worktree", "list", "--porcelain") == known
    if not (kind == "linked" and words == CLEAN):  # cleaning does not list what is no folder of ours
        assert reason in said
    assert code == (3 if words == DESTROY else 0)
    assert "\x1b" not in said, "what an agent can write is cleaned"


@pytest.mark.parametrize("kind", KINDS)
def test_force_destroys_it_all_the_same_and_keeps_the_only_branch(
    place: Place, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is overridden is reported before. Of a link only the link is removed."""
    make, reason = KINDS[kind]
    make(place)
    outside = _files(place.outside)
    code, said = _said(DESTROY_FORCE, capsys)
    assert (code, os.path.lexists(place.worktree)) == (0, False), said
    assert "overridden: " in said
    assert reason in said
    assert _files(place.outside) == outside
    if kind == "unpushed":
        assert run_git(place.home, "rev-list", "--count", f"main..{BRANCH}") == "1"


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_shell_inside_keeps_it(place: Place, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It would stand in a folder that is gone."""
    with _shell_in(place.worktree):
        code, said = _said(words, capsys)
        assert place.worktree.exists()
        assert "is in it" in said
        assert code == (3 if words == DESTROY else 0)
        if words == DESTROY:
            assert _said(DESTROY_FORCE, capsys)[0] == 0
            assert not place.worktree.exists()


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_running_attempt_keeps_it(place: Place, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that no task tells about."""
    lock = locks.try_lock(place.paths.issue_lock("local-work-1"))
    assert lock is not None
    try:
        _, said = _said(words, capsys)
    finally:
        locks.unlock(lock)
    assert place.worktree.exists()
    assert "agent" in said


@pytest.mark.parametrize(("words", "stays"), [(CLEAN, True), (PRUNE, True), (PRUNE_FORCE, True), (DESTROY, False)])
def test_one_that_kugetsu_did_not_make_goes_only_where_its_issue_is_named(
    place: Place, words: list[str], stays: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Someone made it by git in our folder: it is theirs."""
    _by_hand(place)
    _, said = _said(words, capsys)
    assert place.worktree.exists() == stays
    assert ("kugetsu did not make it" in said) == stays


@pytest.mark.parametrize("act", ["clean", "prune", "destroy"])
def test_what_happens_after_the_look_is_seen(place: Place, act: str) -> None:
    """A person locks it, or writes in it, while the question stands: nothing goes that was not said."""
    operator = local_client(place.paths.root, {})
    care, orphans, remains = (
        WorktreeInventory(place.paths, {}),
        prune.find_prunable(operator),
        destroy.inspect_issue(operator, "local/work#1"),
    )
    found = care.inspect_worktree("local-work-1")
    for make, reason in ((_locked, "locked"), (_uncommitted, "1 file not committed")):
        make(place)
        said: list[str] = []
        if act == "clean":
            said.append(care._remove(found).why)
        elif act == "prune":
            assert prune.prune_orphans(operator, orphans, said.append) != 0
        else:
            with pytest.raises(KugetsuError) as caught:
                list(destroy.destroy_issue(operator, remains, force=False))
            said.append(str(caught.value))
        assert reason in said[0]
        assert place.worktree.exists()
        if make is _locked:
            run_git(place.home, "worktree", "unlock", str(place.worktree))


@pytest.mark.parametrize("folder", ["sessions", "worktrees"])
def test_prune_stops_where_a_folder_cannot_be_listed(place: Place, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all sessions would be without a worktree, or all worktrees without a session, and prune would remove them."""
    operator = local_client(place.paths.root, {})
    sessions.save_session(place.paths, Session("local-work-1", "local/work#1", "s1", "demo"))
    assert prune.find_prunable(operator) == []

    def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(path: Any = ".") -> Any:
            if path == getattr(place.paths, folder):
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return function(path)

        return refuse

    monkeypatch.setattr(os, "listdir", refusing(os.listdir))
    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    with pytest.raises(OSError, match="Input/output"):
        prune.find_prunable(operator)


@pytest.mark.parametrize("act", ["clean", "prune", "destroy"])
def test_a_read_only_console_removes_nothing(place: Place, act: str) -> None:
    """Each way to remove a worktree asks before it does anything."""
    operator, care = local_client(place.paths.root, {}, read_only=True), WorktreeInventory(place.paths, {}, read_only=True)
    orphans, remains = prune.find_prunable(operator), destroy.inspect_issue(operator, "local/work#1")
    acts: dict[str, Callable[[], object]] = {
        "clean": lambda: care.remove_safe(False, lambda _: None),
        "prune": lambda: prune.prune_orphans(operator, orphans, lambda _: None),
        "destroy": lambda: list(destroy.destroy_issue(operator, remains, force=True)),
    }
    with pytest.raises(KugetsuError, match="read-only"):
        acts[act]()
    assert place.worktree.exists()
    assert [one.removed for one in care.remove_safe(True, lambda _: None)] == [False], "a dry run only looks"

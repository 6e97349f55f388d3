"""Worktrees: what each one holds, which may go, and that nothing goes whose loss would be one. Real git."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kugetsu_engine.cli.main import run
from kugetsu_engine.domain.pull_request import KnownPull, PullRequest
from kugetsu_engine.git import discovery, worktrees
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import pull_requests
from kugetsu_engine.storage import locks
from kugetsu_engine.worktrees.inventory import Removal, Worktree, WorktreeInventory
from tests.support.clients import local_client
from tests.support.repositories import bare_remote, commit, make_repository, run_git

BRANCH = "fix/issue-1"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A clone with a remote."""
    remote = bare_remote(tmp_path / "remote.git", make_repository(tmp_path / "first"))
    run_git(tmp_path, "clone", "--quiet", str(remote), str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def worktree(paths: StatePaths, home: Path) -> Path:
    """The worktree of `local/work#1`."""
    place = paths.worktree("local-work-1")
    worktrees.prepare_worktree(str(home), place, BRANCH, None)
    return Path(place)


def _look(paths: StatePaths) -> Worktree:
    [found] = WorktreeInventory(paths, {}).list_worktrees()
    return found


def _clean(paths: StatePaths, dry_run: bool = False) -> Removal:
    [made] = WorktreeInventory(paths, {}).remove_safe(dry_run, lambda _: None)
    return made


def _arrive(home: Path, how: str) -> None:
    """Bring the branch's work into `main`, on the remote too."""
    if how == "merged":
        run_git(home, "merge", "--quiet", "--no-ff", "-m", "merge", BRANCH)
    elif how == "rebased":
        commit(home, "other.txt", "first\n")
        run_git(home, "cherry-pick", f"main..{BRANCH}")
    else:
        commit(home, "other.txt", "first\n")
        run_git(home, "merge", "--quiet", "--squash", BRANCH)
        run_git(home, "commit", "--quiet", "-m", "all in one")
        if how == "squashed, then changed":
            commit(home, "a.txt", "changed later\n")
    run_git(home, "push", "--quiet", "origin", "main")


@pytest.mark.parametrize("how", ["merged", "rebased", "squashed", "squashed, then changed"])
def test_work_that_arrived_is_known_however_it_was_merged(paths: StatePaths, home: Path, worktree: Path, how: str) -> None:
    """As it is, commit by commit, all in one, and also when the same file was changed afterwards. Then the worktree may go."""
    commit(worktree, "a.txt", "one\n")
    commit(worktree, "b.txt", "two\n")
    before = _look(paths)
    assert (before.state, before.why, before.safe, before.ahead) == ("unpushed", "2 commits not pushed", False, 2)
    _arrive(home, how)
    found = _look(paths)
    assert (found.state, found.merged, found.safe) == ("merged", how.partition(",")[0], True)
    assert _clean(paths).removed
    assert not worktree.exists()
    assert run_git(home, "branch", "--list", BRANCH).strip() == BRANCH
    assert run_git(home, "worktree", "list").count("\n") == 0


def test_what_was_merged_on_the_remote_is_known_after_a_fetch(
    paths: StatePaths,
    home: Path,
    worktree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A remote that cannot be asked is said, and the rest goes on."""
    monkeypatch.setenv("KUGETSU_DIR", paths.root)
    commit(worktree, "a.txt", "one\n")
    commit(worktree, "b.txt", "two\n")
    run_git(worktree, "push", "--quiet", "origin", f"{BRANCH}:refs/heads/other")
    run_git(tmp_path, "clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "elsewhere"))
    run_git(tmp_path / "elsewhere", "merge", "--quiet", "--squash", "origin/other")
    run_git(tmp_path / "elsewhere", "commit", "--quiet", "-m", "all in one")
    run_git(tmp_path / "elsewhere", "push", "--quiet", "origin", "main", ":other")
    run_git(home, "update-ref", "-d", "refs/remotes/origin/other")
    assert _look(paths).state == "unpushed"
    assert run(["worktrees", "--fetch", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["merged"] == "squashed"
    run_git(home, "remote", "set-url", "origin", str(tmp_path / "gone.git"))
    assert run(["worktrees", "--fetch"]) == 0
    told = capsys.readouterr()
    assert "gone.git" in told.err
    assert "merged by squash" in told.out


def test_work_of_which_a_part_arrived_has_not_arrived(paths: StatePaths, home: Path, worktree: Path) -> None:
    """One of two commits; and a merge commit with a change of its own."""
    first = commit(worktree, "a.txt", "one\n")
    commit(worktree, "b.txt", "two\n")
    run_git(home, "cherry-pick", first)
    run_git(home, "push", "--quiet", "origin", "main")
    assert _look(paths).state == "unpushed"
    commit(home, "c.txt", "c\n")
    run_git(home, "push", "--quiet", "origin", "main")
    run_git(worktree, "reset", "--quiet", "--hard", first)
    run_git(worktree, "merge", "--quiet", "--no-ff", "--no-commit", "origin/main")
    (worktree / "evil.txt").write_text("only here\n", encoding="utf-8")
    run_git(worktree, "add", "-A")
    run_git(worktree, "commit", "--quiet", "-m", "merge with more")
    assert _look(paths).state == "unpushed"
    assert not _clean(paths).removed


def test_a_merge_with_a_change_of_its_own_has_not_arrived_with_its_parents(
    paths: StatePaths, home: Path, worktree: Path
) -> None:
    """Each commit but the merge was picked into `main`, one by one."""
    base = run_git(worktree, "rev-parse", "HEAD")
    side = commit(worktree, "side.txt", "side\n")
    run_git(worktree, "reset", "--quiet", "--hard", base)
    first = commit(worktree, "a.txt", "one\n")
    run_git(worktree, "merge", "--quiet", "--no-ff", "--no-commit", side)
    (worktree / "evil.txt").write_text("only here\n", encoding="utf-8")
    run_git(worktree, "add", "-A")
    run_git(worktree, "commit", "--quiet", "-m", "merge with more")
    commit(home, "other.txt", "first\n")
    run_git(home, "cherry-pick", first, side)
    run_git(home, "push", "--quiet", "origin", "main")
    assert (_look(paths).state, _look(paths).merged) == ("unpushed", None)
    assert not _clean(paths).removed


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("changed", "dirty", "1 file not committed"), ("staged", "dirty", "1 file not committed"),
        ("untracked", "dirty", "2 files not committed"), ("unpushed", "unpushed", "1 commit not pushed"),
        ("detached", "unpushed", "1 commit on no branch"), ("locked", "dirty", "it is locked: git worktree unlock"),
        ("merging", "dirty", "a merge is in progress in it"), ("live", "live", "an agent works in it"),
        ("waiting", "waiting", "#1 will work in it (pending)"), ("foreign", "unknown", "kugetsu did not make it"),
        ("broken", "unknown", "git cannot read it"), ("visited", "empty", "is in it"),
    ],
)  # fmt: skip
def test_what_holds_something_stays_and_says_why(
    paths: StatePaths, home: Path, worktree: Path, kind: str, state: str, words: str
) -> None:
    """Nothing is removed, not a byte is changed."""
    guest, lock = None, None
    if kind == "changed":
        (worktree / "README.md").write_text("other\n", encoding="utf-8")
    elif kind == "staged":
        (worktree / "new.txt").write_text("x", encoding="utf-8")
        run_git(worktree, "add", "new.txt")
    elif kind == "untracked":
        (worktree / "folder").mkdir()
        for name in ("one", "two"):
            (worktree / "folder" / name).write_text("x", encoding="utf-8")
    elif kind == "unpushed":
        commit(worktree, "a.txt", "x")
    elif kind == "detached":
        run_git(worktree, "checkout", "--quiet", "--detach")
        commit(worktree, "a.txt", "x")
    elif kind == "locked":
        run_git(home, "worktree", "lock", str(worktree))
    elif kind == "merging":
        Path(run_git(worktree, "rev-parse", "--git-dir"), "MERGE_HEAD").write_text(run_git(home, "rev-parse", "HEAD"), "utf-8")
    elif kind == "live":
        lock = locks.try_lock(paths.issue_lock("local-work-1"))
    elif kind == "waiting":
        local_client(paths.root, {}).enqueue("local/work#1", "x", hold=True)
    elif kind == "foreign":
        Path(run_git(worktree, "rev-parse", "--git-dir"), worktrees.BASE_FILE).unlink()
    elif kind == "broken":
        (worktree / ".git").write_text("gitdir: /nowhere\n", encoding="utf-8")
    else:
        guest = subprocess.Popen([sys.executable, "-I", "-S", "-c", "print(flush=True); input()"], cwd=worktree,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        assert guest.stdout is not None
        guest.stdout.readline()
    try:
        before = {path: path.stat().st_mtime_ns for path in sorted(worktree.rglob("*"))}
        found = _look(paths)
        assert (found.state, found.safe) == (state, False)
        assert words in found.why
        made = _clean(paths)
        assert (made.removed, made.why) == (False, found.why)
        assert {path: path.stat().st_mtime_ns for path in sorted(worktree.rglob("*"))} == before
    finally:
        if lock is not None:
            locks.unlock(lock)
        if guest is not None:
            guest.communicate()


def test_pushed_work_and_a_worktree_without_any_may_go(paths: StatePaths, home: Path, worktree: Path) -> None:
    """Ignored files do not hold it back, as git itself sees it."""
    assert (_look(paths).state, _look(paths).safe) == ("empty", True)
    (worktree / ".gitignore").write_text("build/\n", encoding="utf-8")
    (worktree / "build").mkdir()
    (worktree / "build" / "large").write_bytes(b"x" * 100_000)
    run_git(worktree, "add", ".gitignore")
    run_git(worktree, "commit", "--quiet", "-m", "ignore")
    run_git(worktree, "push", "--quiet", "--set-upstream", "origin", BRANCH)
    found = _look(paths)
    assert (found.state, found.why, found.safe, found.unpushed) == ("pushed", "all commits are on the remote", True, 0)
    assert found.size_bytes > 100_000
    assert found.last_used > 0
    assert _clean(paths, dry_run=True).removed is False
    assert worktree.exists()
    assert _clean(paths).removed
    assert not worktree.exists()


def test_a_branch_that_is_gone_from_the_remote_is_told_and_only_a_merge_frees_it(
    paths: StatePaths, home: Path, worktree: Path
) -> None:
    """Unless the forge said that this very commit was merged."""
    head = commit(worktree, "a.txt", "x")
    run_git(worktree, "push", "--quiet", "--set-upstream", "origin", BRANCH)
    run_git(home, "push", "--quiet", "origin", "--delete", BRANCH)
    run_git(home, "fetch", "--quiet", "--prune")
    found = _look(paths)
    assert (found.upstream_gone, found.safe) == (True, False)
    assert found.why == "1 commit not pushed, and its branch is gone from the remote"
    local_client(paths.root, {}).enqueue("local/work#1", "x", hold=True)
    local_client(paths.root, {}).do("cancel", "1")
    for commit_, state in (("0" * 40, "unpushed"), (head, "merged")):
        pull = PullRequest(9, "https://x/9", "merged", head=commit_)
        known = pull_requests.PullRequests(issues={"local/work#1": KnownPull("2026-11-21T10:00:00.000Z", BRANCH, pull)})
        pull_requests.change_pull_requests(paths, lambda _, known=known: known)  # type: ignore[misc]
        assert _look(paths).state == state
    assert (_look(paths).why, _look(paths).issue_ref) == ("merged as PR #9", "local/work#1")


@pytest.mark.parametrize("held", ["issue", "repository"])
def test_a_lock_that_someone_takes_meanwhile_keeps_the_worktree(
    paths: StatePaths, home: Path, worktree: Path, held: str
) -> None:
    """An agent begins between the look and the removal, or git works in the repository."""
    care = WorktreeInventory(paths, {})
    found = care.inspect_worktree("local-work-1")
    assert found.safe
    path = (
        paths.issue_lock("local-work-1") if held == "issue" else paths.repository_lock(discovery.resolve_main_folder(str(home)))
    )
    lock = locks.try_lock(path)
    assert lock is not None
    try:
        assert care._remove(found).removed is False
    finally:
        locks.unlock(lock)
    (worktree / "late.txt").write_text("x", encoding="utf-8")
    assert care._remove(found).why == "1 file not committed"
    assert worktree.exists()


def test_the_command_shows_cleans_and_speaks_json(
    paths: StatePaths, home: Path, worktree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table for people, documents for scripts; a dry run removes nothing; nothing left is said too."""
    monkeypatch.setenv("KUGETSU_DIR", paths.root)
    assert run(["worktrees"]) == 0
    told = capsys.readouterr()
    assert "no commits of its own" in told.out
    assert "--clean would remove 1" in told.err
    assert run(["worktrees", "--json"]) == 0
    [document] = json.loads(capsys.readouterr().out)
    assert (document["state"], document["safe"], document["branch"]) == ("empty", True, BRANCH)
    assert document["age_s"] >= 0
    assert run(["worktrees", "--clean", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would remove local-work-1, ")
    assert os.path.isdir(worktree)
    assert run(["worktrees", "--clean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["removed"]
    assert run(["worktrees"]) == 0
    assert capsys.readouterr().out == "There are no worktrees.\n"
    assert run(["worktrees", "--dry-run"]) == 64

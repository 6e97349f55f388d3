"""The care of worktrees: what each one holds, which may go without any loss, and removing those."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from .config import Settings, load
from .domain.refs import key_of, repository_of
from .domain.text.quantities import counted
from .errors import AttemptFailed, KugetsuError
from .git import base, clearing, condition, located, repositories
from .git.command import pass_to_remotes
from .git.condition import Condition
from .git.pointers import admin_dir
from .git.worktrees import base_commit
from .paths import StatePaths
from .snapshot import ALL_DONE, SnapshotReader
from .store import locks, pulls
from .store.issue_names import name_of


class Worktree(msgspec.Struct, frozen=True):
    """One worktree, as `kugetsu worktrees` shows it."""

    path: str
    slug: str
    issue_ref: str | None
    """None where no task is known that worked in it."""
    branch: str | None
    repository: str | None
    size_bytes: int
    last_used: float
    """Seconds since 1970: when git, or an agent by way of git, last wrote in it."""
    state: str
    """`live`, `waiting`, `dirty`, `unpushed`, `merged`, `pushed`, `empty` or `unknown`."""
    why: str
    """Why it may go, or why it stays."""
    safe: bool
    """Whether removing it loses nothing: all of it is elsewhere, and nobody works in it."""
    dirty: int = 0
    ahead: int = 0
    unpushed: int | None = None
    merged: str | None = None
    upstream_gone: bool = False


class Removal(msgspec.Struct, frozen=True):
    """What became of one worktree."""

    worktree: Worktree
    removed: bool
    why: str


class Care:
    """Looks after the worktrees of one state directory."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._paths = paths
        self._settings: Settings = load(paths, environ)[0]
        self._clock = clock
        self._environ = environ
        snapshot = SnapshotReader(paths, environ, done_kept=ALL_DONE).read()
        tasks = (*(one.task for one in snapshot.active), *snapshot.pending, *snapshot.done)
        self._open = {name_of(paths, task.issue_ref): task for task in tasks if not task.ended}
        self._refs = {name_of(paths, task.issue_ref): task.issue_ref for task in tasks}
        self._pulls = pulls.load(paths).issues
        self._in_use = _working_directories()

    def all(self, sized: bool = True) -> list[Worktree]:
        """Every worktree, the one that was used longest ago first."""
        try:
            entries = list(os.scandir(self._paths.worktrees))
        except FileNotFoundError:
            return []
        slugs = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]
        return sorted((self.look(slug, sized) for slug in slugs), key=lambda one: one.last_used)

    def look(self, slug: str, sized: bool = True, ours: bool = False) -> Worktree:
        """One worktree.

        Args:
            sized: whether its size is added up.
            ours: whether the caller holds the issue's lock, so that it says nothing about others.
        """
        path = self._paths.worktree(slug)
        reference = self._refs.get(slug)
        size = _size(path) if sized else 0
        try:
            found = condition.of_worktree(path, self._target(path, reference))
            used = _last_used(path)
        except (KugetsuError, OSError, ValueError) as error:
            why = error.message if isinstance(error, KugetsuError) else str(error)
            return Worktree(path, slug, reference, None, None, size, _mtime(path), "unknown", f"git cannot tell: {why}", False)
        state, why, safe = self._judge(slug, path, found, ours)
        return Worktree(
            path, slug, reference, found.branch, found.repository, size, used, state, why, safe, found.dirty, found.ahead,
            found.unpushed, found.merged or self._merged_by_pull(reference, found), found.upstream_gone,
        )  # fmt: skip

    def fetch(self) -> list[str]:
        """Ask the remotes of all repositories for news; a sentence for each that could not be asked."""
        pass_to_remotes({name: self._environ[name] for name in self._settings.pass_env if name in self._environ})
        faults = []
        known: dict[str, set[str]] = {}
        for one in self.all(sized=False):
            if one.repository:
                known.setdefault(one.repository, set()).update([one.branch] if one.branch else [])
        for repository, branches in sorted(known.items()):
            with _held(self._paths.repository_lock(located.main_folder(repository))) as quiet:
                fault = self._refresh(repository, branches) if quiet else "git works in it"
            if fault:
                faults.append(f"{repository}: {fault}")
        return faults

    def clean(self, dry_run: bool, told: Callable[[Removal], None]) -> list[Removal]:
        """Remove what may go without any loss, and say of each what became of it."""
        made = []
        if not dry_run:
            clearing.finish(self._paths.worktrees)
        for worktree in self.all():
            removal = Removal(worktree, False, worktree.why)
            if worktree.safe and not dry_run:
                removal = self._remove(worktree)
            told(removal)
            made.append(removal)
        return made

    def _refresh(self, repository: str, branches: set[str]) -> str | None:
        try:
            return base.refresh(repository, self._settings.base_branch, branches)
        except AttemptFailed as error:
            return error.message

    def _is_own(self, repository: str) -> bool:
        """Whether kugetsu made a clone."""
        return f"{repository}/".startswith(f"{os.path.realpath(self._paths.repositories)}/")

    def _remove(self, worktree: Worktree) -> Removal:
        """Remove one worktree under the locks of its issue and its repository, after another look."""
        assert worktree.repository is not None
        issue = self._paths.issue_lock(worktree.slug)
        repository = self._paths.repository_lock(located.main_folder(worktree.repository))
        with _held(issue) as alone, _held(repository) as quiet:
            if not alone or not quiet:
                return Removal(worktree, False, "an agent begins in it" if not alone else "git works in its repository")
            again = self.look(worktree.slug, sized=False, ours=True)
            if not again.safe:
                return Removal(worktree, False, again.why)
            try:
                left = condition.remove(worktree.repository, worktree.path)
            except AttemptFailed as error:
                return Removal(worktree, False, error.message)
        return Removal(worktree, True, f"{worktree.why}; {left}" if left else worktree.why)

    def _judge(self, slug: str, path: str, found: Condition, ours: bool) -> tuple[str, str, bool]:
        """State, why it may go or stays, and whether it may go."""
        if not ours and locks.is_held(self._paths.issue_lock(slug)):
            return "live", "an agent works in it", False
        task = self._open.get(slug)
        if task is not None:
            return "waiting", f"{task.shown} is to work in it ({task.state})", False
        if found.dirty:
            return "dirty", f"{counted(found.dirty, 'file')} not committed", False
        if found.busy is not None:
            return "dirty", found.busy, False
        if base_commit(path) is None:
            return "unknown", "kugetsu did not make it", False
        if found.homeless:
            return "unpushed", f"{counted(found.homeless, 'commit')} on no branch", False
        user = next((who for where, who in self._in_use.items() if _is_in(where, path)), None)
        state, why, safe = self._work(slug, found)
        return (state, f"{user} is in it", False) if user is not None and safe else (state, why, safe)

    def _work(self, slug: str, found: Condition) -> tuple[str, str, bool]:
        """Where the commits are."""
        by_pull = self._merged_by_pull(self._refs.get(slug), found)
        if not found.ahead:
            return "empty", "no commits of its own", True
        if found.merged or by_pull:
            how = {"merged": "merged", "rebased": "merged by rebase", "squashed": "merged by squash"}
            return "merged", how.get(found.merged or "", by_pull or ""), True
        gone = ", and its branch is gone from the remote" if found.upstream_gone else ""
        if found.unpushed == 0:
            return "pushed", "all of it is on the remote", True
        if found.unpushed is None:
            return "unpushed", f"{counted(found.ahead, 'commit')}, and there is no remote", False
        return "unpushed", f"{counted(found.unpushed, 'commit')} not pushed{gone}", False

    def _merged_by_pull(self, reference: str | None, found: Condition) -> str | None:
        """What a forge said: the pull request with exactly this commit at its head was merged."""
        known = self._pulls.get(key_of(reference or ""))
        pull = known.pull if known else None
        merged = pull is not None and pull.state == "merged" and pull.head == found.head
        return f"merged as PR #{pull.number}" if merged and pull is not None else None

    def _target(self, path: str, reference: str | None) -> str | None:
        """The commit that the work is to arrive in, as the repository knows it now."""
        repository = repository_of(reference) if reference else None
        own = self._settings.repos.get(repository) if repository else None
        base_branch = (own.base_branch if own else None) or self._settings.base_branch
        try:
            common = repositories.common_dir(path)
            return base.remembered(common, base_branch, repository, self._is_own(common))
        except AttemptFailed:
            return None


@contextmanager
def _held(path: str) -> Iterator[bool]:
    """Hold a lock if it is free; whether it is held."""
    fd = locks.try_lock(path)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            locks.unlock(fd)


def _working_directories() -> dict[str, str]:
    """The directories that processes work in, with who it is; as far as the system tells."""
    import psutil

    found: dict[str, str] = {}
    for process in psutil.process_iter(["cwd", "name", "pid"]):
        if process.info["cwd"] and process.pid != os.getpid():
            found[process.info["cwd"]] = f"{process.info['name']} (pid {process.info['pid']})"
    here = os.getcwd()
    return found | {here: "your shell"}


def _is_in(where: str, folder: str) -> bool:
    return f"{where}/".startswith(f"{os.path.realpath(folder)}/")


def _size(folder: str) -> int:
    """What it takes on the disk; a file with several names counts once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            try:
                status = os.lstat(f"{place}/{name}")
            except OSError:
                continue
            if status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                total += status.st_blocks * 512
                seen.add((status.st_dev, status.st_ino))
    return total


def _last_used(path: str) -> float:
    folder = admin_dir(path)
    return max(_mtime(f"{folder}/{name}") for name in ("HEAD", "index", "logs/HEAD", "COMMIT_EDITMSG"))


def _mtime(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0

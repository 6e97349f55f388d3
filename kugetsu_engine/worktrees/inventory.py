"""The care of worktrees: what each one holds, which may go without any loss, and removing those."""

import os
import time
from collections.abc import Callable, Mapping

import msgspec

from ..client.api import Client
from ..client.snapshot import ALL_DONE, SnapshotReader
from ..config.loader import load_settings
from ..config.settings import Settings
from ..domain.refs import key_of, repository_of
from ..engine.local import LocalEngine
from ..errors import AttemptFailed, KugetsuError
from ..git import discovery, folder_removal, start_point
from ..git.command import set_remote_variables
from ..git.gitfile import read_admin_dir, read_common_dir
from ..git.worktree_state import WorktreeState
from ..paths import StatePaths
from ..state import pull_requests
from ..state.issue_names import name_of
from ..storage import locks
from . import removal
from .removal import Facts, InspectedWorktree, Reason, hold_lock

MAY_OVERRIDE = frozenset({Reason.ONLY_HERE})
"""Objections that do not count here: the branch stays, so its commits do. There is no option to override another one."""
_STATES = {
    Reason.AGENT: "live", Reason.TASK: "waiting", Reason.UNREADABLE: "unknown", Reason.UNCOMMITTED: "dirty",
    Reason.UNDER_WAY: "dirty", Reason.LOCKED: "dirty", Reason.REPOSITORY_INSIDE: "dirty", Reason.FOREIGN: "unknown",
    Reason.ON_NO_BRANCH: "unpushed", Reason.NOT_ARRIVED: "unpushed",
}  # fmt: skip
"""The state of a worktree by what counts most against its removal; where a process is in it, it is that of its work."""


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


class WorktreeInventory:
    """Looks after the worktrees of one state directory."""

    def __init__(
        self, paths: StatePaths, environ: Mapping[str, str], clock: Callable[[], float] = time.time, *, read_only: bool = False
    ) -> None:  # fmt: skip
        self._paths = paths
        self._settings: Settings = load_settings(paths, environ)[0]
        self._clock = clock
        self._environ = environ
        self._client = Client(paths.root, environ, LocalEngine(paths, environ), read_only=read_only)
        snapshot = SnapshotReader(paths, environ, done_kept=ALL_DONE).read()
        tasks = (*(one.task for one in snapshot.active), *snapshot.pending, *snapshot.done)
        self._open = {name_of(paths, task.issue_ref): task for task in tasks if not task.ended}
        self._refs = {name_of(paths, task.issue_ref): task.issue_ref for task in tasks}
        self._pulls = pull_requests.load_pull_requests(paths).issues
        self._working = removal.WorkingDirectories()

    def list_worktrees(self, sized: bool = True) -> list[Worktree]:
        """Every worktree, the one that was used longest ago first."""
        try:
            entries = list(os.scandir(self._paths.worktrees))
        except FileNotFoundError:
            return []
        slugs = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]
        return sorted((self.inspect_worktree(slug, sized) for slug in slugs), key=lambda one: one.last_used)

    def inspect_worktree(self, slug: str, sized: bool = True) -> Worktree:
        """One worktree.

        Args:
            sized: whether its size is added up.
        """
        reference = self._refs.get(slug)
        state = self._inspect(slug)
        facts = self._facts(slug, state.state, locks.is_held(self._paths.issue_lock(slug)))
        against = removal.list_objections(state, facts, MAY_OVERRIDE)
        name, why = ("unknown", "") if state.state is None else _work(state.state, facts)
        if against:
            name, why = _STATES.get(against[0].reason, name), against[0].text
        shown = Worktree(
            state.path, slug, reference, None, None, _size(state.path) if sized else 0, _last_used(state.path), name, why,
            not against,
        )  # fmt: skip
        if (found := state.state) is None:
            return shown
        return msgspec.structs.replace(
            shown, branch=found.branch, repository=found.repository, dirty=found.dirty, ahead=found.ahead,
            unpushed=found.unpushed, merged=found.merged or facts.merged_as, upstream_gone=found.upstream_gone,
        )  # fmt: skip

    def fetch_remotes(self) -> list[str]:
        """Ask the remotes of all repositories for news; a sentence for each that could not be asked."""
        self._client.refuse_if_read_only()
        set_remote_variables({name: self._environ[name] for name in self._settings.pass_env if name in self._environ})
        faults = []
        known: dict[str, set[str]] = {}
        for one in self.list_worktrees(sized=False):
            if one.repository:
                known.setdefault(one.repository, set()).update([one.branch] if one.branch else [])
        for repository, branches in sorted(known.items()):
            with hold_lock(self._paths.repository_lock(discovery.resolve_main_folder(repository))) as quiet:
                fault = self._refresh(repository, branches) if quiet else "git works in it"
            if fault:
                faults.append(f"{repository}: {fault}")
        return faults

    def remove_safe(self, dry_run: bool, told: Callable[[Removal], None]) -> list[Removal]:
        """Remove what may go without any loss, and say of each what became of it."""
        made = []
        if not dry_run:
            self._client.refuse_if_read_only()
            folder_removal.finish_removals(self._paths.worktrees)
        for worktree in self.list_worktrees():
            removal = Removal(worktree, False, worktree.why)
            if worktree.safe and not dry_run:
                removal = self._remove(worktree)
            told(removal)
            made.append(removal)
        return made

    def _refresh(self, repository: str, branches: set[str]) -> str | None:
        try:
            return start_point.fetch_start_point(repository, self._settings.base_branch, branches)
        except AttemptFailed as error:
            return error.message

    def _is_own(self, repository: str) -> bool:
        """Whether kugetsu made a clone."""
        return f"{repository}/".startswith(f"{os.path.realpath(self._paths.repositories)}/")

    def _remove(self, worktree: Worktree) -> Removal:
        """Remove one worktree under the locks of its issue and its repository, after another look."""
        with hold_lock(self._paths.issue_lock(worktree.slug)) as alone:
            if not alone:
                return Removal(worktree, False, "an agent begins in it")
            state = self._inspect(worktree.slug)
            try:
                facts = self._facts(worktree.slug, state.state, agent=False)
                done = removal.remove_worktree(self._paths, state, facts, MAY_OVERRIDE, with_branch=False, wait=False)
            except KugetsuError as error:
                return Removal(worktree, False, error.message)
        return Removal(worktree, True, f"{worktree.why}; {done.left}" if done.left else worktree.why)

    def _inspect(self, slug: str) -> InspectedWorktree:
        path = self._paths.worktree(slug)
        return removal.inspect_worktree(path, target=self._target(path, self._refs.get(slug)))

    def _facts(self, slug: str, found: WorktreeState | None, agent: bool) -> Facts:
        task = self._open.get(slug)
        waiting = f"{task.shown} is to work in it ({task.state})" if task is not None else None
        by_pull = self._merged_by_pull(self._refs.get(slug), found) if found is not None else None
        return Facts(agent, waiting, self._working.find_process(self._paths.worktree(slug)), by_pull)

    def _merged_by_pull(self, reference: str | None, found: WorktreeState) -> str | None:
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
            common = read_common_dir(path)
            return common and start_point.read_start_point(common, base_branch, repository, self._is_own(common))
        except (AttemptFailed, OSError, ValueError):
            return None


def _work(found: WorktreeState, facts: Facts) -> tuple[str, str]:
    """Where the commits of a worktree are, as a state and in words."""
    if not found.ahead:
        return "empty", "no commits of its own"
    if found.merged or facts.merged_as:
        how = {"merged": "merged", "rebased": "merged by rebase", "squashed": "merged by squash"}
        return "merged", how.get(found.merged or "", facts.merged_as or "")
    return ("pushed", "all of it is on the remote") if found.unpushed == 0 else ("unpushed", "")


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
    try:
        folder = read_admin_dir(path)
    except (OSError, ValueError):
        return _mtime(path)
    return max(_mtime(f"{folder}/{name}") for name in ("HEAD", "index", "logs/HEAD", "COMMIT_EDITMSG"))


def _mtime(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0

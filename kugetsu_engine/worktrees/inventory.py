"""Lists worktrees, says which can be removed without losing work, and removes those."""

import os
from collections.abc import Callable, Mapping

import msgspec

from ..client.api import Client
from ..client.snapshot_reader import ALL_DONE, SnapshotReader
from ..config.loader import load_settings
from ..config.settings import Settings
from ..domain.refs import key_of, repository_of
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
"""The branch is kept, and so are its commits. No option overrides another objection."""
_STATES = {
    Reason.AGENT: "live", Reason.TASK: "waiting", Reason.UNREADABLE: "unknown", Reason.UNCOMMITTED: "dirty",
    Reason.UNDER_WAY: "dirty", Reason.LOCKED: "dirty", Reason.REPOSITORY_INSIDE: "dirty", Reason.FOREIGN: "unknown",
    Reason.ON_NO_BRANCH: "unpushed", Reason.NOT_ARRIVED: "unpushed",
}  # fmt: skip
"""The state that is shown, by the first objection. A process in the worktree does not change it."""


class Worktree(msgspec.Struct, frozen=True):
    """One worktree, as `kugetsu worktrees` shows it."""

    path: str
    slug: str
    issue_ref: str | None
    """None if no task is known that worked in it."""
    branch: str | None
    repository: str | None
    size_bytes: int
    last_used: float
    """Seconds since 1970: when git last wrote in it."""
    state: str
    """`live`, `waiting`, `dirty`, `unpushed`, `merged`, `pushed`, `empty` or `unknown`."""
    why: str
    """Why it can be removed, or why not."""
    safe: bool
    """Whether removing it loses no work and disturbs nobody."""
    dirty: int = 0
    ahead: int = 0
    unpushed: int | None = None
    merged: str | None = None
    upstream_gone: bool = False


class Removal(msgspec.Struct, frozen=True):
    """What `remove_safe` did with one worktree."""

    worktree: Worktree
    removed: bool
    why: str


class WorktreeInventory:
    """The worktrees of one state directory."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str], *, read_only: bool = False) -> None:
        self._paths = paths
        self._settings: Settings = load_settings(paths, environ)[0]
        self._environ = environ
        self._client = Client(paths.root, environ, read_only=read_only)
        snapshot = SnapshotReader(paths, environ, done_kept=ALL_DONE).read()
        tasks = (*(active.task for active in snapshot.active), *snapshot.pending, *snapshot.done)
        self._open = {name_of(paths, task.issue_ref): task for task in tasks if not task.ended}
        self._refs = {name_of(paths, task.issue_ref): task.issue_ref for task in tasks}
        self._pulls = pull_requests.load_pull_requests(paths).issues
        self._working = removal.WorkingDirectories()

    def list_worktrees(self, sized: bool = True) -> list[Worktree]:
        """Return all worktrees, the least recently used first."""
        try:
            entries = list(os.scandir(self._paths.worktrees))
        except FileNotFoundError:
            return []
        slugs = [entry.name for entry in entries if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)]
        return sorted((self.inspect_worktree(slug, sized) for slug in slugs), key=lambda worktree: worktree.last_used)

    def inspect_worktree(self, slug: str, sized: bool = True) -> Worktree:
        """Describe one worktree.

        Args:
            sized: whether to compute its size.
        """
        reference = self._refs.get(slug)
        inspected = self._inspect(slug)
        facts = self._collect_facts(slug, inspected.state, locks.is_held(self._paths.issue_lock(slug)))
        objections = removal.list_objections(inspected, facts, MAY_OVERRIDE)
        name, why = ("unknown", "") if inspected.state is None else _describe_work(inspected.state, facts)
        if objections:
            name, why = _STATES.get(objections[0].reason, name), objections[0].text
        worktree = Worktree(
            inspected.path, slug, reference, None, None, _measure_size(inspected.path) if sized else 0,
            _last_used(inspected.path), name, why, not objections,
        )  # fmt: skip
        if (state := inspected.state) is None:
            return worktree
        return msgspec.structs.replace(
            worktree, branch=state.branch, repository=state.repository, dirty=state.dirty, ahead=state.ahead,
            unpushed=state.unpushed, merged=state.merged or facts.merged_as, upstream_gone=state.upstream_gone,
        )  # fmt: skip

    def fetch_remotes(self) -> list[str]:
        """Fetch the remotes of all repositories; return a sentence for each that failed."""
        self._client.refuse_if_read_only()
        set_remote_variables({name: self._environ[name] for name in self._settings.pass_env if name in self._environ})
        faults = []
        branches_of: dict[str, set[str]] = {}
        for worktree in self.list_worktrees(sized=False):
            if worktree.repository:
                branches_of.setdefault(worktree.repository, set()).update([worktree.branch] if worktree.branch else [])
        for repository, branches in sorted(branches_of.items()):
            with hold_lock(self._paths.repository_lock(discovery.resolve_main_folder(repository))) as held:
                fault = self._fetch(repository, branches) if held else "git is in use in it"
            if fault:
                faults.append(f"{repository}: {fault}")
        return faults

    def remove_safe(self, dry_run: bool, report: Callable[[Removal], None]) -> list[Removal]:
        """Remove the worktrees that are safe to remove; report each worktree and what was done with it."""
        results = []
        if not dry_run:
            self._client.refuse_if_read_only()
            folder_removal.finish_removals(self._paths.worktrees)
        for worktree in self.list_worktrees():
            result = Removal(worktree, False, worktree.why)
            if worktree.safe and not dry_run:
                result = self._remove(worktree)
            report(result)
            results.append(result)
        return results

    def _fetch(self, repository: str, branches: set[str]) -> str | None:
        try:
            return start_point.fetch_start_point(repository, self._settings.base_branch, branches)
        except AttemptFailed as error:
            return error.message

    def _is_own(self, repository: str) -> bool:
        """Whether a repository is a clone that kugetsu made."""
        return f"{repository}/".startswith(f"{os.path.realpath(self._paths.repositories)}/")

    def _remove(self, worktree: Worktree) -> Removal:
        """Inspect one worktree again under its issue's lock, and remove it."""
        with hold_lock(self._paths.issue_lock(worktree.slug)) as held:
            if not held:
                return Removal(worktree, False, "an agent is starting in it")
            inspected = self._inspect(worktree.slug)
            try:
                facts = self._collect_facts(worktree.slug, inspected.state, agent=False)
                done = removal.remove_worktree(self._paths, inspected, facts, MAY_OVERRIDE, with_branch=False, wait=False)
            except KugetsuError as error:
                return Removal(worktree, False, error.message)
        return Removal(worktree, True, f"{worktree.why}; {done.fault}" if done.fault else worktree.why)

    def _inspect(self, slug: str) -> InspectedWorktree:
        path = self._paths.worktree(slug)
        return removal.inspect_worktree(path, target=self._target(path, self._refs.get(slug)))

    def _collect_facts(self, slug: str, state: WorktreeState | None, agent: bool) -> Facts:
        task = self._open.get(slug)
        waiting = f"{task.shown} will work in it ({task.state})" if task is not None else None
        by_pull = self._merged_by_pull(self._refs.get(slug), state) if state is not None else None
        return Facts(agent, waiting, self._working.find_process(self._paths.worktree(slug)), by_pull)

    def _merged_by_pull(self, reference: str | None, state: WorktreeState) -> str | None:
        """The merged pull request whose head is this very commit, as the forge last reported it."""
        known = self._pulls.get(key_of(reference or ""))
        pull = known.pull if known else None
        merged = pull is not None and pull.state == "merged" and pull.head == state.head
        return f"merged as PR #{pull.number}" if merged and pull is not None else None

    def _target(self, path: str, reference: str | None) -> str | None:
        """The commit that the work is to be merged into, without asking a remote."""
        repository = repository_of(reference) if reference else None
        own = self._settings.repos.get(repository) if repository else None
        base_branch = (own.base_branch if own else None) or self._settings.base_branch
        try:
            common = read_common_dir(path)
            return common and start_point.read_start_point(common, base_branch, repository, self._is_own(common))
        except (AttemptFailed, OSError, ValueError):
            return None


def _describe_work(state: WorktreeState, facts: Facts) -> tuple[str, str]:
    """The state that is shown for a worktree's commits, and a description."""
    if not state.ahead:
        return "empty", "no commits of its own"
    if state.merged or facts.merged_as:
        how = {"merged": "merged", "rebased": "merged by rebase", "squashed": "merged by squash"}
        return "merged", how.get(state.merged or "", facts.merged_as or "")
    return ("pushed", "all commits are on the remote") if state.unpushed == 0 else ("unpushed", "")


def _measure_size(folder: str) -> int:
    """Bytes used on the disk; a file with several hard links counts once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            try:
                status = os.lstat(f"{parent}/{name}")
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

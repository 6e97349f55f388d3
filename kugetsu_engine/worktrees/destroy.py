"""Removes what was made for an issue: session, worktree, conversation log, and the branch if its commits exist elsewhere.

The issue's lock is held meanwhile, so no agent starts on it. Tasks are changed by requests to the engine, as always.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from ..agents import registry
from ..client.api import Client
from ..config import loader
from ..domain import refs
from ..domain.request import Request
from ..domain.session import Session
from ..domain.states import ACTIVE, PENDING
from ..domain.task import Task
from ..domain.text.quantities import format_count
from ..errors import AttemptFailed, Conflict, ForgeError, KugetsuError
from ..forges.cache import CachedForges
from ..process.waiting import pause
from ..state import contexts, issue_names, sessions, tasks
from ..storage.locks import is_held, try_lock, unlock
from . import removal
from .removal import Facts, InspectedWorktree, Objection, Reason, WorkingDirectories

WAIT_S = 20.0
POLL_S = 0.05
MAY_OVERRIDE = frozenset({Reason.TASK, Reason.FOREIGN, Reason.NOT_ARRIVED})
"""The issue was named, its waiting tasks are cancelled, and a branch whose commits exist nowhere else is kept. `--force`
overrides all other objections as well."""


class IssueResources(msgspec.Struct, frozen=True):
    """What exists for an issue."""

    issue_ref: str
    branch: str
    worktree: InspectedWorktree | None
    objections: tuple[Objection, ...]
    """Reasons against removing the worktree."""
    session: Session | None
    message_count: int
    """Messages in the conversation log."""
    active: tuple[Task, ...]
    waiting: tuple[Task, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to destroy."""
        return not (self.worktree or self.session or self.message_count or self.waiting or self.active)

    def describe_parts(self) -> list[str]:
        """Return what would be removed, a line each."""
        lines = [f"agent     {task.shown} is stopped" for task in self.active]
        lines += [f"task      {task.shown} is cancelled: {task.title}" for task in self.waiting]
        if self.session is not None:
            session = f"{self.session.session_id} of {self.session.agent or 'opencode'}" if self.session.session_id else ""
            lines.append(f"session   {session or self.session.pr_url or 'none yet'}")
        if self.worktree is not None:
            lines.append(f"worktree  {self.worktree.path}")
        state = self.worktree.state if self.worktree is not None else None
        if state is not None and state.issue_branch is not None:
            fate = "kept: its commits exist nowhere else" if state.only_here else "removed: its commits exist elsewhere as well"
            lines.append(f"branch    {self.branch}, {fate}")
        return lines + ([f"context   {format_count(self.message_count, 'message')}"] if self.message_count else [])

    def list_objections(self, pr_state: str | None) -> list[str]:
        """Return the reasons against destroying it, each in a few words.

        Args:
            pr_state: `open`, `closed` or `merged`; None if not known.
        """
        reasons = [f"{task.shown} has an agent" for task in self.active]
        url = self.session.pr_url if self.session is not None else None
        if pr_state == "open":
            reasons.append(f"its pull request is open{f': {url}' if url else ''}")
        elif url and pr_state is None:
            reasons.append(f"its pull request may be open, as no forge could be asked: {url}")
        for objection in self.objections:
            lost = objection.reason in (Reason.UNCOMMITTED, Reason.ON_NO_BRANCH)
            reasons.append(f"{objection.text}, which would be lost" if lost else objection.text)
        return reasons


def inspect_issue(client: Client, issue_ref: str) -> IssueResources:
    """Find out what exists for an issue; changes nothing."""
    ref = refs.parse_reference(issue_ref)
    path = client.paths.worktree(issue_names.name_of(client.paths, issue_ref))
    worktree, objections = _inspect(path, ref.branch) if os.path.lexists(path) else (None, [])
    try:
        message_count = len(contexts.load_context(client.paths, issue_ref).conversation_history)
    except KugetsuError:
        message_count = 0
    session = sessions.load_session(client.paths, issue_names.session_name(client.paths, issue_ref))
    issue_tasks = tasks.list_issue_tasks(client.paths, issue_ref, client.default_server)
    return IssueResources(
        issue_ref, ref.branch, worktree, tuple(objections), session, message_count,
        tuple(task for task in issue_tasks if task.state in ACTIVE),
        tuple(task for task in issue_tasks if task.state == PENDING),
    )  # fmt: skip


def _inspect(path: str, branch: str) -> tuple[InspectedWorktree, list[Objection]]:
    inspected = removal.inspect_worktree(path, branch)
    return inspected, removal.list_objections(inspected, Facts(process=WorkingDirectories().find_process(path)), MAY_OVERRIDE)


def read_pull_request_state(client: Client, issue_ref: str, report: Callable[[str], None]) -> str | None:
    """Ask the forge for the state of the issue's pull request; None if there is none, or it is not known."""
    ref = refs.parse_reference(issue_ref)
    if ref.is_local:
        return None
    forges = CachedForges(client.paths, client.environ)
    try:
        pull = forges.fetch_pull_request(ref, ref.branch)
    except ForgeError as error:
        report(f"the forge could not be asked: {error.message}")
        known_pull = forges.read_known(ref)
        pull = known_pull.pull if known_pull is not None else None
    return pull.state if pull is not None else None


def destroy_issue(client: Client, resources: IssueResources, *, force: bool) -> Iterator[str]:
    """Remove all of it, yielding a line for each step. After a crash, another call finishes the work.

    Args:
        force: stop the agent, override all objections against removing the worktree, and continue if the agent's program does
            not delete the session.

    Raises:
        Conflict: the issue has an agent, or there is an objection against removing its worktree.
        KugetsuError: read-only, or git or the agent's program failed; the steps that were not yielded are not done.
    """
    client.refuse_if_read_only()
    with _hold_issue(client, resources, force):
        worktree = resources.worktree
        if worktree is not None and os.path.lexists(worktree.path):
            worktree, objections = _inspect(worktree.path, resources.branch)
            if objections and not force:
                raise Conflict("; ".join(objection.text for objection in objections), "use --force to override")
        yield from _delete_session(client, resources, force)
        if worktree is not None and os.path.lexists(worktree.path):
            yield _remove_worktree(client, resources, worktree, force)
        yield _forget(client, resources.issue_ref)


@contextmanager
def _hold_issue(client: Client, resources: IssueResources, force: bool) -> Iterator[None]:
    path = client.paths.issue_lock(issue_names.name_of(client.paths, resources.issue_ref))
    # An agent that an older kugetsu started may hold the issue under another name, but always holds its task.
    locks = [client.paths.task_lock(task.id) for task in resources.active]
    fd = try_lock(path)
    try:
        if fd is None or any(map(is_held, locks)):
            if not force:
                raise Conflict(f"{resources.issue_ref} has an agent", "stop it with kugetsu kill, or use --force")
            # In one request: else a waiting task of the issue would start as soon as the agent ends.
            waiting = [Request("cancel", task.id) for task in resources.waiting]
            client.send_requests([*waiting, *(Request("kill", task.id) for task in resources.active)])
        deadline = time.monotonic() + loader.load_settings(client.paths, client.environ)[0].stop_grace + WAIT_S
        while any(map(is_held, locks)) or (fd is None and (fd := try_lock(path)) is None):
            if time.monotonic() >= deadline:
                raise KugetsuError(f"the agent of {resources.issue_ref} has not ended", "kugetsu status shows it")
            pause(POLL_S)
        yield
    finally:
        if fd is not None:
            unlock(fd)


def _delete_session(client: Client, resources: IssueResources, force: bool) -> Iterator[str]:
    """Delete the agent's own conversation."""
    session = resources.session
    if session is None or session.session_id is None:
        return
    settings = loader.load_settings(client.paths, client.environ)[0]
    environ: Mapping[str, str] = dict(client.environ)
    try:
        gone = registry.delete_session(session.agent or "opencode", settings, session.session_id, environ, client.paths.root)
        fate = "deleted" if gone else f"forgotten; {session.agent} keeps its own copy"
        yield f"session {session.session_id} {fate}"
    except AttemptFailed as error:
        if not force:
            raise KugetsuError(
                f"the session was not deleted, so nothing was: {error.message}", "use --force to continue without"
            ) from None
        yield f"session {session.session_id} is forgotten, but may still exist: {error.message}"


def _remove_worktree(client: Client, resources: IssueResources, worktree: InspectedWorktree, force: bool) -> str:
    done = removal.remove_worktree(
        client.paths, worktree, Facts(), frozenset(Reason) if force else MAY_OVERRIDE, with_branch=True
    )
    rest = f"; {done.fault}" if done.fault else ""
    if worktree.state is None or worktree.state.issue_branch is None:
        return f"worktree {worktree.path} removed{rest}"
    return f"worktree {worktree.path} removed, branch {resources.branch} {'removed' if done.branch_gone else 'kept'}{rest}"


def _forget(client: Client, issue_ref: str) -> str:
    """Have the engine forget the issue; wait until it has recorded how the agent ended."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return client.do("forget", issue_ref=issue_ref)
        except Conflict:
            if time.monotonic() >= deadline:
                raise
            pause(POLL_S)

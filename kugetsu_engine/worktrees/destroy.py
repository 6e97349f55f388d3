"""Destroying what was made for an issue: session, worktree, branch where its commits are elsewhere, and what was said.

The issue's lock is held meanwhile, so no agent starts on it; the books are changed by a request, as everything is.
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
from ..state import contexts, issue_names, issue_tasks, sessions
from ..storage.locks import is_held, try_lock, unlock
from . import removal
from .removal import Facts, InspectedWorktree, Objection, Reason, WorkingDirectories

WAIT_S = 20.0
POLL_S = 0.05
MAY_OVERRIDE = frozenset({Reason.TASK, Reason.FOREIGN, Reason.NOT_ARRIVED})
"""Objections that do not count here: the issue was named, its waiting tasks are cancelled, and a branch whose commits are
nowhere else stays. `--force` overrides every other one as well."""


class IssueResources(msgspec.Struct, frozen=True):
    """What there is of an issue."""

    issue_ref: str
    branch: str
    worktree: InspectedWorktree | None
    objections: tuple[Objection, ...]
    """What speaks against removing the worktree."""
    session: Session | None
    message_count: int
    """Messages that are kept."""
    active: tuple[Task, ...]
    waiting: tuple[Task, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to destroy."""
        return not (self.worktree or self.session or self.message_count or self.waiting or self.active)

    def describe_parts(self) -> list[str]:
        """What would be removed, a line each."""
        found = [f"agent     {task.shown} is stopped" for task in self.active]
        found += [f"task      {task.shown} is cancelled: {task.title}" for task in self.waiting]
        if self.session is not None:
            what = f"{self.session.session_id} of {self.session.agent or 'opencode'}" if self.session.session_id else ""
            found.append(f"session   {what or self.session.pr_url or 'nothing yet'}")
        if self.worktree is not None:
            found.append(f"worktree  {self.worktree.path}")
        held = self.worktree.state if self.worktree is not None else None
        if held is not None and held.issue_branch is not None:
            kept = "kept: its commits are nowhere else" if held.only_here else "removed: its commits are elsewhere as well"
            found.append(f"branch    {self.branch}, {kept}")
        return found + ([f"context   {format_count(self.message_count, 'message')}"] if self.message_count else [])

    def list_objections(self, pr_state: str | None) -> list[str]:
        """Why it should not be destroyed, each in a few words.

        Args:
            pr_state: `open`, `closed` or `merged`; None where nobody could tell.
        """
        found = [f"{task.shown} has an agent" for task in self.active]
        url = self.session.pr_url if self.session is not None else None
        if pr_state == "open":
            found.append(f"its pull request is open{f': {url}' if url else ''}")
        elif url and pr_state is None:
            found.append(f"its pull request may be open, as nobody could be asked: {url}")
        lost = (Reason.UNCOMMITTED, Reason.ON_NO_BRANCH)
        found += [f"{one.text}, which would be lost" if one.reason in lost else one.text for one in self.objections]
        return found


def inspect_issue(client: Client, issue_ref: str) -> IssueResources:
    """Find out what there is of an issue; changes nothing."""
    ref = refs.parse_reference(issue_ref)
    path = client.paths.worktree(issue_names.name_of(client.paths, issue_ref))
    worktree, against = _inspect(path, ref.branch) if os.path.lexists(path) else (None, [])
    try:
        said = len(contexts.load_context(client.paths, issue_ref).conversation_history)
    except KugetsuError:
        said = 0
    session = sessions.load_session(client.paths, issue_names.session_name(client.paths, issue_ref))
    tasks = issue_tasks.list_issue_tasks(client.paths, issue_ref, client.default_server)
    return IssueResources(
        issue_ref, ref.branch, worktree, tuple(against), session, said,
        tuple(task for task in tasks if task.state in ACTIVE), tuple(task for task in tasks if task.state == PENDING),
    )  # fmt: skip


def _inspect(path: str, branch: str) -> tuple[InspectedWorktree, list[Objection]]:
    state = removal.inspect_worktree(path, branch)
    return state, removal.list_objections(state, Facts(process=WorkingDirectories().find_process(path)), MAY_OVERRIDE)


def read_pull_request_state(client: Client, issue_ref: str, complain: Callable[[str], None]) -> str | None:
    """`open`, `closed` or `merged`, as the forge has it now; None where there is none, or nobody can tell."""
    ref = refs.parse_reference(issue_ref)
    if ref.is_local:
        return None
    forges = CachedForges(client.paths, client.environ)
    try:
        pull = forges.fetch_pull_request(ref, ref.branch)
    except ForgeError as error:
        complain(f"the forge could not be asked: {error.message}")
        known_pull = forges.read_known(ref)
        pull = known_pull.pull if known_pull is not None else None
    return pull.state if pull is not None else None


def destroy_issue(client: Client, remains: IssueResources, *, force: bool) -> Iterator[str]:
    """Remove all of it, and say each step. Begun again after a crash, it finishes.

    Args:
        force: stop the agent, remove the worktree in spite of every objection, and go on where the agent's program does not
            delete the session.

    Raises:
        AlreadySo: the issue has an agent, or something speaks against removing its worktree by now.
        KugetsuError: read-only, or git or the agent's program refused; what was not said is still there.
    """
    client.refuse_if_read_only()
    with _issue_locked(client, remains, force):
        worktree = remains.worktree
        if worktree is not None and os.path.lexists(worktree.path):
            worktree, against = _inspect(worktree.path, remains.branch)
            if against and not force:
                raise Conflict("; ".join(one.text for one in against), "--force does it all the same")
        yield from _session(client, remains, force)
        if worktree is not None and os.path.lexists(worktree.path):
            yield _remove(client, remains, worktree, force)
        yield _forget(client, remains.issue_ref)


@contextmanager
def _issue_locked(client: Client, remains: IssueResources, force: bool) -> Iterator[None]:
    path = client.paths.issue_lock(issue_names.name_of(client.paths, remains.issue_ref))
    # An agent that an older kugetsu started may hold the issue under another name; its task it holds in any case.
    tasks = [client.paths.task_lock(task.id) for task in remains.active]
    fd = try_lock(path)
    try:
        if fd is None or any(map(is_held, tasks)):
            if not force:
                raise Conflict(f"{remains.issue_ref} has an agent", "kugetsu kill stops it, --force does both")
            # As one act: a task of the issue that waits would else take the place of the agent.
            waiting = [Request("cancel", task.id) for task in remains.waiting]
            client.send_requests([*waiting, *(Request("kill", task.id) for task in remains.active)])
        deadline = time.monotonic() + loader.load_settings(client.paths, client.environ)[0].stop_grace + WAIT_S
        while any(map(is_held, tasks)) or (fd is None and (fd := try_lock(path)) is None):
            if time.monotonic() >= deadline:
                raise KugetsuError(f"the agent of {remains.issue_ref} has not ended", "kugetsu status shows it")
            pause(POLL_S)
        yield
    finally:
        if fd is not None:
            unlock(fd)


def _session(client: Client, remains: IssueResources, force: bool) -> Iterator[str]:
    """Delete the agent's own conversation."""
    session = remains.session
    if session is None or session.session_id is None:
        return
    settings = loader.load_settings(client.paths, client.environ)[0]
    places = (session.worktree, remains.worktree.path if remains.worktree else None)
    folder = next((path for path in places if path and os.path.isdir(path)), client.paths.root)
    environ: Mapping[str, str] = dict(client.environ)
    try:
        gone = registry.delete_session(
            session.agent or "opencode", settings, session.session_id, folder, environ, client.paths.root
        )
        told = "deleted" if gone else f"forgotten; {session.agent} keeps it in its own way"
        yield f"session {session.session_id} {told}"
    except AttemptFailed as error:
        if not force:
            raise KugetsuError(f"the session stays, and so does all else: {error.message}", "--force goes on without") from None
        yield f"session {session.session_id} is forgotten, but may still be there: {error.message}"


def _remove(client: Client, remains: IssueResources, worktree: InspectedWorktree, force: bool) -> str:
    done = removal.remove_worktree(
        client.paths, worktree, Facts(), frozenset(Reason) if force else MAY_OVERRIDE, with_branch=True
    )
    rest = f"; {done.left}" if done.left else ""
    if worktree.state is None or worktree.state.issue_branch is None:
        return f"worktree {worktree.path} removed{rest}"
    return f"worktree {worktree.path} removed, branch {remains.branch} {'removed' if done.branch_gone else 'kept'}{rest}"


def _forget(client: Client, issue_ref: str) -> str:
    """Have the engine forget the issue; it may have to enter first how the agent ended."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return client.do("forget", issue_ref=issue_ref)
        except Conflict:
            if time.monotonic() >= deadline:
                raise
            pause(POLL_S)

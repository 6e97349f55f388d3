"""Finding what belongs to no issue any more, and removing it: sessions, worktrees and messages that nobody would go on with."""

import os
from collections.abc import Callable, Iterator

import msgspec

from ..client.api import Client
from ..domain.reserved_refs import SESSIONS
from ..errors import BadFile, KugetsuError
from ..git import folder_removal
from ..state import contexts, sessions, tasks
from ..state.issue_names import name_of
from ..storage import files, json_files
from ..storage.locks import is_held
from . import destroy, removal
from .removal import Facts, Reason, WorkingDirectories, hold_lock

MAY_OVERRIDE = frozenset({Reason.NOT_ARRIVED})
"""Objections that do not count here: commits that another branch or a tag has are not lost. No option overrides another one."""


class Orphan(msgspec.Struct, frozen=True):
    """Something that belongs to no issue."""

    kind: str
    """`worktree`, `session` or `context`."""
    path: str
    why: str
    issue_ref: str | None = None
    kept: bool = False
    """Whether it stays all the same, as it holds work."""


def find_prunable(client: Client) -> list[Orphan]:
    """Everything that belongs to no issue; changes nothing."""
    open_slugs, known = _slugs_of_tasks(client)
    with_session = {session.slug for session in sessions.list_sessions(client.paths)} | {
        name_of(client.paths, ref) for ref in SESSIONS
    }
    found = [*_sessions(client, open_slugs), *_worktrees(client, known | with_session)]
    staying = set(files.list_names(client.paths.worktrees)) - {
        os.path.basename(one.path) for one in found if one.kind == "worktree" and not one.kept
    }
    return [*found, *_contexts(client, known | with_session | staying)]


def prune_orphans(client: Client, orphans: list[Orphan], complain: Callable[[str], None]) -> int:
    """Remove orphans, whatever became of the others; the exit code of the first failure."""
    client.refuse_if_read_only()
    code = 0
    working = WorkingDirectories()
    for left in folder_removal.finish_removals(client.paths.worktrees):
        complain(f"kugetsu: of a worktree that was removed, {left}")
    for orphan in orphans:
        try:
            if orphan.kind == "worktree":
                _remove_worktree(client, orphan.path, working)
            elif orphan.issue_ref is not None:
                for _ in destroy.destroy_issue(client, destroy.inspect_issue(client, orphan.issue_ref), force=False):
                    pass
        except KugetsuError as error:
            complain(f"kugetsu: {orphan.path}: {error}")
            code = code or error.exit_code
    return code


def _slugs_of_tasks(client: Client) -> tuple[set[str], set[str]]:
    """The names of issues that have an open task, and of those that have any."""
    paths = client.paths
    open_slugs = {name_of(paths, task.issue_ref) for task in tasks.read_folder(paths.items)}
    return open_slugs, open_slugs | {name_of(paths, task.issue_ref) for task in tasks.read_folder(paths.done)}


def _sessions(client: Client, open_slugs: set[str]) -> Iterator[Orphan]:
    for session in sessions.list_sessions(client.paths):
        if session.slug in SESSIONS.values() or not session.issue_ref or session.slug in open_slugs:
            continue
        places = (session.worktree, client.paths.worktree(session.slug))
        if not any(place and os.path.isdir(place) for place in places):
            yield Orphan("session", client.paths.session(session.slug), "its worktree is gone", session.issue_ref)


def _worktrees(client: Client, known: set[str]) -> Iterator[Orphan]:
    working = WorkingDirectories()
    for name in files.list_names(client.paths.worktrees):
        path = client.paths.worktree(name)
        if name in known or name[0] == "." or not os.path.isdir(path):
            continue
        why = "neither a session nor a task knows it"
        facts = Facts(is_held(client.paths.issue_lock(name)), process=working.find_process(path))
        against = removal.list_objections(removal.inspect_worktree(path), facts, MAY_OVERRIDE)
        if against:
            why = f"{why}, but {'; '.join(objection.text for objection in against)}"
        yield Orphan("worktree", path, why, kept=bool(against))


def _contexts(client: Client, known: set[str]) -> Iterator[Orphan]:
    for stem in files.list_documents(client.paths.context):
        path = client.paths.context_of(stem)
        if stem in known:
            continue
        try:
            said = json_files.read(path, contexts.Context)
        except (FileNotFoundError, BadFile):
            continue
        if said.issue_ref and name_of(client.paths, said.issue_ref) == stem:
            yield Orphan("context", path, "its issue has no session, worktree or task", said.issue_ref)


def _remove_worktree(client: Client, path: str, working: WorkingDirectories) -> None:
    """Remove a worktree that still holds nothing of its own, under its issue's lock."""
    with hold_lock(client.paths.issue_lock(os.path.basename(path))) as alone:
        facts = Facts(not alone, process=working.find_process(path))
        state = removal.inspect_worktree(path)
        done = removal.remove_worktree(client.paths, state, facts, MAY_OVERRIDE, with_branch=True)
    if done.left is not None:
        raise KugetsuError(f"it is removed, but {done.left}")

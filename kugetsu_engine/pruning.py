"""Finding what belongs to no issue any more, and removing it: sessions, worktrees and messages that nobody would go on with."""

import os
from collections.abc import Callable, Iterator

import msgspec

from . import removing
from .domain.reserved import SESSIONS
from .domain.text.quantities import counted
from .errors import BadFile, GitError, KugetsuError
from .git import clearing, located, removal
from .git.command import git
from .operator import Operator
from .store import contexts, documents, files, sessions, tasks
from .store.issue_names import name_of
from .store.locks import try_lock, unlock, wait_lock


class Orphan(msgspec.Struct, frozen=True):
    """Something that belongs to no issue."""

    kind: str
    """`worktree`, `session` or `context`."""
    path: str
    why: str
    issue_ref: str | None = None
    kept: bool = False
    """Whether it stays all the same, as it holds work."""


def look(operator: Operator) -> list[Orphan]:
    """Everything that belongs to no issue; changes nothing."""
    open_slugs, known = _slugs_of_tasks(operator)
    with_session = {session.slug for session in sessions.all(operator.paths)} | {
        name_of(operator.paths, ref) for ref in SESSIONS
    }
    found = [*_sessions(operator, open_slugs), *_worktrees(operator, known | with_session)]
    staying = set(files.list_names(operator.paths.worktrees)) - {
        os.path.basename(one.path) for one in found if one.kind == "worktree" and not one.kept
    }
    return [*found, *_contexts(operator, known | with_session | staying)]


def prune(operator: Operator, orphans: list[Orphan], complain: Callable[[str], None]) -> int:
    """Remove orphans, whatever became of the others; the exit code of the first failure."""
    code = 0
    for left in clearing.finish(operator.paths.worktrees):
        complain(f"kugetsu: of a worktree that was removed, {left}")
    for orphan in orphans:
        try:
            if orphan.kind == "worktree":
                _remove_worktree(operator, orphan.path)
            elif orphan.issue_ref is not None:
                for _ in removing.destroy(operator, removing.look(operator, orphan.issue_ref), force=False):
                    pass
        except KugetsuError as error:
            complain(f"kugetsu: {orphan.path}: {error}")
            code = code or error.exit_code
    return code


def _slugs_of_tasks(operator: Operator) -> tuple[set[str], set[str]]:
    """The names of issues that have an open task, and of those that have any."""
    paths = operator.paths
    open_slugs = {name_of(paths, task.issue_ref) for task in tasks.read_folder(paths.items)}
    return open_slugs, open_slugs | {name_of(paths, task.issue_ref) for task in tasks.read_folder(paths.done)}


def _sessions(operator: Operator, open_slugs: set[str]) -> Iterator[Orphan]:
    for session in sessions.all(operator.paths):
        if session.slug in SESSIONS.values() or not session.issue_ref or session.slug in open_slugs:
            continue
        places = (session.worktree, operator.paths.worktree(session.slug))
        if not any(place and os.path.isdir(place) for place in places):
            yield Orphan("session", operator.paths.session(session.slug), "its worktree is gone", session.issue_ref)


def _worktrees(operator: Operator, known: set[str]) -> Iterator[Orphan]:
    for name in files.list_names(operator.paths.worktrees):
        path = operator.paths.worktree(name)
        if name in known or name[0] == "." or not os.path.isdir(path):
            continue
        why = "neither a session nor a task knows it"
        try:
            held = removal.holds(path, _branch(path))
        except (GitError, ValueError):
            yield Orphan("worktree", path, f"{why}, nor does git: look at it, and remove it yourself", kept=True)
            continue
        holding = [f"{held.dirty} uncommitted"] if held.dirty else []
        holding += [f"{counted(held.only_here, 'commit')} not pushed and on no other branch"] if held.only_here else []
        holding += [f"the repository {held.within[0]}"] if held.within else []
        if holding:
            yield Orphan("worktree", path, f"{why}, but it holds {' and '.join(holding)}", kept=True)
        else:
            yield Orphan("worktree", path, why)


def _contexts(operator: Operator, known: set[str]) -> Iterator[Orphan]:
    for stem in files.list_documents(operator.paths.context):
        path = operator.paths.context_of(stem)
        if stem in known:
            continue
        try:
            said = documents.read(path, contexts.Context)
        except (FileNotFoundError, BadFile):
            continue
        if said.issue_ref and name_of(operator.paths, said.issue_ref) == stem:
            yield Orphan("context", path, "its issue has no session, worktree or task", said.issue_ref)


def _remove_worktree(operator: Operator, path: str) -> None:
    """Remove a worktree that still holds nothing of its own, under its issue's lock."""
    fd = try_lock(operator.paths.issue_lock(os.path.basename(path)))
    if fd is None:
        raise KugetsuError("an agent works there")
    try:
        held = removal.holds(path, _branch(path))
        if held.dirty or held.only_here or held.within:
            raise KugetsuError("it holds work by now")
        owner = os.path.dirname(held.repository) if os.path.basename(held.repository) == ".git" else held.repository
        lock = wait_lock(operator.paths.repository_lock(located.main_folder(owner)))
        try:
            _, left = removal.remove(held.repository, path, held.branch)
        finally:
            unlock(lock)
    finally:
        unlock(fd)
    if left is not None:
        raise KugetsuError(f"it is removed, but {left}")


def _branch(worktree: str) -> str:
    """The branch that is checked out, where it is one of ours."""
    name = git(worktree, "branch", "--show-current").strip()
    return name if name.startswith("fix/") else "fix/none"

"""Requests about an issue as a whole: set its pull request, forget the issue."""

from typing import Any

import msgspec

from ..domain import refs
from ..domain.new_task import format_bare_id, format_id
from ..domain.request import Answer, Undo
from ..domain.reserved_refs import SESSIONS
from ..domain.session import Session
from ..domain.text.quantities import format_count
from ..domain.text.times import iso
from ..errors import Conflict, UsageError
from ..queue.task_store import TaskStore
from ..state import contexts, sessions
from ..state.issue_names import session_name


def set_pull_request(store: TaskStore, args: dict[str, Any], now: float) -> Answer:
    """Set the address of an issue's pull request; None removes it."""
    issue_ref, url = _ref(store, args), msgspec.convert(args.get("url"), str | None)
    if url is not None and not (
        url.startswith(("https://", "http://")) and url.isprintable() and len(url) <= 2000 and " " not in url
    ):
        raise UsageError("that is not the address of a pull request", "write https://host/owner/repo/pulls/N")
    slug = session_name(store.paths, issue_ref)
    session = sessions.load_session(store.paths, slug) or Session(slug, issue_ref, created_at=iso(now))
    if session.pr_url == url:
        raise Conflict(f"{issue_ref} already has that pull request" if url else f"no pull request of {issue_ref} is known")
    sessions.save_session(store.paths, msgspec.structs.replace(session, issue_ref=issue_ref, pr_url=url, updated_at=iso(now)))
    text = f"{issue_ref}: {url}" if url else f"{issue_ref} has no pull request any more"
    return Answer(True, text, undo=Undo("set_pr", None, {"issue_ref": args.get("issue_ref"), "url": session.pr_url}))


def forget_session(store: TaskStore, args: dict[str, Any]) -> str:
    """Cancel the waiting tasks of an issue, and remove its session and messages; ended tasks stay."""
    issue_ref = _ref(store, args)
    active = [entry for entry in store.list_active() if entry.issue_key == refs.key_of(issue_ref)]
    if active:
        task_id = active[0].id
        raise Conflict(
            f"{issue_ref} has an agent ({format_id(task_id)})", f"kugetsu kill {format_bare_id(task_id)}, or --force"
        )
    waiting = [entry for entry in store.list_pending() if entry.issue_key == refs.key_of(issue_ref)]
    for entry in waiting:
        store.change(store.get(entry.id), "cancelled", "its issue was destroyed")
    done = [f"{format_count(len(waiting), 'waiting task')} cancelled"] if waiting else []
    slug = session_name(store.paths, issue_ref)
    if sessions.load_session(store.paths, slug) is not None:
        done.append("its session removed")
    sessions.remove_session(store.paths, slug)
    if contexts.remove_context(store.paths, issue_ref):
        done.append("its messages removed")
    return f"{issue_ref}: {', '.join(done)}" if done else f"{issue_ref}: there is nothing to remove"


def _ref(store: TaskStore, args: dict[str, Any]) -> str:
    issue_ref = str(args.get("issue_ref", ""))
    return issue_ref if issue_ref in SESSIONS else str(refs.parse_reference(issue_ref, store.default_server))

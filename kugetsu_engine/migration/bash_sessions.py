"""Importing sessions with their worktrees, and conversations."""

import os
from collections.abc import Iterator
from typing import Any

import msgspec

from ..domain import refs
from ..domain.reserved_refs import BASE, PM_AGENT, SESSIONS
from ..domain.session import Session
from ..domain.text.quantities import format_count
from ..errors import GitError, UsageError
from ..git.command import git
from ..state import contexts, sessions
from ..state.issue_names import session_name
from ..storage import files
from .old_directory import OldDirectory


def import_sessions(old: OldDirectory) -> Iterator[str]:
    """Convert sessions, and move their worktrees."""
    index = old.read_document(os.path.basename(old.paths.old_index)) or old.read_document("index.json")
    index = index if isinstance(index, dict) else {}
    seen: set[str] = set()
    for name in (f"{stem}.json" for stem in files.list_documents(f"{old.root}/sessions")):
        document = old.read_document(f"sessions/{name}")
        if not isinstance(document, dict):
            yield f"sessions/{name}: not imported: it cannot be read; {old.describe_backup(f'sessions/{name}')}"
            continue
        session = _session(old, name, document)
        if session is None:
            yield f"sessions/{name}: not imported: it does not name an issue; {old.describe_backup(f'sessions/{name}')}"
            continue
        seen.add(session.slug)
        yield from _keep_session(old, name, session)
    for slug, ref, key in (("base", BASE, "base"), ("pm-agent", PM_AGENT, "pm_agent")):
        if slug not in seen and isinstance(index.get(key), str):
            yield from _keep_session(old, None, Session(slug, ref, "opencode", index[key]))


def _session(old: OldDirectory, name: str, document: dict[str, Any]) -> Session | None:
    if name in ("base.json", "pm-agent.json"):
        ref = BASE if name == "base.json" else PM_AGENT
    else:
        try:
            parsed = refs.parse_reference(str(document.get("issue_ref", "")))
        except UsageError:
            return None
        ref = str(parsed)
        old.hosts.add(parsed.host)
    texts = {key: value for key, value in document.items() if isinstance(value, str) and value}
    return Session(
        session_name(old.paths, ref), ref, texts.get("agent", "opencode"),
        texts.get("session_id") or texts.get("opencode_session_id"),
        texts.get("worktree") or texts.get("worktree_path"), texts.get("branch") or texts.get("branch_name"),
        texts.get("pr_url"), texts.get("created_at"), texts.get("updated_at"),
    )  # fmt: skip


def _keep_session(old: OldDirectory, name: str | None, session: Session) -> Iterator[str]:
    label = f"sessions/{name}" if name else f"index.json: {session.slug}"
    itself = old.same and name == f"{session.slug}.json"
    if session.slug in old.imported_sessions or (os.path.lexists(old.paths.session(session.slug)) and not itself):
        kept = old.describe_backup(f"sessions/{name}" if name else "index.json")
        yield f"{label}: not imported: sessions/{session.slug}.json already exists; {kept}"
        return
    old.imported_sessions.add(session.slug)
    yield f"{label}: session {session.session_id or 'unknown'} of {session.issue_ref} becomes sessions/{session.slug}.json"
    if session.slug not in SESSIONS.values():
        yield from _worktree(old, session)
    if old.dry_run:
        return
    sessions.save_session(old.paths, session)
    if old.same and name is not None and name != f"{session.slug}.json":
        os.unlink(f"{old.root}/sessions/{name}")


def _worktree(old: OldDirectory, session: Session) -> Iterator[str]:
    """Move an issue's worktree to its new place. Its session belongs to the old path, so the next agent gets a copy of it."""
    worktree, target = session.worktree, old.paths.worktree(session.slug)
    if worktree is None or not os.path.isdir(worktree) or os.path.realpath(worktree) == os.path.realpath(target):
        return
    if os.path.lexists(target):
        yield f"worktree {worktree}: not moved: {target} already exists"
        return
    if old.dry_run:
        yield f"worktree {worktree}: moved to {target}"
        return
    try:
        git(worktree, "worktree", "move", "--", worktree, target)
        yield f"worktree {worktree}: moved to {target}"
    except GitError as error:
        yield f"worktree {worktree}: not moved: {error.message}"


def import_conversations(old: OldDirectory) -> Iterator[str]:
    """Convert the conversations in `context/`."""
    count = 0
    for name in (f"{stem}.json" for stem in files.list_documents(f"{old.root}/context")):
        document = old.read_document(f"context/{name}")
        try:
            context = msgspec.convert(document, contexts.Context)
            ref = str(refs.parse_reference(context.issue_ref))
        except (msgspec.ValidationError, UsageError):
            yield f"context/{name}: not imported: it cannot be read; {old.describe_backup(f'context/{name}')}"
            continue
        target = contexts.context_path(old.paths, ref)
        if os.path.lexists(target) and not (old.same and os.path.basename(target) == name):
            there = f"context/{os.path.basename(target)}"
            yield f"context/{name}: not imported: {there} already exists; {old.describe_backup(f'context/{name}')}"
            continue
        count += 1
        if old.dry_run:
            continue
        contexts.save_context(old.paths, msgspec.structs.replace(context, issue_ref=ref))
        if old.same and os.path.basename(target) != name:
            os.unlink(f"{old.root}/context/{name}")
    if count:
        yield f"context: messages of {format_count(count, 'issue')}"

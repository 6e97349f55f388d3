"""Session files, one per issue. Only the engine writes them."""

import msgspec

from ..domain.refs import normalize_reference
from ..domain.session import SCHEMA, Session
from ..errors import BadFile, TransientReadError
from ..paths import StatePaths
from ..storage import files

_OLD_NAMES = {"opencode_session_id": "session_id", "worktree_path": "worktree", "branch_name": "branch"}
"""Field names of the bash kugetsu (v0.2)."""
_FIELDS = frozenset(Session.__struct_fields__)


def load_session(paths: StatePaths, slug: str) -> Session | None:
    """Load the session of an issue; None if there is none, or its file cannot be read."""
    try:
        document = _document(paths, slug)
        session = msgspec.convert({**document, "slug": slug}, Session)
        session = msgspec.structs.replace(session, issue_ref=normalize_reference(session.issue_ref))
    except (FileNotFoundError, BadFile, msgspec.ValidationError):
        return None
    return session if session.schema <= SCHEMA else None


def save_session(paths: StatePaths, session: Session) -> None:
    """Write a session, keeping unknown fields of its file; an unreadable file is quarantined first.

    Raises:
        BadFile: the file is of a newer version, or could not be read this time.
        OSError: writing failed; the file has its old contents.
    """
    try:
        document = _document(paths, session.slug)
    except FileNotFoundError:
        document = {}
    except TransientReadError:
        raise
    except BadFile as error:
        files.set_aside(paths.session(session.slug), paths.corrupt, error.message, session.updated_at or "")
        document = {}
    schema = document.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:
        raise BadFile(f"{paths.session(session.slug)} is of schema {schema}, this kugetsu knows {SCHEMA}")
    kept = {name: value for name, value in document.items() if name not in _FIELDS}
    data = msgspec.json.encode(msgspec.to_builtins(session) | kept)
    files.replace(paths.session(session.slug), data, durable=False, whole=True)  # the task's attempts name the session, too


def list_sessions(paths: StatePaths) -> list[Session]:
    """List the readable sessions, by slug.

    Raises:
        OSError: the folder exists but cannot be listed; that does not mean that there are none.
    """
    try:
        slugs = sorted(slug for slug, _ in files.scan_documents(paths.sessions))
    except FileNotFoundError:
        return []
    return [session for slug in slugs if (session := load_session(paths, slug)) is not None]


def remove_session(paths: StatePaths, slug: str) -> None:
    """Remove the session of an issue, if there is one."""
    files.remove(paths.session(slug))


def _document(paths: StatePaths, slug: str) -> dict[str, object]:
    """Read a session file, with its fields renamed to the current names."""
    path = paths.session(slug)
    try:
        document = msgspec.json.decode(files.read(path, 1 << 20))
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise BadFile(f"{path} is not a session")
    if document.get("issue_ref", "") is None:
        del document["issue_ref"]  # written by the bash kugetsu for sessions without issue
    renamed = {_OLD_NAMES[name]: value for name, value in document.items() if name in _OLD_NAMES}
    return renamed | {name: value for name, value in document.items() if name not in _OLD_NAMES}

"""Session files, one per issue. The engine writes them; any process may read."""

import msgspec

from ..domain.refs import normalize_reference
from ..domain.session import SCHEMA, Session
from ..errors import BadFile, TransientReadError
from ..paths import StatePaths
from ..storage import files

_OLD_NAMES = {"opencode_session_id": "session_id", "worktree_path": "worktree", "branch_name": "branch"}
"""What the bash kugetsu (v0.2) called a field."""
_FIELDS = frozenset(Session.__struct_fields__)


def load_session(paths: StatePaths, slug: str) -> Session | None:
    """The session of an issue; None where there is none, or its file cannot be read."""
    try:
        document = _document(paths, slug)
        session = msgspec.convert({**document, "slug": slug}, Session)
        session = msgspec.structs.replace(session, issue_ref=normalize_reference(session.issue_ref))
    except (FileNotFoundError, BadFile, msgspec.ValidationError):
        return None
    return session if session.schema <= SCHEMA else None


def save_session(paths: StatePaths, session: Session) -> None:
    """Write a session, and keep the fields of its file that this version does not know; one that cannot be read is set aside.

    Raises:
        BadFile: the file is of a newer version, which is left alone, or cannot be read just now.
        OSError: the disk refused; the old contents stand.
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
    files.replace(paths.session(session.slug), msgspec.json.encode(msgspec.to_builtins(session) | kept))


def list_sessions(paths: StatePaths) -> list[Session]:
    """Every session that can be read, by slug."""
    return [session for slug in files.list_documents(paths.sessions) if (session := load_session(paths, slug)) is not None]


def remove_session(paths: StatePaths, slug: str) -> None:
    """Forget the session of an issue; one that is gone already is no error."""
    files.remove(paths.session(slug))


def _document(paths: StatePaths, slug: str) -> dict[str, object]:
    """The contents of a session file, under the names of today."""
    path = paths.session(slug)
    try:
        document = msgspec.json.decode(files.read(path, 1 << 20))
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise BadFile(f"{path} is no session")
    if document.get("issue_ref", "") is None:
        del document["issue_ref"]  # so the bash kugetsu wrote it of the sessions of no issue
    renamed = {_OLD_NAMES[name]: value for name, value in document.items() if name in _OLD_NAMES}
    return renamed | {name: value for name, value in document.items() if name not in _OLD_NAMES}

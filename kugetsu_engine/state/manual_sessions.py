"""Manual sessions in `queue/by-hand/`: a record per issue, and a lock that the process holds.

The kernel frees the lock when the process ends; a record whose lock is free is out of date.
"""

import msgspec

from ..domain.manual_session import ManualSession
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_files
from ..storage.locks import is_held, try_lock, unlock


class ManualSessionMark:
    """The mark of a manual session on an issue, until it is removed."""

    def __init__(self, paths: StatePaths, name: str, fd: int) -> None:
        self._files = (paths.manual_session(name), paths.manual_session_lock(name))
        self._fd: int | None = fd

    def remove(self) -> None:
        """Remove the mark; further calls have no effect."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            for path in self._files:
                files.remove(path)
        except OSError:
            pass  # the files that are left are not locked
        finally:
            unlock(fd)


def mark_manual_session(paths: StatePaths, name: str, hand: ManualSession) -> ManualSessionMark | None:
    """Mark an issue as having a manual session; None if it already has one.

    Args:
        name: of the issue, from `state.issue_names`.

    Raises:
        OSError: writing failed.
    """
    fd = try_lock(paths.manual_session_lock(name))
    if fd is None:
        return None
    try:
        files.replace(paths.manual_session(name), msgspec.json.encode(hand), durable=False)
    except BaseException:
        unlock(fd)
        raise
    return ManualSessionMark(paths, name, fd)


def list_manual_sessions(paths: StatePaths) -> tuple[ManualSession, ...]:
    """List the current manual sessions, the earliest first."""
    sessions = []
    for name in files.list_documents(paths.by_hand):
        try:
            if is_held(paths.manual_session_lock(name)):
                sessions.append(json_files.read(paths.manual_session(name), ManualSession))
        except (OSError, BadFile):
            continue
    return tuple(sorted(sessions, key=lambda session: (session.since, session.issue_ref)))

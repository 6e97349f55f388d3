"""Who works by hand, in `queue/by-hand/`: a record for each issue, and a lock that the working process holds.

The kernel frees the lock when that process ends, however it ends; a record without its lock says nothing.
"""

import msgspec

from ..domain.manual_session import ManualSession
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_files
from ..storage.locks import is_held, try_lock, unlock


class ManualSessionMark:
    """Says that someone works on an issue by hand, until it is taken away."""

    def __init__(self, paths: StatePaths, name: str, fd: int) -> None:
        self._files = (paths.manual_session(name), paths.manual_session_lock(name))
        self._fd: int | None = fd

    def remove(self) -> None:
        """Say so no longer; once is enough."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            for path in self._files:
                files.remove(path)
        except OSError:
            pass  # what is left there is held by no one
        finally:
            unlock(fd)


def mark_manual_session(paths: StatePaths, name: str, hand: ManualSession) -> ManualSessionMark | None:
    """Say that someone works on an issue by hand; None when someone else does.

    Args:
        name: what `store.issue_names` calls the issue.

    Raises:
        OSError: the disk refuses.
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
    """Everyone who works by hand at this moment, the earliest first."""
    found = []
    for name in files.list_documents(paths.by_hand):
        try:
            if is_held(paths.manual_session_lock(name)):
                found.append(json_files.read(paths.manual_session(name), ManualSession))
        except (OSError, BadFile):
            continue
    return tuple(sorted(found, key=lambda hand: (hand.since, hand.issue_ref)))

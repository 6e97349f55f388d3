"""Notifications: one JSON line each, appended; and how far the operator has read."""

import os
import stat

import msgspec

from ..domain.task import Notice
from ..domain.times import epoch
from ..errors import BadFile
from ..paths import StatePaths
from . import files

KEEP_BYTES = 8 << 20
"""A longer file is put away as `notifications.1.jsonl`; older ones are dropped."""
TAIL_BYTES = 256 << 10


class Message(msgspec.Struct, frozen=True):
    """What leaves the machine's terminal: one notification, or a digest of many."""

    title: str
    text: str
    kind: str
    """The type of the notification, or `digest`."""
    id: str | None = None
    issue_ref: str | None = None
    count: int = 1
    """Notifications in it."""
    urgent: bool = False
    """Whether a person should look at it."""


_decoder = msgspec.json.Decoder(Notice)
_encoder = msgspec.json.Encoder()


def append(paths: StatePaths, notice: Notice) -> None:
    """Add one notification; a long text is cut, as only a short line is appended whole."""
    if len(notice.text) > 1500:
        notice = msgspec.structs.replace(notice, text=f"{notice.text[:1500]}…")
    files.append_line(paths.notifications, _encoder.encode(notice))
    rotate(paths)


def mend(paths: StatePaths) -> None:
    """End a last line that a crash or a full disk cut short, so that the next notification has a line of its own."""
    try:
        fd = os.open(paths.notifications, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_size and os.pread(fd, 1, status.st_size - 1) != b"\n":
            os.write(fd, b"\n")
    except OSError:
        return
    finally:
        os.close(fd)


def misplaced(paths: StatePaths) -> bool:
    """Whether something that is no regular file has the name of the notifications."""
    try:
        return not stat.S_ISREG(os.lstat(paths.notifications).st_mode)
    except OSError:
        return False


def newest(paths: StatePaths, count: int = 200) -> list[Notice]:
    """The last notifications, oldest first, also of the file that was put away; lines that are none are passed over."""
    found = _last_of(paths.notifications)
    if len(found) < count:
        found = _last_of(_put_away(paths)) + found
    return found[-count:]


def _put_away(paths: StatePaths) -> str:
    return f"{paths.root}/notifications.1.jsonl"


def _last_of(path: str) -> list[Notice]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return []
    with os.fdopen(fd, "rb") as file:
        size = status.st_size
        file.seek(max(size - TAIL_BYTES, 0))
        lines = file.read(TAIL_BYTES).split(b"\n")[1 if size > TAIL_BYTES else 0 :]
    found: list[Notice] = []
    for line in lines:
        try:
            found.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return found


def read_until(paths: StatePaths) -> str:
    """The time of the last notification the operator has read; empty before the first."""
    try:
        until = files.read(paths.notifications_read, 100).decode("ascii", "replace").strip()
    except (FileNotFoundError, BadFile):
        return ""
    return until if epoch(until) is not None else ""  # a text that is no time must not hide what came since


def mark_read(paths: StatePaths, until: str) -> None:
    """Remember that everything up to a time has been read."""
    try:
        files.replace(paths.notifications_read, until.encode() + b"\n", durable=False)
    except IsADirectoryError:
        files.set_aside(paths.notifications_read, paths.corrupt, "a folder where a file belongs", until)
        files.replace(paths.notifications_read, until.encode() + b"\n", durable=False)


def rotate(paths: StatePaths) -> None:
    """Put a file that grew long out of the way."""
    try:
        if os.stat(paths.notifications).st_size > KEEP_BYTES:
            os.rename(paths.notifications, _put_away(paths))
    except FileNotFoundError:
        return

"""Notifications: one JSON line each, appended; and how far the operator has read."""

import msgspec

from ..domain.task import Notice
from ..domain.text.times import epoch
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_lines

KEEP_BYTES = json_lines.KEEP_BYTES
"""A longer file is put away as `notifications.1.jsonl`; older ones are dropped."""
MOST_CHARACTERS = 1500
"""What is kept of a text of a notification."""


_decoder = msgspec.json.Decoder(Notice)
_encoder = msgspec.json.Encoder()


def append_notification(paths: StatePaths, notice: Notice) -> None:
    """Add one notification; long texts are cut, as only a short line is appended whole."""
    if len(notice.text) > MOST_CHARACTERS or len(notice.reason or "") > MOST_CHARACTERS:
        reason = notice.reason if notice.reason is None else _cut(notice.reason)
        notice = msgspec.structs.replace(notice, text=_cut(notice.text), reason=reason)
    json_lines.append(paths.notifications, _encoder.encode(notice), KEEP_BYTES)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def read_newest_notifications(paths: StatePaths, count: int = 200) -> list[Notice]:
    """The last notifications, oldest first, also of the file that was put away; lines that are none are passed over."""
    found = _read(json_lines.read_last(paths.notifications))
    if len(found) < count:
        found = _read(json_lines.read_last(files.older_log_path(paths.notifications))) + found
    return found[-count:]


def read_notifications(paths: StatePaths) -> list[Notice]:
    """Every notification that is kept, oldest first."""
    return _read(json_lines.read_all(paths.notifications))


def _read(found: list[bytes]) -> list[Notice]:
    notices: list[Notice] = []
    for line in found:
        try:
            notices.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return notices


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

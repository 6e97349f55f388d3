"""Notifications, one JSON line each; up to when the operator has read them, and which tasks are muted."""

import msgspec

from ..domain.decisions.notification_rules import ALL
from ..domain.task import Notice
from ..domain.text.times import epoch
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_lines

KEEP_BYTES = json_lines.KEEP_BYTES
"""A longer file is renamed to `notifications.1.jsonl`; older ones are dropped."""
MOST_CHARACTERS = 1500
"""Characters kept of a notification's text."""


FOR_EVER = "9999-12-31T23:59:59.000Z"
MAX_MUTES = 1000

_decoder = msgspec.json.Decoder(Notice)
_encoder = msgspec.json.Encoder()


def append_notification(paths: StatePaths, notice: Notice) -> None:
    """Append one notification; long texts are cut, as only short lines are appended atomically."""
    if len(notice.text) > MOST_CHARACTERS or len(notice.reason or "") > MOST_CHARACTERS:
        reason = notice.reason if notice.reason is None else _cut(notice.reason)
        notice = msgspec.structs.replace(notice, text=_cut(notice.text), reason=reason)
    json_lines.append(paths.notifications, _encoder.encode(notice), KEEP_BYTES)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def read_newest_notifications(paths: StatePaths, count: int = 200) -> list[Notice]:
    """Read the last notifications, oldest first, with those of the rotated file; invalid lines are ignored."""
    notices = _read(json_lines.read_last(paths.notifications))
    if len(notices) < count:
        notices = _read(json_lines.read_last(files.older_log_path(paths.notifications))) + notices
    return notices[-count:]


def read_notifications(paths: StatePaths) -> list[Notice]:
    """Read all notifications, oldest first."""
    return _read(json_lines.read_all(paths.notifications))


def _read(lines: list[bytes]) -> list[Notice]:
    notices: list[Notice] = []
    for line in lines:
        try:
            notices.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return notices


def read_until(paths: StatePaths) -> str:
    """Read the time of the last notification that the operator has read; empty before the first."""
    try:
        until = files.read(paths.notifications_read, 100).decode("ascii", "replace").strip()
    except (FileNotFoundError, BadFile):
        return ""
    return until if epoch(until) is not None else ""  # an invalid time must not hide notifications


def mark_read(paths: StatePaths, until: str) -> None:
    """Store that all notifications up to a time have been read."""
    try:
        files.replace(paths.notifications_read, until.encode() + b"\n", durable=False)
    except IsADirectoryError:
        files.set_aside(paths.notifications_read, paths.corrupt, "a folder where a file belongs", until)
        files.replace(paths.notifications_read, until.encode() + b"\n", durable=False)


class Mutes(msgspec.Struct, frozen=True):
    """The current mutes: by task id or `all`, until a time (ISO 8601 UTC)."""

    until: dict[str, str] = {}

    def covers(self, task_id: str | None) -> bool:
        """Whether notifications about a task, or about none, are muted."""
        return ALL in self.until or (task_id is not None and task_id in self.until)


def read_mutes(paths: StatePaths, now: float) -> Mutes:
    """Read the mutes at a time; an unreadable file mutes nothing."""
    try:
        mutes = msgspec.json.decode(files.read(paths.notifications_mute, 1 << 20), type=Mutes)
    except (FileNotFoundError, BadFile, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Mutes()
    return Mutes({name: until for name, until in mutes.until.items() if (epoch(until) or 0.0) > now})


def set_mute(paths: StatePaths, name: str, until: str | None, now: float) -> None:
    """Mute a task, or all, until a time; None: unmute."""
    kept = {known: end for known, end in read_mutes(paths, now).until.items() if known != name}
    if until is not None:
        kept = dict([*kept.items()][-MAX_MUTES + 1 :]) | {name: until}
    if kept:
        files.replace(paths.notifications_mute, msgspec.json.encode(Mutes(kept)), durable=False)
    else:
        files.remove(paths.notifications_mute)

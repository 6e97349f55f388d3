"""`notifications.mute`: the tasks about which the operator gets no notifications outside the console, and until when."""

import msgspec

from ..domain.decisions.notification_rules import ALL
from ..domain.text.times import epoch
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files

FOR_EVER = "9999-12-31T23:59:59.000Z"
MOST = 1000


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
        kept = dict([*kept.items()][-MOST + 1 :]) | {name: until}
    if kept:
        files.replace(paths.notifications_mute, msgspec.json.encode(Mutes(kept)), durable=False)
    else:
        files.remove(paths.notifications_mute)

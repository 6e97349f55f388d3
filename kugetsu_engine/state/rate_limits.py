"""Providers and hosts that rest, as they are kept in `queue/pauses.json`."""

from collections.abc import Mapping

import msgspec

from ..domain import failures
from ..domain.decisions.scheduling import Cooldown
from ..domain.text.quantities import format_upcoming
from ..domain.text.times import epoch
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import json_files

NETWORK = "network"
"""Class of failure that makes a host rest; providers rest for others."""


FORGET_AFTER_S = 86400.0
"""A limit that was reached so long ago says nothing about the next one."""


BELIEVED_S = 9 * 86400.0
"""A rest that would last longer is a fault of the file or of the clock."""


class Pause(msgspec.Struct, frozen=True):
    """One provider's rest, or what is remembered of the last one."""

    failure: str
    """Class of the failure that began it."""
    since: str
    until: str
    text: str = ""
    """The words of the agent."""
    count: int = 1
    """Rests in a row, with no attempt that went well between them."""
    told: bool = False
    """Whether its end has been told."""


def load_pauses(paths: StatePaths) -> dict[str, Pause]:
    """Read the file; one that is missing or broken says nothing."""
    try:
        return json_files.read(paths.pauses, dict[str, Pause])
    except (FileNotFoundError, BadFile):
        return {}


def find_fault(paths: StatePaths) -> str | None:
    """Why the file cannot be read; None when it can, or there is none."""
    try:
        json_files.read(paths.pauses, dict[str, Pause])
    except FileNotFoundError:
        return None
    except BadFile as error:
        return error.message
    return None


def list_provider_cooldowns(pauses: Mapping[str, Pause], now: float) -> dict[str, Cooldown]:
    """The rests of providers that last still."""
    found = {}
    for provider, pause in pauses.items():
        until = epoch(pause.until) or 0.0
        if pause.failure != NETWORK and now < until <= now + BELIEVED_S:
            found[provider] = Cooldown(provider, until, pause.failure)
    return found


def list_host_cooldowns(pauses: Mapping[str, Pause], now: float) -> dict[str, Cooldown]:
    """The hosts that did not answer when a clone was to be made; nobody has tried whether they do since."""
    found = {}
    for host, pause in pauses.items():
        until = epoch(pause.until) or 0.0
        if pause.failure == NETWORK and now - FORGET_AFTER_S < until <= now + BELIEVED_S:
            found[host] = Cooldown(host, until, NETWORK)
    return found


def describe_silent_hosts(rest: Mapping[str, Cooldown], now: float) -> str:
    """The hosts that are not asked now, in one line, for an alert."""
    return "; ".join(
        f"{name} does not answer: tasks that need a clone from it wait, next try {format_upcoming(one.until, now)}"
        for name, one in rest.items()
        if one.until > now
    )


def describe_cooldowns(rest: Mapping[str, Cooldown], now: float) -> str:
    """All rests in one line, for an alert."""
    return "; ".join(
        f"{name}: {failures.describe_failure(one.failure)}, its tasks wait until {format_upcoming(one.until, now)}"
        for name, one in rest.items()
    )

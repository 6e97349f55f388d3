"""Cooldowns of providers and hosts, in `queue/pauses.json`."""

from collections.abc import Mapping

import msgspec

from ..domain import failures
from ..domain.decisions.waiting_reasons import Cooldown
from ..domain.text.quantities import format_upcoming
from ..domain.text.times import epoch
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import json_files

NETWORK = "network"
"""Class of failure that causes a host's cooldown; other classes cause a provider's."""
FORGET_AFTER_S = 86400.0
"""A cooldown that ended so long ago is forgotten."""
BELIEVED_S = 9 * 86400.0
"""A longer cooldown is an error of the file or of the clock."""


class Pause(msgspec.Struct, frozen=True):
    """One cooldown, current or past."""

    failure: str
    """Class of the failure that caused it."""
    since: str
    until: str
    text: str = ""
    """The agent's message."""
    count: int = 1
    """Cooldowns in a row without a successful attempt in between."""
    told: bool = False
    """Whether its end has been notified."""


def load_pauses(paths: StatePaths) -> dict[str, Pause]:
    """Load all cooldowns; none if the file is missing or cannot be read."""
    try:
        return json_files.read(paths.pauses, dict[str, Pause])
    except (FileNotFoundError, BadFile):
        return {}


def find_fault(paths: StatePaths) -> str | None:
    """Find out why the file cannot be read; None when it can, or does not exist."""
    try:
        json_files.read(paths.pauses, dict[str, Pause])
    except FileNotFoundError:
        return None
    except BadFile as error:
        return error.message
    return None


def list_provider_cooldowns(pauses: Mapping[str, Pause], now: float) -> dict[str, Cooldown]:
    """List the current cooldowns of providers."""
    cooldowns = {}
    for provider, pause in pauses.items():
        until = epoch(pause.until) or 0.0
        if pause.failure != NETWORK and now < until <= now + BELIEVED_S:
            cooldowns[provider] = Cooldown(provider, until, pause.failure)
    return cooldowns


def list_host_cooldowns(pauses: Mapping[str, Pause], now: float) -> dict[str, Cooldown]:
    """List the hosts that did not answer when cloning, with cooldowns that may be over: they have not been tried since."""
    cooldowns = {}
    for host, pause in pauses.items():
        until = epoch(pause.until) or 0.0
        if pause.failure == NETWORK and now - FORGET_AFTER_S < until <= now + BELIEVED_S:
            cooldowns[host] = Cooldown(host, until, NETWORK)
    return cooldowns


def describe_silent_hosts(rest: Mapping[str, Cooldown], now: float) -> str:
    """Describe the hosts in cooldown in one line, for an alert."""
    return "; ".join(
        f"{name} does not answer: tasks that need a clone from it wait, next try {format_upcoming(one.until, now)}"
        for name, one in rest.items()
        if one.until > now
    )


def describe_cooldowns(rest: Mapping[str, Cooldown], now: float) -> str:
    """Describe the cooldowns of providers in one line, for an alert."""
    return "; ".join(
        f"{name}: {failures.describe_failure(one.failure)}, its tasks wait until {format_upcoming(one.until, now)}"
        for name, one in rest.items()
    )

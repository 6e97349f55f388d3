"""What a supervisor says to the engine that started it: one word a line over their socket.

Standard library only, as supervisors load it.
"""

from enum import StrEnum
from typing import NamedTuple


class SupervisorMessage(StrEnum):
    """What has just happened; the files of the run hold the rest."""

    STARTED = "started"
    SESSION = "session"
    """The agent has told its session."""
    STALLED = "stalled"
    MOVES = "moves"
    """The agent is no longer stalled."""
    ENDED = "ended"


_REFUSED = "refused-"


class Received(NamedTuple):
    """What came over the socket since the last time."""

    messages: frozenset[SupervisorMessage] = frozenset()
    refusal: int | None = None
    """The system's error for which the attempt could not begin."""
    closed: bool = False
    """Whether nothing more will come: the supervisor is gone."""


def format_refusal(number: int) -> str:
    """Write that the attempt cannot begin, for an error of the system."""
    return f"{_REFUSED}{number}"


def decode_messages(data: bytes, closed: bool) -> Received:
    """Read what was received; words of another version are passed over."""
    words = data.decode("ascii", "replace").split()
    refusals = [word.removeprefix(_REFUSED) for word in words if word.startswith(_REFUSED)]
    numbers = [int(digits) for digits in refusals if digits.isdecimal()]
    return Received(frozenset(map(SupervisorMessage, _KNOWN.intersection(words))), numbers[-1] if numbers else None, closed)


_KNOWN = frozenset(map(str, SupervisorMessage))

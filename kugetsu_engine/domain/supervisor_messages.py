"""The messages of a supervisor to its engine: one word per line over their socket.

Standard library only, as supervisors load it.
"""

from enum import StrEnum
from typing import NamedTuple


class SupervisorMessage(StrEnum):
    """An event; the files of the run contain the details."""

    STARTED = "started"
    SESSION = "session"
    """The agent's session is known."""
    STALLED = "stalled"
    MOVES = "moves"
    """The agent is no longer stalled."""
    PREPARED = "prepared"
    """The worktree is made, before there is a slot."""
    NOT_PREPARED = "not-prepared"
    """It could not be made ahead; the attempt will say why."""
    SLOT_FREE = "slot-free"
    """Nothing of the agent is left, so its slot was given back; what it delivered is still measured."""
    NOT_PAUSED = "not-paused"
    """The agent could not be paused."""
    ASKS = "asks"
    """The agent asks the operator something, or does not any more."""
    ENDED = "ended"


_REFUSED = "refused-"


class Received(NamedTuple):
    """The messages received since the last read."""

    messages: frozenset[SupervisorMessage] = frozenset()
    refusal: int | None = None
    """The system error that kept the attempt from starting."""
    closed: bool = False
    """Whether the supervisor is gone, so that no more will come."""


def format_refusal(number: int) -> str:
    """Write the message that the attempt cannot start, because of a system error."""
    return f"{_REFUSED}{number}"


def decode_messages(data: bytes, closed: bool) -> Received:
    """Decode received messages; those of other versions are ignored."""
    words = data.decode("ascii", "replace").split()
    refusals = [word.removeprefix(_REFUSED) for word in words if word.startswith(_REFUSED)]
    numbers = [int(digits) for digits in refusals if digits.isdecimal()]
    return Received(frozenset(map(SupervisorMessage, _KNOWN.intersection(words))), numbers[-1] if numbers else None, closed)


_KNOWN = frozenset(map(str, SupervisorMessage))

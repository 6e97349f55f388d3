"""Why the queue or a running agent is paused, as data beside the sentence that is shown."""

from enum import StrEnum


class PauseReason(StrEnum):
    """What paused the queue, as far as it decides when the queue resumes."""

    OPERATOR = ""
    """Also when the queue is not paused, and for reasons of later versions."""
    BUDGET = "budget"
    """It resumes by itself the next day, or with a larger budget."""
    MACHINE_RESTARTED = "machine_restarted"


_OLD_TEXTS = {"the budget of the day": PauseReason.BUDGET, "machine restarted": PauseReason.MACHINE_RESTARTED}
"""How the sentences of earlier versions began, which stored no code. They are in old files: do not reword them."""


def read_pause_reason(code: str, text: str) -> PauseReason:
    """Read the reason in a state file: from its code, or from its sentence if an earlier version wrote it."""
    if code:
        return next((reason for reason in PauseReason if reason == code), PauseReason.OPERATOR)
    return next((reason for begin, reason in _OLD_TEXTS.items() if text.startswith(begin)), PauseReason.OPERATOR)


class PausedBy(StrEnum):
    """On whose behalf a running agent is paused, as `Task.pause`."""

    OPERATOR = "operator"
    MEMORY = "memory"


PARKED_BY_OPERATOR = "parked by you"
"""The reason of an attempt that the operator parked."""

LONG_PAUSE_S = 240.0
"""Beyond this, programs and providers begin to give up on an answer that is being sent: at 300 s, as measured."""


def describe_long_pause(paused_s: float, reader: str | None) -> str:
    """Say what a pause of this length may cost; empty while it is short.

    Args:
        reader: the driver of the agent's program, as in `run.json`.
    """
    if paused_s < LONG_PAUSE_S:
        return ""
    return "may fail when it goes on" if reader == "claude" else "its model's answer may have to be asked again"

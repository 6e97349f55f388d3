"""Why the queue is paused, where it was not the operator: as data, beside the sentence that is shown."""

from enum import StrEnum


class PauseReason(StrEnum):
    """Who or what paused the queue, as far as it matters for when it goes on."""

    OPERATOR = ""
    """Also where the queue is not paused, and where a later version names a reason that this one does not know."""
    BUDGET = "budget"
    """It goes on by itself with the next day, or a larger budget."""
    MACHINE_RESTARTED = "machine_restarted"


_OLD_TEXTS = {"the budget of the day": PauseReason.BUDGET, "machine restarted": PauseReason.MACHINE_RESTARTED}
"""How the sentences of versions began that stored nothing else. Not to be reworded: they stand in old files."""


def read_pause_reason(code: str, text: str) -> PauseReason:
    """The reason that a state file gives: its code, or its sentence where an earlier version wrote it."""
    if code:
        return next((reason for reason in PauseReason if reason == code), PauseReason.OPERATOR)
    return next((reason for begin, reason in _OLD_TEXTS.items() if text.startswith(begin)), PauseReason.OPERATOR)

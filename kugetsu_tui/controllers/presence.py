"""Whether the operator is here: by the keys they press."""

from ..viewmodels.absence import AWAY_S

REMEMBERED_EVERY_S = 300.0


class OperatorPresence:
    """When the operator was last here, in this console or an earlier one; times are seconds since 1970."""

    def __init__(self) -> None:
        self.last: float | None = None
        self._remembered = 0.0

    def note_key_press(self, now: float) -> float | None:
        """A key was pressed; returns when the last one was, if that is long ago."""
        before, self.last = self.last, now
        return before if before is not None and now - before >= AWAY_S else None

    def is_due_to_save(self, now: float) -> bool:
        """Whether it is time to write down that the operator is here."""
        if now - self._remembered < REMEMBERED_EVERY_S:
            return False
        self._remembered = now
        return True

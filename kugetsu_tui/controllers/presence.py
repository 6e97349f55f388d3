"""When the operator was last at the console, judged by key presses."""

from ..viewmodels.absence import AWAY_S

SAVE_INTERVAL_S = 300.0


class OperatorPresence:
    """Times are seconds since 1970."""

    def __init__(self) -> None:
        self.last: float | None = None
        self._saved_at = 0.0

    def note_key_press(self, now: float) -> float | None:
        """Note a key press; returns the time of the one before if that is long ago."""
        before, self.last = self.last, now
        return before if before is not None and now - before >= AWAY_S else None

    def is_due_to_save(self, now: float) -> bool:
        """Whether it is time to save that the operator is here."""
        if now - self._saved_at < SAVE_INTERVAL_S:
            return False
        self._saved_at = now
        return True

"""What an operator should know for as long as it is so; shown by console, `status` and log."""

from collections.abc import Callable, Sequence

import msgspec

from .engine_state import Alert
from .text.times import iso


class Alerts:
    """The alerts of one engine: one per code, or several where that is said."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._alerts: dict[str, Alert] = {}

    def warn(self, code: str, text: str) -> None:
        """Raise an alert, or change the words of one that stands; without words it is taken back."""
        if not text:
            self.clear(code)
            return
        standing = self._alerts.get(code)
        if standing is None:
            self._alerts[code] = Alert(code, text, iso(self._clock()))
        elif standing.text != text:
            self._alerts[code] = msgspec.structs.replace(standing, text=text)

    def warn_each(self, code: str, texts: Sequence[str]) -> None:
        """Have one alert for each of these texts under one code, and no other one."""
        wanted = {f"{code} {text}": text for text in texts}
        for key in [key for key, alert in self._alerts.items() if alert.code == code and key not in wanted]:
            del self._alerts[key]
        for key, text in wanted.items():
            self._alerts.setdefault(key, Alert(code, text, iso(self._clock())))

    def clear(self, code: str) -> None:
        """Take an alert back, as its cause is gone."""
        self._alerts.pop(code, None)

    def list_current(self) -> list[Alert]:
        """The alerts that stand, oldest first."""
        return list(self._alerts.values())

"""Alerts: problems shown to the operator, by console, `status` and log, while they last."""

from collections.abc import Callable, Sequence

import msgspec

from .engine_state import Alert
from .text.times import iso


class Alerts:
    """The current alerts of one engine: one per code, or several with `warn_each`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._alerts: dict[str, Alert] = {}

    def warn(self, code: str, text: str) -> None:
        """Raise an alert or change its text; an empty text clears it."""
        if not text:
            self.clear(code)
            return
        standing = self._alerts.get(code)
        if standing is None:
            self._alerts[code] = Alert(code, text, iso(self._clock()))
        elif standing.text != text:
            self._alerts[code] = msgspec.structs.replace(standing, text=text)

    def warn_each(self, code: str, texts: Sequence[str]) -> None:
        """Have exactly one alert of this code for each text."""
        new = {f"{code} {text}": text for text in texts}
        for key in [key for key, alert in self._alerts.items() if alert.code == code and key not in new]:
            del self._alerts[key]
        for key, text in new.items():
            self._alerts.setdefault(key, Alert(code, text, iso(self._clock())))

    def clear(self, code: str) -> None:
        """Remove an alert, as its cause is gone."""
        self._alerts.pop(code, None)

    def list_current(self) -> list[Alert]:
        """The current alerts, oldest first."""
        return list(self._alerts.values())

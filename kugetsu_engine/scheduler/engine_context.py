"""What the parts of one engine share: state directory, settings, clocks, alerts and notifications."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..config.loader import SettingsSource
from ..domain.alerts import Alerts
from ..domain.task import Notice
from ..domain.text.times import iso
from ..paths import StatePaths


class EngineContext(NamedTuple):
    """Made once for each engine, and never changed."""

    paths: StatePaths
    environ: Mapping[str, str]
    mode: str
    """`headless`, `embedded`, or `command`: a command that acts as the engine for a moment, where none runs."""
    settings: SettingsSource
    clock: Callable[[], float]
    """Seconds since 1970."""
    monotonic: Callable[[], float]
    """Seconds of a clock that is never set."""
    boot_id: Callable[[], str]
    """Differs after every start of the machine."""
    alerts: Alerts
    notify: Callable[[Notice], None]
    """Adds a notification."""

    @property
    def lasts(self) -> bool:
        """Whether this engine runs for a while, unlike that of a command."""
        return self.mode != "command"

    def now(self) -> str:
        """The current time, in the form in which it is stored."""
        return iso(self.clock())

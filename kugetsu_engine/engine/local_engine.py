"""Lets a command apply its own request if no engine is running."""

from __future__ import annotations

import time

from ..storage.locks import is_held

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..paths import StatePaths
    from .loop import Engine


class LocalEngine:
    """The engine of a command; does nothing while another engine runs on the state directory."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self._paths = paths
        self._environ = environ
        self._clock = clock

    def apply_requests(self) -> None:
        """Apply the waiting requests."""
        self._act(lambda engine: engine.apply_requests())

    def settle_attempts(self) -> None:
        """Settle attempts that have ended."""
        self._act(lambda engine: engine.attempts.check_all())

    def _act(self, act: Callable[[Engine], object]) -> None:
        from ..errors import EngineHeld
        from .composition import open_engine

        if is_held(self._paths.engine_lock):
            return
        try:
            engine = open_engine(self._paths, self._environ, "command", clock=self._clock)
        except EngineHeld:
            return
        try:
            act(engine)
        finally:
            engine.close()

"""Leaving while agents run under this console's engine."""

import asyncio
from typing import TYPE_CHECKING

from .background import Background
from .modals.leaving import Choice, Leaving
from .viewmodels.picture import Picture

if TYPE_CHECKING:
    from .app import KugetsuApp


LOOK_S = 0.3
"""How long leaving waits for a look at the agents."""


class Departure:
    """What is to become of agents and queue when the console goes."""

    def __init__(self, app: "KugetsuApp") -> None:
        self._app = app
        self._with_the_last = False
        self._looks = Background("kugetsu-quit")
        self.afterwards: str | None = None
        """`detach` or `drain`: what is to run in the background once the console has gone."""

    async def begin(self) -> None:
        """Leave, or ask what is to become of the agents; by a look of its own, as the picture may be older than an agent."""
        app = self._app
        known = app.present.snapshot.used if app.present is not None else 0
        if app.link.runs_engine:
            try:
                known = await asyncio.wait_for(self._looks.run(app.link.operator.taken_slots), LOOK_S)
            except (TimeoutError, OSError):
                pass  # a disk that hangs keeps nobody here: what was known counts
        if known and app.link.runs_engine:
            app.push_screen(Leaving(known), self._answered)
        else:
            app.leave()

    def due(self, picture: Picture) -> bool:
        """Whether all agents have been stopped, and the console goes."""
        return self._with_the_last and not picture.snapshot.active

    def _answered(self, choice: Choice | None) -> None:
        app = self._app
        if choice == "stop":
            self._with_the_last = True
            active = app.present.snapshot.active if app.present is not None else ()
            app.link.send_all([("kill", one.task.id, {}) for one in active])
            app.say("stopping all agents; the console closes with the last one")
        elif choice is not None:
            self.afterwards = choice if choice in ("detach", "drain") else None
            app.leave()

"""Leaving while agents run under this console's engine."""

from typing import TYPE_CHECKING

from .modals.leaving import Choice, Leaving
from .viewmodels.picture import Picture

if TYPE_CHECKING:
    from .app import KugetsuApp


class Departure:
    """What is to become of agents and queue when the console goes."""

    def __init__(self, app: "KugetsuApp") -> None:
        self._app = app
        self._with_the_last = False
        self.afterwards: str | None = None
        """`detach` or `drain`: what is to run in the background once the console has gone."""

    def ask(self, agents: int) -> None:
        """Ask what is to become of the agents."""
        self._app.push_screen(Leaving(agents), self._answered)

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

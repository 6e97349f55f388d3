"""Leaving while agents run under this console's engine."""

import asyncio
from collections.abc import Callable

from kugetsu_engine.domain.text.quantities import format_count
from kugetsu_engine.errors import KugetsuError

from ..backend.worker_thread import WorkerThread
from ..console import StateConsole
from ..modals.quit_dialog import Choice, QuitDialog
from ..viewmodels.console_state import ConsoleState

CHECK_LIMIT_S = 0.3
"""How long leaving waits for a look at the agents."""


class QuitFlow:
    """What is to become of agents and queue when the console goes."""

    def __init__(self, app: StateConsole, leave: Callable[[], None]) -> None:
        self._app = app
        self._leave = leave
        self._with_the_last = False
        """Whether all agents are being stopped, and the console goes with the last of them."""
        self._paused = False
        """Whether the queue has been seen to be paused since then."""
        self._checks = WorkerThread("kugetsu-quit")
        self.ignores_input = False
        """Whether keys and clicks are let go: the console leaves or is about to ask, and they were meant for what was there."""
        self.next_step: str | None = None
        """`detach` or `drain`: what is to run in the background once the console has gone."""
        self.farewell = ""
        """What is to be said in the terminal once the console has gone."""

    def action_ask_quit(self) -> None:
        """Leave, or ask what is to become of the agents; no key acts beneath from now on."""
        if not self.ignores_input:
            self.ignores_input = True
            self._app.run_worker(self._begin(), group="quit", exclusive=True, exit_on_error=False)

    async def _begin(self) -> None:
        """Leave or ask, by a look of its own at the agents, as the state may be older than an agent."""
        app = self._app
        try:
            known = app.live_state.snapshot.agents if app.live_state is not None else 0
            if app.connection.engine.is_running:
                try:
                    by_hand = len(app.live_state.snapshot.by_hand) if app.live_state is not None else 0
                    taken = await asyncio.wait_for(self._checks.run(app.connection.client.count_taken_slots), CHECK_LIMIT_S)
                    known = max(taken - by_hand, 0)
                except (TimeoutError, OSError):
                    pass  # a disk that hangs keeps nobody here: what was known counts
            if not (known and app.connection.engine.is_running):
                self._leave()
                return
            await app.push_screen(QuitDialog(known), self._answered)
        except BaseException:
            self.ignores_input = False
            raise
        self.ignores_input = False

    def is_due(self, state: ConsoleState) -> bool:
        """Whether all agents have been stopped, and the console goes; not if someone lets the queue go on meanwhile."""
        if not self._with_the_last:
            return False
        if not state.snapshot.engine.paused:  # or the state is older than the pause
            if self._paused:
                self._with_the_last = self._paused = False
                self._app.say("the queue goes on, so the console stays", "warning")
            return False
        self._paused = True
        if state.snapshot.active:
            return False
        self.farewell = f"all agents are stopped; the queue is paused{_waiting(state)}: kugetsu resume goes on"
        return True

    def _answered(self, choice: Choice | None) -> None:
        app = self._app
        if choice == "stop":
            app.run_worker(self._stop_all(), group="quit", exclusive=True, exit_on_error=False)
        elif choice is not None:
            self.next_step = choice if choice in ("detach", "drain") else None
            if choice == "leave":
                waiting = _waiting(app.live_state) if app.live_state is not None else ""
                self.farewell = f"the agents go on, nothing new starts without an engine{waiting}: kugetsu runs one again"
            self._leave()

    async def _stop_all(self) -> None:
        """Have the engine pause the queue and stop every agent, as one act; the console goes with the last of them."""
        app = self._app
        try:
            told = await app.connection.requests.run_change(lambda: app.connection.client.do("stop_all"))
        except KugetsuError as error:
            app.say(f"{error}; the console stays", "danger")
            return
        app.say(f"{told}; the console closes with the last one")
        self._with_the_last = True
        app.connection.poller.reload()


def _waiting(state: ConsoleState) -> str:
    count = len(state.snapshot.pending)
    return f", {format_count(count, 'task waits', 'tasks wait')}" if count else ""

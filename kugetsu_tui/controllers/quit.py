"""Leaves the console, with a question while agents run under its engine."""

import asyncio
from collections.abc import Callable

from kugetsu_engine.domain.text.quantities import format_count
from kugetsu_engine.errors import KugetsuError

from ..backend.worker_thread import WorkerThread
from ..console import StateConsole
from ..modals.quit_dialog import Choice, QuitDialog
from ..viewmodels.console_state import ConsoleState

CHECK_LIMIT_S = 0.3
"""How long leaving waits for the count of agents."""


class QuitFlow:
    """Decides what happens to agents and queue when the console ends."""

    def __init__(self, app: StateConsole, leave: Callable[[], None]) -> None:
        self._app = app
        self._leave = leave
        self._leaves_when_stopped = False
        """Whether all agents are being stopped, and the console leaves when the last one has ended."""
        self._paused = False
        """Whether the queue was seen paused since then."""
        self._checks = WorkerThread("kugetsu-quit")
        self.ignores_input = False
        """Whether keys and clicks are ignored: they were meant for the screen before the console leaves or asks."""
        self.next_step: str | None = None
        """`detach` or `drain`: the engine that runs in the background after the console; None for no engine."""
        self.farewell = ""
        """Printed in the terminal after the console has ended."""

    def action_ask_quit(self) -> None:
        """Leave, or ask what to do with running agents; keys are ignored until then."""
        if not self.ignores_input:
            self.ignores_input = True
            self._app.run_worker(self._leave_or_ask(), group="quit", exclusive=True, exit_on_error=False)

    async def _leave_or_ask(self) -> None:
        """Count the agents anew, as the shown state may be older than one of them; then leave or ask."""
        app = self._app
        try:
            count = app.live_state.snapshot.agents if app.live_state is not None else 0
            if app.connection.engine.is_running:
                try:
                    by_hand = len(app.live_state.snapshot.by_hand) if app.live_state is not None else 0
                    taken = await asyncio.wait_for(self._checks.run(app.connection.client.count_taken_slots), CHECK_LIMIT_S)
                    count = max(taken - by_hand, 0)
                except (TimeoutError, OSError):
                    pass  # a disk that hangs must not keep the console open: the known count is used
            if not (count and app.connection.engine.is_running):
                self._leave()
                return
            await app.push_screen(QuitDialog(count), self._apply_choice)
        except BaseException:
            self.ignores_input = False
            raise
        self.ignores_input = False

    def is_due(self, state: ConsoleState) -> bool:
        """Whether all agents have stopped and the console leaves; not if someone resumed the queue meanwhile."""
        if not self._leaves_when_stopped:
            return False
        if not state.snapshot.engine.paused:  # or the state is older than the pause
            if self._paused:
                self._leaves_when_stopped = self._paused = False
                self._app.say("the queue was resumed, so the console stays", "warning")
            return False
        self._paused = True
        if state.snapshot.active:
            return False
        self.farewell = f"all agents are stopped; the queue is paused{_waiting(state)}: kugetsu resume continues it"
        return True

    def _apply_choice(self, choice: Choice | None) -> None:
        app = self._app
        if choice == "stop":
            app.run_worker(self._stop_all(), group="quit", exclusive=True, exit_on_error=False)
        elif choice is not None:
            self.next_step = choice if choice in ("detach", "drain") else None
            if choice == "leave":
                waiting = _waiting(app.live_state) if app.live_state is not None else ""
                self.farewell = f"the agents go on, nothing new starts without an engine{waiting}: kugetsu starts one"
            self._leave()

    async def _stop_all(self) -> None:
        """Have the engine pause the queue and stop every agent, as one act; the console leaves when the last one has ended."""
        app = self._app
        try:
            text = await app.connection.requests.run_change(lambda: app.connection.client.do("stop_all"))
        except KugetsuError as error:
            app.say(f"{error}; the console stays", "danger")
            return
        app.say(f"{text}; the console closes with the last one")
        self._leaves_when_stopped = True
        app.connection.poller.reload()


def _waiting(state: ConsoleState) -> str:
    count = len(state.snapshot.pending)
    return f", {format_count(count, 'task waits', 'tasks wait')}" if count else ""

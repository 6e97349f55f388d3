"""Signals that end or suspend the console, handled by the event loop.

The loop wakes up whichever thread receives a signal; a handler of `signal.signal` runs only once the main thread wakes.
"""

import asyncio
import signal
from collections.abc import Callable

from textual.driver import Driver

from ..console import Console
from ..terminal import job_control
from ..terminal.driver import TerminalDriver
from .external_programs import ExternalProgram

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)
FROM_KEYS = (signal.SIGQUIT, signal.SIGINT)
"""Sent by ctrl+c and ctrl+\\; while another program has the terminal they are for that program."""
LIMIT_S = 2.5
"""How long the console may take to end; then the process exits."""


def install_handlers(program: ExternalProgram, leave: Callable[[int], None], get_driver: Callable[[], Driver | None]) -> None:
    """Install the handlers of signals that end the console."""
    loop = asyncio.get_running_loop()
    ending: list[asyncio.Task[None]] = []

    async def end(number: int) -> None:
        await program.end()
        leave(128 + number)

    def handle(number: int) -> None:
        driver = get_driver()
        if isinstance(driver, TerminalDriver):
            if driver.released and number in FROM_KEYS:
                return
            driver.exit_after(LIMIT_S, 128 + number)
        ending.append(loop.create_task(end(number)))

    try:
        for number in ENDING:
            loop.add_signal_handler(number, handle, number)
    except (NotImplementedError, RuntimeError, ValueError):
        return  # not in the main thread: signals are handled elsewhere


def suspend_process(app: Console, driver: Driver | None) -> None:
    """Suspend the process, with the engine that runs in it, or report why not."""
    if not isinstance(driver, TerminalDriver) or not job_control.has_shell():
        app.say("there is no shell to go back to: this terminal was opened for the console; q leaves", "warning")
        return
    text = "kugetsu is stopped, fg brings it back"
    text += "; its engine is stopped too: agents go on, nothing new starts" if app.connection.engine.is_running else ""
    driver.stop_process(text)

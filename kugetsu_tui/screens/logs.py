"""What keys do to the log of a screen."""

from collections.abc import Callable, Coroutine
from dataclasses import replace

from ..situation import Situation
from ..widgets.log_view import LogView
from .console import ConsoleScreen


def with_log(now: Situation, view: LogView) -> Situation:
    """What the keys need to know of the log in a pane."""
    return replace(now, has_log=view.has_log, streams=view.streams)


def log_deeds(screen: ConsoleScreen, pane: Callable[[], LogView]) -> dict[str, Callable[[], None]]:
    """The deeds of the actions about a log; the pane is there only once the screen is composed."""

    async def find(by: int) -> None:
        told = await pane().error(by)
        if told:
            screen.say(told)

    async def raw() -> None:
        screen.say(await pane().toggle_raw())

    def work(job: Coroutine[None, None, None], name: str) -> None:
        screen.run_worker(job, group=name, exclusive=True, exit_on_error=False, description=name)

    return {
        "move.left": lambda: pane().shift(-8), "move.right": lambda: pane().shift(8),
        "log.follow": lambda: pane().jump(True), "log.wrap": lambda: screen.say(pane().toggle_wrap()),
        "log.times": lambda: screen.say(screen.console.choices.toggle_times()),
        "log.raw": lambda: work(raw(), "raw"),
        "log.error": lambda: work(find(1), "error"), "log.error_before": lambda: work(find(-1), "error"),
    }  # fmt: skip

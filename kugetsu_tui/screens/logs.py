"""What keys do to the log of a screen."""

from collections.abc import Callable

from ..widgets.log_view import LogView
from .console import ConsoleScreen


def log_deeds(screen: ConsoleScreen, pane: Callable[[], LogView]) -> dict[str, Callable[[], None]]:
    """The deeds of the actions about a log; the pane is there only once the screen is composed."""

    async def find(by: int) -> None:
        told = await pane().error(by)
        if told:
            screen.say(told)

    def go(by: int) -> None:
        screen.run_worker(find(by), group="error", exclusive=True, exit_on_error=False, description="error")

    return {
        "move.left": lambda: pane().shift(-8), "move.right": lambda: pane().shift(8),
        "log.follow": lambda: pane().jump(True), "log.wrap": lambda: screen.say(pane().toggle_wrap()),
        "log.times": lambda: screen.say(screen.console.choices.toggle_times()),
        "log.raw": lambda: screen.say(pane().toggle_raw()),
        "log.error": lambda: go(1), "log.error_before": lambda: go(-1),
    }  # fmt: skip

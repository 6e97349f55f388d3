"""What breaks in the state directory is seen on the screen, by the real clock."""

import time

from kugetsu_engine.paths import StatePaths
from tests.support.corrupt import put
from tests.support.waiting import patience

from .conftest import Opener

SEEN_S = 2.0


async def test_a_task_file_that_breaks_is_on_the_screen_within_two_seconds(console: Opener, root: str) -> None:
    """While a console with its engine runs: at once that it cannot be read, then that it was set aside."""
    async with console(embed=True) as here:
        busy, began = patience(), time.monotonic()
        put("merge conflict", StatePaths(root).item("q_900"))
        await here.shows("q_900")
        assert time.monotonic() - began < SEEN_S * max(busy, patience())
        await here.shows("set aside 'q_900.json'")

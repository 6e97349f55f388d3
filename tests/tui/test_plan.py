"""Who starts when: the estimates in the queue, and the plan."""

from collections.abc import Callable

import msgspec

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.decisions.duration_model import RunTimes
from kugetsu_engine.storage import files

from .conftest import Opener

Put = Callable[..., str]


def teach(operator: Client) -> None:
    """Agents take ten minutes."""
    known = RunTimes().learn("local/web", "demo", 600.0)
    files.replace(operator.paths.run_times, msgspec.json.encode(known), durable=False)


async def test_the_plan_asks_what_more_slots_would_do(console: Opener, operator: Client, enqueue: Put) -> None:
    """`w` shows it, `+` and `-` change the question and nothing else."""
    teach(operator)
    for number in range(1, 6):
        enqueue(f"local/web#{number}", f"task {number}")
    enqueue("local/web#9", "held one", hold=True)
    async with console() as here:
        await here.press("2", "w")
        await here.shows("When tasks start")
        await here.shows("3 slots, all but 1 done")
        await here.shows("no engine is running: nothing starts")
        await here.shows("held by you")
        assert here.text.count("  now  ") == 3
        await here.press("plus", "plus")
        await here.shows("with 5 slots in place of 3")
        assert here.text.count("  now  ") == 5
        await here.press(*["minus"] * 4)
        await here.shows("with 1 slot in place of 3")
        await here.press("escape")
        await here.until(lambda: "When tasks start" not in here.text)
        assert here.app.state is not None
        assert here.app.state.snapshot.limit == 3
        await here.press(":", *"plan 2", "enter")
        await here.shows("with 2 slots in place of 3")


async def test_a_long_plan_can_be_read_to_its_end(console: Opener, operator: Client, enqueue: Put) -> None:
    """On the smallest screen too; what is further down than it reaches is counted."""
    for number in range(1, 21):
        enqueue(f"local/web#{number}", f"task {number}")
    async with console((40, 12)) as here:
        await here.press("2", "w")
        await here.shows("When tasks start")
        await here.shows("more  + − slots")
        await here.press("G")
        await here.shows("#20")
        await here.until(lambda: "more  " not in here.text)
        await here.press("g")
        await here.shows("3 slots")
        await here.shows("durations are unknown")


async def test_what_is_read_says_when_there_is_more(console: Opener, operator: Client, enqueue: Put) -> None:
    """And its keys are told in as many words as there is room for."""
    for number in range(1, 21):
        enqueue(f"local/web#{number}", f"task {number}")
    async with console((40, 12)) as here:
        await here.press("h")
        await here.shows("+ − span, esc closes")
    async with console((80, 24)) as here:
        await here.press("2", "w")
        await here.shows("▼ ")
        more = next(int(line.split("▼ ")[1].split()[0]) for line in here.lines if " more  +" in line)
        await here.press("j")
        await here.shows(f"▼ {more - 1} more  ")

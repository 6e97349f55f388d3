"""Sorting, filtering, jumping and the command line; and that they are remembered."""

import json
from collections.abc import Callable
from pathlib import Path

from textual.widgets import Input, OptionList

from kugetsu_engine.client.api import Client
from kugetsu_tui.modals.command_line import CommandLine
from kugetsu_tui.modals.menu import SortMenu
from kugetsu_tui.screens.home import HomeScreen

from .conftest import Console, Opener

Put = Callable[..., str]


def home(here: Console) -> HomeScreen:
    """The home screen."""
    screen = here.app.active_screen
    assert isinstance(screen, HomeScreen)
    return screen


def order(here: Console) -> list[str]:
    """The queue as it is shown."""
    queue = home(here).queue
    return [queue._view.keys[queue._index(place)] for place in range(queue.length)]


def kept(root: str) -> dict[str, object]:
    """`console.json`."""
    try:
        found: dict[str, object] = json.loads(Path(root, "console.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def menu_stands(here: Console) -> bool:
    """Whether the sort menu takes keys."""
    screen = here.app.screen
    return isinstance(screen, SortMenu) and bool(screen.query(OptionList)) and screen.query_one(OptionList).has_focus


async def test_a_list_is_sorted_and_stays_so_in_the_next_console(console: Opener, enqueue: Put, root: str) -> None:
    """The cursor stays on its task; the queue itself is not touched; `0` brings its own order back."""
    for number, priority in ((1, 5), (2, 3), (3, 8)):
        enqueue(f"local/web#{number}", f"task {number}", priority=priority)
    async with console() as here:
        await here.press("2", "j")
        assert home(here).queue.selected_task == "q_1"
        await here.press("o")
        await here.until(lambda: menu_stands(here), "the menu")
        await here.press("j", "enter")
        await here.until(lambda: order(here) == ["q_1", "q_2", "q_3"], "by age")
        assert home(here).queue.selected_task == "q_1"
        await here.shows("by age")
        await here.press("o")
        await here.until(lambda: menu_stands(here), "the menu")
        await here.press("enter")
        await here.until(lambda: order(here) == ["q_3", "q_2", "q_1"], "and backwards")
        await here.until(lambda: "age" in str(kept(root)))
        assert [task.id for task in here.app.state.snapshot.pending] == ["q_3", "q_1", "q_2"]  # type: ignore[union-attr]
    async with console() as here:
        await here.until(lambda: order(here) == ["q_3", "q_2", "q_1"])
        await here.press("2", ":", *"sort -repository", "enter")
        await here.until(lambda: order(here) == ["q_3", "q_2", "q_1"] and "backwards" in here.said)
        await here.press(":", *"sort colour", "enter")
        await here.until(lambda: "sort by one of order, age" in here.said)
        await here.press("o")
        await here.until(lambda: menu_stands(here), "the menu")
        await here.press("0")
        await here.until(lambda: order(here) == ["q_3", "q_1", "q_2"], "the queue's own order")
        await here.until(lambda: kept(root).get("lists") == {})


async def test_a_filter_is_remembered_and_a_jump_takes_it_away(console: Opener, enqueue: Put, root: str) -> None:
    """With tags, fuzzy words and words that must not be there."""
    enqueue("local/web#1", "Fix the login", tags=["auth"])
    enqueue("local/web#2", "Rate limiter")
    enqueue("local/web#3", "Flaky test")
    async with console() as here:
        await here.press("2", "/", *"tag:auth", "enter")
        await here.until(lambda: order(here) == ["q_1"])
        await here.shows("+auth")
        await here.press("/", *["backspace"] * 8, *"!~rtlmt web", "enter")
        await here.until(lambda: order(here) == ["q_1", "q_3"])
        await here.until(lambda: "rtlmt" in str(kept(root)))
    async with console() as here:
        await here.until(lambda: order(here) == ["q_1", "q_3"])
        await here.shows("2/3 /!~rtlmt web")
        await here.press("#")
        await here.until(lambda: isinstance(here.app.screen, CommandLine))
        await here.press("2", "enter")
        await here.until(lambda: home(here).get_selected_id() == "q_2")
        assert home(here).queue.filter == ""
        await here.until(lambda: "rtlmt" not in str(kept(root)))
        await here.press(":", *"99", "enter")
        await here.until(lambda: "there is no #99" in here.said)


async def test_a_jump_finds_ended_tasks_and_opens_a_task_from_elsewhere(
    console: Opener, operator: Client, enqueue: Put
) -> None:
    """In whichever list it is."""
    operator.do("cancel", enqueue())
    enqueue("local/web#2")
    async with console() as here:
        await here.until(lambda: here.app.state is not None and here.app.state.snapshot.done)
        await here.press(":", *"1", "enter")
        await here.until(lambda: home(here).focused_pane is home(here).done and home(here).get_selected_id() == "q_1")
        await here.press("enter")
        await here.until(lambda: not isinstance(here.app.active_screen, HomeScreen))
        await here.press(":", *"#2", "enter")
        await here.shows("local/web#2")


async def test_the_command_line_completes_and_remembers(console: Opener, enqueue: Put, root: str) -> None:
    """`tab` takes what is common, then goes round; up and down bring back what begins like this, also from the last run."""
    enqueue("local/web#1")
    enqueue("local/web#2")
    async with console() as here:
        field = await _opened(here)
        await here.press(*"hol", "tab")
        await here.until(lambda: field.value == "hold ")
        await here.shows("hold ID…")
        await here.press("tab")
        assert field.value == "hold 1 "
        await here.press("tab")
        assert field.value == "hold 2 "
        await here.press("shift+tab", "enter")
        await here.until(lambda: "holding #1" in here.said)
        field = await _opened(here)
        await here.press(*"limit 4", "enter")
        await here.until(lambda: "limit 4" in str(kept(root).get("typed")))
    async with console() as here:
        field = await _opened(here)
        await here.press(*"ho", "up")
        assert field.value == "hold 1 "
        await here.press("up")
        assert field.value == "hold 1 "
        await here.press("down")
        assert field.value == "ho"
        await here.press("escape")


async def test_a_console_that_may_not_change_anything_keeps_nothing(console: Opener, enqueue: Put, root: str) -> None:
    """It looks and touches nothing."""
    enqueue()
    async with console(read_only=True) as here:
        await here.press("2", ":", *"sort age", "enter")
        await here.until(lambda: "queue sorted by age" in here.said)
        assert kept(root) == {}


async def _opened(here: Console) -> Input:
    await here.press(":")
    await here.until(lambda: isinstance(here.app.screen, CommandLine), "the command line")
    return here.app.screen.query_one(Input)


async def test_the_footer_names_the_one_marked_task_and_counts_many(console: Opener, enqueue: Put) -> None:
    """A number alone would look like the number of a task."""
    enqueue("local/web#1")
    enqueue("local/web#2")
    async with console((160, 40)) as here:
        await here.press("2", "space")
        await here.shows("cancel #1")
        await here.press("space")
        await here.shows("×2")

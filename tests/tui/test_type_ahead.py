"""Keys that come in one packet, as over a slow line or from a script: each meets what the one before it led to."""

from collections.abc import Callable

from textual import events

from kugetsu_engine.client.api import Client
from kugetsu_tui.modals.command_line import CommandLine
from kugetsu_tui.modals.task_form import TaskForm
from kugetsu_tui.screens.home import HomeScreen
from kugetsu_tui.widgets.row_list import RowList

from .conftest import Console, Opener

Put = Callable[..., str]
NAMES = {
    ":": "colon",
    "/": "slash",
    "#": "number_sign",
    "?": "question_mark",
    " ": "space",
    "\r": "enter",
    "\t": "tab",
    "\x1b": "escape",
}


def packet(here: Console, text: str) -> None:
    """Keys in the order in which the terminal's thread passes them on, all before the console has done the first."""
    for letter in text:
        here.app.post_message(events.Key(NAMES.get(letter, letter), letter))


def held(here: Console, *ids: str) -> bool:
    """Whether all of some tasks are held, as far as the console knows."""
    assert here.app.state is not None
    tasks = [here.app.state.snapshot.find_task(task_id) for task_id in ids]
    return all(task is not None and task.held for task in tasks)


async def test_a_command_is_run_with_what_stood_before_enter_and_the_next_key_is_a_key(
    console: Opener, enqueue: Put, operator: Client
) -> None:
    """Not `3p`: the task that the command went to is held. Several commands are run one after the other."""
    ids = [enqueue(f"local/web#{number}") for number in (1, 2, 3)]
    operator.send_request("pause")
    async with console() as here:
        await here.shows("web#3")
        packet(here, "2:3\rp")
        await here.until(lambda: held(here, ids[2]), "#3 to be held")
        packet(here, ":hold 2\r:limit 7\r#1\rp")
        await here.until(lambda: held(here, *ids), "all to be held")
        await here.until(lambda: here.app.state and here.app.state.snapshot.limit == 7, "the limit")
        assert not isinstance(here.app.screen, CommandLine)


async def test_a_filter_has_all_its_letters_when_it_is_left(console: Opener, enqueue: Put, operator: Client) -> None:
    """By enter or tab; escape takes all of them away. The keys after it are about the rows that are left."""
    ids = [enqueue(f"local/{name}#1", name) for name in ("alpha", "beta", "gamma")]
    operator.send_request("pause")
    async with console() as here:
        await here.shows("gamma#1")
        packet(here, "2/beta\rp")
        await here.until(lambda: held(here, ids[1]), "beta to be held")
        assert isinstance(here.app.screen, HomeScreen)
        pane = here.app.screen.focused_pane
        assert isinstance(pane, RowList)
        assert pane.filter == "beta"
        packet(here, "/x\x1b")
        await here.until(lambda: pane.filter == "", "all rows to be there again")
        packet(here, "/gamma\t")
        await here.until(lambda: pane.filter == "gamma", "the filter to stay")


async def test_a_form_is_filled_in_one_packet(console: Opener) -> None:
    """Enter goes to the next field, and escape keeps every letter."""
    async with console() as here:
        packet(here, "nlocal/web#77\rWrite a sentence; q x P T and more.\x1b?")
        await here.shows("Keys in")
        await here.press("escape", "n")
        form = here.app.screen
        assert isinstance(form, TaskForm)
        assert form.draft().reference == "local/web#77"
        assert form.draft().message == "Write a sentence; q x P T and more."


async def test_any_key_may_come_right_behind_one_that_opens_something(console: Opener, enqueue: Put) -> None:
    """Before there is anything in it that a key could be about."""
    enqueue()
    openers = ("colon", "question_mark", "n", "w", "h", "i", "ctrl+p", "enter")
    keys = ("up", "tab", "enter", "pagedown", "ctrl+j")
    async with console() as here:
        await here.shows("web#1")
        for opener in openers:
            for key in keys:
                for one in ("2", opener, key, "escape", "escape", "escape", "0"):
                    here.app.post_message(events.Key(one, one if len(one) == 1 else None))
            await here.press("g")
            assert here.app.is_running


async def test_help_does_what_was_searched_for(console: Opener, operator: Client) -> None:
    """And the key after it is heard."""
    async with console() as here:
        packet(here, "?one more agent\r:limit 9\r")
        await here.until(lambda: here.app.state and here.app.state.snapshot.limit == 9, "both to be done")
        await here.shows("9 agents")

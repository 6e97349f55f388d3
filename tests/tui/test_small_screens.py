"""Where room is short: a dialog still shows its question and its answers, a form how to submit, and a line names the panes."""

import asyncio
from collections.abc import Callable

import pytest
from textual.widgets import Input, Select

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.state import notifications
from kugetsu_tui.modals.confirm import Confirm
from kugetsu_tui.modals.task_form import FormDraft, TaskForm

from .conftest import Opener
from .test_home import home

Put = Callable[..., str]
SMALL = ((30, 8), (40, 12), (60, 20), (80, 24), (140, 40))


@pytest.mark.parametrize("size", SMALL)
async def test_a_question_and_its_answers_are_always_in_sight(console: Opener, size: tuple[int, int]) -> None:
    """However much there is to be said about it; that is scrolled between them."""
    async with console(size) as here:
        lines = [f"line {number} of what is lost and what goes on" for number in range(1, 40)]
        here.app.push_screen(Confirm("Stop #48 web#210?", lines, yes="Stop it"))
        await here.shows("Stop #48")
        for _ in range(3):
            assert "Stop it  y" in here.text
            assert "No  n" in here.text
            assert "Stop #48" in here.text
            await here.press("down", "down")
        await here.until(lambda: "line 1 of" not in here.text, "to be scrolled")


@pytest.mark.parametrize("size", SMALL)
async def test_a_form_always_says_how_to_submit_and_how_to_leave(console: Opener, size: tuple[int, int]) -> None:
    """Also while its last field has the keys, and with an error."""
    async with console(size) as here:
        await here.press("n")
        for _ in range(10):
            assert "ctrl+j" in here.text
            assert "esc" in here.text
            await here.press("tab")
        await here.press("ctrl+j")
        await here.until(lambda: "! " in here.text)
        assert "ctrl+j" in here.text


@pytest.mark.parametrize("keys", ["n", "?", "y", "o", "ctrl+p"])
async def test_no_size_of_the_terminal_ends_the_console(console: Opener, enqueue: Put, keys: str) -> None:
    """Whatever is open, down to one cell and back."""
    enqueue("local/web#1")
    async with console((140, 40)) as here:
        await here.shows("web#1")
        await here.press("P", "2", *keys.split())
        for size in ((1, 1), (7, 7), (140, 1), (13, 30), (140, 40)):
            await here.pilot.resize_terminal(*size)
            await here.pilot.pause()
        await here.press("escape", "escape", "escape")
        await here.shows("web#1")


@pytest.mark.parametrize("agents", [["other", "mine"], ["other"]])
async def test_an_edited_task_shows_its_agent_before_the_agents_are_read(console: Opener, agents: list[str]) -> None:
    """And keeps it when they were, whether or not it is among them."""

    async def nothing(draft: FormDraft) -> str:
        return ""

    async with console() as here:
        read = asyncio.Event()

        async def names() -> dict[str, str]:
            await read.wait()
            return dict.fromkeys(agents, "")

        form = TaskForm(FormDraft("local/web#1", "Do it", agent="mine"), nothing, names, "opencode", lambda draft: None)
        here.app.push_screen(form)
        await here.until(lambda: form.is_mounted and form.query("#agent"))
        choice = form.query_one("#agent", Select)
        assert choice.value == "mine"
        assert form.draft().agent == "mine"
        read.set()
        await here.until(lambda: form._filled)
        assert choice.value == "mine"


@pytest.mark.parametrize("size", [(40, 12), (60, 20), (71, 30)])
async def test_a_line_names_the_panes_where_one_is_seen(
    console: Opener, enqueue: Put, operator: Client, size: tuple[int, int]
) -> None:
    """With what they hold, by key and by click; and `tab` is among the keys."""
    enqueue()
    async with console(size) as here:
        await here.shows("1 Agents · 2 Queue 1 · 3 Log · 4 N")
        assert "tab next pane" in here.lines[-1]
        for text in ("q_1", "q_2"):
            notifications.append_notification(
                operator.paths, Notice("2999-01-01T00:00:00.000Z", "task_error", f"{text} failed", "error", text)
            )
        await here.until(lambda: "! 2" in here.lines[1])
        place = here.lines[1].index("3 Log")
        await here.pilot.click("#tabs", offset=(place, 0))
        assert home(here).focused_pane is home(here).log_pane
        await here.press("5")
        assert "5 Done" in here.lines[1]


async def test_no_line_names_the_panes_where_all_are_seen(console: Opener) -> None:
    """Nor where one was given the whole screen."""
    async with console((80, 24)) as here:
        assert "2 Queue" not in here.lines[1]
        await here.press("2", "z")
        assert "2 Queue" in here.lines[1], "its own title"


@pytest.mark.parametrize(("pane", "keys"), [("2", "enter keep  esc clear"), ("3", "enter search  esc leave")])
async def test_a_field_shows_its_own_keys(console: Opener, enqueue: Put, pane: str, keys: str) -> None:
    """And the sign of what it is; letters are typed, so none is offered. Afterwards the keys of the pane are back."""
    enqueue()
    async with console() as here:
        await here.press(pane)
        before = here.lines[-1]
        await here.press("/", *"web")
        assert here.lines[-1].strip() == keys
        assert here.lines[-2].startswith(" /web")
        await here.press("enter")
        await here.until(lambda: here.lines[-1].startswith(" ? help"))
        await here.press(pane, "escape")
        await here.until(lambda: here.lines[-1] == before)


async def test_the_command_line_shows_its_own_keys(console: Opener) -> None:
    """In place of those of the screen below."""
    async with console() as here:
        await here.press(":", *"limit")
        assert here.lines[-1].startswith(" enter run")
        assert " new" not in here.lines[-1]
        assert here.app.screen.query_one(Input).value == "limit"

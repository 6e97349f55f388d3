"""Every key and every command is answered: done, asked about where it cannot be taken back, or refused in a sentence."""

from collections.abc import Callable

from textual.widgets import OptionList

from kugetsu_engine.client.api import Client
from kugetsu_tui.controllers.clipboard import list_copyable
from kugetsu_tui.modals.confirm import Confirm
from kugetsu_tui.modals.menu import Menu
from kugetsu_tui.screens.task import TaskScreen
from kugetsu_tui.widgets.wrapping import wrap_text

from .conftest import Opener
from .test_home import on_disk

Put = Callable[..., str]


async def test_a_key_that_means_nothing_here_says_so(console: Opener, enqueue: Put) -> None:
    """In a list, and on a task's screen."""
    enqueue()
    async with console() as here:
        await here.press("2", "t")
        await here.until(lambda: here.said == "t does nothing here; ? shows the keys")
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, TaskScreen), "the task's screen")
        await here.press("v")
        await here.until(lambda: "does nothing here" in here.said)


async def test_clear_asks_as_it_cannot_be_taken_back(console: Opener, enqueue: Put, operator: Client) -> None:
    """The safe answer is the default; the waiting task stays in any case."""
    ended, waiting = enqueue("local/web#1"), enqueue("local/web#2")
    operator.do("cancel", ended)
    async with console() as here:
        await here.press("2")
        for answer, said in (("enter", "nothing was done"), ("y", "cleared 1 ended task, their worktrees are kept")):
            here.app.commands.run_typed("clear")
            await here.shows("Remove ended tasks?")
            assert "with their logs" in here.text
            await here.press(answer)
            await here.until(lambda said=said: here.said == said)  # type: ignore[misc]
        assert on_disk(operator, waiting).state == "pending"


async def test_commands_about_tasks_that_are_not_there_say_so(console: Opener, enqueue: Put) -> None:
    """Also those that open something."""
    enqueue()
    async with console() as here:
        for verb in ("attach", "shell"):
            here.app.commands.run_typed(f"{verb} 999")
            assert here.said == "there is no #999 in the lists"
        here.app.commands.run_typed("cancel 999")
        await here.until(lambda: "999" in here.said and "no task" in here.said)
    async with console(read_only=True) as here:
        here.app.commands.run_typed("attach 1")
        assert here.said.startswith("read-only")


async def test_several_tasks_named_in_a_command_are_asked_about(console: Opener, enqueue: Put, operator: Client) -> None:
    """As when they are marked."""
    ids = [enqueue(f"local/web#{number}") for number in (1, 2, 3)]
    async with console() as here:
        here.app.commands.run_typed("cancel 1 3")
        await here.until(lambda: isinstance(here.app.screen, Confirm), "the question")
        await here.shows("Cancel 2 waiting tasks?")
        await here.press("y")
        await here.until(lambda: "cancelled 2 tasks" in here.said)
        assert [on_disk(operator, task).state for task in ids] == ["cancelled", "pending", "cancelled"]


async def test_what_is_copied_is_harmless(console: Opener, enqueue: Put, operator: Client) -> None:
    """The message of a task is text from outside: it runs nothing where it is pasted."""
    task = enqueue("local/web#7", "do \x1b]52;c;aGk=\x07 it\nnow")
    found = list_copyable(operator, None, on_disk(operator, task))
    assert found == {"number": "1", "reference": "local/web#7", "message": "do  it\nnow"}
    async with console() as here:
        await here.press("2", "y")
        await here.until(lambda: isinstance(here.app.screen, Menu) and isinstance(here.app.focused, OptionList), "the menu")
        await here.press("j", "enter")
        await here.until(lambda: here.app.clipboard == "local/web#7", "the clipboard")
        assert "reference was sent to the terminal, for its clipboard" in here.said


def test_words_of_wide_characters_lose_none() -> None:
    """A word that is longer than a line is broken between characters, whatever their width."""
    text = "日本語の長いタイトルです and then some"
    for width in range(2, 30):
        lines = wrap_text(text, width)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")

"""Editing a waiting task: in the operator's editor, and in a form where there is none."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.drivers.headless_driver import HeadlessDriver
from textual.widgets import Input, Select, TextArea

from kugetsu_engine.client.api import Client
from kugetsu_engine.state import edit_locks, tasks
from kugetsu_tui.modals.task_form import TaskForm

from .conftest import ENVIRON, Console, Opener

Put = Callable[..., str]

EDITOR = """
import os
import sys
path, turn = sys.argv[-1], sys.argv[1]
text = open(path).read()
open(turn, "a").write(text.splitlines()[0] + "\\n")
count = len(open(turn).read().splitlines())
old, new = ("5", "99") if count == 1 else ("99", "9")
open(path, "w").write(text.replace(f"priority: {old}", f"priority: {new}"))
"""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that can hand its terminal over."""
    monkeypatch.setattr(HeadlessDriver, "can_suspend", property(lambda self: True))


def _form(here: Console) -> TaskForm:
    screen = here.app.screen
    assert isinstance(screen, TaskForm)
    return screen


async def _opens(here: Console) -> TaskForm:
    await here.until(lambda: isinstance(here.app.screen, TaskForm), "the form")
    await here.until(lambda: _form(here)._filled, "the agents")
    return _form(here)


async def test_the_editor_of_the_operator_is_opened_again_until_the_text_makes_sense(
    console: Opener, operator: Client, enqueue: Put, tmp_path: Path, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console stands aside; what is wrong stands at the top; the change can be undone."""
    (tmp_path / "editor.py").write_text(EDITOR)
    turns = tmp_path / "turns"
    monkeypatch.setitem(ENVIRON, "EDITOR", f"{sys.executable} {tmp_path / 'editor.py'} {turns}")
    task_id = enqueue(message="edit me")
    async with console() as here:
        await here.press("2", "e")
        await here.until(lambda: "changed priority of #1" in here.said, "the answer")
        assert tasks.find_task(operator.paths, task_id).priority == 9
        first, second = turns.read_text().splitlines()
        assert first.startswith("# #1 local/web#1")
        assert second == "# ! a priority is a number from 0 to 9: 9 starts first"
        await here.shows("p9")
        await here.press("u")
        await here.until(lambda: tasks.find_task(operator.paths, task_id).priority == 5, "the undo")
    assert edit_locks.list_edited(operator.paths) == frozenset()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("true", "nothing was changed"),
        ("false", "nothing was changed"),
        ("/no/such/editor", "cannot run"),
        ("'", "close the quote"),
    ],
)
async def test_an_editor_that_changes_nothing_or_cannot_run(
    console: Opener, operator: Client, enqueue: Put, terminal: None, monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    """Said in a line, and the task may start again."""
    monkeypatch.setitem(ENVIRON, "VISUAL", program)
    enqueue()
    async with console() as here:
        await here.press("2", "e")
        await here.until(lambda: told in here.said, told)
        await here.until(lambda: edit_locks.list_edited(operator.paths) == frozenset())
    assert not os.listdir(operator.paths.edits)


async def test_without_an_editor_a_form_does_it(console: Opener, operator: Client, enqueue: Put) -> None:
    """With all that was asked for in it; the reason is shown to everyone, and a refusal keeps the form."""
    task_id = enqueue(message="before", agent="demo", priority=7, tags=["api"])
    async with console() as here:
        await here.press("2", "e")
        form = await _opens(here)
        assert form.query_one("#reference", Input).disabled
        assert [form.query_one(f"#{name}", Input).value for name in ("priority", "tags")] == ["7", "api"]
        assert form.query_one(Select).value == "demo"
        assert edit_locks.list_edited(operator.paths) == {task_id}
        form.query_one(TextArea).text = "after"
        form.query_one("#priority", Input).value = "12"
        await here.press("ctrl+j")
        await here.shows("! a priority is a number from 0 to 9")
        form.query_one("#priority", Input).value = "8"
        form.query_one("#after", Input).value = "1"
        await here.press("ctrl+j")
        await here.shows("#1 cannot come after 'q_1'")
        form.query_one("#after", Input).value = ""
        await here.press("ctrl+j")
        await here.until(lambda: "changed message, priority of #1" in here.said, "the answer")
    changed = tasks.find_task(operator.paths, task_id)
    assert (changed.message, changed.priority, changed.agent, changed.tags) == ("after", 8, "demo", ["api"])
    assert edit_locks.list_edited(operator.paths) == frozenset()


async def test_a_form_that_is_left_keeps_its_text_for_the_next_time(console: Opener, operator: Client, enqueue: Put) -> None:
    """And the task may start."""
    task_id = enqueue(message="before")
    async with console() as here:
        await here.press("2", "e")
        form = await _opens(here)
        form.query_one(TextArea).text = "half a thought"
        await here.press("escape")
        await here.until(lambda: "kept for the next e" in here.said)
        assert edit_locks.list_edited(operator.paths) == frozenset()
        await here.press("e")
        form = await _opens(here)
        assert form.query_one(TextArea).text == "half a thought"
        form.query_one(TextArea).text = "before"
        await here.press("escape")
        await here.until(lambda: here.said == "nothing was changed")
    assert tasks.find_task(operator.paths, task_id).message == "before"
    assert not os.listdir(operator.paths.edits)


async def test_who_edits_is_seen_by_others_and_in_nobody_elses_way(console: Opener, operator: Client, enqueue: Put) -> None:
    """`being edited` in the why column of another console, and a second edit is refused in words."""
    task_id = enqueue()
    edit = operator.start_edit(task_id)
    async with console() as here:
        await here.shows("being edited")
        await here.press("2", "e")
        await here.until(lambda: "is already being edited" in here.said)
        edit.finish()
        await here.press(":", *"edit 1", "enter")
        await _opens(here)
        await here.press("escape")


async def test_what_cannot_be_edited_says_why(console: Opener, operator: Client, enqueue: Put) -> None:
    """By the registry, before anything is opened; and a read-only console edits nothing."""
    operator.do("cancel", enqueue())
    async with console() as here:
        await here.press("5")
        await here.until(lambda: here.app.state is not None and here.app.state.snapshot.done)
        await here.press("e")
        await here.until(lambda: "only a waiting task can be edited" in here.said)
    async with console(read_only=True) as here:
        await here.press("e")
        await here.until(lambda: "read-only" in here.said)

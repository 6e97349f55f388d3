"""The form for a task: what `kugetsu enqueue` takes can be said there, at any size."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Select, TextArea

from kugetsu_engine.client.api import Client
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files
from kugetsu_tui.modals.task_form import TaskForm

from .conftest import Console, Opener

Put = Callable[..., str]


async def opened(here: Console, key: str) -> TaskForm:
    """Open a form."""
    await here.press(key)
    await here.until(lambda: isinstance(here.app.screen, TaskForm) and here.app.screen._filled, "the form")
    assert isinstance(here.app.screen, TaskForm)
    return here.app.screen


async def opened_by_edit(here: Console) -> TaskForm:
    """Edit the first task that waits."""
    await here.press("2")
    return await opened(here, "e")


async def test_a_time_limit_and_what_is_expected(console: Opener, operator: Client) -> None:
    """Into the task; a limit that is none is refused in the words of `kugetsu enqueue`, and the form stays."""
    async with console() as here:
        form = await opened(here, "n")
        form.query_one("#reference", Input).value = "local/web#1"
        form.query_one(TextArea).text = "Do it"
        form.query_one("#timeout", Input).value = "soon"
        form.query_one("#expect", Select).value = "commits"
        await here.press("ctrl+j")
        await here.shows("! 'soon' is not a valid duration")
        form.query_one("#timeout", Input).value = "90m"
        await here.press("ctrl+j")
        await here.until(lambda: "queued #1" in here.said, "the answer")
    task = tasks.find_task(operator.paths, "q_1")
    assert (task.timeout_s, task.expect) == (5400.0, "commits")


async def test_a_waiting_task_has_them_in_its_form(console: Opener, operator: Client, enqueue: Put) -> None:
    """As they are; changed, they are changed, and what was not touched stays."""
    enqueue(timeout="30m", expect="changes", tags=["api"])
    async with console() as here:
        form = await opened_by_edit(here)
        assert (form.query_one("#timeout", Input).value, form.query_one("#expect", Select).value) == ("1800s", "changes")
        form.query_one("#timeout", Input).value = ""
        form.query_one("#expect", Select).value = "none"
        await here.press("ctrl+j")
        await here.until(lambda: "changed" in here.said, "the answer")
    task = tasks.find_task(operator.paths, "q_1")
    assert (task.timeout_s, task.expect, task.tags) == (None, "none", ["api"])


@pytest.mark.parametrize("size", [(140, 40), (80, 24), (40, 12)])
async def test_every_field_can_be_seen_and_reached(console: Opener, size: tuple[int, int]) -> None:
    """At 80×24 without scrolling; below that the field that one goes to scrolls into sight, wide enough to read."""
    async with console(size) as here:
        form = await opened(here, "n")
        fields = [*form.query(Input), *form.query(Select), *form.query(TextArea), *form.query(Button)]
        if size[1] >= 24:
            assert all(here.app.size.region.contains_region(field.region) for field in fields)
        seen = set()
        for _ in fields:
            assert form.focused is not None
            where = form.focused.region
            await here.until(lambda: form.focused is not None and here.app.size.region.overlaps(form.focused.region))
            assert where.width >= (8 if isinstance(form.focused, Button) else 18)
            seen.add(form.focused.id)
            await here.press("tab")
        assert seen == {field.id for field in fields}
        assert {len(line) for line in here.lines} == {size[0]}


async def test_what_cannot_run_is_said_at_once_in_the_words_of_the_form(console: Opener, operator: Client) -> None:
    """No repository known: the field is named and gone to, and asked for again it is queued all the same."""
    async with console() as here:
        form = await opened(here, "n")
        form.query_one("#reference", Input).value = "local/nowhere#1"
        form.query_one(TextArea).text = "Do it"
        await here.press("ctrl+j")
        await here.shows("! it could not run: repo: no repository is known for local/nowhere#1")
        assert "--repo" not in here.text
        assert form.focused is form.query_one("#repo")
        assert list(files.list_documents(operator.paths.items)) == []
        await here.press("ctrl+j")
        await here.until(lambda: "queued #1" in here.said, "the answer")


async def test_an_agent_that_is_not_installed_is_marked_and_doubted(console: Opener, operator: Client, tmp_path: Path) -> None:
    """As is one whose settings are not whole; another one is taken at once."""
    text = f'[repos]\n"local/web" = "{tmp_path}"\n[agents.gone]\ncommand = ["no-such-agent"]\n[agents.odd]\ncomand = ["true"]\n'
    files.replace(operator.paths.config, text.encode())
    async with console() as here:
        form = await opened(here, "n")
        choice = form.query_one("#agent", Select)
        shown = {value: str(prompt) for prompt, value in choice._options}
        assert (shown["gone"], shown["odd"]) == ("gone (not installed)", "odd (settings not whole)")
        assert shown["demo"] == "demo"
        form.query_one("#reference", Input).value = "local/web#1"
        form.query_one(TextArea).text = "Do it"
        for agent, words in (
            ("gone", "agent: no-such-agent is not installed"),
            ("odd", "settings: [agents.odd] comand: no such"),
        ):
            choice.value = agent
            await here.press("ctrl+j")
            await here.shows(words)
        choice.value = "demo"
        await here.press("ctrl+j")
        await here.until(lambda: "queued #1" in here.said, "the answer")


async def test_a_typed_enqueue_says_what_cannot_run(console: Opener) -> None:
    """It is queued, and the answer says so."""
    async with console() as here:
        await here.press(":")
        await here.press(*"enqueue", "space", *"local/nowhere#2", "space", "x", "enter")
        await here.until(lambda: "cannot run yet: no repository is known for local/nowhere#2" in here.said, "the warning")

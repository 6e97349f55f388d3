"""A slot in the operator's own hands, and taking over what cannot be taken over."""

import time
from typing import Any

import msgspec
import pytest

from kugetsu_engine.client import demo_setup
from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.manual_session import ManualSession
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.state import manual_sessions
from kugetsu_engine.storage import files
from kugetsu_tui.screens.home import HomeScreen
from kugetsu_tui.screens.task import TaskScreen
from kugetsu_tui.viewmodels.agents import AgentsView

from .conftest import Opener
from .test_home import home


def put(operator: Client, number: int, **fields: Any) -> None:
    """Write a task into the state directory."""
    made = {"id": f"q_{number}", "issue_ref": f"local/web#{number}", "message": "m", "pending_since": iso(time.time())} | fields
    task = msgspec.convert(made, Task)
    path = operator.paths.ended(task.id) if task.ended else operator.paths.item(task.id)
    files.replace(path, msgspec.json.encode(task), durable=False)


async def test_a_slot_in_the_operators_hands_is_a_row_and_is_counted(console: Opener, operator: Client) -> None:
    """With its task, and for how long; enter opens the task, and the row goes when the person has gone."""
    put(operator, 3, state="cancelled", issue_ref="local/web#28", message="Dark theme", attempt=1)
    put(operator, 4, issue_ref="local/web#28", message="More of it")
    hand = ManualSession("q_3", "local/web#28", iso(time.time() - 12 * 60), 4711)
    mark = manual_sessions.mark_manual_session(operator.paths, "local-web-28", hand)
    assert mark is not None
    async with console((140, 40)) as here:
        words = ("by hand", "#3", "web#28", "Dark theme", "12 min")
        await here.until(lambda: any(all(word in line for word in words) for line in here.lines), "its row")
        await here.shows("agents 1/3")
        await here.shows("the issue has a manual session, see #3")
        await here.press("1", "g", "a")
        await here.until(lambda: "#3 already has a manual session" in here.said, "a refusal")
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, TaskScreen), "the task")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, HomeScreen), "home")
        mark.remove()
        await here.until(lambda: here.app.state and not here.app.state.snapshot.by_hand, "the row to go")
        await here.shows("agents 0/3")
        await here.until(lambda: home(here).agents.length == 0, "an empty list")


async def test_the_row_stays_below_the_agents_however_the_list_is_sorted_or_filtered(console: Opener, operator: Client) -> None:
    """It has no processor time and no memory to be sorted by."""
    put(operator, 3, state="cancelled", attempt=1)
    mark = manual_sessions.mark_manual_session(operator.paths, "x", ManualSession("q_3", "local/web#3", iso(time.time())))
    assert mark is not None
    async with console((140, 40)) as here:
        await here.shows("by hand")
        view = home(here).agents._view
        assert isinstance(view, AgentsView)
        assert len({str(view.sort_key(by, 0)) for by in view.sorts}) == 1
        assert view.task_id(0) == "q_3"
        assert "by hand" in str(view.text(0))
    mark.remove()


async def test_an_agent_without_a_screen_of_its_own_is_not_asked_about(
    console: Opener, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`a` says so before any question, and nothing is stopped."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with console((100, 30), embed=True, at=demo_setup.prepare_demo(1, speed=0.2)) as here:
        await here.until(lambda: here.app.state and here.app.state.snapshot.used == 1)
        await here.shows("working")
        await here.press("1", "g", "a")
        await here.until(lambda: "has no known interface of its own" in here.said, "a refusal")
        assert isinstance(here.app.screen, HomeScreen)
        here.app.connection.requests.send("stop_all", now=True)
        await here.until(lambda: here.app.state and not here.app.state.snapshot.active)

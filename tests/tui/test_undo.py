"""Taking acts back, for half a minute."""

from collections.abc import Callable

import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.request import Answer, Request, Undo
from kugetsu_tui.backend.request_results import summarize_answers
from kugetsu_tui.backend.undo import KEPT, KEPT_S, UndoLog
from kugetsu_tui.modals.menu import UndoList

from .conftest import Opener
from .test_home import home, on_disk

Put = Callable[..., str]


def test_an_act_is_kept_for_half_a_minute() -> None:
    """Then it is gone; so it is once it was taken."""
    now = [100.0]
    log = UndoLog(lambda: now[0])
    log.add("first", [Undo("release", "q_1"), Undo("hold", "q_2")])
    now[0] += 10
    log.add("second", [Undo("resume")])
    assert [act.text for act in log.entries] == ["first", "second"]
    assert log.latest is not None
    assert log.latest.text == "second"
    first = log.entries[0]
    assert log.seconds_left(first) == KEPT_S - 10
    assert [step.verb for step in first.steps] == ["hold", "release"], "the last part is taken back first"
    assert log.pop(log.latest.number) is not None
    assert log.latest is first
    now[0] += KEPT_S - 10
    assert log.latest is None
    assert log.pop(first.number) is None


def test_the_list_has_an_end() -> None:
    """The newest are kept."""
    log = UndoLog(lambda: 0.0)
    for number in range(KEPT + 5):
        log.add(str(number), [])
    assert log.entries[0].text == "5"


def test_many_answers_become_one_line() -> None:
    """What was done by kind, how many were refused and why the first of them; only what was done can be taken back."""
    wishes = [Request("hold", "q_1"), Request("hold", "q_2"), Request("kill", "q_3")]
    answers = [Answer(True, "a", undo=Undo("release", "q_1")), Answer(False, "q_2 is gone", "look"), Answer(True, "b")]
    told = summarize_answers(wishes, answers)
    assert told.text == "holding 1 task, stopping 1 task; 1 not: q_2 is gone: look"
    assert not told.good
    assert told.undo == (Undo("release", "q_1"),)
    assert summarize_answers(wishes, answers, undoable=False).undo == ()
    assert summarize_answers(wishes[:1], answers[:1]).text == "a"


@pytest.mark.parametrize(("keys", "answer"), [("p", "holding #2"), ("J", "#2 is number 3"), ("T", "#2 is number 1")])
async def test_u_takes_the_last_act_back(console: Opener, enqueue: Put, operator: Client, keys: str, answer: str) -> None:
    """The answer says that it can; afterwards everything is as it was."""
    for number in (1, 2, 3):
        enqueue(f"local/web#{number}")
    async with console() as here:
        await here.press("2", "j")
        before = on_disk(operator, "q_2")
        await here.press(*keys)
        await here.until(lambda: here.said.startswith(answer) and here.said.endswith("u undoes it"))
        await here.press("u")
        await here.until(lambda: "undoes" not in here.said and "undoing" not in here.said)
        after = on_disk(operator, "q_2")
        assert (after.held, after.position, after.priority) == (before.held, before.position, before.priority)
        await here.until(lambda: list(home(here).queue._view.keys) == ["q_1", "q_2", "q_3"])
        await here.press("u")
        assert "nothing to undo" in here.said


async def test_a_cancelled_task_comes_back_to_its_place(console: Opener, enqueue: Put, operator: Client) -> None:
    """And a held one stays held."""
    for number in (1, 2, 3):
        enqueue(f"local/web#{number}", hold=True)
    async with console() as here:
        await here.press("2", "j", "x")
        await here.until(lambda: "cancelled #2" in here.said)
        await here.press("u")
        await here.until(lambda: "#2 is back in the queue" in here.said)
        assert on_disk(operator, "q_2").held
        await here.until(lambda: list(home(here).queue._view.keys) == ["q_1", "q_2", "q_3"])


async def test_limit_pause_and_priority(console: Opener, enqueue: Put, operator: Client) -> None:
    """What concerns the queue, and what was typed as a command."""
    task = enqueue()
    async with console() as here:
        limit = here.app.state.snapshot.limit  # type: ignore[union-attr]
        for keys, said, back in (
            (("plus",), f"at most {limit + 1} agents", f"at most {limit} agents"),
            (("P",), "paused", "resumed"),
            (("colon", *"edit 1 priority 9", "enter"), "changed priority", "changed priority"),
        ):
            await here.press(*keys)
            await here.until(lambda said=said: said in here.said and "u undoes it" in here.said)  # type: ignore[misc]
            await here.press("u")
            await here.until(lambda back=back: here.said.startswith(back) and "undoes" not in here.said)  # type: ignore[misc]
        assert on_disk(operator, task).priority == 5


async def test_the_list_of_acts(console: Opener, enqueue: Put, operator: Client) -> None:
    """`:undo` shows them, the newest first; enter takes the chosen one back, also an older one."""
    task = enqueue()
    async with console() as here:
        await here.press("2", "colon", *"undo", "enter")
        await here.until(lambda: "nothing to undo" in here.said)
        await here.press("p")
        await here.until(lambda: "holding #1" in here.said)
        await here.press("plus")
        await here.until(lambda: "at most" in here.said)
        await here.press("colon", *"undo", "enter")
        await here.until(lambda: isinstance(here.app.screen, UndoList))
        await here.shows("holding #1  until")
        await here.press("j", "enter")
        await here.until(lambda: "released #1" in here.said)
        assert not on_disk(operator, task).held
        await here.press("colon", *"undo", "enter")
        await here.until(lambda: isinstance(here.app.screen, UndoList))
        await here.press("escape")
        await here.until(lambda: not isinstance(here.app.screen, UndoList))


async def test_too_late_is_a_clear_word(console: Opener, enqueue: Put, operator: Client) -> None:
    """A task that has moved on meanwhile is not touched; the engine says why."""
    task = enqueue()
    async with console() as here:
        await here.press("2", "p")
        await here.until(lambda: "holding #1" in here.said)
        operator.do("release", task)
        await here.press("u")
        await here.until(lambda: "#1 is not held" in here.said)

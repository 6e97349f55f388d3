"""Marks and ranges: every act on tasks is then about all of them."""

from collections.abc import Callable

import pytest

from kugetsu_engine.client.api import Client
from kugetsu_tui.availability import ActionContext
from kugetsu_tui.keys import ACTIONS, Registry
from kugetsu_tui.viewmodels.selection import order_moves

from .conftest import Opener
from .test_home import home, on_disk

Put = Callable[..., str]


@pytest.fixture
def five(enqueue: Put) -> list[str]:
    """Five waiting tasks."""
    return [enqueue(f"local/web#{number}", f"work {number}") for number in range(1, 6)]


@pytest.mark.parametrize(
    ("marked", "to", "order"),
    [
        ("bd", "top", "bdace"), ("bd", "bottom", "acebd"), ("ab", "top", "abcde"), ("ac", "top", "acbde"),
        ("ce", "bottom", "abdce"), ("cd", "up", "acdbe"), ("ac", "up", "acbde"), ("ab", "up", "abcde"), ("de", "down", "abcde"),
        ("bc", "down", "adbce"), ("ce", "down", "abdce"), ("abcde", "top", "abcde"),
    ],
)  # fmt: skip
def test_a_block_moves_without_turning_over(marked: str, to: str, order: str) -> None:
    """Whatever is marked keeps its order; what stands at the end stays there."""
    queue = list("abcde")
    for task in order_moves(queue, set(marked), to):
        place = queue.index(task)
        queue.remove(task)
        places = {"top": 0, "bottom": len(queue), "up": max(place - 1, 0), "down": place + 1}
        queue.insert(places[to], task)
    assert "".join(queue) == order


def test_an_act_is_refused_only_if_no_marked_task_can_have_it() -> None:
    """The reason names how many there are."""
    registry = Registry()
    running, waiting = ActionContext(task="q_1", state="running"), ActionContext(task="q_2", state="pending")
    assert registry["task.up"].get_refusal(ActionContext(marked=2, kinds=(running, waiting))) is None
    reason = registry["task.up"].get_refusal(ActionContext(marked=3, kinds=(running,)))
    assert reason is not None
    assert reason.startswith("none of the 3 marked: #1 is running")


def test_every_act_on_tasks_knows_of_marks() -> None:
    """But those that open something, or make a new task."""
    opening = {"task.open", "task.new", "task.edit", "task.attach", "task.shell", "task.say"}
    answers = {"task.answer", "task.answer_always", "task.refuse"}  # each question has its own
    assert {action.id for action in ACTIONS if action.id.startswith("task.") and not action.many} == opening | answers


async def test_space_marks_and_escape_clears(console: Opener, five: list[str]) -> None:
    """Marks show in the row and in the line at the bottom; space again takes one away."""
    async with console() as here:
        await here.press("2", "space", "space")
        await here.shows("2 tasks marked  #1 #2")
        await here.until(lambda: here.text.count("◆") == 2)
        await here.press("k", "space")
        await here.shows("1 task marked  #1")
        await here.press("escape")
        await here.until(lambda: "◆" not in here.text and not home(here).multi_select)


async def test_a_range_reaches_to_the_cursor(console: Opener, five: list[str], operator: Client) -> None:
    """`v`, move, act: no second `v` is needed; escape drops it; `v` again makes marks of it."""
    async with console() as here:
        await here.press("2", "j", "v", "j", "j")
        await here.shows("3 tasks marked  #2 #3 #4")
        await here.press("escape")
        await here.until(lambda: not home(here).multi_select)
        await here.press("v", "k", "k", "v", "G")
        await here.shows("3 tasks marked  #2 #3 #4")
        await here.press("escape", "g", "v", "j", "p")
        await here.until(lambda: "holding 2 tasks" in here.said)
        assert [on_disk(operator, task).held for task in five] == [True, True, False, False, False]


async def test_hold_acts_on_all_and_then_releases_all(console: Opener, five: list[str], operator: Client) -> None:
    """Mixed ones are held first; undo takes the whole act back."""
    operator.do("hold", "q_1")
    async with console() as here:
        await here.shows("held by you")
        await here.press("2", "space", "space", "space", "p")
        await here.until(lambda: "holding 2 tasks" in here.said)
        await here.until(lambda: all(task.held for task in home(here).list_target_tasks()))
        await here.press("p")
        await here.until(lambda: "released 3 tasks" in here.said)
        assert not any(on_disk(operator, task).held for task in five)
        await here.press("u")
        await here.until(lambda: "holding 3 tasks" in here.said)


async def test_moving_a_block(console: Opener, five: list[str]) -> None:
    """The marks stay for the next move, and so does their order; undo brings the old order back."""
    async with console() as here:
        queue = home(here).queue
        await here.press("2", "j", "space", "j", "space", "T")
        await here.until(lambda: list(queue._view.keys) == ["q_2", "q_4", "q_1", "q_3", "q_5"])
        await here.press("J")
        await here.until(lambda: list(queue._view.keys) == ["q_1", "q_2", "q_4", "q_3", "q_5"])
        await here.press("u")
        await here.until(lambda: list(queue._view.keys) == ["q_2", "q_4", "q_1", "q_3", "q_5"])
        await here.press("u")
        await here.until(lambda: list(queue._view.keys) == ["q_1", "q_2", "q_3", "q_4", "q_5"])
        await here.press("escape", "g", "space", "T")
        await here.until(lambda: "#1 is already the first" in here.said)


async def test_cancelling_many_asks_once(console: Opener, five: list[str], operator: Client) -> None:
    """The question says how many and which; the marks are gone after it; `u` puts them back at their places."""
    async with console() as here:
        await here.press("2", "space", "j", "space", "x")
        await here.shows("Cancel 2 waiting tasks?")
        assert "#1 web#1, #3 web#3" in here.text
        await here.press("enter")
        await here.until(lambda: here.said == "nothing was done")
        assert home(here).multi_select
        await here.press("x")
        await here.shows("Cancel 2 waiting tasks?")
        await here.press("y")
        await here.until(lambda: "cancelled 2 tasks" in here.said and not home(here).multi_select)
        assert on_disk(operator, "q_3").state == "cancelled"
        await here.press("u")
        await here.until(lambda: "put back 2 tasks" in here.said)
        await here.until(lambda: list(home(here).queue._view.keys) == five)


async def test_retrying_many(console: Opener, five: list[str], operator: Client) -> None:
    """From the list of ended ones; asked once."""
    for task in five[:3]:
        operator.do("cancel", task)
    async with console() as here:
        await here.press("5")
        await here.shows("cancelled by you")
        await here.press("v", "G", "v", "r")
        await here.shows("Try 3 tasks again?")
        await here.press("y")
        await here.until(lambda: "retrying 3 tasks" in here.said)
        assert {on_disk(operator, task).state for task in five} == {"pending"}


async def test_marks_vanish_with_their_task(console: Opener, five: list[str], operator: Client) -> None:
    """A mark is a task's, not a row's: it moves with it, into another list too, and goes when the task is gone."""
    async with console() as here:
        await here.press("2", "j", "space")
        operator.do("move", "q_2", to="bottom")
        await here.until(lambda: list(home(here).queue._view.keys)[-1] == "q_2")
        assert [task.id for task in home(here).list_target_tasks()] == ["q_2"]
        operator.do("cancel", "q_2")
        await here.until(lambda: home(here).list_target_tasks() and home(here).list_target_tasks()[0].state == "cancelled")
        operator.do("clear")
        await here.until(lambda: not home(here).multi_select)


async def test_a_key_that_no_marked_task_can_have_says_why(console: Opener, five: list[str]) -> None:
    """One line, with the count."""
    async with console() as here:
        await here.press("2", "space", "space", "X")
        assert here.said.startswith("none of the 2 marked: #1 has no agent to kill")


async def test_commands_without_an_id_mean_the_marked_ones(console: Opener, five: list[str], operator: Client) -> None:
    """`:hold`; and `:cancel` asks once, as the key does."""
    async with console() as here:
        await here.press("2", "space", "space", "colon", *"hold", "enter")
        await here.until(lambda: "holding 2 tasks" in here.said)
        await here.press("colon", *"cancel", "enter")
        await here.shows("Cancel 2 waiting tasks?")
        await here.press("n")
        await here.until(lambda: here.said == "nothing was done")


async def test_read_only_marks_and_changes_nothing(console: Opener, five: list[str]) -> None:
    """Looking includes marking."""
    async with console(read_only=True) as here:
        await here.press("2", "space", "space", "p")
        assert "read-only" in here.said
        await here.press("u")
        assert "read-only" in here.said

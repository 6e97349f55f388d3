"""A task's story in sentences."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import EngineView
from kugetsu_engine.domain.job import Progress
from kugetsu_engine.domain.task import Attempt, Base, Delivered, Notice, Task
from kugetsu_tui.modals.task_events import EventLines, TaskEventsDialog
from kugetsu_tui.viewmodels.console_state import ConsoleState
from kugetsu_tui.viewmodels.event_text import describe_events

from .conftest import Opener
from .test_hostile import HOSTILE, drawn_safely, lay_out
from .test_viewmodels import active, snapshot, task

Put = Callable[..., str]
AT = "2027-01-15T07:{}:00.000Z"


def lines(picture: ConsoleState, one: Task) -> list[str]:
    """The sentences without their times."""
    return [text for _, (text, _) in describe_events(picture, one)]


FROM = Base("1a2b3c4d5e6f", "origin/main", age_s=7300.0, remote="origin", fetched=True)


def test_a_story_in_order_with_every_attempt() -> None:
    """Asked for, each attempt's start and end with what it left, what else was told, and how it stands."""
    attempts = [
        Attempt(1, AT.format("05"), AT.format("15"), 1, outcome="failed", reason="the checks fail", elapsed_s=600.0,
                delivered=Delivered(1, 2, 31, 2), base=FROM),
        Attempt(2, AT.format("20"), AT.format("50"), 0, outcome="ok", elapsed_s=1800.0, delivered=Delivered()),
    ]  # fmt: skip
    one = task(7, state="completed", attempt=2, attempts=attempts, completed_at=AT.format("50"), priority=8, reason="exit 0")
    notices = (
        Notice(AT.format("17"), "task_retry", "#7 x waits again", "warning", "q_7", "x"),
        Notice(AT.format("18"), "task_edited", "#7 github.com/user/api#7 looked at by you", "info", "q_7", one.issue_ref),
        Notice(AT.format("18"), "task_error", "#8 failed", "error", "q_8"),
    )
    story = lines(ConsoleState(snapshot(done=(one,), notices=notices)), one)
    assert story == [
        "Requested for github.com/user/api#7: task 7. Priority 8 of 9.",
        "Attempt 1 started from origin/main, commit 1a2b3c4d5e (2 h old, as origin has it now).",
        "Attempt 1 failed after 10 min: the checks fail (exit 1). It left 1 commit, +31 −2.",
        "Looked at by you.",
        "Attempt 2 started.",
        "Attempt 2 succeeded after 30 min. It left nothing.",
        story[-1],
    ]
    assert story[-1].startswith("It was completed at ")
    assert story[-1].endswith(": exit 0.")


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"held": True}, "It is waiting: held by you; number 1 of 1 in the queue."),
        ({"after": ["q_9"]}, "in the queue."),
        ({"state": "error", "error": "401 from the provider"}, "401 from the provider."),
        ({"state": "cancelled", "reason": "cancelled by you"}, ": cancelled by you."),
    ],
)
def test_how_it_stands(changes: dict[str, Any], end: str) -> None:
    """The last sentence says what is so now, and what a person can do."""
    one = task(1, pending_since=AT.format("00"), completed_at=AT.format("10"), **changes)
    where = {"done": (one,)} if one.ended else {"pending": (one,)}
    assert lines(ConsoleState(snapshot(**where)), one)[-1].endswith(end)


def test_a_running_attempt_and_a_silent_one() -> None:
    """Silence beyond the limit asks for a person."""
    one = active(3, notified_at=AT.format("40"))
    assert "Attempt 1 of 3 has been running since" in lines(ConsoleState(snapshot(active=(one,))), one.task)[-1]
    progress = Progress(phase="agent", stalled="no output, no file changed")
    silent = msgspec.structs.replace(one, progress=progress, stalled_s=900.0)
    assert (
        "It needs you: no output, no file changed for 15 min."
        in lines(ConsoleState(snapshot(active=(silent,))), silent.task)[-1]
    )


def test_the_story_does_not_change_with_time_alone() -> None:
    """Points in time, no ages."""
    one = task(1, attempt=1, retry_at="2027-01-15T09:05:00.000Z", attempts=[Attempt(1, outcome="lost")])
    first, later = (
        snapshot(pending=(one,), taken_at=at, engine=EngineView(True, 1)) for at in (1_800_000_000.0, 1_800_000_100.0)
    )
    assert describe_events(ConsoleState(first), one) == describe_events(ConsoleState(later), one)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_i_tells_it_and_escape_leaves(console: Opener, enqueue: Put, operator: Client, size: tuple[int, int]) -> None:
    """From a list and from the task's own screen, at every size."""
    task_id = enqueue(message="Look at the whole story")
    operator.do("hold", task_id)
    async with console(size) as here:
        await here.press("2", "i")
        await here.until(lambda: isinstance(here.app.screen, TaskEventsDialog))
        await here.shows("what happened")
        await here.press("G")
        await here.shows("held by you")
        assert {len(line) for line in here.lines} == {size[0]}
        assert "pane failed" not in here.text
        await here.press("j", "k", "escape", "enter", "i")
        await here.until(lambda: isinstance(here.app.screen, TaskEventsDialog))
        await here.press("i")
        await here.until(lambda: not isinstance(here.app.screen, TaskEventsDialog))


async def test_the_story_is_as_high_as_it_is_long_from_the_start(
    console: Opener, enqueue: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not cover the whole screen first."""
    enqueue(hold=True)
    heights: list[int] = []
    laid_out = EventLines.on_resize

    def noted(lines: EventLines) -> None:
        heights.append(lines.size.height)
        laid_out(lines)

    monkeypatch.setattr(EventLines, "on_resize", noted)
    async with console((120, 40)) as here:
        await here.press("2", "i")
        await here.shows("what happened")
        await here.until(lambda: heights)
    assert max(heights) < 10


async def test_a_hostile_story(console: Opener, operator: Client) -> None:
    """References, messages, reasons and notifications are only text."""
    lay_out(operator, " ".join(HOSTILE))
    async with console((60, 20)) as here:
        for keys in (("1", "i"), ("2", "g", "i"), ("2", "G", "i"), ("5", "i"), ("4", "i")):
            await here.press(*keys)
            await here.until(lambda: isinstance(here.app.screen, TaskEventsDialog))
            await here.press("pagedown", "G")
            assert drawn_safely(here.text), keys
            assert "pane failed" not in here.text
            await here.press("escape")
            await here.until(lambda: not isinstance(here.app.screen, TaskEventsDialog))

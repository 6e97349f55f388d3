"""Every action of the registry is done once with its key, in a console on a real state directory; one without a pilot fails.

Whoever adds an action adds a pilot here: what is pressed, and what must be seen then.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.refs import parse_reference
from kugetsu_engine.domain.task import Attempt, Notice, Task
from kugetsu_engine.git import worktrees
from kugetsu_engine.state import notifications
from kugetsu_engine.storage import files
from kugetsu_tui.keys import ACTIONS, Action
from kugetsu_tui.modals.command_line import CommandLine
from kugetsu_tui.modals.forecast import ForecastDialog
from kugetsu_tui.modals.help import Help
from kugetsu_tui.modals.menu import Menu, SortMenu
from kugetsu_tui.modals.task_events import TaskEventsDialog
from kugetsu_tui.modals.task_form import TaskForm
from kugetsu_tui.modals.utilization import UtilizationDialog
from kugetsu_tui.palette import Palette
from kugetsu_tui.screens.base import ConsoleScreen
from kugetsu_tui.screens.diff import DiffScreen
from kugetsu_tui.screens.home import HomeScreen
from kugetsu_tui.screens.merged_log import MergedScreen
from kugetsu_tui.screens.task import TaskScreen
from kugetsu_tui.widgets.log_view import LogView
from tests.support.repositories import commit, make_repository

from .conftest import Console, Opener
from .test_home import home, on_disk

Do = Callable[["Tour"], Awaitable[None]]
PILOTS: dict[str, Do] = {}
WAITING, ENDED, RUNNING = ("q_1", "q_2", "q_3"), "q_4", "q_5"
LINES = 300


def pilot(action: str) -> Callable[[Do], Do]:
    """Register the pilot of an action."""

    def register(do: Do) -> Do:
        assert action not in PILOTS, f"{action} has two pilots"
        PILOTS[action] = do
        return do

    return register


class Tour:
    """A console that is brought home before each action."""

    def __init__(self, here: Console, operator: Client) -> None:
        self.here = here
        self.operator = operator
        self.press = here.press
        self.until = here.until
        self.shows = here.shows

    @property
    def home(self) -> HomeScreen:
        """The home screen."""
        return home(self.here)

    @property
    def log(self) -> LogView:
        """The log at home."""
        return self.home.log_pane

    async def go_home(self) -> None:
        """Leave whatever is open, with nothing marked, filtered, searched or held."""
        for _ in range(6):
            if isinstance(self.here.app.screen, HomeScreen):
                break
            await self.press("escape")
            await self.here.pilot.pause()
        assert isinstance(self.here.app.screen, HomeScreen)
        if self.here.app.replay.is_on:
            self.here.app.replay.action_past_leave()
        self.home.drop_marks()
        self.home.queue.set_filter("")
        self.log.clear_search()
        await self.press("0")

    async def in_queue(self, task: str = "q_1") -> None:
        """Stand on a waiting task."""
        await self.press("2")
        assert self.home.queue.select(task)

    async def on_one_that_ran(self) -> None:
        """Stand on the task that has attempts, whether it has ended or waits for another one."""
        ended = self.task(ENDED).ended
        await self.press("5" if ended else "2")
        assert (self.home.done if ended else self.home.queue).select(ENDED)

    async def in_log(self) -> None:
        """Stand in the log of the task that failed, at its top."""
        await self.press("5")
        assert self.home.done.select(ENDED)
        await self.press("3", "g")
        await self.until(lambda: "line 1 " in self.here.text, "the log")

    async def in_diff(self) -> DiffScreen:
        """Open the diff of a task with a worktree."""
        await self.in_queue()
        await self.press("d")
        await self.until(lambda: isinstance(self.here.app.screen, DiffScreen), "the diff")
        await self.shows("changed")
        assert isinstance(self.here.app.screen, DiffScreen)
        return self.here.app.screen

    async def opens(self, screen: type[object]) -> None:
        """Wait for another screen."""
        await self.until(lambda: isinstance(self.here.app.screen, screen), f"{screen.__name__}")

    async def said(self, text: str) -> None:
        """Wait for an answer."""
        await self.until(lambda: text in self.here.said, f"{text!r}, not {self.here.said!r}")

    def task(self, task: str) -> Task:
        """The task on disk."""
        return on_disk(self.operator, task)


@pytest.fixture
def scene(operator: Client, tmp_path: Path) -> Client:
    """Waiting tasks, one of them with work in its worktree; one that failed twice and has logs; and one that runs."""
    for number in (1, 2, 3):
        operator.enqueue(f"local/web#{number}", f"task {number}")
    repository = make_repository(tmp_path / "repo")
    commit(repository, "a.txt", "".join(f"line {number}\n" for number in range(100)))
    folder = Path(operator.paths.worktree(parse_reference("local/web#1").slug))
    worktrees.prepare_worktree(str(repository), str(folder), "fix/issue-1", None)
    commit(folder, "a.txt", "".join(f"line {n}{' changed' if n in (5, 90) else ''}\n" for n in range(100)))
    (folder / "b.txt").write_text("new\n")
    attempts = [Attempt(number, outcome="failed", reason=f"exit code {number}", exit_code=number) for number in (1, 2)]
    ended = Task(
        ENDED,
        "local/web#4",
        "it failed",
        state="error",
        position=9.0,
        attempt=2,
        attempts=attempts,
        completed_at="2026-01-01T00:00:00Z",
    )
    files.replace(operator.paths.ended(ENDED), msgspec.json.encode(ended))
    for number in (1, 2):
        log = Path(operator.paths.log(ENDED, number))
        log.parent.mkdir(exist_ok=True)
        wrong = {100: "error: first", 200: "error: second"}
        log.write_text("".join(f"{wrong.get(n, f'line {n} of attempt {number}')} {'x' * 150}\n" for n in range(1, LINES + 1)))
    running = Task(RUNNING, "local/web#5", "it runs", state="running", attempt=1, notified_at="2026-01-01T00:00:00Z", token="t")
    files.replace(operator.paths.item(RUNNING), msgspec.json.encode(running))
    return operator


def test_every_action_has_a_pilot() -> None:
    """And every pilot an action."""
    assert set(PILOTS) == {action.id for action in ACTIONS}


@pytest.mark.parametrize("group", sorted({action.group for action in ACTIONS}))
async def test_every_action_does_what_it_says(
    console: Opener, scene: Client, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its first key, and nothing else does it."""
    performed: list[str] = []
    perform = ConsoleScreen.perform

    def noted(self: ConsoleScreen, action: Action) -> None:
        performed.append(action.id)
        perform(self, action)

    monkeypatch.setattr(ConsoleScreen, "perform", noted)
    async with console((120, 40)) as here:
        tour = Tour(here, scene)
        await here.until(lambda: here.app.state is not None and here.app.state.snapshot.done, "history")
        for action in ACTIONS:
            if action.group == group and action.id != "quit":
                await tour.go_home()
                performed.clear()
                await PILOTS[action.id](tour)
                assert action.id in performed, f"the pilot of {action.id} never did it: {performed}"
        if group == "The console":
            await tour.go_home()
            await PILOTS["quit"](tour)


@pilot("task.attach")
async def _(tour: Tour) -> None:
    await tour.on_one_that_ran()
    await tour.press("a")
    await tour.said("the agent demo has no known interface of its own")
    await tour.in_queue()
    await tour.press("a")
    await tour.said("has no worktree yet")


@pilot("task.shell")
async def _(tour: Tour) -> None:
    await tour.on_one_that_ran()
    await tour.press("s")
    await tour.said("in another terminal: kugetsu shell 4")


@pilot("log.raw")
async def _(tour: Tour) -> None:
    """The readable log and what the agent printed; of an agent that prints no stream only the latter is there."""
    told = Path(tour.operator.paths.readable_log(ENDED, 2))
    await tour.in_log()
    await tour.press("o")
    await tour.said("this log has one form only")
    told.write_text("- the agent's own words\n")  # noqa: ASYNC240
    await tour.press("left_square_bracket", "right_square_bracket")
    await tour.shows("the agent's own words")
    await tour.press("o")
    await tour.said("raw is on: what the agent printed")
    await tour.shows("of attempt 2")
    await tour.press("o")
    await tour.said("raw is off: the readable log")
    await tour.shows("the agent's own words")
    told.unlink()  # noqa: ASYNC240
    await tour.press("left_square_bracket", "right_square_bracket")
    await tour.shows("of attempt 2")


async def _in_all_logs(tour: Tour) -> MergedScreen:
    log = Path(tour.operator.paths.log(RUNNING, 1))
    log.parent.mkdir(exist_ok=True)
    log.write_text("said by the fifth\nand this too\n")  # noqa: ASYNC240
    await tour.press("m")
    await tour.opens(MergedScreen)
    await tour.shows("said by the fifth")
    screen = tour.here.app.screen
    assert isinstance(screen, MergedScreen)
    return screen


@pilot("merged.whose")
async def _(tour: Tour) -> None:
    """Only one, all but one, and that one again."""
    await _in_all_logs(tour)
    await tour.press("o")
    await tour.shows("Whose lines?")
    await tour.press("j", "j", "enter")
    await tour.said("lines of all agents but #5")
    await tour.until(lambda: "said by the fifth" not in tour.here.text)
    await tour.press("o")
    await tour.shows("again")
    await tour.press("j", "enter")
    await tour.said("lines of #5 only")
    await tour.shows("said by the fifth")


@pilot("merged.filter")
async def _(tour: Tour) -> None:
    """Words as for lists; none shows all again."""
    await _in_all_logs(tour)
    await tour.press("ampersand", *"fifth", "enter")
    await tour.said("with fifth")
    await tour.until(lambda: "and this too" not in tour.here.text)
    await tour.shows("said by the fifth")
    await tour.press("ampersand", *["backspace"] * 5, "enter")
    await tour.shows("and this too")


@pilot("view.merged")
async def _(tour: Tour) -> None:
    log = Path(tour.operator.paths.log(RUNNING, 1))
    log.parent.mkdir(exist_ok=True)
    log.write_text("said by the fifth\n")  # noqa: ASYNC240
    await tour.press("m")
    await tour.opens(MergedScreen)
    await tour.shows("said by the fifth")
    with log.open("a") as file:  # noqa: ASYNC230
        file.write("and a further line\nerror: it broke\n")
    await tour.shows("and a further line")
    assert next(line for line in tour.here.lines if "further line" in line).strip("│ ").startswith("#5")
    await tour.press("g", "e")
    await tour.said("looks like an error")


@pilot("view.history")
async def _(tour: Tour) -> None:
    await tour.press("h")
    await tour.opens(UtilizationDialog)
    await tour.shows("the last 6 h")
    await tour.press("+")
    await tour.shows("the last 12 h")
    await tour.press("-", "-", "-")
    await tour.shows("the last 1 h")


# moving


@pilot("move.down")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("j")
    assert tour.home.get_selected_id() == "q_2"


@pilot("move.up")
async def _(tour: Tour) -> None:
    await tour.in_queue("q_2")
    await tour.press("k")
    assert tour.home.get_selected_id() == "q_1"


@pilot("move.page_down")
async def _(tour: Tour) -> None:
    await tour.in_log()
    first = tour.log._scroll.first
    await tour.press("pagedown")
    assert tour.log._scroll.first == first + tour.log.body_height - 1


@pilot("move.page_up")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("pagedown", "pageup")
    assert tour.log._scroll.first == 0


@pilot("move.top")
async def _(tour: Tour) -> None:
    await tour.in_queue("q_3")
    await tour.press("g")
    assert tour.home.get_selected_id() == "q_1"


@pilot("move.bottom")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("G")
    await tour.shows(f"line {LINES} of")
    assert tour.log.follow


@pilot("move.left")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("right", "left")
    assert tour.log._scroll.left == 0


@pilot("move.right")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("right")
    assert tour.log._scroll.left > 0
    await tour.press("left")


@pilot("jump")
async def _(tour: Tour) -> None:
    await tour.press("number_sign")
    await tour.opens(CommandLine)
    await tour.press("3", "enter")
    await tour.until(lambda: tour.home.get_selected_id() == "q_3")


@pilot("jump.need")
async def _(tour: Tour) -> None:
    text = "#4 local/web#4 failed"
    notifications.append_notification(
        tour.operator.paths, Notice("2999-01-01T00:00:00.000Z", "task_error", text, "error", ENDED, None)
    )
    await tour.until(lambda: tour.here.lines[0].startswith(" kugetsu  ! 1 needs you"))
    await tour.press("!")
    await tour.until(lambda: tour.home.get_selected_id() == ENDED)


# panes


@pilot("pane.next")
async def _(tour: Tour) -> None:
    await tour.press("1", "tab")
    assert tour.home.focused_pane is tour.home.queue


@pilot("pane.previous")
async def _(tour: Tour) -> None:
    await tour.press("2", "shift+tab")
    assert tour.home.focused_pane is tour.home.agents


@pilot("pane.agents")
async def _(tour: Tour) -> None:
    await tour.press("2", "1")
    assert tour.home.focused_pane is tour.home.agents


@pilot("pane.queue")
async def _(tour: Tour) -> None:
    await tour.press("2")
    assert tour.home.focused_pane is tour.home.queue


@pilot("pane.log")
async def _(tour: Tour) -> None:
    await tour.press("3")
    assert tour.home.focused_pane is tour.log


@pilot("pane.notices")
async def _(tour: Tour) -> None:
    await tour.press("4")
    assert tour.home.focused_pane is tour.home.notices


@pilot("pane.done")
async def _(tour: Tour) -> None:
    await tour.press("5")
    assert tour.home.focused_pane is tour.home.done
    await tour.shows("it failed")


@pilot("pane.all")
async def _(tour: Tour) -> None:
    await tour.press("2", "z", "0")
    await tour.until(lambda: not tour.home.has_class("-one"))


@pilot("pane.zoom")
async def _(tour: Tour) -> None:
    await tour.press("2", "z")
    await tour.until(lambda: tour.home.has_class("-one"))


@pilot("task.open")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("enter")
    await tour.opens(TaskScreen)


@pilot("view.diff")
async def _(tour: Tour) -> None:
    await tour.in_diff()


@pilot("view.story")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("i")
    await tour.opens(TaskEventsDialog)
    await tour.shows("Requested for local/web#1")


@pilot("view.plan")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("w")
    await tour.opens(ForecastDialog)


@pilot("back")
async def _(tour: Tour) -> None:
    await tour.press("5", "escape")
    assert tour.home.focused_pane is tour.home.queue


# the selected task


@pilot("task.new")
async def _(tour: Tour) -> None:
    await tour.press("n")
    await tour.opens(TaskForm)
    form = tour.here.app.screen
    await tour.press(*"local/web#9", "tab", *"new", "ctrl+j")
    await tour.until(lambda: tour.here.app.screen is not form, "the form is gone")
    await tour.said("queued #6")


@pilot("task.stop")
async def _(tour: Tour) -> None:
    await tour.in_queue("q_6")
    await tour.press("x")
    await tour.said("cancelled #6")


@pilot("view.copy")
async def _(tour: Tour) -> None:
    await tour.in_queue("q_1")
    await tour.press("y")
    await tour.opens(Menu)
    await tour.press("j", "enter")
    await tour.said("reference was sent to the terminal, for its clipboard: local/web#1")


@pilot("task.kill")
async def _(tour: Tour) -> None:
    await tour.press("1")
    assert tour.home.agents.select(RUNNING)
    await tour.press("X")
    await tour.shows("Kill #5")
    await tour.press("y")
    await tour.said("killing #5")
    await tour.until(lambda: tour.task(RUNNING).stop == "kill")


@pilot("task.park")
async def _(tour: Tour) -> None:
    await tour.press("1")
    assert tour.home.agents.select(RUNNING)
    await tour.press("Z")
    await tour.said("#5 is being stopped")  # since an earlier pilot; `test_pausing.py` parks one


@pilot("task.retry")
async def _(tour: Tour) -> None:
    await tour.press("5")
    assert tour.home.done.select(ENDED)
    await tour.press("r")
    await tour.said("#4 waits for another attempt")
    assert tour.task(ENDED).state == "pending"


@pilot("task.hold")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("p")
    await tour.said("holding #1")
    await tour.until(lambda: tour.home.get_context().held)
    await tour.press("p")
    await tour.said("released #1")


async def _moved(tour: Tour, task: str, key: str, words: str) -> None:
    await tour.in_queue(task)
    await tour.press(key)
    await tour.said(words)


@pilot("task.down")
async def _(tour: Tour) -> None:
    await _moved(tour, "q_1", "J", "#1 is number 2")


@pilot("task.up")
async def _(tour: Tour) -> None:
    await _moved(tour, "q_1", "K", "#1 is number 1")


@pilot("task.top")
async def _(tour: Tour) -> None:
    await _moved(tour, "q_3", "T", "#3 is number 1")


@pilot("task.bottom")
async def _(tour: Tour) -> None:
    await _moved(tour, "q_3", "B", "#3 is number 4 of 4")


@pilot("task.say")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("c")
    await tour.opens(CommandLine)
    await tour.press(*"don't", "enter")
    await tour.said("will be given when it starts")


async def _press_while_it_asks(tour: Tour, key: str) -> None:
    """With a context that says that the agent of the selected task asks something."""
    await tour.in_queue()
    screen = tour.home
    now = screen.get_context()
    screen.get_context = lambda: replace(now, asks=True)  # type: ignore[method-assign]
    try:
        await tour.press(key)
    finally:
        del screen.get_context


@pilot("task.answer")
async def _(tour: Tour) -> None:
    await _press_while_it_asks(tour, "y")
    await tour.said("asks nothing now")


@pilot("task.answer_always")
async def _(tour: Tour) -> None:
    await _press_while_it_asks(tour, "A")
    await tour.said("asks nothing now")


@pilot("task.refuse")
async def _(tour: Tour) -> None:
    await _press_while_it_asks(tour, "n")
    await tour.opens(CommandLine)


@pilot("task.edit")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("e")
    await tour.opens(TaskForm)
    form = tour.here.app.screen
    assert isinstance(form, TaskForm)
    await tour.until(lambda: form._filled)
    await tour.press(*"More: ", "ctrl+j")
    await tour.said("changed message of #1")
    assert tour.task("q_1").message == "More: task 1"


@pilot("mark.toggle")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("space")
    assert [task.id for task in tour.home.list_target_tasks()] == ["q_1"]


@pilot("mark.range")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("g", "v", "j", "v")
    assert len(tour.home.list_target_tasks()) == 2


# the queue


@pilot("queue.pause")
async def _(tour: Tour) -> None:
    await tour.press("P")
    await tour.said("paused")
    await tour.until(lambda: tour.home._flow() == "resume")
    await tour.press("P")
    await tour.until(lambda: tour.home._flow() == "pause")


async def _limit(tour: Tour, key: str, limit: int) -> None:
    await tour.press(key)
    await tour.until(lambda: tour.home.get_context().limit == limit)


@pilot("queue.more")
async def _(tour: Tour) -> None:
    await _limit(tour, "plus", 4)


@pilot("queue.fewer")
async def _(tour: Tour) -> None:
    await _limit(tour, "minus", 3)


@pilot("undo")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("p")
    await tour.said("holding #1")
    await tour.press("u")
    await tour.until(lambda: not tour.task("q_1").held)


# the log


@pilot("log.previous")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("left_square_bracket", "g")
    await tour.shows("line 1 of attempt 1")


@pilot("log.next")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("left_square_bracket", "right_square_bracket", "g")
    await tour.shows("line 1 of attempt 2")


@pilot("log.error")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("e")
    await tour.shows("error: first")


@pilot("log.error_before")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("e")
    await tour.shows("error: first")
    await tour.press("e")
    await tour.shows("error: second")
    await tour.press("E")
    await tour.shows("error: first")


@pilot("log.wrap")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("w")
    await tour.said("wrap is on")
    await tour.press("w")


@pilot("log.times")
async def _(tour: Tour) -> None:
    await tour.in_log()
    Path(tour.operator.paths.times(ENDED, 2)).write_bytes(b"@1795262400.00 0 0\n@1795262401.00 100000 0\n")  # noqa: ASYNC240
    await tour.press("t")
    await tour.said("times are on")
    await tour.until(lambda: tour.log._loader.part.times, "times")
    await tour.press("t")
    await tour.said("times are off")


@pilot("log.follow")
async def _(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("f")
    assert tour.log.follow


async def _searched(tour: Tour) -> None:
    await tour.in_log()
    await tour.press("slash", *"error:", "enter")
    await tour.said("2 lines have error:")


@pilot("log.hit")
async def _(tour: Tour) -> None:
    await _searched(tour)
    await tour.press("n")
    await tour.said("of 2")


@pilot("log.hit_before")
async def _(tour: Tour) -> None:
    await _searched(tour)
    await tour.press("N")
    await tour.said("of 2")


# the diff


@pilot("diff.hunk")
async def _(tour: Tour) -> None:
    await tour.in_diff()
    await tour.press("right_square_bracket", "right_square_bracket")
    await tour.said("hunk 2 of 3")


@pilot("diff.hunk_before")
async def _(tour: Tour) -> None:
    await tour.in_diff()
    await tour.press("right_square_bracket", "right_square_bracket")
    await tour.said("hunk 2 of 3")
    await tour.press("left_square_bracket")
    await tour.said("hunk 1 of 3")


@pilot("diff.file")
async def _(tour: Tour) -> None:
    screen = await tour.in_diff()
    await tour.press("right_curly_bracket")
    await tour.until(lambda: screen.view.file == 1)


@pilot("diff.file_before")
async def _(tour: Tour) -> None:
    screen = await tour.in_diff()
    await tour.press("right_curly_bracket", "left_curly_bracket")
    await tour.until(lambda: screen.view.file == 0)


@pilot("diff.read")
async def _(tour: Tour) -> None:
    screen = await tour.in_diff()
    await tour.press("tab")
    await tour.until(lambda: screen.focused_pane is screen.files)
    await tour.press("enter")
    await tour.until(lambda: screen.focused_pane is screen.view)


# the past


async def _in_past(tour: Tour) -> float:
    """Show the last thing that happened; returns when that was."""
    await tour.press("comma")
    await tour.until(lambda: tour.here.app.connection.replay_moment is not None, "the past")
    await tour.shows("REPLAY")
    assert tour.here.app.connection.replay_moment is not None
    return tour.here.app.connection.replay_moment


@pilot("past.open")
async def _(tour: Tour) -> None:
    await _in_past(tour)
    await tour.shows("esc: now")


@pilot("past.back")
async def _(tour: Tour) -> None:
    last = await _in_past(tour)
    await tour.press("comma")
    await tour.until(lambda: (tour.here.app.connection.replay_moment or last) < last)


@pilot("past.forward")
async def _(tour: Tour) -> None:
    last = await _in_past(tour)
    await tour.press("comma")
    await tour.until(lambda: (tour.here.app.connection.replay_moment or last) < last)
    await tour.press("full_stop")
    await tour.until(lambda: tour.here.app.connection.replay_moment == last)


@pilot("past.earlier")
async def _(tour: Tour) -> None:
    last = await _in_past(tour)
    await tour.press("<")
    await tour.until(lambda: (tour.here.app.connection.replay_moment or last) < last)


@pilot("past.later")
async def _(tour: Tour) -> None:
    last = await _in_past(tour)
    await tour.press(">")
    await tour.until(lambda: (tour.here.app.connection.replay_moment or last) > last)


@pilot("past.play")
async def _(tour: Tour) -> None:
    await _in_past(tour)
    await tour.press("<", "space")
    await tour.said("this is the present")


@pilot("past.faster")
async def _(tour: Tour) -> None:
    await _in_past(tour)
    await tour.press("+")
    await tour.shows("600")


@pilot("past.slower")
async def _(tour: Tour) -> None:
    await _in_past(tour)
    await tour.press("+", "-", "-", "-")
    await tour.shows("10×")


@pilot("past.leave")
async def _(tour: Tour) -> None:
    await _in_past(tour)
    await tour.press("escape")
    await tour.said("this is the present")
    assert tour.here.app.connection.replay_moment is None


# the console


@pilot("filter")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("slash", *"web#3", "enter")
    await tour.until(lambda: tour.home.queue.length == 1)


@pilot("list.sort")
async def _(tour: Tour) -> None:
    await tour.in_queue()
    await tour.press("o")
    await tour.opens(SortMenu)


@pilot("help")
async def _(tour: Tour) -> None:
    await tour.press("question_mark")
    await tour.opens(Help)


@pilot("command")
async def _(tour: Tour) -> None:
    await tour.press("colon")
    await tour.opens(CommandLine)
    assert tour.here.app.screen.query_one(Input).has_focus


@pilot("palette")
async def _(tour: Tour) -> None:
    await tour.press("ctrl+p")
    await tour.until(lambda: isinstance(tour.here.app.screen, Palette))


@pilot("reload")
async def _(tour: Tour) -> None:
    reader = tour.here.app.connection.poller.reader
    await tour.press("R")
    await tour.said("reading everything again")
    assert tour.here.app.connection.poller.reader is not reader


@pilot("suspend")
async def _(tour: Tour) -> None:
    await tour.press("ctrl+z")
    await tour.said("there is no shell to go back to")  # a pilot has no terminal


@pilot("quit")
async def _(tour: Tour) -> None:
    await tour.press("q")
    await tour.until(lambda: tour.here.app._exit, "the console is left")

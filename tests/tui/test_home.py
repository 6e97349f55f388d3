"""The home screen, with real state directories and the real link."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.task import Task
from kugetsu_tui.screens.home import HomeScreen
from kugetsu_tui.screens.task import TaskScreen

from .conftest import ENVIRON, Console, Opener

Put = Callable[..., str]


def on_disk(operator: Client, task_id: str) -> Task:
    """The task as the state directory has it."""
    task = SnapshotReader(operator.paths, ENVIRON).read().find_task(task_id)
    assert task is not None
    return task


def home(here: Console) -> HomeScreen:
    """The home screen."""
    screen = here.app.active_screen
    assert isinstance(screen, HomeScreen)
    return screen


@pytest.mark.parametrize("size", [(140, 40), (110, 30), (80, 24), (60, 20), (40, 12), (30, 8)])
async def test_every_size_shows_something_and_fits(console: Opener, enqueue: Put, size: tuple[int, int]) -> None:
    """Each layout fills the terminal exactly, with all panes or with one of them."""
    enqueue(message="Fix the login loop")
    async with console(size) as here:
        await here.press("2")
        await here.shows("#1")
        assert len(here.lines) == size[1]
        assert {len(line) for line in here.lines} == {size[0]}


async def test_a_terminal_too_small_gets_a_message(console: Opener) -> None:
    """Nobody crashes for want of room."""
    async with console((24, 5)) as here:
        await here.shows("more room")
        await here.pilot.resize_terminal(140, 40)
        await here.shows("Agents")


async def test_a_task_from_outside_appears(console: Opener, enqueue: Put) -> None:
    """The console is right within a second of a change on disk, whoever made it."""
    async with console() as here:
        await here.shows("the queue is empty")
        enqueue(message="A script")
        await here.shows("A script")


async def test_tab_and_numbers_go_to_panes(console: Opener) -> None:
    """Each pane can be reached in two ways."""
    async with console() as here:
        seen = []
        for _ in range(4):
            await here.press("tab")
            seen.append(home(here).focused_pane.id)
        assert seen == ["queue", "log", "notices", "agents"]
        for key, pane in (("1", "agents"), ("2", "queue"), ("3", "log"), ("4", "notices"), ("5", "done")):
            await here.press(key)
            assert home(here).focused_pane.id == pane
        await here.press("escape")
        assert home(here).focused_pane.id == "queue"


async def test_zoom_gives_the_screen_to_one_pane(console: Opener, enqueue: Put) -> None:
    """`z` and `0` come and go."""
    enqueue()
    async with console() as here:
        await here.press("2", "z")
        await here.until(lambda: "Notifications" not in here.text)
        assert "Queue" in here.text
        await here.press("0")
        await here.shows("Notifications")


async def test_hold_and_release(console: Opener, enqueue: Put, operator: Client) -> None:
    """`p` holds the selected task back, and lets it go again; each is answered in one line."""
    task = enqueue()
    async with console() as here:
        await here.press("2", "p")
        await here.until(lambda: here.said.startswith("holding #1"))
        assert on_disk(operator, task).held
        await here.shows("held by you")
        await here.press("p")
        await here.until(lambda: here.said.startswith("released #1"))
        assert not on_disk(operator, task).held


async def test_moving_keeps_the_selection_on_the_task(console: Opener, enqueue: Put) -> None:
    """J K T B move the task, and the cursor goes with it."""
    for number in range(1, 5):
        enqueue(f"local/web#{number}")
    async with console() as here:
        queue = home(here).queue
        await here.press("2", "J")
        await here.until(lambda: list(queue._view.keys) == ["q_2", "q_1", "q_3", "q_4"])
        assert queue.selected_key == "q_1"
        await here.press("B")
        await here.until(lambda: list(queue._view.keys) == ["q_2", "q_3", "q_4", "q_1"])
        assert queue.selected_key == "q_1"
        await here.press("K")
        await here.until(lambda: list(queue._view.keys) == ["q_2", "q_3", "q_1", "q_4"])
        await here.press("T")
        await here.until(lambda: list(queue._view.keys) == ["q_1", "q_2", "q_3", "q_4"])
        await here.press("K")
        await here.until(lambda: "#1 is already the first" in here.said)


async def test_cancel_does_not_ask_as_it_can_be_taken_back(console: Opener, enqueue: Put, operator: Client) -> None:
    """The answer says how; `r` puts the task back later, too."""
    task = enqueue()
    async with console() as here:
        await here.press("2", "x")
        await here.until(lambda: here.said.startswith("cancelled #1") and "u undoes it" in here.said)
        await here.press("u")
        await here.until(lambda: "#1 is back in the queue" in here.said)
        assert on_disk(operator, task).state == "pending"
        await here.until(lambda: list(home(here).queue._view.keys) == [task])
        await here.press("x")
        await here.until(lambda: here.said.startswith("cancelled #1"))
        await here.press("5")
        await here.shows("cancelled by you")
        await here.press("r")
        await here.until(lambda: "waits for another attempt" in here.said)
        assert on_disk(operator, task).state == "pending"


async def test_the_question_keeps_its_task(console: Opener, enqueue: Put, operator: Client) -> None:
    """The id is taken when the key is pressed: what moves under the question is not touched."""
    first, second, third = (enqueue(f"local/web#{number}") for number in (1, 2, 3))
    async with console() as here:
        await here.press("2", "space", "j", "space", "x")
        await here.shows("Cancel 2 waiting tasks?")
        operator.do("cancel", first)
        await here.until(lambda: list(home(here).queue._view.keys) == [second, third])
        await here.press("y")
        await here.until(lambda: "already ended" in here.said)
        assert on_disk(operator, second).state == "pending"
        assert on_disk(operator, third).state == "cancelled"


async def test_a_key_that_cannot_work_says_why(console: Opener, enqueue: Put) -> None:
    """It is dim in the footer, and tells its reason."""
    enqueue()
    async with console() as here:
        await here.press("2", "r")
        assert here.said == "#1 is already waiting to start"
        await here.press("X")
        assert "no agent to kill" in here.said


async def test_pause_and_limit(console: Opener, enqueue: Put) -> None:
    """`P` pauses and resumes the queue, `+` and `-` change the limit."""
    enqueue()
    async with console() as here:
        await here.press("P")
        await here.until(lambda: "paused" in here.said)
        await here.shows("‖ paused")  # the picture, not the answer: the key is about what is shown
        await here.press("P")
        await here.until(lambda: "resum" in here.said or "goes on" in here.said or "start again" in here.said)
        await here.press("+")
        await here.until(lambda: "at most 4" in here.said)
        await here.shows("/4")


async def test_filter_and_its_inverse(console: Opener, enqueue: Put) -> None:
    """The filter works while it is typed, shows in the title, and escape clears it. Letters are letters meanwhile."""
    for number, words in enumerate(("quick fix", "xerox panel", "slow road"), 1):
        enqueue(f"local/web#{number}", words)
    async with console() as here:
        await here.press("2", "slash", *"xer")
        await here.shows("1/3 /xer")
        assert "quick fix" not in here.text.split("Log")[0]
        await here.press("enter")
        assert home(here).focused_pane.id == "queue"
        await here.press("escape")
        await here.until(lambda: home(here).queue.length == 3)
        await here.press("slash", "exclamation_mark", *"slow", "enter")
        await here.shows("2/3 /!slow")


async def test_typing_in_the_form_fires_nothing(console: Opener, operator: Client) -> None:
    """A whole task through the form; a refusal keeps the text."""
    async with console() as here:
        await here.press("n")
        await here.shows("New task")
        await here.press(*"qxq", "tab", *"quit", "ctrl+j")
        await here.shows("not a valid issue reference")
        await here.press("shift+tab", "home", "ctrl+k", *"local/web#7", "ctrl+j")
        await here.until(lambda: here.said.startswith("queued #1"))
        task = on_disk(operator, "q_1")
        assert (task.issue_ref, task.message) == ("local/web#7", "quit")


async def test_the_form_keeps_what_was_typed(console: Opener) -> None:
    """Escape loses nothing."""
    async with console() as here:
        await here.press("n")
        await here.shows("New task")
        await here.press(*"local/a#1", "escape")
        await here.until(lambda: "kept" in here.said)
        await here.press("n")
        await here.shows("local/a#1")


async def test_the_command_line_knows_the_verbs(console: Opener, enqueue: Put, operator: Client) -> None:
    """The words of `kugetsu` work after `:`; errors are one line."""
    task = enqueue()
    async with console() as here:
        for line, answer in (
            ("hold 1", "holding #1"), ("release #1", "released #1"), ("edit q_1 priority 8", "changed priority of #1"),
            ("limit 5", "at most 5 agents"), ("fly", "unknown command 'fly'"), ("move 1", "write it like: move ID"),
            ("retry 99", "99"), ("enqueue local/web#2 'more work' --priority 9", "queued #2"),
        ):  # fmt: skip
            await here.press("colon")
            await here.until(lambda: len(here.app.screen_stack) == 3)
            here.app.screen.query_one(Input).value = line
            await here.press("enter")
            await here.until(lambda answer=answer: answer in here.said, f"{line} -> {answer}, said {here.said!r}")  # type: ignore[misc]
        assert on_disk(operator, task).priority == 8


async def test_help_is_searchable_and_says_why_not(console: Opener) -> None:
    """Every key of the place is there, with what stands against it."""
    async with console() as here:
        await here.press("question_mark")
        await here.shows("Keys in the list of agents")
        await here.press(*"retry")
        await here.shows("no task is selected")
        await here.press("escape")
        await here.until(lambda: "Keys in" not in here.text)


async def test_enter_opens_the_task_and_escape_leaves(console: Opener, enqueue: Put) -> None:
    """One level in, one level out; escape never quits."""
    enqueue(message="Look at the whole story")
    async with console() as here:
        await here.press("2", "enter")
        await here.until(lambda: isinstance(here.app.screen, TaskScreen))
        await here.shows("Look at the whole story")
        await here.press("escape", "escape", "escape")
        await here.until(lambda: isinstance(here.app.screen, HomeScreen))
        assert here.app.is_running


async def test_read_only_changes_nothing(console: Opener, enqueue: Put, operator: Client) -> None:
    """It looks, says why a key does nothing, and leaves every file alone."""
    import os

    task = enqueue()

    def stamps() -> dict[str, int]:
        return {
            f"{folder}/{name}": os.stat(f"{folder}/{name}").st_mtime_ns
            for folder, _, names in os.walk(operator.paths.root)
            for name in names
        }

    before = stamps()
    async with console(read_only=True, embed=True) as here:
        await here.press("2", "p")
        assert "read-only" in here.said
        await here.press("4", "P", "n", "x")
        assert "read-only" in here.said
        await here.shows("no engine is running")
    assert stamps() == before
    assert on_disk(operator, task).state == "pending"


async def test_read_only_makes_no_state_directory(console: Opener, tmp_path: object) -> None:
    """There may be nothing to look at."""

    missing = f"{tmp_path}/none"
    async with console(read_only=True, at=missing) as here:
        await here.shows("the queue is empty")
    assert not Path(missing).exists()  # noqa: ASYNC240


async def test_notifications_are_read_by_looking(console: Opener, enqueue: Put, operator: Client) -> None:
    """Going to the pane marks them, and what was new stays marked while one is there."""
    from kugetsu_engine.domain.task import Notice
    from kugetsu_engine.state import notifications

    notifications.append_notification(
        operator.paths, Notice("2026-01-01T00:00:00.000Z", "task_error", "#1 web#1 failed: no", "error", "q_1", None)
    )
    async with console() as here:
        await here.shows("1 need")
        await here.press("4")
        await here.until(lambda: notifications.read_until(operator.paths) == "2026-01-01T00:00:00.000Z")
        await here.until(lambda: "need" not in here.lines[0])


async def test_reading_notifications_moves_none_while_one_looks(console: Opener, enqueue: Put, operator: Client) -> None:
    """Nothing was ever read: what needs you stays first until the pane is left, and then the newest are in sight."""
    from kugetsu_engine.domain.task import Level, Notice
    from kugetsu_engine.state import notifications

    def tell(minute: int, kind: str, text: str, level: Level = "info") -> None:
        notifications.append_notification(
            operator.paths, Notice(f"2026-01-01T00:{minute:02}:00.000Z", kind, text, level, f"q_{minute}", None)
        )

    tell(0, "task_error", "the one that failed", "error")
    for minute in range(1, 30):
        tell(minute, "task_queued", f"arrival {minute}.")
    async with console() as here:
        pane = home(here).notices
        await here.shows("the one that failed")
        await here.press("4")
        before = here.lines[-10:-3]
        await here.until(lambda: notifications.read_until(operator.paths) == "2026-01-01T00:29:00.000Z")
        await here.until(lambda: "need" not in here.lines[0])
        assert here.lines[-10:-3] == before
        tell(30, "task_queued", "arrival 30.")
        await here.shows("arrival 30.")
        assert pane.selected_task == "q_0", "the row one looks at is the row that keys are about"
        await here.press("1")
        await here.until(lambda: pane.selected_task == "q_30")
        assert "the one that failed" not in here.text
        tell(31, "task_queued", "arrival 31.")
        await here.shows("arrival 31.")


async def test_a_queue_nobody_touched_shows_what_is_next(
    console: Opener, enqueue: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it has the keys by itself, or got them by a key long ago; a row chosen by hand stays chosen."""
    for number in range(1, 4):
        enqueue(f"local/web#{number}")
    async with console() as here:
        queue = home(here).queue
        await here.until(lambda: home(here).focused_pane is queue)
        enqueue("local/web#4", priority=6)
        await here.until(lambda: queue.selected_task == "q_4")
        await here.press("2")
        enqueue("local/web#5", priority=7)
        await here.until(lambda: queue.length == 5)
        assert queue.selected_task == "q_4"
        monkeypatch.setattr("kugetsu_tui.screens.home.USED_S", 0.0)
        enqueue("local/web#6", priority=8)
        await here.until(lambda: queue.selected_task == "q_6")
        await here.press("j")
        assert queue.selected_task == "q_5"
        enqueue("local/web#7", priority=9)
        await here.until(lambda: queue.length == 7)
        assert queue.selected_task == "q_5"


async def test_the_log_that_is_read_stays_when_its_task_leaves_the_list(
    console: Opener, enqueue: Put, operator: Client
) -> None:
    """Keys are about the task whose log has the keys, not about the row that has come to its place."""
    for number in range(1, 4):
        enqueue(f"local/web#{number}")
    async with console() as here:
        await here.press("2", "j", "3")
        assert home(here).get_selected_id() == "q_2"
        operator.send_request("cancel", "q_2")
        await here.until(lambda: home(here).queue.length == 2)
        assert home(here).get_selected_id() == "q_2"
        await here.shows("Log #2")
        await here.press("2")
        assert home(here).get_selected_id() != "q_2"


async def test_one_key_goes_to_each_task_that_needs_you(console: Opener, enqueue: Put, operator: Client) -> None:
    """From a list, from a log, from a task's own screen; into whichever list has it, and with the reason."""
    from kugetsu_engine.domain.task import Notice
    from kugetsu_engine.state import notifications

    for number in range(1, 4):
        enqueue(f"local/web#{number}")
    operator.send_request("cancel", "q_2")
    async with console() as here:
        await here.until(lambda: here.app.state and here.app.state.snapshot.done)
        await here.press("!")
        assert here.said == "nothing needs you"
        for number, text in ((2, "#2 web#2 expired"), (3, "#3 web#3 failed: no")):
            notice = Notice(f"2999-01-01T00:0{number}:00.000Z", "task_error", text, "error", f"q_{number}", None)
            notifications.append_notification(operator.paths, notice)
        await here.shows("! 2 need you")
        await here.press("3", "!")
        assert (home(here).get_selected_id(), home(here).focused_pane.id) == ("q_3", "queue")
        assert here.said == "1 of 2: #3 web#3 failed: no"
        await here.press("!")
        assert (home(here).get_selected_id(), home(here).focused_pane.id) == ("q_2", "done")
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, TaskScreen))
        for task_id in ("q_3", "q_2"):
            await here.press("!")
            await here.until(lambda: "of 2: " in here.said)
            assert getattr(here.app.screen, "task_id", "") == task_id
        assert len(here.app.screen_stack) == 3, "one task's screen follows another"


async def test_the_palette_finds_actions(console: Opener, enqueue: Put) -> None:
    """ctrl+p, some letters, enter."""
    enqueue()
    async with console() as here:
        await here.press("2", "ctrl+p")
        await here.until(lambda: len(here.app.screen_stack) == 3)
        await here.press(*"hold")
        await here.shows("waiting task, or release it")
        await here.press("enter")
        await here.until(lambda: "holding" in here.said or len(here.app.screen_stack) == 2)
        await here.press("enter") if len(here.app.screen_stack) == 3 else None
        await here.until(lambda: here.said.startswith("holding #1"))

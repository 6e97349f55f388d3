"""What the panes show, without a pane."""

from typing import Any

import msgspec
import pytest

from kugetsu_engine.client.snapshot import Active, EngineView, Snapshot
from kugetsu_engine.domain.decisions.duration_model import RunTimes
from kugetsu_engine.domain.decisions.notification_rules import Need
from kugetsu_engine.domain.decisions.waiting_reasons import Cooldown
from kugetsu_engine.domain.engine_state import Alert
from kugetsu_engine.domain.job import Progress, RunRecord
from kugetsu_engine.domain.task import Attempt, Delivered, Notice, Task
from kugetsu_engine.domain.text.quantities import format_moment
from kugetsu_engine.errors import UsageError
from kugetsu_tui.availability import ActionContext
from kugetsu_tui.commands.grammar import Command, parse_command
from kugetsu_tui.keys import Registry
from kugetsu_tui.viewmodels import status_bar, task_summary
from kugetsu_tui.viewmodels.agents import AgentsView
from kugetsu_tui.viewmodels.attention import find_next_need
from kugetsu_tui.viewmodels.console_state import ConsoleState
from kugetsu_tui.viewmodels.done import DoneView
from kugetsu_tui.viewmodels.notifications import NoticesView
from kugetsu_tui.viewmodels.queue import QueueView
from kugetsu_tui.viewmodels.rows import lay_out_columns

NOW = 1_800_000_000.0


def snapshot(**changes: Any) -> Snapshot:
    """A picture of an empty state directory with an engine."""
    empty = Snapshot(
        NOW, EngineView(True, 812, "headless", "2027-01-15T07:00:00.000Z", 0.5), 3, (), (), (), 0, (), "", ()
    )  # fmt: skip
    return msgspec.structs.replace(empty, **changes)


def task(number: int, **changes: Any) -> Task:
    """A waiting task."""
    return msgspec.structs.replace(Task(f"q_{number}", f"github.com/user/api#{number}", f"task {number}"), **changes)


def active(number: int, quiet: float = 1.0, **changes: Any) -> Active:
    """A running one."""
    progress = Progress(phase="agent", cpu_percent=41.2, rss_bytes=400 << 20)
    return Active(task(number, state="running", attempt=1, **changes), None, progress, 21.4, 3600.0, quiet)


def words(cells: Any) -> str:
    """All text of some cells."""
    return " ".join(text for text, _ in cells)


def test_an_agent_shows_time_load_and_phase() -> None:
    """One row says how the attempt stands."""
    row = AgentsView(ConsoleState(snapshot(active=(active(41),)), cpu={"q_41": (0.0, 50.0, 99.0)})).row(0)
    shown = words(row.cells)
    for part in ("▶", "#41", "api#41", "0:21/1h", "working", "▁▅█", "41%", "400M"):
        assert part in shown


@pytest.mark.parametrize(
    ("used", "cap", "kills", "cell", "tail"),
    [
        (900, 4096, 0, ("900M", "muted"), ""), (2458, 4096, 0, ("2.4G 60%", "text"), ""),
        (3482, 4096, 1, ("3.4G 85%", "warning"), "1 tool ended for memory"), (3482, None, 0, ("3.4G", "muted"), ""),
    ],
)  # fmt: skip
def test_the_memory_of_an_agent_is_shown_with_its_limit(
    used: int, cap: int | None, kills: int, cell: tuple[str, str], tail: str
) -> None:
    """From half of the limit on with the share, from four fifths on as a warning; a tool that was ended marks the row."""
    one = active(1)
    progress = Progress(
        phase="agent", rss_bytes=9 << 30, memory_bytes=used << 20, memory_cap=cap << 20 if cap else None, memory_kills=kills
    )
    row = AgentsView(ConsoleState(snapshot(active=(msgspec.structs.replace(one, progress=progress),)))).row(0)
    assert cell in row.cells
    assert words(row.tail) == tail


def test_what_an_agent_does_stands_where_it_tells() -> None:
    """Of a path the file's name; cleaned; at most as wide as the task beside it, and silence goes before it."""

    def doing(text: str, quiet: float = 1.0) -> AgentsView:
        one = active(1, quiet)
        assert one.progress is not None
        progress = msgspec.structs.replace(one.progress, activity=text)
        return AgentsView(ConsoleState(snapshot(active=(msgspec.structs.replace(one, progress=progress),))))

    assert ("edit auth.py", "text") in doing("edit src/login/auth.py").row(0).cells
    assert ("$ pytest -q tests/unit", "text") in doing("$ pytest -q tests/unit").row(0).cells
    assert ("one · two", "text") in doing("one \u202e two").row(0).cells
    assert ("silent 9 min", "warning") in doing("edit a.py", 540.0).row(0).cells
    columns = doing("edit a.py").columns
    place = next(index for index, column in enumerate(columns) if column.name == "phase")
    assert [lay_out_columns(columns, width)[place] for width in (40, 78, 138, 200)] == [15, 20, 28, 28]


def test_silence_is_told_and_a_stall_asks_for_a_person() -> None:
    """Silence for minutes is a warning, however long; what the evidence calls a stall is red and has another glyph."""
    row = AgentsView(ConsoleState(snapshot(active=(active(1, 540.0),)))).row(0)
    assert ("silent 9 min", "warning") in row.cells
    one = active(1, 720.0)
    assert AgentsView(ConsoleState(snapshot(active=(one,)))).row(0).cells[0] == ("▶", "info")
    progress = Progress(phase="agent", stalled="no output, 0.0 s CPU, no file changed", silent_s=720.0)
    stands = snapshot(active=(msgspec.structs.replace(one, progress=progress),))
    row = AgentsView(ConsoleState(stands)).row(0)
    assert row.cells[0] == ("!", "danger")
    assert ("stalled 12 min", "danger") in row.cells
    assert "no output, 0.0 s CPU, no file changed" in words(task_summary.format_summary(ConsoleState(stands), "q_1"))


def test_a_failed_task_shows_its_class_where_failed_would_say_less() -> None:
    """In the done list, the story of its attempts, and the queue's reason while it waits for a retry."""
    ended = Attempt(1, outcome="failed", failure="credentials", reason="exit code 1: 401 Unauthorized", exit_code=1)
    failed = task(1, state="error", attempt=1, attempts=[ended], error="credentials: exit code 1")
    picture = ConsoleState(snapshot(done=(failed,), done_count=1))
    assert ("credentials", "danger") in DoneView(picture).row(0).cells
    assert "credentials" in words(task_summary.format_attempt(ended))
    plain = task(2, state="error", attempt=1, attempts=[Attempt(1, failure="exit")])
    assert ("failed", "danger") in DoneView(ConsoleState(snapshot(done=(plain,), done_count=1))).row(0).cells
    retry = task(3, retry_at="2027-01-15T08:05:00.000Z", attempt=1, attempts=[Attempt(1, failure="network")])
    assert ", network" in words(QueueView(ConsoleState(snapshot(pending=(retry,)))).row(0).cells)


def test_the_queue_names_the_provider_that_rests_and_until_when() -> None:
    """As a time of day, so that the row stays as it is."""
    rests = {"opencode": Cooldown("opencode", NOW + 300.0)}
    waits = task(1, agent="opencode")
    row = words(QueueView(ConsoleState(snapshot(pending=(waits, task(2, agent="mine")), cooldowns=rests))).row(0).cells)
    assert f"opencode: rate limit, {format_moment(NOW + 300.0, NOW, seconds=True)}" in row
    assert snapshot(cooldowns=rests).explain_wait(waits).text == "opencode: rate limit, resumes in 5:00"
    assert snapshot(cooldowns=rests).explain_wait(task(2, agent="mine")).code == "next"


def test_resume_takes_an_agent() -> None:
    """`resume --agent NAME`, as on the command line."""
    assert parse_command("resume --agent opencode") == Command("resume", (), {"agent": "opencode"})
    assert parse_command("resume") == Command("resume")
    with pytest.raises(UsageError, match="not a task id"):
        parse_command("resume opencode")


def test_the_queue_says_why_and_when() -> None:
    """By the engine's own function, with times of day in place of countdowns."""
    held, retry, waits = task(1, held=True), task(2, retry_at="2027-01-15T08:05:00.000Z", attempt=1), task(3)
    known = RunTimes().learn("github.com/user/api", "", 600.0)
    view = QueueView(ConsoleState(snapshot(active=(active(9),), limit=1, pending=(held, retry, waits), run_times=known)))
    assert "held by you" in words(view.row(0).cells)
    assert f"retry at {format_moment('2027-01-15T08:05:00.000Z', seconds=True)}" in words(view.row(1).cells)
    assert words(view.shared_reason) == "slots 1/1", "said once, and not in every row"
    assert "slots" not in words(view.row(2).cells)
    ends = NOW + 600.0 - 21.4
    assert [view.row(place).cells[-1][0] for place in range(3)] == [
        "", f"~{format_moment(ends)}", f"~{format_moment(ends + 600.0)}"
    ], "held; the retry when the slot is free; and after that the last"  # fmt: skip


def test_rows_do_not_change_with_time_alone() -> None:
    """A quiet console has nothing to repaint."""
    pending = (task(1, held=True), task(2, retry_at="2027-01-15T08:05:00.000Z", attempt=1), task(3))
    notices = (Notice("2027-01-15T07:55:00.000Z", "task_error", "#3 failed", "error", "q_3"),)
    done = (task(4, state="completed", completed_at="2027-01-15T07:50:00.000Z"),)
    first, later = (
        ConsoleState(
            snapshot(pending=pending, notices=notices, done=done, taken_at=now, engine=EngineView(True, 1, heartbeat_age_s=age))
        )
        for now, age in ((NOW, 0.1), (NOW + 100, 1.9))
    )
    for view in (QueueView, DoneView, lambda picture: NoticesView(picture, "")):
        one, other = view(first), view(later)
        assert [one.row(i) for i in range(len(one.keys))] == [other.row(i) for i in range(len(other.keys))]
    assert status_bar.format_fleet(first) == status_bar.format_fleet(later)
    assert status_bar.format_engine(first) == status_bar.format_engine(later)


def test_ten_thousand_tasks_cost_what_is_seen() -> None:
    """Rows are made one by one."""
    view = QueueView(ConsoleState(snapshot(pending=tuple(task(number) for number in range(1, 10_001)))))
    assert len(view.keys) == 10_000
    assert view.row(9_999).key == "q_10000"


def test_done_tells_how_it_ended() -> None:
    """Glyph, word, and what was delivered or why not."""
    good = task(1, state="completed", attempts=[Attempt(1, outcome="ok", delivered=Delivered(3, 2, 80, 12), elapsed_s=720.0)])
    bad = task(2, state="error", error="401 from the provider", completed_at="2027-01-15T07:50:00.000Z")
    view = DoneView(ConsoleState(snapshot(done=(good, bad))))
    assert all(part in words(view.row(0).cells) for part in ("✓", "completed", "3 commits", "12 min"))
    assert all(part in words(view.row(1).cells) for part in ("✗", "failed", "401"))
    assert ("✗", "danger") in view.row(1).cells


@pytest.mark.parametrize(
    ("engine", "here", "expected"),
    [
        (EngineView(True, 812, heartbeat_age_s=12.0), False, "not answering for 12 s"),
        (EngineView(True, 812, heartbeat_age_s=0.2, paused=True), True, "paused"),
        (EngineView(True, 812, heartbeat_age_s=0.2, draining=True), True, "draining"),
        (EngineView(False), False, "not running"),
    ],
)
def test_the_strip_tells_who_runs_the_engine(engine: EngineView, here: bool, expected: str) -> None:
    """Stale looks stale."""
    assert expected in words(status_bar.format_engine(ConsoleState(snapshot(engine=engine), here=here)))


def test_a_viewer_says_that_quitting_stops_nothing() -> None:
    """And since when the other engine runs."""
    banner = status_bar.format_banner(ConsoleState(snapshot()))
    assert banner is not None
    assert banner[0].startswith("viewing: the engine is pid 812, since ")
    assert banner[0].endswith("quitting here stops nothing")


def test_red_is_for_what_needs_a_person() -> None:
    """Unread errors count once per task, and no longer when the task is tried again."""
    notices = tuple(Notice(f"2027-01-15T07:5{i}:00.000Z", "task_error", "failed", "error", "q_3") for i in range(3))
    assert len(snapshot(notices=notices).needs) == 1
    assert len(snapshot(notices=notices, read_until="2027-01-15T07:59:00.000Z").needs) == 0
    again = Notice("2027-01-15T07:58:00.000Z", "task_retry", "waits again", "info", "q_3")
    assert len(snapshot(notices=(*notices, again)).needs) == 0
    empty = Notice("2027-01-15T07:58:00.000Z", "task_completed", "nothing delivered", "warning", "q_4")
    assert len(snapshot(notices=(*notices, empty)).needs) == 2


def test_an_agent_that_stands_still_needs_one_person_once() -> None:
    """Though it is said by an alert, by a notification and by its row; read or not, as long as it is stalled."""
    one = active(3)
    progress = Progress(phase="agent", stalled="no output")
    stands = msgspec.structs.replace(one, progress=progress)
    notice = Notice("2027-01-15T07:50:00.000Z", "task_stalled", "#3 is stalled", "warning", "q_3")
    alert = Alert("stalled", "#3 is stalled", "")
    now = snapshot(active=(stands,), notices=(notice,), alerts=(alert,))
    assert [need.task for need in now.needs] == ["q_3"]
    assert len(msgspec.structs.replace(now, read_until="2028").needs) == 1
    assert len(snapshot(active=(one,), notices=(notice,), read_until="2028").needs) == 0


def test_what_needs_you_is_visited_once_each_and_then_again() -> None:
    """The newest first; what comes meanwhile is next, and what was mended is left out."""

    def failed(number: int) -> Notice:
        return Notice(f"2027-01-15T07:{number:02}:00.000Z", "task_error", f"#{number} failed", "error", f"q_{number}")

    visited: set[Need] = set()

    def tour(count: int, **changes: Any) -> list[str | None]:
        found = [find_next_need(snapshot(**changes), visited) for _ in range(count)]
        return [one[0].task or one[0].text for one in found if one is not None]

    notices = (failed(1), failed(2), failed(3))
    disk = Alert("disk", "the disk is full", "")
    assert tour(5, notices=notices, alerts=(disk,)) == ["q_3", "q_2", "q_1", "the disk is full", "q_3"]
    assert tour(2, notices=(*notices, failed(4)), alerts=(disk,)) == ["q_4", "q_2"]
    mended = Notice("2027-01-15T07:58:00.000Z", "task_started", "#1 started", "info", "q_1")
    assert tour(3, notices=(*notices, mended)) == ["q_3", "q_2", "q_3"]
    assert tour(1) == []


def test_what_one_copies_from_a_task_has_its_own_line() -> None:
    """The worktree stands near the left edge, however much the agent does."""
    one = active(41)
    record = RunRecord("q_41", 1, "t", 1, 1, "", "", 60.0, "/home/o/worktrees/api-41")
    lines = [
        words(spans)
        for spans in task_summary.format_header(
            ConsoleState(snapshot(active=(msgspec.structs.replace(one, record=record),))), one.task, 1
        )
    ]
    [place] = [line.index("/home/o/worktrees") for line in lines if "/home/o/worktrees" in line]
    assert place < 20
    assert [line for line in lines if line.startswith("now") and "cpu" in line]


def test_keys_about_a_log_are_not_offered_where_there_is_none() -> None:
    """They say so when pressed, and take no room among the keys."""
    registry = Registry()
    for pane in ("task", "log"):
        waits, ran = (ActionContext(pane=pane, task="q_1", state="pending", attempt=attempt) for attempt in (0, 1))
        for name in ("log.error", "log.error_before", "log.wrap", "log.follow", "log.raw"):
            assert registry[name].get_refusal(waits) == "#1 has no log yet: its first attempt writes one"
            assert registry[name].get_refusal(ran) is None
    assert registry["log.error"].get_refusal(ActionContext(pane="merged")) is None


def test_the_story_names_every_attempt() -> None:
    """The task's screen has them in order."""
    told = task(
        7,
        state="error",
        error="it failed",
        attempt=2,
        attempts=[Attempt(1, reason="no"), Attempt(2, exit_code=1, reason="still no")],
    )
    lines = [words(spans) for spans in task_summary.format_header(ConsoleState(snapshot(done=(told,))), told, 2)]
    assert any("attempt 1" in line and "no" in line for line in lines)
    assert any("attempt 2" in line and "exit 1" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kill 12 #13 q_14 --now", Command("kill", ("q_12", "q_13", "q_14"), {"now": True})),
        ("queue pause", Command("pause")),
        ("move 3 --top", Command("move", ("q_3",), {"to": "top"})),
        ("move 3 2", Command("move", ("q_3",), {"to": "number", "number": 2})),
        ("edit 3 --priority=9", Command("edit", ("q_3",), {"priority": 9})),
        (
            "enqueue a/b#1 'two words' --after 3",
            Command("enqueue", (), {"after": ["3"], "reference": "a/b#1", "message": "two words"}),
        ),
        ("q", Command("quit")),
    ],
)
def test_commands_are_understood(text: str, expected: Command) -> None:
    """With the words of the command line."""
    assert parse_command(text) == expected


@pytest.mark.parametrize(
    "text", ["", "fly", "limit", "limit x", "move", "kill --hard", "hold 1x", "enqueue a", "edit 1 colour red", "'"]
)
def test_commands_that_make_no_sense_say_what_would(text: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as caught:
        parse_command(text)
    assert "\n" not in str(caught.value)

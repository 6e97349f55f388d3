"""What running agents have changed so far, and two that change the same file: told while both run, not before, not after."""

import time

import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.changes import Changes
from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.domain.overlaps import Overlap, find_overlaps
from kugetsu_engine.engine import engine_thread
from kugetsu_engine.scheduler import change_tracker
from kugetsu_engine.storage import json_files
from kugetsu_tui.viewmodels import task_summary
from kugetsu_tui.viewmodels.agents import AgentsView
from kugetsu_tui.viewmodels.console_state import ConsoleState
from tests.support.fleet import Fleet
from tests.support.repositories import make_repository, run_git
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_thread, "FIRST_COUNT_S", 0.02)
    monkeypatch.setattr(change_tracker, "EVERY_S", 0.05)
    monkeypatch.setattr(change_tracker, "COST_SHARE", 1.0)


def _told(fleet: Fleet) -> list[Overlap]:
    return json_files.read(fleet.paths.engine, EngineState).overlaps


def test_the_same_file_in_two_running_worktrees_is_told_once_as_long_as_both_run(fleet: Fleet) -> None:
    """Committed in one, not yet known to git in the other; a third task in another repository has nothing to do with it."""
    other = make_repository(fleet.folder / "other")
    first = fleet.enqueue(wait=fleet.waiting_file("first"))
    second = fleet.enqueue(wait=fleet.waiting_file("second"))
    third = fleet.enqueue("local/else#9", options={"repo": str(other)}, wait=fleet.waiting_file("third"))
    fleet.start_engine()
    places = {}
    for task_id, slug in ((first, "local-work-1"), (second, "local-work-2"), (third, "local-else-9")):
        fleet.wait_for_started(task_id)
        fleet.wait_for(task_id, "running")
        places[task_id] = fleet.folder / "state" / "worktrees" / slug
        (places[task_id] / f"of-{slug}.txt").write_text("its own\n", encoding="utf-8")
    (places[third] / "auth.py").write_text("x\n", encoding="utf-8")
    (places[first] / "auth.py").write_text("x\n", encoding="utf-8")
    run_git(places[first], "add", "-A")
    run_git(places[first], "commit", "--quiet", "-m", "auth")
    assert fleet.notices("task_overlap") == []
    (places[second] / "auth.py").write_text("y\n", encoding="utf-8")
    [found] = wait_until(lambda: _told(fleet), 15, "the overlap")
    assert (found.tasks, found.files, found.count) == ((first, second), ["auth.py"], 1)
    (places[first] / "README.md").write_text("1\n", encoding="utf-8")
    (places[second] / "README.md").write_text("2\n", encoding="utf-8")
    wait_until(lambda: [one.count for one in _told(fleet)] == [2], 15, "the second file")
    reader = SnapshotReader(fleet.paths, {})
    wait_until(lambda: reader.read().changes_of(third) == Changes(2, 2, 0), 15, "the third one's changes")
    wait_until(lambda: reader.read().changes_of(first) == Changes(3, 3, 1), 15, "the first one's changes")
    picture = ConsoleState(reader.read())
    rows = {row.key: row.cells[0] for row in map(AgentsView(picture).row, range(3))}
    assert rows[first] == rows[second] == ("▲", "warning")
    assert rows[third] != rows[first]
    assert {row.key: row.cells[10:12] for row in map(AgentsView(picture).row, range(3))}[first] == (
        ("+3 −1", "text"), ("in 3 files", "muted"),
    )  # fmt: skip
    words = "".join(text for text, _ in task_summary.format_summary(picture, first))
    assert "changed +3 −1 in 3 files" in words
    assert "▲ #2 changes README.md and 1 more file too" in words
    assert [alert.text for alert in picture.snapshot.alerts if alert.code == "overlap"] == [
        "#1 and #2 both change README.md and 1 more file"
    ]
    fleet.release("first")
    fleet.wait_for_end([first])
    wait_until(lambda: not _told(fleet), 15, "the overlap to be over")
    assert reader.read().changes_of(first) is None
    fleet.release("second")
    fleet.release("third")
    fleet.wait_for_end([second, third])
    [notice] = fleet.notices("task_overlap")
    assert notice.level == "warning"
    assert notice.text == "#1 and #2 both change auth.py: whichever is merged second may conflict"


def test_overlaps_are_those_of_one_repository() -> None:
    """Each two tasks, with the first files by name."""
    many = frozenset(f"{number:02}" for number in range(20))
    changed = {
        "q_1": ("/a", frozenset({"x", "y"})), "q_2": ("/a", frozenset({"y"})), "q_3": ("/b", frozenset({"y"})),
        "q_4": ("/a", frozenset()), "q_5": ("/b", many), "q_6": ("/b", many),
    }  # fmt: skip
    found = find_overlaps(changed)
    assert [one.tasks for one in found] == [("q_1", "q_2"), ("q_5", "q_6")]
    assert str(found[0]) == "#1 and #2 both change y"
    assert str(found[1]) == "#5 and #6 both change 00 and 19 more files"
    assert found[1].files == ["00", "01", "02", "03", "04"]
    assert (found[0].other("q_1"), found[0].other("q_2")) == ("q_2", "q_1")


def test_a_hundred_large_lists_are_compared_in_no_time() -> None:
    """Bounded lists, so a bounded effort."""
    files = frozenset(f"src/{number}.py" for number in range(1000))
    began = time.process_time()
    assert len(find_overlaps({f"q_{number}": ("/a", files) for number in range(30)})) == 435
    assert time.process_time() - began < 5

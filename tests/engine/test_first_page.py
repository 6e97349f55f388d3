"""The first page of the queue, which an engine keeps for consoles that start: right, whole, and written only when needed."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.task import Task
from kugetsu_engine.state.first_page import MAX_BYTES, PAGE_ROWS, FirstPage, load_first_page
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
WRITER = """
import sys, time
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.queue.task_store import TaskStore
from kugetsu_engine.engine.first_page_file import FirstPageFile
paths = StatePaths(sys.argv[1])
class Context:
    pass
Context.paths, Context.clock = paths, time.time
store = TaskStore(paths, time.time, lambda code, text: None)
store.rescan()
page, pending = FirstPageFile(Context, store=store), store.list_pending()
page.update(pending)
print("ready", flush=True)
while True:
    pending.append(pending.pop(0))
    page.update(pending)
"""
"""Writes one page after another, as an engine does at most every three seconds."""


def rows(fleet: Fleet) -> list[str]:
    """The ids on the page."""
    page = load_first_page(fleet.paths)
    assert page is not None
    return [task.id for task in page.pending]


def truth(fleet: Fleet) -> list[str]:
    """The ids of the first waiting tasks, in order, as the files have them."""
    return [task.id for task in SnapshotReader(fleet.paths, {}).read().pending][:PAGE_ROWS]


def test_the_page_follows_every_change(fleet: Fleet) -> None:
    """Enqueued, moved, held, edited and cancelled, each by an engine for a moment: the page has the truth after it."""
    ids = [fleet.enqueue() for _ in range(5)]
    fleet.operator.do("pause")
    assert rows(fleet) == ids == truth(fleet)
    for verb, task, args in (
        ("move", ids[4], {"to": "top"}), ("hold", ids[1], {}), ("edit", ids[2], {"priority": 9}), ("cancel", ids[0], {}),
    ):  # fmt: skip
        fleet.operator.do(verb, task, **args)  # type: ignore[arg-type]
        assert rows(fleet) == truth(fleet), verb
    page = load_first_page(fleet.paths)
    assert page is not None
    assert page.waiting == 4
    assert next(task for task in page.pending if task.id == ids[1]).held
    assert ids[0] not in rows(fleet)


def test_the_page_has_the_rows_of_a_screen_and_counts_all(fleet: Fleet) -> None:
    """Of more tasks than a terminal has lines the first ones, with the first line of their text; and how many there are."""
    for number in range(PAGE_ROWS + 15):
        fleet.enqueue(text=f"\n  do number {number}\n" + "more " * 2000)
    fleet.operator.do("pause")
    page = load_first_page(fleet.paths)
    assert page is not None
    assert (len(page.pending), page.waiting) == (PAGE_ROWS, PAGE_ROWS + 15)
    assert [task.title for task in page.pending] == [f"do number {number}" for number in range(PAGE_ROWS)]
    assert os.path.getsize(fleet.paths.first_page) < 100_000


def test_an_idle_engine_does_not_write_it(fleet: Fleet) -> None:
    """While nothing changes the file stays the very same; a change is on it within a few seconds."""
    fleet.operator.do("pause")
    first = fleet.enqueue()
    fleet.start_engine()
    wait_until(lambda: os.path.exists(fleet.paths.first_page) and rows(fleet) == [first], 15, "the first page")
    before, beats = files.read_signature(fleet.paths.first_page), set[object]()

    def five_heartbeats() -> bool:
        beats.add(files.read_signature(fleet.paths.engine))
        return len(beats) > 4

    wait_until(five_heartbeats, 30, "an idle engine to go on living")
    assert files.read_signature(fleet.paths.first_page) == before
    second = fleet.enqueue()
    wait_until(lambda: rows(fleet) == [first, second], 20, "the second task on the page")


@pytest.mark.parametrize(
    "contents",
    [
        b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"written_at": 1}', b"x" * (MAX_BYTES + 1),
        msgspec.json.encode(FirstPage("t", 1, [], [Task("q_1", "local/a#1")], schema=2)),
        msgspec.json.encode(FirstPage("t", 0, [], [Task("q_1", "local/a#1")])),
        msgspec.json.encode(FirstPage("t", 2, [], [Task("q_1", "local/a#1"), Task("q_1", "local/a#1")])),
        msgspec.json.encode(FirstPage("t", 1, [], [Task("q_1", "local/a#1", state="completed")])),
        msgspec.json.encode(FirstPage("t", 1, [Task("q_1", "local/a#1")], [])),
        msgspec.json.encode({"written_at": "t", "waiting": 1, "active": [], "pending": [{"id": 5}]}),
    ],
)  # fmt: skip
def test_what_is_no_page_of_this_version_is_no_page(fleet: Fleet, contents: bytes) -> None:
    """Damaged, of another version or impossible: whoever reads it does without, and the next change makes it right."""
    fleet.enqueue()
    files.replace(fleet.paths.first_page, contents, durable=False)
    assert load_first_page(fleet.paths) is None
    fleet.operator.do("pause")
    assert rows(fleet) == truth(fleet)


def test_a_page_of_a_dead_engine_has_no_task_that_is_gone(fleet: Fleet) -> None:
    """What ended or was removed since is not on it."""
    ids = [fleet.enqueue() for _ in range(3)]
    fleet.operator.do("pause")
    files.move_between(fleet.paths.item(ids[0]), fleet.paths.ended(ids[0]))
    os.unlink(fleet.paths.item(ids[2]))
    page = load_first_page(fleet.paths)
    assert page is not None
    assert ([task.id for task in page.pending], page.waiting) == ([ids[1]], 1)


def test_a_folder_in_its_place_is_set_aside(fleet: Fleet) -> None:
    """It is kept in `queue/corrupt`, and the page is written."""
    fleet.enqueue()
    os.mkdir(fleet.paths.first_page)
    fleet.operator.do("pause")
    fleet.operator.do("resume")
    fleet.enqueue()
    fleet.operator.do("pause")
    assert rows(fleet) == truth(fleet)
    assert any("first-page" in name for name in os.listdir(fleet.paths.corrupt))


def test_a_writer_that_is_killed_leaves_a_whole_page(fleet: Fleet) -> None:
    """SIGKILL at 30 random moments while pages are written one after another: each time a whole page of all tasks is there."""
    ids = {fleet.enqueue() for _ in range(40)}
    rng = random.Random(5)
    for _ in range(30):
        argv = [sys.executable, "-c", WRITER, fleet.paths.root]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            seen = files.read_signature(fleet.paths.first_page)
            wait_until(lambda seen=seen: files.read_signature(fleet.paths.first_page) != seen, 15, "another page")  # type: ignore[misc]
            for _ in range(rng.randrange(2000)):
                os.getppid()
            os.kill(writer.pid, signal.SIGKILL)
        assert set(rows(fleet)) == ids

"""Requests of operators and their answers; notifications."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kugetsu_engine.domain.request import Answer, Request
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.errors import BadFile
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import notifications, requests
from kugetsu_engine.storage import wakeup_fifo
from tests.support.fleet import ROOT


def _notice(text: str, time: str = "2026-11-21T09:00:00.000Z") -> Notice:
    return Notice(time, "task_started", text, "info", "q_1", "local/a#1")


def test_requests_are_applied_in_the_order_in_which_they_were_made(paths: StatePaths) -> None:
    """Numbers grow; a request reads back as it was made; an answer takes it off the list and is fetched once."""
    made = [Request("kill", "q_1", {"now": True}, "t"), Request("pause"), Request("move", "q_2", {"to": "number", "number": 3})]
    numbers = [requests.submit_request(paths, request) for request in made]
    assert requests.list_waiting(paths) == numbers == sorted(numbers)
    assert [requests.load_request(paths, number) for number in numbers] == made
    assert requests.pop_answer(paths, numbers[0]) is None
    requests.write_answer(paths, numbers[0], Answer(True, "done"))
    assert requests.list_waiting(paths) == numbers[1:]
    assert requests.pop_answer(paths, numbers[0]) == Answer(True, "done")
    assert requests.pop_answer(paths, numbers[0]) is None


def test_a_lost_counter_overwrites_no_request(paths: StatePaths) -> None:
    """The name of a number is found taken and the next one is used."""
    first = requests.submit_request(paths, Request("pause"))
    os.unlink(paths.request_number)
    second = requests.submit_request(paths, Request("resume"))
    assert second > first
    assert [requests.load_request(paths, number).verb for number in requests.list_waiting(paths)] == ["pause", "resume"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100))
def test_any_bytes_are_a_request_or_a_bad_file(paths: StatePaths, data: bytes) -> None:
    """A stranger's file raises nothing else."""
    Path(requests.file_of(paths, 1)).write_bytes(data)
    try:
        assert requests.load_request(paths, 1).verb
    except BadFile:
        return


@pytest.mark.parametrize(
    "document", [{"verb": "sudo"}, {"verb": "kill", "task": 5}, {"verb": "kill", "args": []}, {}, [], None]
)
def test_a_request_of_the_wrong_shape_is_a_bad_file(paths: StatePaths, document: object) -> None:
    """Verbs are a closed list."""
    Path(requests.file_of(paths, 1)).write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BadFile):
        requests.load_request(paths, 1)


def test_foreign_names_are_no_requests(paths: StatePaths) -> None:
    """Temporary files and strange names are passed over."""
    for name in (".000000001.json.aa", "x.json", "-1.json", "1.txt", "١.json"):
        Path(paths.requests, name).write_bytes(b"{}")
    assert requests.list_waiting(paths) == []


def test_notifications_come_back_in_order_and_broken_lines_are_passed_over(paths: StatePaths) -> None:
    """Garbage between two lines costs neither of them."""
    notifications.append_notification(paths, _notice("one"))
    with open(paths.notifications, "ab") as file:
        file.write(b'garbage\n\xff\xfe\n{"time": 1}\n[[[[\n\n')
    notifications.append_notification(paths, _notice("two"))
    assert [notice.text for notice in notifications.read_newest_notifications(paths)] == ["one", "two"]
    assert notifications.read_newest_notifications(paths)[0] == _notice("one")
    assert [notice.text for notice in notifications.read_newest_notifications(paths, 1)] == ["two"]


def test_four_writers_lose_no_notification(paths: StatePaths) -> None:
    """800 of 800 lines are there and whole."""
    program = (
        "import sys; from kugetsu_engine.paths import StatePaths; from kugetsu_engine.state import notifications\n"
        "from kugetsu_engine.domain.task import Notice\n"
        "for n in range(200): notifications.append_notification(StatePaths(sys.argv[1]), Notice('t', 'x', f'{sys.argv[2]}{n}'))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, paths.root, name], cwd=ROOT) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert {notice.text for notice in notifications.read_newest_notifications(paths, 1000)} == {
        f"{name}{n}" for name in "abcd" for n in range(200)
    }


def test_a_long_text_is_cut_so_that_its_line_stays_whole(paths: StatePaths) -> None:
    """A megabyte of error becomes a line below a page."""
    notifications.append_notification(paths, _notice("x" * (1 << 20)))
    (found,) = notifications.read_newest_notifications(paths)
    assert found.text == "x" * 1500 + "…"


def test_only_the_end_of_a_long_file_is_read(paths: StatePaths) -> None:
    """The newest come from the tail, and none of them is a torn line."""
    for number in range(3000):
        notifications.append_notification(paths, _notice(f"{number:06}" + "x" * 100))
    found = notifications.read_newest_notifications(paths, 10_000)
    assert 500 < len(found) < 3000
    assert [int(notice.text[:6]) for notice in found] == list(range(3000 - len(found), 3000))


def test_how_far_the_operator_has_read_is_kept(paths: StatePaths) -> None:
    """Empty before the first time; a broken file counts as nothing read."""
    assert notifications.read_until(paths) == ""
    notifications.mark_read(paths, "2026-11-21T09:00:00.000Z")
    assert notifications.read_until(paths) == "2026-11-21T09:00:00.000Z"
    os.unlink(paths.notifications_read)
    os.mkfifo(paths.notifications_read)
    assert notifications.read_until(paths) == ""


@pytest.mark.parametrize("kind", ["missing", "fifo", "directory", "symlink"])
def test_notifications_that_are_no_file_read_as_none(paths: StatePaths, kind: str) -> None:
    """No hang and no error, whatever is in its place."""
    if kind == "fifo":
        os.mkfifo(paths.notifications)
    elif kind == "directory":
        os.mkdir(paths.notifications)
    elif kind == "symlink":
        os.symlink("/dev/zero", paths.notifications)
    assert notifications.read_newest_notifications(paths) == []


def test_a_bell_rings_only_when_someone_listens_and_never_blocks(paths: StatePaths) -> None:
    """No listener, a file in its place, a full pipe: ringing is always quick and writes nothing elsewhere."""
    wakeup_fifo.notify(paths.wakeup_fifo, "q_1")
    assert not os.path.exists(paths.wakeup_fifo)
    fd = wakeup_fifo.listen(paths.wakeup_fifo)
    assert fd is not None
    wakeup_fifo.notify(paths.wakeup_fifo, "q_41")
    assert os.read(fd, 100) == b"q_41\n"
    for _ in range(40_000):
        wakeup_fifo.notify(paths.wakeup_fifo, "q_41")
    os.close(fd)
    os.unlink(paths.wakeup_fifo)
    Path(paths.wakeup_fifo).write_bytes(b"a file")
    wakeup_fifo.notify(paths.wakeup_fifo, "q_1")
    assert Path(paths.wakeup_fifo).read_bytes() == b"a file"
    assert wakeup_fifo.listen(paths.wakeup_fifo) is None

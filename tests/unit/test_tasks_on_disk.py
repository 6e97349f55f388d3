"""Task files: every kind of contents is either a task or a `BadFile`, and nothing known is lost."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kugetsu_engine.domain.task import Attempt, Delivered, Task, Usage
from kugetsu_engine.errors import BadFile, NoSuchTask, UsageError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import new_tasks, tasks
from kugetsu_engine.storage import files

V02: dict[str, Any] = {
    "id": "q_1700000000_ab", "issue_ref": "github.com/user/repo#12", "message": "Fix it", "state": "completed",
    "pending_since": "2026-01-01T00:00:00Z", "notified_at": "2026-01-01T00:01:00Z", "completed_at": "2026-01-01T00:02:00Z",
    "error": None, "pid": None,
}  # fmt: skip
GOOD: dict[str, Any] = {"schema": 1, "id": "q_1", "issue_ref": "local/a#1", "message": "m"}
WRONG: list[dict[str, Any]] = [
    {"id": "q_2"}, {"id": "../../etc/passwd"}, {"id": 1}, {"id": None}, {"state": "teleported"}, {"state": None},
    {"state": 1}, {"priority": 10}, {"priority": -1}, {"priority": "5"}, {"priority": 5.5}, {"attempt": -1}, {"attempt": True},
    {"position": "x"}, {"position": float("nan")}, {"pid": "7"}, {"pid": True}, {"after": "q_1"}, {"after": [1]},
    {"held": 1}, {"message": None}, {"message": ["a"]}, {"issue_ref": None}, {"attempts": [{}]}, {"attempts": {}},
    {"attempts": [{"number": 1, "outcome": "weird"}]}, {"schema": "1"}, {"schema": None}, {"timeout_s": "1h"},
]  # fmt: skip
CORRUPT = [
    b"", b" ", b"null", b"1", b"[]", b"\"x\"", b"{", b"{}", b"[" * 5000, b'{"a":' * 3000, b"\xff\xfe", b"\x00" * 100,
    b"{" + b"9" * 5000, b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n",
    json.dumps(GOOD).encode()[:-1], json.dumps(GOOD).encode() + b"x",
    *(
        json.dumps(GOOD | change).encode()
        for change in WRONG
    ),
]  # fmt: skip


def test_an_item_of_the_bash_kugetsu_loads_as_it_is() -> None:
    """The nine fields of v0.2, with its kind of id; everything else has its default."""
    task = tasks.decode_task(json.dumps(V02).encode(), "q_1700000000_ab")
    assert task == Task(**V02)
    assert (task.schema, task.priority, task.held, task.attempt, task.attempts) == (1, 5, False, 0, [])


@pytest.mark.parametrize("data", CORRUPT, ids=range(len(CORRUPT)))
def test_contents_that_are_no_task_raise_bad_file_and_nothing_else(data: bytes) -> None:
    """Empty, cut short, nested, wrong types, impossible values: one error, in one line."""
    with pytest.raises(BadFile) as caught:
        tasks.decode_task(data, "q_1")
    assert not isinstance(caught.value, tasks.NewerSchema)
    assert "\n" not in caught.value.message


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Task.__struct_fields__, "x"]), inner), max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
@example(b'{"schema": 99999999999999999999999999}')
@example(b'{"schema": 1e400}')
@example(b'{"id": "q_1", "issue_ref": "\\ud800"}')
def test_any_bytes_are_a_task_or_a_bad_file(data: bytes) -> None:
    """No input raises anything but `BadFile`."""
    try:
        assert tasks.decode_task(data, "q_1").id == "q_1"
    except BadFile:
        return


@pytest.mark.parametrize("length", range(0, 200, 7))
def test_a_file_cut_short_anywhere_is_no_task(length: int) -> None:
    """A truncated file is never taken for a shorter task."""
    data = msgspec.json.encode(Task(id="q_1", issue_ref="local/a#1", message="m" * 100))
    with pytest.raises(BadFile):
        tasks.decode_task(data[: min(length, len(data) - 1)], "q_1")


def test_a_task_reads_back_as_it_was_written() -> None:
    """Attempts with all their parts too, and any text."""
    attempt = Attempt(
        1,
        "a",
        "b",
        1,
        None,
        "failed",
        "exit",
        "why ü\u202e\x1b",
        "q_1/1.log",
        "s",
        Delivered(1, 2, 3, 4, 5, "pr"),
        Usage(7, 0.5),
        2.5,
    )
    task = Task(id="q_1", issue_ref="local/a#1", message="\x00\x1b[31m日本語\u2028", attempts=[attempt], after=["q_2"])
    assert tasks.decode_task(tasks.encode_task(task, {}), "q_1") == task


def test_a_newer_schema_is_told_apart_from_a_broken_file() -> None:
    """Whatever else it holds; so that it is left alone."""
    for document in (GOOD | {"schema": 2}, {"schema": 3}, {"schema": 2, "id": 5, "state": {"new": 1}}):
        with pytest.raises(tasks.NewerSchema, match="this kugetsu knows 1"):
            tasks.decode_task(json.dumps(document).encode(), "q_1")


def test_fields_nobody_knows_are_kept_when_a_task_is_rewritten(paths: StatePaths) -> None:
    """Order of keys may change, contents do not; the known ones are the new ones."""
    unknown = {"x_team": "blue", "x_deep": {"a": [1, {"b": None}]}, "x_big": 2**60}
    files.create(paths.item("q_1"), json.dumps(GOOD | unknown).encode())
    task = tasks.read_task(paths.item("q_1"), "q_1")
    tasks.save_task(paths, msgspec.structs.replace(task, priority=9))
    document = json.loads(Path(paths.item("q_1")).read_bytes())
    assert {key: document[key] for key in unknown} == unknown
    assert document["priority"] == 9


def test_a_task_is_found_among_the_open_and_the_ended_ones(paths: StatePaths) -> None:
    """By any form of its id; what is no id never becomes a path."""
    files.create(paths.item("q_1"), json.dumps(GOOD).encode())
    files.create(paths.ended("q_2"), json.dumps(GOOD | {"id": "q_2", "state": "completed"}).encode())
    assert tasks.find_task(paths, "#1").id == "q_1"
    assert tasks.find_task(paths, "2").state == "completed"
    for text in ("3", "../../etc/passwd", "", "q_1/../q_1"):
        with pytest.raises(NoSuchTask):
            tasks.find_task(paths, text)
    tasks.archive_task(paths, "q_1")
    assert (os.path.exists(paths.item("q_1")), os.path.exists(paths.ended("q_1"))) == (False, True)
    tasks.reopen_task(paths, "q_1")
    assert (os.path.exists(paths.item("q_1")), os.path.exists(paths.ended("q_1"))) == (True, False)


def test_temporary_and_foreign_files_are_no_tasks(paths: StatePaths) -> None:
    """Dot files, editors' backups and other endings are passed over."""
    for name in (".q_1.json.0123456789abcdef", ".q_2.json", "q_3.json~", "q_4.json.swp", "README", "q_5.json"):
        Path(paths.items, name).write_bytes(b"{}")
    assert set(files.list_documents(paths.items)) == {"q_5"}


def test_an_enqueued_task_is_whole_private_and_numbered_in_order(paths: StatePaths) -> None:
    """Ids grow by one; the file is a task from the first moment."""
    ids = [new_tasks.create_task(paths, "local/a#1", "do it", 0.0, priority=7) for _ in range(3)]
    assert ids == ["q_1", "q_2", "q_3"]
    task = tasks.find_task(paths, "2")
    assert (task.position, task.priority, task.state) == (2.0, 7, "pending")
    assert os.stat(paths.item("q_2")).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("contents", [None, b"", b"garbage", b"1"])
def test_a_lost_counter_never_gives_a_number_out_again(paths: StatePaths, contents: bytes | None) -> None:
    """Open tasks, ended ones and logs of tasks that were cleared all keep their numbers."""
    for _ in range(3):
        new_tasks.create_task(paths, "local/a#1", "first", 0.0)
    tasks.archive_task(paths, "q_2")
    os.rename(paths.item("q_3"), f"{paths.root}/gone")
    os.makedirs(os.path.dirname(paths.log("q_3", 1)))
    if contents is None:
        os.unlink(paths.task_number)
    else:
        Path(paths.task_number).write_bytes(contents)
    assert new_tasks.create_task(paths, "local/a#1", "second", 0.0) == "q_4"
    assert tasks.find_task(paths, "1").message == tasks.find_task(paths, "2").message == "first"


@pytest.mark.parametrize("message", ["", " \n\t", "a\0b", "\ud800", "x" * ((1 << 20) + 1), "ü" * (1 << 20)])
def test_a_message_that_cannot_be_one_is_refused_and_leaves_nothing(paths: StatePaths, message: str) -> None:
    """Empty, NUL, no UTF-8, over 1 MiB of bytes: a usage error, no file, no number used up."""
    with pytest.raises(UsageError):
        new_tasks.create_task(paths, "local/a#1", message, 0.0)
    assert os.listdir(paths.items) == []
    assert not os.path.exists(paths.task_number)


@pytest.mark.parametrize("characters", ["x", '"', "\n", "\x01", "\u00fc"])
def test_the_longest_message_goes_in_and_comes_out(paths: StatePaths, characters: str) -> None:
    """1 MiB of anything, also of what JSON writes as six bytes each, fits into the bound of a state file."""
    message = characters * ((1 << 20) // len(characters.encode()) - 1) + "x"
    task_id = new_tasks.create_task(paths, "local/a#1", message, 0.0)
    assert tasks.find_task(paths, task_id).message == message

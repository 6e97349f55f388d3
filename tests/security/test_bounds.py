"""S19, S21 and S23: sizes, settings that make no sense, and what is depended on."""

import json
import os
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.cli.commands import enqueue
from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain.refs import MAX_LENGTH, parse_reference
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.errors import BadFile, QueueFull, UsageError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import new_tasks as creating
from kugetsu_engine.state import notifications
from kugetsu_engine.storage import files
from tests.support.fleet import ROOT, Fleet


def test_s19_a_reference_has_a_longest_length() -> None:
    """512 characters are taken, 513 are refused in one short line."""
    longest = f"local/{'x' * (MAX_LENGTH - 8)}#1"
    assert len(longest) == MAX_LENGTH == 512
    assert str(parse_reference(longest)) == longest
    with pytest.raises(UsageError) as refused:
        parse_reference(f"{longest}2")
    assert len(str(refused.value)) < 250


def test_s19_a_state_file_has_a_longest_length_and_a_notification_too(paths: StatePaths) -> None:
    """A huge item is refused unread, and quickly; one byte less is read. A notification's text is cut."""
    item = Path(paths.item("q_1"))
    with item.open("wb") as file:
        file.truncate(1 << 40)
    began = time.process_time()
    with pytest.raises(BadFile, match="longer than"):
        files.read(str(item))
    assert time.process_time() - began < 1
    os.truncate(item, files.MAX_STATE_BYTES)
    assert len(files.read(str(item))) == files.MAX_STATE_BYTES
    notifications.append_notification(paths, Notice("2026-01-01T00:00:00.000Z", "x", "y" * 1_000_000))
    assert Path(paths.notifications).stat().st_size < 4096


def test_s19_notifications_are_kept_below_a_length_and_the_newest_are_all_there(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first one beyond it the file is put away, once; what is shown goes over the seam."""
    monkeypatch.setattr(notifications, "KEEP_BYTES", 26_000)
    for number in range(1000):
        notifications.append_notification(paths, Notice("2026-01-01T00:00:00.000Z", "x", f"notification {number}"))
        assert Path(paths.notifications).stat().st_size <= 26_000 if os.path.exists(paths.notifications) else True
    assert sum(path.stat().st_size for path in Path(paths.root).glob("notifications*.jsonl")) < 54_000
    assert [notice.text for notice in notifications.read_newest_notifications(paths)] == [
        f"notification {number}" for number in range(800, 1000)
    ]


def test_s19_so_many_tasks_may_be_open_and_not_one_more(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next is refused with exit code 2 and leaves nothing; once one has ended, there is room; more are still read."""
    monkeypatch.setattr(creating, "MAX_OPEN", 5)
    lines = "\n".join(json.dumps({"issue_ref": f"local/work#{number}", "message": "x", "hold": True}) for number in range(1, 8))
    (fleet.folder / "tasks.jsonl").write_text(lines, encoding="utf-8")
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    with pytest.raises(QueueFull) as refused:
        enqueue.main("enqueue", ["--file", str(fleet.folder / "tasks.jsonl")])
    assert refused.value.exit_code == 2
    assert (
        str(refused.value) == "line 6: there are 5 open tasks, which is the limit: 5 tasks before it were enqueued, q_1 to q_5"
    )
    with pytest.raises(QueueFull, match="there are 5 open tasks, which is the limit"):
        fleet.enqueue()
    assert sorted(os.listdir(fleet.paths.items)) == [f"q_{number}.json" for number in range(1, 6)]
    fleet.operator.do("cancel", "q_1")
    assert fleet.enqueue() == "q_6"
    with pytest.raises(QueueFull):
        fleet.enqueue()
    for number in (7, 8, 9):
        document = {"id": f"q_{number}", "issue_ref": f"local/work#{number}", "message": "{}", "priority": 9}
        files.create(fleet.paths.item(f"q_{number}"), json.dumps(document).encode())
    fleet.start_engine()
    assert all(task.state == "completed" for task in fleet.wait_for_end(["q_6", "q_7", "q_8", "q_9"]))


def test_s19_the_room_is_never_less_than_there_is_and_exact_near_the_end(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far from the limit nothing is counted; what is no task does not count."""
    assert 0 < creating.count_room(paths) <= creating.MAX_OPEN == 100_000
    for number in range(300):
        Path(paths.item(f"q_{number}")).touch()
    Path(paths.items, ".q_1.json.0123456789abcdef").touch()
    assert 0 < creating.count_room(paths) <= 100_000 - 300
    monkeypatch.setattr(creating, "MAX_OPEN", 301)
    assert creating.count_room(paths) == 1


def test_s19_a_file_of_too_many_tasks_is_refused_before_the_first(
    paths: StatePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as it may be are taken."""
    monkeypatch.setenv("KUGETSU_DIR", paths.root)
    monkeypatch.setattr(enqueue, "MAX_LINES", 3)
    line = json.dumps({"issue_ref": "local/work#1", "message": "x"}) + "\n"
    (tmp_path / "four").write_text(line * 4, encoding="utf-8")
    with pytest.raises(UsageError, match="has 4 tasks, the maximum is 3: split it"):
        enqueue.main("enqueue", ["--file", str(tmp_path / "four")])
    assert os.listdir(paths.items) == []
    (tmp_path / "three").write_text(line * 3, encoding="utf-8")
    assert enqueue.main("enqueue", ["--file", str(tmp_path / "three")]) == 0
    assert len(os.listdir(paths.items)) == 3


HOSTILE_SETTINGS = [
    "max_concurrent_agents = 1000000000", "max_concurrent_agents = -1", "max_concurrent_agents = nan", "max_attempts = 0",
    "task_timeout = -1", "task_timeout = nan", 'task_timeout = "1e999"', "retry_delay = inf", 'log_cap = "-1"',
    'min_free_memory = "-1GiB"', "max_load_per_core = inf", "agent = ['x']", "theme = { a = 1 }", 'agent = "a\\u001b[31m"',
    "pass_env = [1]", "agents = 3", "repos = [1]", "servers = { a = 1 }", "keys = { a = [] }", "unheard_of = 1",
    "max_concurrent_agents = 99999999999999999999999999999999999999", "max_concurrent_agents = 1e3",
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE_SETTINGS)
def test_s21_a_setting_that_makes_no_sense_is_told_and_changes_nothing(paths: StatePaths, line: str) -> None:
    """One problem, in printable words, and the defaults stand."""
    Path(paths.config).write_text(f"{line}\n", encoding="utf-8")
    settings, faults = load_settings(paths, {})
    for name in {*Settings.__struct_fields__} - {"gaps", "default_server"}:
        assert getattr(settings, name) == getattr(Settings(), name)
    assert len(faults) == 1
    assert str(faults[0]).isprintable()


@pytest.mark.parametrize("name", ["config", "shell_config"])
def test_s21_a_settings_file_of_a_gigabyte_is_refused_at_once(paths: StatePaths, name: str) -> None:
    """It is not read into memory."""
    with Path(getattr(paths, name)).open("wb") as file:
        file.truncate(1 << 30)
    began = time.process_time()
    settings, problems = load_settings(paths, {})
    assert time.process_time() - began < 1
    assert settings == msgspec.structs.replace(Settings(), gaps=settings.gaps, default_server=settings.default_server)
    assert settings.gaps.everything
    assert len(problems) == 1


def test_s23_every_dependency_has_a_floor_and_is_not_older_here() -> None:
    """filelock from 4.2: older ones fall back to a lock that does not hold. msgspec from 0.21: its errors are `ValueError`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [words for extra in project.get("optional-dependencies", {}).values() for words in extra]
    assert all(">=" in words for words in (*project["dependencies"], *extras))
    floors = dict(words.split(",")[0].split(">=") for words in project["dependencies"])
    assert {"textual", "watchfiles", "filelock", "psutil", "humanize", "msgspec", "shtab"} <= set(floors)
    assert _numbers(floors["filelock"]) >= (4, 2)
    assert _numbers(floors["msgspec"]) >= (0, 21)
    for name, floor in floors.items():
        assert _numbers(version(name)) >= _numbers(floor), name


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())

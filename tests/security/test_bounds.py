"""S19, S21 and S23: sizes, settings that make no sense, and what is depended on."""

import os
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from kugetsu_engine.config import Settings, load
from kugetsu_engine.domain.refs import MAX_LENGTH, parse
from kugetsu_engine.domain.task import Notice
from kugetsu_engine.errors import BadFile, UsageError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.store import files, notices
from tests.support.fleet import ROOT


def test_s19_a_reference_has_a_longest_length() -> None:
    """512 characters are taken, 513 are refused in one short line."""
    longest = f"local/{'x' * (MAX_LENGTH - 8)}#1"
    assert len(longest) == MAX_LENGTH == 512
    assert str(parse(longest)) == longest
    with pytest.raises(UsageError) as refused:
        parse(f"{longest}2")
    assert len(str(refused.value)) < 250


def test_s19_a_state_file_has_a_longest_length_and_a_notification_too(paths: StatePaths) -> None:
    """A huge item is refused unread, and quickly; one byte less is read. A notification's text is cut."""
    item = Path(paths.item("q_1"))
    with item.open("wb") as file:
        file.truncate(1 << 40)
    began = time.monotonic()
    with pytest.raises(BadFile, match="longer than"):
        files.read(str(item))
    assert time.monotonic() - began < 1
    os.truncate(item, files.MAX_STATE_BYTES)
    assert len(files.read(str(item))) == files.MAX_STATE_BYTES
    notices.append(paths, Notice("2026-01-01T00:00:00.000Z", "x", "y" * 1_000_000))
    assert Path(paths.notifications).stat().st_size < 4096


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
    settings, problems = load(paths, {})
    assert settings == Settings()
    assert len(problems) == 1
    assert problems[0].isprintable()


@pytest.mark.parametrize("name", ["config", "shell_config"])
def test_s21_a_settings_file_of_a_gigabyte_is_refused_at_once(paths: StatePaths, name: str) -> None:
    """It is not read into memory."""
    with Path(getattr(paths, name)).open("wb") as file:
        file.truncate(1 << 30)
    began = time.monotonic()
    settings, problems = load(paths, {})
    assert time.monotonic() - began < 1
    assert settings == Settings()
    assert len(problems) == 1


def test_s23_every_dependency_has_a_floor_and_is_not_older_here() -> None:
    """filelock from 4.2 on: older ones fall back to a lock that does not hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = dict(words.split(",")[0].split(">=") for words in project["dependencies"])
    assert {"textual", "watchfiles", "filelock", "psutil", "humanize", "msgspec", "shtab"} == set(floors)
    assert _numbers(floors["filelock"]) >= (4, 2)
    for name, floor in floors.items():
        assert _numbers(version(name)) >= _numbers(floor), name


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())

"""opencode's database is made by one before many start side by side."""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents.opencode import database, process_mode
from kugetsu_engine.domain.decisions.attempt_end import decide_next_state
from kugetsu_engine.domain.decisions.scheduling import Timing
from kugetsu_engine.domain.failures import CLASSES
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.paths import StatePaths

MAKES = """#!{python} -IS
import os, select, sys
place = os.environ["XDG_DATA_HOME"] + "/opencode"
with open({journal!r}, "a") as journal:
    journal.write(" ".join(sys.argv[1:]) + "\\n")
if {fails}:
    sys.exit("Unknown command: db")
os.makedirs(place, exist_ok=True)
try:
    os.close(os.open(place + "/making", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    sys.exit("database is locked")
select.select([], [], [], 0.3)
open(place + "/opencode.db", "a").close()
os.unlink(place + "/making")
"""


class Home:
    """A home with a program that makes its database slowly, and not two at once."""

    def __init__(self, folder: Path, paths: StatePaths) -> None:
        self.folder = folder
        self.paths = paths
        self.journal = folder / "journal"
        self.program = folder / "opencode"
        self.install()

    def install(self, fails: bool = False) -> None:
        """Write the program."""
        text = MAKES.format(python=sys.executable, journal=str(self.journal), fails=fails)
        self.program.write_text(text, encoding="utf-8")
        self.program.chmod(0o755)

    def job(self, version: str | None = "1.18.33", **env: str) -> dict[str, Any]:
        """The job of an attempt."""
        return {
            "program": str(self.program), "argv": [str(self.program), "run"], "version": version, "worktree": str(self.folder),
            "state_dir": self.paths.root, "session": {"mode": "new", "session_id": None},
            "env": {"PATH": os.environ["PATH"], "XDG_DATA_HOME": str(self.folder / "data"), **env},
        }  # fmt: skip

    def runs(self) -> list[str]:
        """What the program was asked for."""
        return self.journal.read_text(encoding="utf-8").splitlines() if self.journal.exists() else []


@pytest.fixture
def home(tmp_path: Path, paths: StatePaths) -> Home:
    """A fresh home."""
    return Home(tmp_path, paths)


def test_the_first_starts_side_by_side_make_it_once_and_wait_for_it(home: Home) -> None:
    """When one of them goes on, the database is there."""
    there: list[bool] = []

    def start() -> None:
        assert process_mode.prepare(home.job()) == {}
        there.append((home.folder / "data/opencode/opencode.db").exists())

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert there == [True] * 6
    assert home.runs() == ["db path"]


def test_it_is_made_again_by_another_version_in_another_place_and_when_it_is_gone(home: Home) -> None:
    """An upgrade converts it, which must not happen side by side either."""
    for _ in range(2):
        database.prepare_database(home.job())
    assert len(home.runs()) == 1
    database.prepare_database(home.job("1.19.0"))
    assert len(home.runs()) == 2
    database.prepare_database(home.job("1.19.0", XDG_DATA_HOME=str(home.folder / "other")))
    assert len(home.runs()) == 3
    (home.folder / "data/opencode/opencode.db").unlink()
    (home.folder / "keeps the inode").touch()
    database.prepare_database(home.job("1.19.0"))
    assert len(home.runs()) == 4


@pytest.mark.parametrize("version", ["1.18.33", None])
def test_a_program_that_does_not_know_how_keeps_nothing_from_starting(home: Home, version: str | None) -> None:
    """One whose version is not known is not even asked."""
    home.install(fails=True)
    database.prepare_database(home.job(version))
    assert home.runs() == (["db path"] if version else [])


def test_a_database_in_memory_and_a_missing_program_need_nothing(home: Home) -> None:
    """There is nothing to share, or nothing to run."""
    database.prepare_database(home.job(OPENCODE_DB=":memory:"))
    database.prepare_database(home.job() | {"program": "/not/there"})
    assert home.runs() == []


def test_an_attempt_that_met_a_locked_database_all_the_same_does_not_count() -> None:
    """It waits a moment, longer each time, and not for ever."""
    assert not CLASSES["locked"].counts
    timing = Timing(1, 5.0, 600.0, None)
    task, locked = (
        Task("q_1", "local/a#1", attempt=1),
        Attempt(1, outcome="failed", failure="locked", reason="database is locked"),
    )
    verdict = decide_next_state(task, locked, timing)
    assert (verdict.state, verdict.counts, verdict.retry_delay) == ("pending", False, 5.0)
    again = Task("q_1", "local/a#1", attempt=2, attempts=[locked], attempts_before=1)
    assert decide_next_state(again, locked, timing).retry_delay == 10.0
    last = Task("q_1", "local/a#1", attempt=20, attempts=[locked] * 19, attempts_before=19)
    assert decide_next_state(last, locked, timing).state == "error"

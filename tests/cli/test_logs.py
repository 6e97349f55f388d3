"""Following a log from the command line."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from kugetsu_engine.domain.task import Task
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files

from .conftest import Shell


def test_a_log_is_followed_from_its_last_lines(shell: Shell) -> None:
    """`-f -n 2` begins two lines before the end, as without `-f`, and leaves out nothing of what comes."""
    paths = StatePaths(str(shell.state))
    files.create_folders(paths.folders())
    files.replace(paths.item("q_1"), msgspec.json.encode(Task("q_1", "local/app#1", state="running", attempt=1)), durable=False)
    log = Path(paths.log("q_1", 1))
    log.parent.mkdir()
    log.write_text("".join(f"line {number}\n" for number in range(1, 31)))
    command = [sys.executable, "-m", "kugetsu_engine", "logs", "1", "-f", "-n", "2"]
    with subprocess.Popen(command, env={**os.environ, **shell.environ}, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        first = follower.stdout.readline()
        with log.open("a") as file:
            file.write("line 31\n")
        files.replace(paths.item("q_1"), msgspec.json.encode(Task("q_1", "local/app#1", state="completed", attempt=1)))
        tasks.archive_task(paths, "q_1")
        rest = follower.stdout.read()
    assert first + rest == "line 29\nline 30\nline 31\n"
    assert shell("logs", "1", "-f", "-n", "1").stdout == shell("logs", "1", "-n", "1").stdout == "line 31\n"

"""Real attempts: their logs' lines have times, whoever writes the log, and `kugetsu logs --times` prints them."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kugetsu_engine.queue import cleanup
from kugetsu_engine.state.log_reader import LogReader, choose_log
from kugetsu_engine.state.log_times import LogTimes
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

EVENT = '{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"%s"}]}}'
AGENTS = {
    "template": ("early", "late"),  # the supervisor copies what it prints
    "opencode": ("early", "late"),  # it writes its log itself
    "claude": (EVENT % "early", EVENT % "late"),  # what it tells is written beside its log
}
MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


def agent(fleet: Fleet, name: str) -> None:
    """Make an agent that says one thing at once, and another when it may."""
    early, late = AGENTS[name]
    program = fleet.folder / name
    wait = f"while [ ! -e {fleet.waiting_file('on')} ]; do read -r _ < {fleet.folder}/pipe; done"
    os.mkfifo(fleet.folder / "pipe")
    program.write_text(f"#!/bin/sh\necho '{early}'\n{wait}\necho '{late}'\n", "utf-8")
    program.chmod(0o755)
    command = f"command = [{str(program)!r}]" if name == "template" else f"program = {str(program)!r}"
    fleet.tables = f"[agents.{name}]\n{command}"
    fleet.configure(max_attempts=1)


def go_on(fleet: Fleet) -> None:
    """Let it say the other thing."""
    fleet.release("on")
    Path(fleet.folder / "pipe").write_text("\n", "utf-8")


def times_of(fleet: Fleet, task_id: str, raw: bool) -> dict[str, float | None]:
    """The time of each line, by a word that is in it."""
    times = LogTimes.load(fleet.paths, task_id, 1, raw)
    reader = LogReader(choose_log(fleet.paths, task_id, 1, raw))
    reader.refresh()
    lines = [(line.decode(), times.time_of(place)) for place, line in reader.read_with_offsets(0, 100)]
    times.close()
    reader.close()
    return {word: at for word in ("early", "late") for line, at in lines if word in line}


def elapsed(fleet: Fleet, task_id: str) -> float:
    """Seconds of the attempt, as last told."""
    progress = fleet.progress(task_id)
    return progress.elapsed_s if progress is not None else 0.0


def follower(fleet: Fleet, task_id: str) -> "subprocess.Popen[str]":
    """Begin to follow a log with its times."""
    environ = {**os.environ, "KUGETSU_DIR": fleet.paths.root}
    command = [sys.executable, "-m", "kugetsu_engine", "logs", task_id, "-f", "-t"]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)


def logs(fleet: Fleet, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `kugetsu logs`."""
    environ = {**os.environ, "KUGETSU_DIR": fleet.paths.root}
    command = [sys.executable, "-m", "kugetsu_engine", "logs", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("name", AGENTS)
def test_each_line_has_the_time_at_which_it_was_written(fleet: Fleet, name: str) -> None:
    """The first line within two seconds of the start, the last one when it came; `--times` prints both, `-f` too."""
    agent(fleet, name)
    task_id = fleet.enqueue(options={"agent": name})
    before = time.time()
    fleet.start_engine()
    wait_until(lambda: times_of(fleet, task_id, raw=False).get("early") is not None, 10, "the first line to have a time")
    size = os.path.getsize(fleet.paths.times(task_id, 1))
    wait_until(lambda: getattr(fleet.progress(task_id), "activity", "") == "early", 5, "it to be told what the agent does")
    reached = LogTimes.load(fleet.paths, task_id, 1, raw=True).known_to
    begun = elapsed(fleet, task_id)
    with follower(fleet, task_id) as process:
        wait_until(lambda: elapsed(fleet, task_id) > begun + 1.5, 6, "a second without output")
        assert os.path.getsize(fleet.paths.times(task_id, 1)) == size
        released = time.time()
        go_on(fleet)
        fleet.wait_for_end([task_id])
        followed, _ = process.communicate(timeout=20)
    assert reached == len(AGENTS[name][0]) + 1
    for raw in (False, True):
        found = times_of(fleet, task_id, raw)
        assert found["early"] is not None
        assert found["late"] is not None
        assert before < found["early"] < released - 0.5
        assert released - 0.1 < found["late"] < time.time() + 0.1
    words = [MINUTE.sub("", line) for line in logs(fleet, task_id).stdout.splitlines()]
    timed = logs(fleet, task_id, "--times").stdout.splitlines()
    assert [MINUTE.sub("", line) for line in timed] == words != timed
    early = next(line for line in timed if "early" in line)
    at = times_of(fleet, task_id, raw=False)["early"]
    assert early.startswith(time.strftime("%Y-%m-%d %H:%M:%S ", time.localtime(at)))
    assert all(MINUTE.match(line) for line in logs(fleet, task_id, "--times", "--raw").stdout.splitlines())
    assert followed.splitlines() == timed


def test_the_engines_log_and_a_log_without_times(fleet: Fleet) -> None:
    """The engine's own log refuses; lines whose times are not known stand under blanks; times go with their log."""
    task_id, other = fleet.enqueue(say="hello"), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([task_id, other])
    assert os.path.exists(fleet.paths.times(other, 1))
    os.unlink(fleet.paths.times(task_id, 1))
    assert logs(fleet, task_id, "-t").stdout == f"{' ' * 20}hello\n"
    refused = logs(fleet, "--times")
    assert (refused.returncode, "has times in its lines" in refused.stderr) == (64, True)
    assert cleanup.set_aside_ended(fleet.paths, time.time() + 1) == 2
    assert cleanup.finish_removals(fleet.paths) == 2
    assert not os.path.exists(fleet.paths.times(other, 1))

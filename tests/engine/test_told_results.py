"""A result that an agent tells decides, whatever else it prints and however its process ends."""

import json
import sys
from pathlib import Path

import pytest

from kugetsu_engine.domain.task import Task
from tests.support.fleet import Fleet

PROGRAM = """\
#!{python} -IS
import json, os, signal, sys, time
sys.stdin.readline()
with open({journal!r}, "a") as journal:
    journal.write("run\\n")
def tell(**event):
    print(json.dumps(event), flush=True)
def stay(seconds=600):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(end - time.monotonic())
def turn(text):
    tell(type="assistant", message=dict(id=text, content=[dict(type="text", text=text)], usage=dict(output_tokens=1)))
def result(**more):
    tell(**(dict(type="result", subtype="success", is_error=False, result="done", session_id="s", total_cost_usd=5.5) | more))
tell(type="system", subtype="init", session_id="s", model="m")
"""


def _run(fleet: Fleet, rest: str, **settings: str | int) -> Task:
    """Run a task whose agent is a program that speaks as claude does, to its end."""
    program = fleet.folder / "claude"
    program.write_text(PROGRAM.format(python=sys.executable, journal=str(fleet.folder / "runs")) + rest, encoding="utf-8")
    program.chmod(0o755)
    fleet.tables = f"[agents.claude]\nprogram = {json.dumps(str(program))}"
    quick: dict[str, str | int] = {"result_grace": "500ms", "max_attempts": 2}
    fleet.configure(**quick | settings, agent="claude")
    task_id = fleet.enqueue()
    fleet.start_engine()
    return fleet.wait_for_end([task_id], 40)[0]


def _runs(fleet: Fleet) -> int:
    return len(Path(fleet.folder, "runs").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("rest", "words", "code"),
    [
        ("result(); stay()", "reported success; its process did not end and was stopped after 0.5s", -15),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); result(); stay()", "was stopped after 0.5s", -9),
        ("signal.signal(signal.SIGTERM, lambda *_: os._exit(143)); result(); stay()", "was stopped after 0.5s", 143),
        ("result(); os.kill(os.getpid(), signal.SIGSEGV)", "reported success; its process was then ended by SIGSEGV", -11),
    ],
)
def test_a_process_that_stays_or_dies_after_its_result_does_not_change_it(
    fleet: Fleet, rest: str, words: str, code: int
) -> None:
    """The slot is free soon, the task is completed in one run, and the reason says what became of the process."""
    task = _run(fleet, rest)
    assert (task.state, _runs(fleet)) == ("completed", 1)
    attempt = task.attempts[0]
    assert attempt.outcome == "ok"
    assert words in (attempt.reason or "")
    assert (attempt.exit_code, attempt.signal) == ((code, None) if code >= 0 else (None, -code))


def test_a_result_that_says_failure_counts_too_and_keeps_its_class(fleet: Fleet) -> None:
    """It is not another hour until it is tried again."""
    rest = 'result(is_error=True, result="Invalid API key"); stay()'
    task = _run(fleet, rest)
    assert (task.state, task.attempts[0].failure) == ("error", "credentials")
    assert "its process did not end" in (task.attempts[0].reason or "")


def test_an_agent_that_goes_on_after_a_result_is_not_cut(fleet: Fleet) -> None:
    """Another turn takes the result back, however long it is silent then."""
    task = _run(fleet, 'result(); turn("one more thing"); stay(2.5); result(result="all done")')
    assert (task.state, _runs(fleet)) == ("completed", 1)
    assert task.attempts[0].reason == "exit code 0"


def test_new_output_begins_the_grace_anew(fleet: Fleet) -> None:
    """As long as a process prints something it may still have something to do."""
    task = _run(
        fleet, 'result()\nfor _ in range(35):\n    stay(0.1); print(".", file=sys.stderr, flush=True)', result_grace="2s"
    )
    assert task.attempts[0].reason == "exit code 0"


def test_a_result_counts_at_the_time_limit(fleet: Fleet) -> None:
    """Where the grace is longer than what is left of the time; one that was taken back does not count."""
    task = _run(fleet, "result(); stay()", task_timeout="2s", result_grace="60s")
    assert task.state == "completed"
    assert task.attempts[0].reason == "reported success; its process did not end and was stopped at the time limit"


def test_a_result_that_was_taken_back_does_not_count_at_the_time_limit(fleet: Fleet) -> None:
    """It was at work again."""
    task = _run(fleet, 'result(); turn("one more thing"); stay()', task_timeout="2s", max_attempts=1)
    assert (task.state, task.failure) == ("error", "timeout")


@pytest.mark.parametrize(
    "before",
    [
        "Updating files: 37%",
        "\\x1b[2K\\x1b[1G\\x1b[?25l",
        "\\x1b]0;title",
        "\\r100%\\r",
        "\\0\\0",
        "\\ufeff",
        '{\\"cut\\": [1,',
    ],
)
@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_what_is_printed_right_before_the_result_hides_nothing(fleet: Fleet, stream: str, before: str) -> None:
    """Without a line end, on either stream: one run, completed."""
    task = _run(fleet, f'sys.{stream}.write("{before}"); sys.{stream}.flush(); result()')
    assert (task.state, _runs(fleet)) == ("completed", 1)


def test_words_that_look_like_a_result_on_the_error_output_are_none(fleet: Fleet) -> None:
    """A tool may print anything there."""
    task = _run(fleet, "sys.stdout = sys.stderr; result()", max_attempts=1)
    assert (task.state, task.attempts[0].reason) == ("error", "exit code 0, but it stopped in the middle: it printed no result")


def test_a_result_that_was_cut_off_by_the_end_is_none(fleet: Fleet) -> None:
    """Nobody knows what the rest would have said."""
    rest = 'text = json.dumps(dict(type="result", subtype="success", is_error=False)); sys.stdout.write(text[:-5])'
    task = _run(fleet, rest, max_attempts=1)
    assert task.state == "error"


def test_a_result_of_megabytes_is_understood(fleet: Fleet) -> None:
    """Its text is long, not its meaning."""
    task = _run(fleet, 'result(result="x" * 3_000_000)')
    assert (task.state, _runs(fleet)) == ("completed", 1)
    assert task.attempts[0].usage is not None
    assert task.attempts[0].usage.cost == 5.5

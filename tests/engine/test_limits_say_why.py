"""A limit does not hide its cause: the reason says what the agent was at then, and the class follows the cause."""

import json
import os
import shlex
import signal
import sys

import pytest

from kugetsu_engine.agents import claude, codex, gemini, json_stream
from kugetsu_engine.agents.opencode import process_mode
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text import json_paths
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

CLAUDE = "#!/bin/sh\nhead -n 1 > /dev/null\n{lines}\n{rest}\n"
RETRY = {
    "type": "system", "subtype": "api_retry", "error": "rate_limit", "error_status": 429, "retry_delay_ms": 60_000,
    "attempt": 3, "max_retries": 10,
}  # fmt: skip
NO_NETWORK = RETRY | {"error": "server_error", "error_status": 503}
CALL = {
    "type": "assistant",
    "message": {"id": "m", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "npm test"}}]},
}


def _of_claude(fleet: Fleet, *events: object, **settings: str | int) -> Task:
    """Run a task whose agent tells events as claude does and is silent then, until it has ended or waits again."""
    lines = "\n".join(f"echo {shlex.quote(json.dumps(event))}" for event in events)
    program = fleet.folder / "claude"
    program.write_text(CLAUDE.format(lines=lines, rest="exec tail -f /dev/null"), encoding="utf-8")
    program.chmod(0o755)
    fleet.tables = f"[agents.claude]\nprogram = {json.dumps(str(program))}"
    return _end(fleet, agent="claude", **settings)


def _of_shell(fleet: Fleet, script: str, **settings: str | int) -> Task:
    fleet.tables = f'[agents.shell]\ncommand = ["sh", "-c", {json.dumps("cat > /dev/null; " + script)}]'
    return _end(fleet, agent="shell", **settings)


def _end(fleet: Fleet, **settings: str | int) -> Task:
    quick: dict[str, str | int] = {"task_timeout": "1500ms", "max_attempts": 1, "rate_limit_delay": "10m"}
    fleet.configure(**quick | settings)
    task_id = fleet.enqueue()
    fleet.start_engine()
    wait_until(lambda: fleet.task(task_id).attempts, 30, "the end of the attempt")
    return fleet.task(task_id)


def test_a_provider_that_refuses_until_the_time_is_up_is_a_limit_of_the_provider(fleet: Fleet) -> None:
    """It rests, and the attempt does not count."""
    task = _of_claude(fleet, RETRY)
    attempt = task.attempts[0]
    assert (task.state, attempt.outcome, attempt.failure, task.attempts_before) == ("pending", "timeout", "rate_limit", 1)
    refused = "the provider refused (429), retrying in 60 s: 3 of 10 (rate_limit, status 429)"
    assert attempt.reason == f"ran longer than 1.5 s; held up by: {refused}"
    assert fleet.notices("engine_rate_limit")


@pytest.mark.parametrize(
    ("script", "failure", "words"),
    [
        ("echo 'API Error: 429 Too Many Requests, retrying in 60s'", "rate_limit", "held up by: API Error: 429 Too Many"),
        ("echo 'getaddrinfo ENOTFOUND api.example.com'; echo 'retrying ...'", "network", "held up by: getaddrinfo ENOTFOUND"),
        ("echo '429 Too Many Requests'; seq 5 | sed 's/^/working on file /'", "timeout", "last activity: working on file 5"),
        ("echo 'running the tests'", "timeout", "last activity: running the tests"),
        ("true", "timeout", "ran longer than 1.5 s"),
    ],
)
def test_the_last_words_of_an_agent_that_only_prints_say_why(fleet: Fleet, script: str, failure: str, words: str) -> None:
    """Only its newest lines: what it met earlier it has got over."""
    attempt = _of_shell(fleet, f"{script}; exec tail -f /dev/null").attempts[0]
    assert (attempt.outcome, attempt.failure) == ("timeout", failure)
    assert words in (attempt.reason or "")


def test_what_it_says_when_it_is_ended_is_not_what_kept_it(fleet: Fleet) -> None:
    """Many programs call their end an error of the network."""
    script = "trap 'echo socket hang up; exit 1' TERM; echo at work; while :; do read -t 1 _ < /dev/zero || :; done"
    attempt = _of_shell(fleet, f"exec bash -c {shlex.quote(script)}", stop_grace="5s").attempts[0]
    assert (attempt.failure, attempt.reason) == ("timeout", "ran longer than 1.5 s; last activity: at work")


def test_the_tool_that_ran_is_named_and_a_refusal_that_was_got_over_is_not(fleet: Fleet) -> None:
    """The class stays `timeout`."""
    attempt = _of_claude(fleet, RETRY, CALL).attempts[0]
    assert (attempt.failure, attempt.reason) == ("timeout", "ran longer than 1.5 s; last activity: Bash npm test")


def test_an_agent_that_stood_still_as_the_network_was_gone_says_so(fleet: Fleet) -> None:
    """Stalled is how, network is why."""
    attempt = _of_claude(fleet, NO_NETWORK, task_timeout="60s", stall_after="1s", stall_kills=1).attempts[0]
    assert (attempt.outcome, attempt.failure) == ("stalled", "network")
    assert "it was stalled: no output" in (attempt.reason or "")
    assert "held up by: the provider refused (503)" in (attempt.reason or "")


def test_a_time_limit_while_it_is_prepared_says_at_what(fleet: Fleet) -> None:
    """No agent was there yet."""
    wait = json.dumps([sys.executable, "-I", "-S", "-c", "import select; select.select([], [], [], 60)"])
    fleet.tables = f'[repos."local/set"]\npath = "{fleet.repository}"\nsetup = [{wait}]'
    fleet.configure(task_timeout="1500ms", max_attempts=1)
    task_id = fleet.enqueue("local/set#1")
    fleet.start_engine()
    attempt = fleet.wait_for_end([task_id])[0].attempts[0]
    assert (attempt.outcome, attempt.reason) == (
        "timeout",
        "ran longer than 1.5 s; last activity: its setup commands were running",
    )


def test_a_budget_that_is_used_up_says_what_it_was_spent_on_last(fleet: Fleet) -> None:
    """The class stays: another attempt would have no money either."""
    spent = {"type": "result", "subtype": "success", "is_error": False, "result": "x", "session_id": "s", "total_cost_usd": 9}
    attempt = _of_claude(fleet, spent, CALL, task_timeout="60s", budget_per_task=1).attempts[0]
    assert attempt.failure == "budget"
    assert (attempt.reason or "").endswith("; last activity: Bash npm test")


def test_an_attempt_that_was_lost_says_what_it_was_at(fleet: Fleet) -> None:
    """As far as its supervisor had told."""
    fleet.tables = '[agents.shell]\ncommand = ["sh", "-c", "cat > /dev/null; echo at work; exec tail -f /dev/null"]'
    fleet.configure(agent="shell", max_attempts=1)
    task_id = fleet.enqueue()
    fleet.start_engine()
    wait_until(lambda: (told := fleet.progress(task_id)) and told.activity == "at work", 15, "its words")
    record = fleet.record(task_id)
    assert record is not None
    os.kill(record.supervisor_pid, signal.SIGKILL)
    attempt = fleet.wait_for_end([task_id])[0].attempts[0]
    assert (attempt.outcome, attempt.reason) == ("lost", "its supervisor was killed; last activity: at work")


def _lines(*events: object) -> list[bytes]:
    return [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]


PLACES = json_paths.compile_stream({"text": "text", "error": "error"})


@pytest.mark.parametrize(
    ("module", "options", "refusal", "work", "failure"),
    [
        (claude, {}, RETRY, CALL, "rate_limit"),
        (codex, {}, {"type": "error", "message": "Reconnecting... 2/5 (stream disconnected before completion)"},
         {"type": "item.completed", "item": {"type": "agent_message", "text": "hi"}}, "exit"),
        (gemini, {}, b"Attempt 1 failed with status 429. Retrying with backoff...",
         {"type": "message", "role": "assistant", "content": "hi"}, "exit"),
        (gemini, {}, {"type": "error", "severity": "error", "message": "fetch failed"},
         {"type": "tool_use", "tool_name": "x", "tool_id": "1"}, "exit"),
        (process_mode, {}, {"type": "retry", "sessionID": "ses_1", "status": {"type": "retry", "attempt": 2, "message": "429"}},
         {"type": "step_start", "part": {}}, "exit"),
        (process_mode, {}, {"type": "error", "error": {"name": "APIError", "data": {"message": "no", "statusCode": 429}}},
         {"type": "step_start", "part": {}}, "rate_limit"),
        (json_stream, {"stream": PLACES}, {"error": "connection refused"}, {"text": "hi"}, "exit"),
    ],
)  # fmt: skip
def test_every_reader_knows_what_keeps_its_agent_and_when_it_works_again(
    module: object, options: dict[str, object], refusal: object, work: object, failure: str
) -> None:
    """Class `exit` stands for its words, in which the patterns are looked for."""
    reader = module.reader(options)  # type: ignore[attr-defined]
    [first, second] = _lines(refusal, work)
    reader.feed(first)
    assert reader.hindrance is not None
    assert reader.hindrance[0] == failure
    reader.feed(second)
    assert reader.hindrance is None

"""The classes of failure, the patterns that find them, and the times of resets."""

import ast
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.agents.failure_patterns import COMMON
from kugetsu_engine.agents.opencode import process_mode
from kugetsu_engine.domain import failures
from kugetsu_engine.domain.text.reset_times import LONGEST_S, parse_reset_time
from kugetsu_engine.errors import GitError, RepositoryError
from kugetsu_engine.supervisor import outcome
from kugetsu_engine.supervisor.agent_log import LogFile
from tests.support.fleet import ROOT

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()
OPENCODE = (*process_mode.FAILURES, *COMMON)


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's time is UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def test_every_class_of_the_tables_exists_and_is_short_enough_for_a_list() -> None:
    """No pattern, exit code or word of git names a class that has no policy."""
    named = {failure for _, failure in (*OPENCODE, *failures.GIT)} | set(failures.EXIT_CODES.values())
    assert named <= failures.CLASSES.keys()
    assert all(0 < len(known.label) <= 11 for known in failures.CLASSES.values())


def test_what_is_paused_for_is_what_a_provider_can_refuse() -> None:
    """A rest of a provider for a fault of the task, of git or of the machine would keep others waiting for nothing."""
    assert {name for name, known in failures.CLASSES.items() if known.pause} == {"rate_limit", "quota", "credentials"}
    uncounted = {name for name, known in failures.CLASSES.items() if not known.counts}
    assert uncounted == {"rate_limit", "quota", "locked", "wrong_program", "git_busy", "machine_memory", "sandbox", "parked"}


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ('{"type":"error","error":{"name":"APIError","data":{"message":"slow down","statusCode":429}}}', "rate_limit"),
        ("exceeded retry limit, last status: 429 Too Many Requests, request id: 9c84b52ce87fbe62-SJC", "rate_limit"),
        ('API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "rate_limit"),
        ("API Error (429): Number of request tokens has exceeded your daily rate limit", "rate_limit"),
        ("Error: Too Many Requests retrying in 59 minutes 12 seconds attempt #15", "rate_limit"),
        ("litellm.RateLimitError: AnthropicException", "rate_limit"),
        ("Claude AI usage limit reached|1777936568", "quota"),
        ("You've hit your limit · resets 11pm (Europe/Warsaw)", "quota"),
        ("■ You've hit your usage limit. Upgrade to Pro or try again in 2 days 17 hours 14 minutes.", "quota"),
        (
            '{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","resets_at":1777936568}}',
            "quota",
        ),
        ("You exceeded your current quota, please check your plan and billing details.", "quota"),
        ("Credit balance is too low", "quota"),
        ('429 {"type":"error","error":{"type":"FreeUsageLimitError","message":"Rate limit exceeded."}}', "quota"),
        ('{"name":"APIError","data":{"message":"fake error 401","statusCode":401,"isRetryable":false}}', "credentials"),
        ("Invalid API key · Please run /login", "credentials"),
        ("ERROR: unexpected status 401 Unauthorized: Missing bearer", "credentials"),
        ("Incorrect API key provided: sk-xxxx.", "credentials"),
        ("Error: connect ECONNREFUSED 127.0.0.1:4096", "network"),
        ("ERROR: stream disconnected before completion: error sending request for url", "network"),
        ("getaddrinfo ENOTFOUND api.example.com", "network"),
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("! permission requested: external_directory (/x/*); auto-rejecting", "blocked"),
    ],
)
def test_what_programs_print_is_recognised(line: str, failure: str) -> None:
    """Lines as agent programs have been seen to print them."""
    assert outcome.find_failure([line], OPENCODE) == (0, failure)


@pytest.mark.parametrize(
    "line",
    [
        "the checks fail: 2 of 14",
        "add a rate limiter to the uploader",
        "FAILED tests/test_rate_limit.py::test_quota - assert 1 == 2",
        "41 tests passed, 429 skipped in 5.2s",
        "def handle_unauthorized(self) -> None:",
        "error: expected 500 rows, found 401",
        "the network module has 3 errors",
        "",
    ],
)
def test_what_agents_say_about_their_work_is_not_taken_for_a_failure_of_the_provider(line: str) -> None:
    """An agent that works on a rate limiter and fails has just failed."""
    assert outcome.find_failure([line], OPENCODE) == (0, None)


def test_the_newest_line_counts_and_in_a_line_the_first_pattern() -> None:
    """What an agent got over long before its end is not why it failed."""
    lines = ["the checks fail", "connect ECONNREFUSED", "429 Too Many Requests"]
    assert outcome.find_failure(lines, COMMON) == (1, "network")
    assert outcome.find_failure(["checks fail"], [("checks", "disk"), ("fail", "network")]) == (0, "disk")


def test_a_pattern_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """Catastrophic backtracking costs its second, the attempt is judged by its exit code, and the log says why."""
    log = LogFile(str(tmp_path / "1.log"), 1 << 20)
    log.write(b"a" * 1000 + b"!\n429 Too Many Requests is said here\n" + b"a" * 1000 + b"!\n")
    job = {"log": str(tmp_path / "1.log"), "patterns": [["(a+)+$", "disk"], *COMMON]}
    began = time.process_time()
    found = outcome.judge_exit(job, log, 3)
    assert time.process_time() - began < 5
    assert (found["outcome"], found["failure"], found["exit_code"]) == ("failed", "exit", 3)
    log.close()
    assert b"took too long" in (tmp_path / "1.log").read_bytes()


@pytest.mark.parametrize(
    ("code", "failure"), [(1, "exit"), (127, "no_program"), (126, "no_program"), (137, "crash"), (139, "crash"), (255, "exit")]
)
def test_an_exit_code_that_means_the_same_everywhere_names_the_class(tmp_path: Path, code: int, failure: str) -> None:
    """A shell's codes for a command that is not there and for a child that died of a signal."""
    log = LogFile(str(tmp_path / "1.log"), 1 << 20)
    found = outcome.judge_exit({"log": "", "patterns": COMMON}, log, code)
    log.close()
    assert found["failure"] == failure


def test_a_signal_is_a_crash_whatever_was_printed(tmp_path: Path) -> None:
    """And exit code 0 is a success whatever was printed."""
    log = LogFile(str(tmp_path / "1.log"), 1 << 20)
    log.write(b"429 Too Many Requests\n")
    job = {"log": "", "patterns": COMMON}
    assert (outcome.judge_exit(job, log, -11)["failure"], outcome.judge_exit(job, log, -11)["signal"]) == ("crash", 11)
    assert outcome.judge_exit(job, log, 0)["outcome"] == "ok"
    log.close()


def test_the_reset_is_found_on_the_line_of_the_failure_or_near_it(tmp_path: Path) -> None:
    """A header printed two lines below counts, too."""
    log = LogFile(str(tmp_path / "1.log"), 1 << 20)
    log.write(b"\x1b[31mError: 429 Too Many Requests\x1b[0m\nheaders:\n  retry-after: 90\n")
    found = outcome.judge_exit({"log": "", "patterns": COMMON}, log, 1)
    log.close()
    assert found["failure"] == "rate_limit"
    assert found["reason"] == "exit code 1: Error: 429 Too Many Requests"
    wait = datetime.fromisoformat(found["resets_at"]).timestamp() - time.time()
    assert 85 < wait <= 90


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        ("git clone: fatal: unable to access 'https://x/': Could not resolve host: x", "network"),
        ("git clone: fatal: could not read Username for 'https://x': terminal prompts disabled", "credentials"),
        ("git clone: fatal: Authentication failed for 'https://x/'", "credentials"),
        ("git worktree: error: unable to write file: No space left on device", "disk"),
        ("git worktree: fatal: cannot create directory: Read-only file system", "disk"),
        ("git cannot run in /x: Resource temporarily unavailable", "machine"),
        ("git worktree: fatal: 'fix/issue-1' is already checked out at '/x'", "git"),
    ],
)
def test_gits_words_tell_a_refusal_from_a_bad_connection(message: str, failure: str) -> None:
    """A clone without network is tried again; a branch in use is not."""
    assert outcome.judge_preparation(GitError(message))["failure"] == failure
    assert outcome.judge_preparation(RepositoryError(message))["failure"] == "repository"


def test_a_full_disk_is_named() -> None:
    """What disk and machine refuse for want of room; another error of the system is unknown."""
    kinds = {"disk": (28, 122, 30, 5), "machine": (11, 12, 23, 24), "unknown": (1, 20)}
    for kind, numbers in kinds.items():
        assert {outcome.judge_preparation(OSError(number, "refused"))["failure"] for number in numbers} == {kind}


@pytest.mark.parametrize(
    ("patterns", "wrong"),
    [
        ({"slow down": "rate_limit"}, None),
        ({"(": "rate_limit"}, "not a valid regular expression"),
        ({"x": "tuesday"}, "'tuesday' is not a class"),
        ({"": "exit"}, "1 to 500"),
        ({"x" * 501: "exit"}, "1 to 500"),
    ],
)
def test_an_operators_pattern_is_checked(patterns: dict[str, str], wrong: str | None) -> None:
    """Expression, class and length."""
    found = failures.find_pattern_fault(patterns)
    assert found is None if wrong is None else wrong in (found or "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Retry-After: 30", 30),
        ('"retry-after":"30"', 30),
        ("retry-after-ms: 1500", 1.5),
        ("retry-after: Sat, 21 Nov 2026 12:28:00 GMT", 1680),
        (json.dumps({"resets_at": int(NOW) + 13872, "resets_in_seconds": 5}), 13872),
        (json.dumps({"resets_in_seconds": 602705}), 602705),
        (f"Claude AI usage limit reached|{int(NOW) + 100}", 100),
        (f"Claude AI usage limit reached|{int(NOW) + 100}000", 100),
        ("You've hit your limit · resets 11pm (Europe/Warsaw)", 10 * 3600),
        ("You've hit your limit · resets 4:50am (Europe/Rome)", 15 * 3600 + 50 * 60),
        ("You've hit your limit · resets 3:30pm (UTC)", 3.5 * 3600),
        ("You've hit your limit · resets 9am (UTC)", 21 * 3600),
        ("weekly limit reached · resets Nov 24, 3pm (UTC)", 3 * 86400 + 3 * 3600),
        ("You've hit your usage limit. Upgrade to Pro or try again in 5 days 22 hours 11 minutes.", 511860),
        ("Rate limit reached for gpt-5 on tokens per min. Please try again in 6m0s.", 360),
        ("Please try again in 1.242s.", 1.242),
        ("Too Many Requests retrying in 59 minutes 12 seconds attempt #15", 3552),
        ('"retryDelay": "27s"', 27),
        ("Please retry after 20 seconds", 20),
        ("limit resets at 2026-11-21T14:00:00Z", 7200),
        ("Rate limit exceeded. Please try again later.", None),
        ("resets soon", None),
        ("resets 11pm (Nowhere/Land", 11 * 3600),
        ("Retry-After: 9999999999", None),
        ("try again in 40 weeks", None),
        ("resets at 2026-13-45T99:00:00Z", None),
        ("resets 31:99pm (UTC)", None),
        (f"limit reached|{int(NOW) - 100}", None),
        ("took 30 seconds", None),
        ("", None),
    ],
)
def test_the_time_of_a_reset_is_read(text: str, seconds: float | None, in_utc: None) -> None:
    """In the shapes that providers and agent programs use; what is past, too far away or no time is no reset."""
    found = parse_reset_time(text, NOW)
    assert found is None if seconds is None else found == pytest.approx(NOW + seconds, abs=0.01)


@given(st.text(max_size=300) | st.from_regex(re.compile(r"(resets?|try again|retry)[ :a-z0-9.,()/-]{0,80}"), fullmatch=True))
def test_any_text_gives_a_time_ahead_or_none(text: str) -> None:
    """Nothing a provider prints raises, or makes a task wait for ever."""
    found = parse_reset_time(text, NOW)
    assert found is None or NOW < found <= NOW + LONGEST_S


def _messages(path: Path) -> Iterator[str]:
    """The texts of a module that are formatted with values, such as the messages of errors; an `X` for each value."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)


def test_no_message_of_ours_is_taken_for_a_failure_of_a_provider() -> None:
    """They stand in an agent's log too: one about a forge's rate limit would pause the agent's provider."""
    found = [
        (path.name, message)
        for path in (ROOT / "kugetsu_engine").rglob("*.py")
        for message in _messages(path)
        for pattern, _ in COMMON
        if re.search(pattern, message, re.IGNORECASE)
    ]
    assert found == []
    assert any(re.search(pattern, "X has reached its rate limit", re.IGNORECASE) for pattern, _ in COMMON)

"""What other agents print, made readable, and what became of the attempt.

The streams in `tests/streams` are recorded: the real programs (claude 2.1.197, codex 0.169.0, gemini 0.61.0, aider 0.86.2) ran
against a small server of ours that spoke their provider's protocol, or without a login; paths and lists of tools are shortened.
Their shapes are documented: claude, `SDKMessage` in the reference of the Claude Agent SDK, "Run Claude Code programmatically";
codex, `codex-rs/exec/src/exec_events.rs`; gemini, `docs/cli/headless.md` and `packages/core/src/output/types.ts`.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents import aider, claude, codex, gemini
from kugetsu_engine.agents.failure_patterns import COMMON
from kugetsu_engine.agents.stream_events import Event, Reader, UsedTokens
from kugetsu_engine.supervisor.outcome import find_failure

STREAMS = Path(__file__).parents[1] / "streams"
MODULES: dict[str, Any] = {"aider": aider, "claude": claude, "codex": codex, "gemini": gemini}


def read(name: str, options: dict[str, Any] | None = None) -> tuple[Reader, list[Event]]:
    """Feed a recorded stream to its reader, line by line."""
    path = next(STREAMS.glob(f"{name}.*"))
    reader: Reader = MODULES[name.partition("-")[0]].reader({"directory": "/home/me/tree", **(options or {})})
    return reader, [event for line in path.read_bytes().splitlines() for event in reader.feed(line)]


def verdict(name: str, reader: Reader, exit_code: int) -> tuple[str, str] | None:
    """Class and reason as the supervisor finds them: `exit` means that the patterns look at the reason."""
    told = reader.find_failure(exit_code)
    if told is None or told[0] != "exit":
        return told
    return find_failure([told[1]], (*MODULES[name.partition("-")[0]].FAILURES, *COMMON))[1] or "exit", told[1]


@pytest.mark.parametrize(
    ("name", "session", "used", "steps"),
    [
        ("claude-ok", "6f1c9f7e-5a63-4f0f-8d0f-0123456789c1", UsedTokens(390, 0.00273), 2),
        ("codex-ok", "01a1ff39-b3a2-7a93-821e-a03407a04015", UsedTokens(240, None), 3),
        ("gemini-ok", "6f1c9f7e-5a63-4f0f-8d0f-0123456789c1", UsedTokens(240, None), 3),
    ],
)
def test_a_success_is_told_in_a_few_events_with_session_tokens_and_last_words(
    name: str, session: str, used: UsedTokens, steps: int
) -> None:
    """Text, the call of a tool when it begins, its result, the last answer; nothing failed."""
    reader, events = read(name)
    assert [(event.kind, event.failed) for event in events if event.kind not in ("note", "thinking")] == [
        ("session", False), *([("text", False)] * (2 if name == "gemini-ok" else 1)), ("tool", False), ("tool", False),
        ("text", False), ("step", False),
    ]  # fmt: skip
    call, result = (event for event in events if event.kind == "tool")
    assert "made.txt" in call.text
    assert (result.text, result.result.strip()) == ("", "hi")
    assert (reader.session_id, reader.used, reader.steps) == (session, used, steps)
    assert reader.last_text == "Done: made.txt is there."
    assert verdict(name, reader, 0) is None


@pytest.mark.parametrize(
    ("name", "code", "failure", "words"),
    [
        ("claude-nologin", 1, "credentials", "Not logged in"),
        ("claude-nosession", 1, "session", "No conversation found"),
        ("claude-deny", 0, "blocked", "echo hi > made.txt"),
        ("codex-401", 1, "credentials", "401 Unauthorized"),
        ("codex-429", 1, "rate_limit", "429"),
        ("gemini-401", 145, "credentials", "invalid x-api-key"),
        ("gemini-nologin", 41, "credentials", "Auth method"),
        ("aider-401", 0, "credentials", "AuthenticationError"),
    ],
)
def test_a_failure_is_named_by_the_events_whatever_the_exit_code_says(name: str, code: int, failure: str, words: str) -> None:
    """claude calls a missing login a success, and aider ends every run with 0."""
    reader, _ = read(name)
    found = verdict(name, reader, code)
    assert found is not None
    assert found[0] == failure
    assert words in found[1]


def test_a_stream_that_ends_in_the_middle_is_no_success() -> None:
    """Exit code 0 without the last event; the reader of a killed agent asks the exit code."""
    for name in ("claude-ok", "codex-ok", "gemini-ok"):
        reader = MODULES[name.partition("-")[0]].reader({})
        for line in next(STREAMS.glob(f"{name}.*")).read_bytes().splitlines()[:-1]:
            reader.feed(line)
        assert verdict(name, reader, 0) is not None
        assert reader.find_failure(1) is None


def test_claudes_refused_tool_does_not_matter_when_it_found_another_way() -> None:
    """A permission that was refused fails the attempt only if no tool went well after it."""
    lines = (STREAMS / "claude-deny.jsonl").read_bytes().splitlines()
    good = [line.replace(b"toolu_1", b"toolu_2").replace(b'"is_error":true', b'"is_error":false') for line in lines[2:4]]
    reader = claude.reader({})
    for line in [*lines[:4], *good, *lines[4:]]:
        reader.feed(line)
    assert reader.find_failure(0) is None


def test_claudes_limits_are_told_apart_by_their_words() -> None:
    """The error is called `rate_limit` for both: the limit of a subscription is a quota, with the time of its end."""
    for text, failure in (("You've hit your limit · resets 11pm (UTC)", "quota"), ("Too many requests", "rate_limit")):
        reader = claude.reader({})
        answer = {"type": "assistant", "error": "rate_limit", "message": {"content": [{"type": "text", "text": text}]}}
        end = {"type": "result", "subtype": "success", "is_error": True, "result": text, "api_error_status": 429}
        for event in (answer, end):
            reader.feed(json.dumps(event).encode())
        assert verdict("claude", reader, 1) == (failure, (reader.find_failure(1) or ("", ""))[1])


def test_codex_tells_the_tokens_of_the_whole_session_so_those_of_a_resumed_run_are_unknown() -> None:
    """Seen: 200 in the first run, 400 after the second; the difference is nobody's to know from the stream."""
    assert read("codex-resume", {"resumed": True})[0].used == UsedTokens()
    assert read("codex-fork", {"resumed": True})[0].session_id == "01a1ff3a-e5dc-7983-bc16-ac97c8254161"
    assert read("claude-resume")[0].session_id == "6f1c9f7e-5a63-4f0f-8d0f-0123456789c1"
    assert read("claude-fork")[0].session_id == "6f1c9f7e-5a63-4f0f-8d0f-0123456789c2"


def test_aiders_plain_words_are_read_line_by_line() -> None:
    """Tokens, cost, the edit, the commit; the answer is text."""
    reader, events = read("aider-ok", {"session": "s-1"})
    assert reader.session_id == "s-1"
    assert reader.used == UsedTokens(1220, 0.0033)
    assert [event.text[-24:] for event in events if event.kind == "tool"][-1].endswith("I make the file.")
    assert any("Applied edit to made.txt" in event.text for event in events if event.kind == "tool")
    assert reader.find_failure(0) is None


def test_a_tool_that_failed_in_codex_and_gemini_is_marked() -> None:
    """Its output is there too."""
    _, events = read("codex-ro")
    assert [(event.failed, "Read-only" in event.result) for event in events if event.kind == "tool"][-1] == (True, True)
    reader = gemini.reader({})
    event = {"type": "tool_result", "tool_id": "t", "status": "error", "error": {"type": "x", "message": "no such file"}}
    assert reader.feed(json.dumps(event).encode()) == [Event("tool", "t", "no such file", True)]


ODD = [
    b"", b"\n", b"plain words", b"{", b"[]", b"{}", b'{"type":null}', b'{"type":"assistant"}', b'{"type":"result"}',
    b'{"type":"assistant","message":{"content":[1,null,{"type":"text"}]}}', b'{"type":"item.completed","item":null}',
    b'{"type":"user","message":{"content":"text"}}', b'{"type":"message","role":"assistant","content":null}',
    b'{"type":"tool_use"}', b'{"type":"turn.failed","error":7}', b'{"type":"event_of_next_year","a":{"b":[1]}}',
    b'{"type":"system","subtype":"api_retry","retry_delay_ms":"x"}', b"\xff\xfe\x00", b'{"a":' + b"[" * 5000,
    b'{"type":"turn.completed","usage":{"input_tokens":"many"}}', b'{"type":"result","status":"error","error":"x"}',
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_no_line_breaks_a_reader(name: str) -> None:
    """Events of unknown types and shapes say nothing, and the verdict is still asked for."""
    reader: Reader = MODULES[name].reader({})
    for line in ODD:
        for event in reader.feed(line):
            assert isinstance(event.text, str)
            assert isinstance(event.result, str)
    for code in (0, 1, -9):
        reader.find_failure(code)


@pytest.mark.parametrize("name", ["claude-ok", "codex-ok", "gemini-ok", "aider-ok"])
def test_a_reader_takes_five_thousand_lines_a_second(name: str) -> None:
    """Processor time; the measured figure is twenty times that, so a busy machine does not matter."""
    lines = next(STREAMS.glob(f"{name}.*")).read_bytes().splitlines()
    reader: Reader = MODULES[name.partition("-")[0]].reader({})
    start, count = time.process_time(), 0
    while count < 5000:
        for line in lines:
            reader.feed(line)
        count += len(lines)
    assert time.process_time() - start < 1.0

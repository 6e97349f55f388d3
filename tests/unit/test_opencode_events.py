"""What opencode tells: events made readable, and what really became of a run. Lines as 1.18.33 prints them."""

import json
from typing import Any

import pytest

from kugetsu_engine.agents.opencode import process_mode
from kugetsu_engine.agents.opencode.events import MAX_EMPTY_STEPS, OpencodeReader

SESSION = "ses_e029ab12cd34ABCDEFGHIJKLMN"


def line(kind: str, part: dict[str, Any] | None = None, **more: Any) -> bytes:
    """One event, as it is printed."""
    event: dict[str, Any] = {"type": kind, "timestamp": 1_700_000_000_500, "sessionID": SESSION, **more}
    return json.dumps(event | ({"part": part} if part is not None else {})).encode()


def step(reason: str = "stop", total: int | None = 2406, cost: float = 0.0024) -> bytes:
    """The end of a turn of the model."""
    tokens: dict[str, Any] = {"input": 2000, "output": 7, "reasoning": 1, "cache": {"write": 2, "read": 10}}
    return line("step_finish", {"type": "step-finish", "reason": reason, "tokens": tokens | ({"total": total} if total else {}),
                                "cost": cost})  # fmt: skip


def tool(name: str, given: dict[str, Any], **state: Any) -> bytes:
    """A tool that has ended."""
    return line("tool_use", {"type": "tool", "tool": name, "state": {"status": "completed", "input": given, **state}})


def api_error(status: int | None, message: str = "fake", retry: bool = False, **data: Any) -> bytes:
    """An error of the provider."""
    found: dict[str, Any] = {"message": message, "isRetryable": retry, **data}
    return line("error", error={"name": "APIError", "data": found | ({"statusCode": status} if status else {})})


def logged(message: str, rest: str, level: str = "ERROR") -> bytes:
    """A line of opencode's own log."""
    return f'timestamp=2026-11-21T18:01:35.906Z level={level} run=83ed5824 message="{message}"{rest}'.encode()


UNKNOWN = line("error", error={"name": "UnknownError", "data": {"message": "Unexpected server error"}})


def read(*lines: bytes) -> OpencodeReader:
    """A reader that has seen lines."""
    reader = process_mode.reader({"directory": "/w/issue"})
    for one in lines:
        reader.feed(one)
    return reader


def test_a_run_that_did_what_it_was_asked_for_is_a_success_with_its_figures() -> None:
    """Exit code 0, no error, last step `stop`; tokens and cost are the sum of its steps."""
    reader = read(line("step_start", {}), tool("bash", {"command": "pytest -q"}, output="1 passed"), step("tool-calls"),
                  line("text", {"text": "All done."}), step(total=None, cost=0.5))  # fmt: skip
    assert reader.find_failure(0) is None
    assert (reader.session_id, reader.steps, reader.last_text) == (SESSION, 2, "All done.")
    assert reader.used.tokens == 2406 + 2020
    assert reader.used.cost == pytest.approx(0.5024)


@pytest.mark.parametrize(
    ("given", "text", "failed"),
    [
        (tool("bash", {"command": "echo hi; exit 3"}, metadata={"exit": 3}, output="hi"), "bash echo hi; exit 3", True),
        (tool("edit", {"filePath": "/w/issue/src/auth.py"}, output="ok"), "edit src/auth.py", False),
        (tool("read", {"filePath": "/etc/x"}, status="error", error="no"), "read /etc/x", True),
        (tool("todowrite", {"todos": []}, title="3 todos"), "todowrite 3 todos", False),
        (tool("mcp_x", {"filePath": 7}), "mcp_x", False),
    ],
)
def test_a_tool_call_is_told_by_its_name_and_what_it_is_about(given: bytes, text: str, failed: bool) -> None:
    """Paths inside the worktree are short, and a command that failed is seen."""
    event = process_mode.reader({"directory": "/w/issue"}).feed(given)[-1]
    assert (event.kind, event.text, event.failed, event.at) == ("tool", text, failed, 1_700_000_000.5)


@pytest.mark.parametrize(
    ("lines", "code", "failure", "words"),
    [
        ([api_error(401)], 1, "credentials", "status 401"),
        ([api_error(400, "API key not valid")], 1, "credentials", "API key not valid"),
        ([api_error(400, "prompt is too long")], 1, "refused", "too long"),
        ([api_error(429, "slow down", True, responseHeaders={"retry-after": "90"})], 1, "rate_limit", "retry-after: 90"),
        ([api_error(429, "You exceeded your current quota", True)], 1, "quota", "quota"),
        ([api_error(500, "boom", True)], 1, "network", "boom"),
        ([api_error(None, "socket closed", True)], 1, "network", "socket closed"),
        ([logged("failed", ' error="ProviderModelNotFoundError: Model not found: p/x."'), UNKNOWN], 1, "config", "p/x"),
        ([logged("failed", ' error="Failed query: insert into \\"project\\""'), UNKNOWN], 1, "locked", "Failed query"),
        ([b"Failed query: ", *[b"  CREATE TABLE"] * 20, b"params: "], 1, "locked", "another opencode process"),
        ([UNKNOWN], 1, "exit", "Unexpected"),
        ([line("error", error={"name": "ProviderAuthError", "data": {}})], 1, "credentials", "ProviderAuthError"),
        ([line("error", error="odd")], 1, "exit", "odd"),
        ([b"Error: Session not found"], 1, "session", "Session not found"),
        ([b"Error: Failed query: insert into \"project\""], 1, "locked", "Failed query"),
        ([b"Error: You must provide a message or a command"], 1, "config", "message"),
        ([b"who knows"], 1, "exit", "who knows"),
        ([], 7, "exit", "exit code 7"),
        ([], 0, "exit", "did nothing"),
        ([step("length")], 0, "exit", "length"),
        ([step("tool-calls")], 0, "exit", "in the middle"),
        ([b'! agent "ghost" not found. Falling back to default agent', step()], 0, "config", "ghost"),
        ([b"\x1b[93m! \x1b[0mpermission requested: bash; auto-rejecting"], 0, "blocked", '{"bash": "allow"}'),
        (
            [b"! permission requested: external_directory (/x/*); auto-rejecting", step("tool-calls")], 0, "blocked",
            '{"external_directory": {"/x/*": "allow"}}',
        ),
    ],
)  # fmt: skip
def test_each_way_to_fail_has_its_class_and_says_why(lines: list[bytes], code: int, failure: str, words: str) -> None:
    """Whatever the exit code says."""
    found = read(*lines).find_failure(code)
    assert found is not None
    assert found[0] == failure
    assert words in found[1]


def test_what_it_cannot_read_is_passed_over() -> None:
    """Event types and shapes of tomorrow, broken JSON, and any bytes."""
    odd = [line("done", reason="idle"), line("text"), line("tool_use", {"tool": 3}), b"{broken", b"\xff\xfe", b"", b"[1]",
           b'{"type":"text","part":[]}', b"{" * 100_000]  # fmt: skip
    reader = read(*odd, step())
    assert reader.find_failure(0) is None


def test_steps_that_end_for_no_reason_are_noticed_as_endless() -> None:
    """A provider whose stream has no end makes opencode ask again for ever; one good step resets the count."""
    reader = read(*[step("unknown")] * (MAX_EMPTY_STEPS - 1))
    assert reader.find_hang() is None
    reader.feed(step("unknown"))
    assert (reader.find_hang() or ("", ""))[0] == "endless"
    reader.feed(tool("bash", {"command": "ls"}))
    assert reader.find_hang() is None


def test_the_log_tells_the_session_before_the_model_says_a_word_and_why_a_provider_is_asked_again() -> None:
    """Five refusals in a minute print no event at all; what is no error of the provider is nobody's business."""
    reader = read(logged("creating instance", " directory=/w", "INFO"))
    assert reader.feed(logged("created", f" id={SESSION} slug=x directory=/w", "INFO"))[0].text == SESSION
    assert reader.session_id == SESSION
    again = read(logged("loop", f" session.id={SESSION} step=0", "INFO"))  # one that goes on is not created
    assert again.session_id == SESSION
    reader.feed(logged("created", " id=ses_otherotherotherotherother parentID=x", "INFO"))
    assert reader.session_id == SESSION
    assert reader.feed(logged("share subscriber failed", ' cause="x"')) == []
    for _ in range(3):
        reader.feed(logged("stream error", ' modelID=m error.error="AI_APICallError: \\"slow\\" down"'))
    assert reader.describe_wait(1, 1) == 'the provider has refused 3 times, retrying: AI_APICallError: "slow" down'
    reader.feed(line("step_start", {}))
    assert reader.describe_wait(1, 1) is None


def test_silence_is_told_apart_from_a_tool_that_runs() -> None:
    """opencode itself says nothing while it asks a provider again."""
    reader = read()
    assert "not started" in (reader.describe_wait(45, 1) or "")
    reader.feed(line("step_start", {}))
    assert reader.describe_wait(5, 1) is None
    assert "provider" in (reader.describe_wait(45, 1) or "")
    assert "tool" in (reader.describe_wait(45, 3) or "")

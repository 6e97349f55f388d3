"""Reads the output of `opencode run --format json` and decides whether the attempt failed. Standard library only.

Measured on 1.18.33. An event has `type`, `timestamp` in milliseconds, `sessionID`, and `part` or `error`. Exit code 0 does not
mean success: that also needs no error, a last step that ended with reason `stop`, and no refused permission.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from ...domain.text.safe_text import safe_line
from .. import tool_calls
from ..stream_events import Event, Reader, UsedTokens
from ..talk import TalkEvent

SERVER_ERRORS = {"ServerLost": "server_lost", "NoProgram": "no_program"}
"""Errors printed by the run client of the shared server."""
QUIET_S = 20.0
"""Silence after which the activity says what it waits for: opencode prints no event while it retries a provider."""
MAX_EMPTY_STEPS = 25
"""Steps in a row that may end without a reason: if a provider's streams have no end, opencode retries forever."""
_REJECTED = re.compile(r"permission requested: (\w+)(?: \((.*)\))?; auto-rejecting")
_NO_AGENT = re.compile(r'agent "(.*?)" not found|agent "(.*?)" is a subagent')
_LOG_LINE = re.compile(r"timestamp=\S+ level=(\w+) .*?message=(\"[^\"]*\"|\S+)(.*)")
_SESSION = {"created": re.compile(r" id=(ses_\w+)"), "loop": re.compile(r" session\.id=(ses_\w+)")}
"""Where its log names the session: when a new one is created, and when an old one is resumed."""
_CAUSE = re.compile(r'\b(?:error|error\.error)="((?:[^"\\]|\\.)*)"')
_STARTUP_FAILURES = (
    (r"Session not found|NotFoundError.*ses_", "session"),
    (r"database is locked|SQLITE_BUSY|Failed query:", "locked"),
    (r"You must provide a message|Unknown argument|Invalid values", "config"),
    (r"ProviderModelNotFound|Model not found|ConfigInvalid|ConfigJson", "config"),
)
"""Messages on its error output when it cannot start."""
_TARGETS = {
    "read": "filePath", "write": "filePath", "edit": "filePath", "multiedit": "filePath", "bash": "command", "grep": "pattern",
    "glob": "pattern", "list": "path", "webfetch": "url", "websearch": "query", "task": "description", "skill": "name",
}  # fmt: skip
"""The input of each tool that says best what it works on."""


class OpencodeReader(Reader):
    """One run of opencode."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._last_reason: str | None = None
        self._empty_steps = 0
        self._error: dict[str, Any] | None = None
        self._rejected: tuple[str, str] | None = None
        self._no_agent: str | None = None
        self._refusals = 0
        self._logged_error = ""
        """The last error in opencode's log."""
        self._last_text_line = ""
        self._known_text: tuple[str, str] | None = None

    def feed(self, line: bytes) -> list[Event]:
        """Read one line: an event, plain text, or a line of opencode's log."""
        if line.startswith(b"timestamp=") and (log := _LOG_LINE.match(line[:8192].decode("utf-8", "replace"))) is not None:
            return self._read_log_line(log[1], log[2].strip('"'), log[3])
        return super().feed(line)

    def feed_errors(self, line: bytes) -> list[Event]:
        """Read one line of the error output, which may be a line of opencode's log."""
        return self.feed(line) if line.startswith(b"timestamp=") else super().feed_errors(line)

    def feed_text(self, text: str) -> list[Event]:
        """Read text that is not an event."""
        self._note_text(safe_line(text, 1000).strip())
        return super().feed_text(text)

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Read one event; unknown types are ignored."""
        kind, at = event.get("type"), event.get("timestamp")
        if kind in ("message", "idle", "question", "question_withdrawn"):
            return self._note_talk(kind, event)
        if kind == "retry":
            self._note_refusal(str(event["status"].get("message")))
            return [Event("note", f"the provider refused, retrying: {self._logged_error}")]
        if kind in ("step_start", "tool_use", "text", "reasoning"):
            self.finished = False
        self._refusals, self.hindrance = 0, None
        seconds = at / 1000 if isinstance(at, (int, float)) else None
        events: list[Event] = []
        session = event.get("sessionID")
        if self.session_id is None and isinstance(session, str) and session:
            self.session_id = session
            events.append(Event("session", session, at=seconds))
        part = event.get("part") or {}
        if kind == "text":
            self.last_text = str(part["text"])
            events.append(Event("text", self.last_text.strip(), at=seconds))
        elif kind == "reasoning":
            events.append(Event("thinking", str(part["text"]).strip(), at=seconds))
        elif kind == "tool_use":
            self._empty_steps = 0
            events.append(self._tool(part, seconds))
        elif kind == "step_finish":
            events.append(self._step(part, seconds))
        elif kind == "error":
            self._error = event["error"] if isinstance(event["error"], dict) else {"name": str(event["error"])}
            self.hindrance = _classify_error(self._error, self._logged_error)
            events.append(Event("error", _describe_error(self._error), json.dumps(self._error)[:4000], failed=True, at=seconds))
        return events

    def _note_talk(self, kind: str, event: dict[str, Any]) -> list[Event]:
        """What the live run client says about messages and questions."""
        if kind == "message":
            self.finished = False
            self.talk.append(TalkEvent("read", str(event.get("messageID"))))
        elif kind == "idle":
            self.talk.append(TalkEvent("idle"))
        elif kind == "question_withdrawn":
            self.talk.append(TalkEvent("withdrawn", str(event.get("questionID"))))
        else:
            question = dict(event["question"])
            self.talk.append(TalkEvent("question", str(question["id"]), question))
            return [Event("note", f"asks: {question.get('what')} {question.get('about')}")]
        return []

    def find_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return why it failed; None if it succeeded."""
        if self._error is not None:
            return _classify_error(self._error, self._logged_error)
        if self._rejected is not None:
            name, pattern = self._rejected
            what = f"{name} ({pattern})" if pattern else name
            rule = json.dumps({"permission": {name: {pattern: "allow"} if pattern else "allow"}})
            return "blocked", f"it needed a permission nobody could give: {what}; allow it in opencode.json: {rule}"
        if self._no_agent is not None:
            return "config", f"opencode has no agent {self._no_agent!r} and used another one"
        if exit_code:
            return self._startup_failure(exit_code)
        if self._last_reason is None:
            return "exit", "exit code 0, but it did nothing: the model did not answer"
        if self._last_reason != "stop":
            return (
                "exit",
                f"exit code 0, but it stopped in the middle: its last step ended with {self._last_reason}",
            )
        return None

    def find_hang(self) -> tuple[str, str] | None:
        """Return why it will never end: if a provider's streams end without a reason, opencode retries forever."""
        if self._empty_steps < MAX_EMPTY_STEPS:
            return None
        return "endless", f"{self._empty_steps} steps in a row ended without a reason: the provider's answers are incomplete"

    def describe_wait(self, quiet_s: float, processes: int) -> str | None:
        """opencode prints a tool only when it has ended, and a model's answer only when it is complete."""
        if self._refusals and self.hindrance is not None:
            return self.hindrance[1]
        if quiet_s < QUIET_S:
            return None
        if processes > 1:
            return "a tool is running"
        return "opencode has not started yet" if self.session_id is None else "waiting for the provider to answer"

    def _read_log_line(self, level: str, message: str, rest: str) -> list[Event]:
        """Read a line of its log: the session's id, long before the model's first word, and why a provider refused."""
        if self.session_id is None and message in _SESSION and (named := _SESSION[message].search(rest)) is not None:
            self.session_id = named[1]
            return [Event("session", named[1])]
        if level != "ERROR":
            return []
        cause = _CAUSE.search(rest)
        if cause is None or message not in ("stream error", "failed"):
            return []
        error = re.sub(r"\\(.)", r"\1", cause[1])
        if message == "stream error":
            self._note_refusal(error)
        self._logged_error = safe_line(error, 300)
        return [Event("error", self._logged_error, failed=True)]

    def _note_refusal(self, error: str) -> None:
        self._logged_error = safe_line(error, 300)
        self._refusals += 1
        times = "once" if self._refusals == 1 else f"{self._refusals} times"
        self.hindrance = "exit", f"the provider has refused {times}, retrying: {self._logged_error}"

    def _note_text(self, text: str) -> None:
        if (rejected := _REJECTED.search(text)) is not None:
            self._rejected = (rejected[1], rejected[2] or "")
        elif (missing := _NO_AGENT.search(text)) is not None:
            self._no_agent = missing[1] or missing[2]
        elif self._known_text is None:
            failures = (failure for pattern, failure in _STARTUP_FAILURES if re.search(pattern, text))
            self._known_text = next(((failure, text) for failure in failures), None)
        self._last_text_line = text or self._last_text_line

    def _tool(self, part: dict[str, Any], at: float | None) -> Event:
        state, name = part["state"], str(part["tool"])
        inputs = state.get("input") or {}
        target = inputs.get(_TARGETS.get(name, ""))
        if not isinstance(target, str):
            target = str(state.get("title") or "")
        code = (state.get("metadata") or {}).get("exit")
        failed = state.get("status") == "error" or (isinstance(code, int) and code != 0)
        result = state.get("error") if state.get("status") == "error" else state.get("output")
        return Event("tool", f"{name} {tool_calls.shorten_path(target, self.directory)}".strip(), str(result or ""), failed, at)

    def _step(self, part: dict[str, Any], at: float | None) -> Event:
        self.steps += 1
        self._last_reason = str(part.get("reason"))
        self.finished = self._last_reason == "stop"
        self._empty_steps = self._empty_steps + 1 if self._last_reason == "unknown" else 0
        tokens, cost = (part.get("tokens") or {}), part.get("cost")
        total = tokens.get("total")
        if not isinstance(total, int):
            cache = tokens.get("cache") or {}
            counts = (*(tokens.get(name) for name in ("input", "output", "reasoning")), cache.get("read"), cache.get("write"))
            total = sum(count for count in counts if isinstance(count, int))
        spent = cost if isinstance(cost, (int, float)) else 0.0
        self.used = UsedTokens((self.used.tokens or 0) + total, (self.used.cost or 0.0) + spent)
        return Event("step", f"step {self.steps}: {self._last_reason}, {total} tokens", at=at)

    def _startup_failure(self, exit_code: int) -> tuple[str, str]:
        failure, text = self._known_text or ("exit", self._last_text_line)
        why = "another opencode process was using its database: " if failure == "locked" else ""
        return failure, f"exit code {exit_code}" + (f": {why}{text[:300]}" if text else "")


def _describe_error(error: dict[str, Any]) -> str:
    data = error.get("data")
    message = data.get("message") if isinstance(data, dict) else None
    return safe_line(f"{error.get('name', 'error')}: {message}" if message else str(error.get("name", "error")), 400)


def _classify_error(error: dict[str, Any], logged_error: str) -> tuple[str, str]:
    """Return class and reason of an error event.

    Args:
        logged_error: the last error in opencode's log, which says what an `UnknownError` was.
    """
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    status, name, body = data.get("statusCode"), error.get("name"), str(data.get("responseBody") or "")
    reason = _describe_error(error) + (f" (status {status})" if status else "")
    headers = data.get("responseHeaders")
    if isinstance(headers, dict) and (wait := headers.get("retry-after")):
        reason += f", retry-after: {safe_line(str(wait), 40)}"
    text = f"{reason} {body}".lower()
    if name in SERVER_ERRORS:
        return SERVER_ERRORS[name], reason
    if status in (401, 403) or name == "ProviderAuthError" or (status == 400 and re.search(r"api[ _-]?key|credential", text)):
        return "credentials", reason
    if status == 402 or re.search(r"insufficient_quota|exceeded your current quota|usagelimiterror|monthly usage limit", text):
        return "quota", reason
    if status in (429, 529):
        return "rate_limit", reason
    if isinstance(status, int) and 400 <= status < 500 and status != 408:
        return "refused", reason
    if name == "UnknownError" and logged_error:
        known = next((failure for pattern, failure in _STARTUP_FAILURES if re.search(pattern, logged_error)), "exit")
        return known, logged_error
    if status or data.get("isRetryable"):
        return "network", reason
    return "exit", reason

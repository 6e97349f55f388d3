"""What `opencode run --format json` tells, made readable, and what really became of the attempt. Standard library only.

Measured on 1.18.33. An event has `type`, `timestamp` in milliseconds, `sessionID`, and `part` or `error`. Exit code 0 does not
mean done: it is a success only if there was no error, the last step ended with reason `stop`, and no permission was refused.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from ...domain.text.safe_text import safe_line
from ..stream_events import Event, Reader, UsedTokens

SERVER_ERRORS = {"ServerLost": "server_lost", "NoProgram": "no_program"}
"""Errors that the client of the shared server tells."""
QUIET_S = 20.0
"""Silence after which it is worth saying what is waited for: opencode is silent while it asks a provider again."""
MAX_EMPTY_STEPS = 25
"""Steps in a row that ended for no reason; a provider whose streams have no end makes opencode ask for ever."""
_REJECTED = re.compile(r"permission requested: (\w+)(?: \((.*)\))?; auto-rejecting")
_NO_AGENT = re.compile(r'agent "(.*?)" not found|agent "(.*?)" is a subagent')
_LOGGED = re.compile(r"timestamp=\S+ level=(\w+) .*?message=(\"[^\"]*\"|\S+)(.*)")
_SESSION = {"created": re.compile(r" id=(ses_\w+)"), "loop": re.compile(r" session\.id=(ses_\w+)")}
"""Where its log names the session: a new one when it is made, another one when it goes on."""
_CAUSE = re.compile(r'\b(?:error|error\.error)="((?:[^"\\]|\\.)*)"')
_NOTES = (
    (r"Session not found|NotFoundError.*ses_", "session"),
    (r"database is locked|SQLITE_BUSY|Failed query:", "locked"),
    (r"You must provide a message|Unknown argument|Invalid values", "config"),
    (r"ProviderModelNotFound|Model not found|ConfigInvalid|ConfigJson", "config"),
)
"""What opencode says on its error output when it does not even begin."""
_TARGETS = {
    "read": "filePath", "write": "filePath", "edit": "filePath", "multiedit": "filePath", "bash": "command", "grep": "pattern",
    "glob": "pattern", "list": "path", "webfetch": "url", "websearch": "query", "task": "description", "skill": "name",
}  # fmt: skip
"""The one input of a tool that says what it is about."""


class OpencodeReader(Reader):
    """One run of opencode."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._last_reason: str | None = None
        self._empty_steps = 0
        self._error: dict[str, Any] | None = None
        self._rejected: tuple[str, str] | None = None
        self._no_agent: str | None = None
        self._refused = 0
        self._logged = ""
        """The last error of opencode's own log."""
        self._last_note = ""
        self._known_note: tuple[str, str] | None = None

    def feed(self, line: bytes) -> list[Event]:
        """Take one line: an event, or what was said on the error output, opencode's own log included."""
        if line.startswith(b"timestamp=") and (logged := _LOGGED.match(line[:8192].decode("utf-8", "replace"))) is not None:
            return self._log_line(logged[1], logged[2].strip('"'), logged[3])
        return super().feed(line)

    def feed_errors(self, line: bytes) -> list[Event]:
        """Take one line of the error output, where its own log may be."""
        return self.feed(line) if line.startswith(b"timestamp=") else super().feed_errors(line)

    def feed_text(self, text: str) -> list[Event]:
        """Take what it said beside its events."""
        self._note(safe_line(text, 1000).strip())
        return super().feed_text(text)

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Take one event; those of a type that is not known say nothing."""
        kind, at = event.get("type"), event.get("timestamp")
        if kind == "retry":
            self._refuse(str(event["status"].get("message")))
            return [Event("note", f"the provider refused and is asked again: {self._logged}")]
        if kind in ("step_start", "tool_use", "text", "reasoning"):
            self.finished = False
        self._refused, self.hindrance = 0, None
        seconds = at / 1000 if isinstance(at, (int, float)) else None
        found: list[Event] = []
        session = event.get("sessionID")
        if self.session_id is None and isinstance(session, str) and session:
            self.session_id = session
            found.append(Event("session", session, at=seconds))
        part = event.get("part") or {}
        if kind == "text":
            self.last_text = str(part["text"])
            found.append(Event("text", self.last_text.strip(), at=seconds))
        elif kind == "reasoning":
            found.append(Event("thinking", str(part["text"]).strip(), at=seconds))
        elif kind == "tool_use":
            self._empty_steps = 0
            found.append(self._tool(part, seconds))
        elif kind == "step_finish":
            found.append(self._step(part, seconds))
        elif kind == "error":
            self._error = event["error"] if isinstance(event["error"], dict) else {"name": str(event["error"])}
            self.hindrance = _class_of(self._error, self._logged)
            found.append(Event("error", _said(self._error), json.dumps(self._error)[:4000], failed=True, at=seconds))
        return found

    def failure(self, exit_code: int) -> tuple[str, str] | None:
        """Why it failed; None when it did what it was asked for."""
        if self._error is not None:
            return _class_of(self._error, self._logged)
        if self._rejected is not None:
            name, pattern = self._rejected
            what = f"{name} ({pattern})" if pattern else name
            rule = json.dumps({"permission": {name: {pattern: "allow"} if pattern else "allow"}})
            return "blocked", f"it needed a permission nobody could give: {what}; this in its opencode.json allows it: {rule}"
        if self._no_agent is not None:
            return "config", f"opencode has no agent {self._no_agent!r}, and worked with another one"
        if exit_code:
            return self._failed_before_it_began(exit_code)
        if self._last_reason is None:
            return "exit", "exit code 0, but it did nothing: the model gave no answer"
        if self._last_reason != "stop":
            return (
                "exit",
                f"exit code 0, but it stopped in the middle of its work: its last step ended with {self._last_reason}",
            )
        return None

    def trouble(self) -> tuple[str, str] | None:
        """A provider whose streams end without a reason makes opencode ask again for ever."""
        if self._empty_steps < MAX_EMPTY_STEPS:
            return None
        return "endless", f"{self._empty_steps} steps in a row ended for no reason: the provider's answers have no end"

    def waiting(self, quiet_s: float, processes: int) -> str | None:
        """opencode tells of a tool when it has ended, and of a model when it has answered."""
        if self._refused and self.hindrance is not None:
            return self.hindrance[1]
        if quiet_s < QUIET_S:
            return None
        if processes > 1:
            what = "a tool runs"
        elif self.session_id is None:
            what = "opencode has not begun yet"
        else:
            what = "waits for the provider, which is silent or refuses"
        return what  # for how long is told of every agent alike

    def _log_line(self, level: str, message: str, rest: str) -> list[Event]:
        """Take a line of its log: the id of the session, long before the model's first word, and why a provider refused."""
        if self.session_id is None and message in _SESSION and (named := _SESSION[message].search(rest)) is not None:
            self.session_id = named[1]
            return [Event("session", named[1])]
        if level != "ERROR":
            return []
        cause = _CAUSE.search(rest)
        if cause is None or message not in ("stream error", "failed"):
            return []
        words = re.sub(r"\\(.)", r"\1", cause[1])
        if message == "stream error":
            self._refuse(words)
        self._logged = safe_line(words, 300)
        return [Event("error", self._logged, failed=True)]

    def _refuse(self, words: str) -> None:
        self._logged = safe_line(words, 300)
        self._refused += 1
        times = "once" if self._refused == 1 else f"{self._refused} times"
        self.hindrance = "exit", f"the provider has refused {times}, it is asked again: {self._logged}"

    def _note(self, text: str) -> None:
        if (rejected := _REJECTED.search(text)) is not None:
            self._rejected = (rejected[1], rejected[2] or "")
        elif (missing := _NO_AGENT.search(text)) is not None:
            self._no_agent = missing[1] or missing[2]
        elif self._known_note is None:
            self._known_note = next(((failure, text) for pattern, failure in _NOTES if re.search(pattern, text)), None)
        self._last_note = text or self._last_note

    def _tool(self, part: dict[str, Any], at: float | None) -> Event:
        state, name = part["state"], str(part["tool"])
        given = state.get("input") or {}
        target = given.get(_TARGETS.get(name, ""))
        if not isinstance(target, str):
            target = str(state.get("title") or "")
        if self.directory and target.startswith(f"{self.directory}/"):
            target = target[len(self.directory) + 1 :]
        code = (state.get("metadata") or {}).get("exit")
        failed = state.get("status") == "error" or (isinstance(code, int) and code != 0)
        result = state.get("error") if state.get("status") == "error" else state.get("output")
        return Event("tool", f"{name} {target}".strip(), str(result or ""), failed, at)

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

    def _failed_before_it_began(self, exit_code: int) -> tuple[str, str]:
        failure, said = self._known_note or ("exit", self._last_note)
        why = "another process of it had its database: " if failure == "locked" else ""
        return failure, f"exit code {exit_code}" + (f": {why}{said[:300]}" if said else "")


def _said(error: dict[str, Any]) -> str:
    data = error.get("data")
    message = data.get("message") if isinstance(data, dict) else None
    return safe_line(f"{error.get('name', 'error')}: {message}" if message else str(error.get("name", "error")), 400)


def _class_of(error: dict[str, Any], logged: str) -> tuple[str, str]:
    """Class and reason of an error event.

    Args:
        logged: the last error of opencode's log, which tells what an `UnknownError` was.
    """
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    status, name, body = data.get("statusCode"), error.get("name"), str(data.get("responseBody") or "")
    reason = _said(error) + (f" (status {status})" if status else "")
    headers = data.get("responseHeaders")
    if isinstance(headers, dict) and (wait := headers.get("retry-after")):
        reason += f", retry-after: {safe_line(str(wait), 40)}"
    words = f"{reason} {body}".lower()
    if name in SERVER_ERRORS:
        return SERVER_ERRORS[name], reason
    if status in (401, 403) or name == "ProviderAuthError" or (status == 400 and re.search(r"api[ _-]?key|credential", words)):
        return "credentials", reason
    if status == 402 or re.search(r"insufficient_quota|exceeded your current quota|usagelimiterror|monthly usage limit", words):
        return "quota", reason
    if status in (429, 529):
        return "rate_limit", reason
    if isinstance(status, int) and 400 <= status < 500 and status != 408:
        return "refused", reason
    if name == "UnknownError" and logged:
        known = next((failure for pattern, failure in _NOTES if re.search(pattern, logged)), "exit")
        return known, logged
    if status or data.get("isRetryable"):
        return "network", reason
    return "exit", reason

"""gemini (Gemini CLI): `gemini -o stream-json`, prompt on stdin.

Seen with 0.61.0: we choose the session's id. A session belongs to the directory it was started in, and cannot be forked. In a
directory that it does not trust it ends with exit code 55. Tools that need an approval are not offered to the model, so exit
code 0 may mean that nothing was done. A supervisor loads this module, so standard library only.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..domain.text.quantities import format_count
from ..domain.text.times import epoch
from . import tool_calls
from .stream_events import Event, Reader, UsedTokens

if TYPE_CHECKING:
    from ..config.loader import AgentSettings
    from .launch_spec import Invocation

FAILURES = (
    (r"Please set an Auth method|Invalid auth method selected", "credentials"),
    (r"Error resuming session|No previous sessions found", "session"),
    (r"not running in a trusted directory", "blocked"),
    (r"API_KEY_INVALID|API key not valid|PERMISSION_DENIED", "credentials"),
)
"""Patterns of its own messages, in addition to the common ones."""
_RETRY = re.compile(r"Attempt \d+ failed|[Rr]etrying (with backoff|after)")
"""Its error output when the provider refused and it retries."""
EXIT_CODES = {41: "credentials", 44: "config", 52: "config", 53: "endless", 55: "blocked"}
"""Failure class by exit code: no login, no sandbox, bad settings, too many turns, an untrusted directory."""


def build_command(settings: "AgentSettings", call: "Invocation") -> list[str]:
    """Return the command line of a run."""
    argv = [settings.program or "gemini", "--output-format=stream-json"]
    argv.append(f"--resume={call.session.session_id}" if call.session.mode == "continue" else f"--session-id={call.new_id}")
    return [*argv, *([f"--model={settings.model}"] if settings.model else []), *settings.args]


class GeminiReader(Reader):
    """Reads one run of gemini."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._answer = ""
        self._partial_line = ""
        """The last line of the answer, which is not complete yet."""
        self._call: tuple[str, str] = ("", "")
        self._end: dict[str, Any] | None = None
        self._note = ""

    def feed_text(self, text: str) -> list[Event]:
        """Read a line of the error output."""
        self._note = text
        if _RETRY.search(text) is not None:
            self.hindrance = "exit", text
        return super().feed_text(text)

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Read one event; unknown types are ignored."""
        kind, at = event.get("type"), _seconds(event.get("timestamp"))
        if kind in ("result", "message", "tool_use", "tool_result"):
            self.finished, self.hindrance = kind == "result", None
        if kind == "message":
            return self._message(event, at)
        events = self._flush(at)
        if kind == "init":
            self.session_id = event["session_id"]
            events.append(Event("session", f"{self.session_id}, {event.get('model')}", at=at))
        elif kind == "tool_use":
            description = tool_calls.describe_call(str(event["tool_name"]), event.get("parameters"), self.directory)
            self._call = (str(event.get("tool_id")), description)
            self.steps += 1
            events.append(Event("tool", description, at=at))
        elif kind == "tool_result":
            error = event.get("error")
            result = str(error.get("message") if isinstance(error, dict) else event.get("output") or "")
            failed = event.get("status") == "error"
            latest = self._call[0] == event.get("tool_id")
            events.append(Event("tool", "" if latest else str(event.get("tool_id")), result, failed, at))
        elif kind == "error":
            warning = event.get("severity") == "warning"
            self.hindrance = "exit", str(event["message"])
            events.append(Event("note" if warning else "error", str(event["message"]), failed=not warning, at=at))
        elif kind == "result":
            events += self._ended(event, at)
        return events

    def find_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return why it failed; None if it succeeded or its events do not say."""
        if self._end is not None and self._end.get("status") != "success":
            error = self._end.get("error")
            return "exit", str(error.get("message") if isinstance(error, dict) else "it ended with an error")
        if exit_code in EXIT_CODES:
            return EXIT_CODES[exit_code], f"exit code {exit_code}" + (f": {self._note[:300]}" if self._note else "")
        if not exit_code and self._end is None:
            return "exit", "exit code 0, but it stopped in the middle: it printed no result"
        return None

    def _message(self, event: dict[str, Any], at: float | None) -> list[Event]:
        if event.get("role") != "assistant":
            return []
        if not self._answer:
            self.steps += 1
        self._answer += str(event["content"])
        self.last_text = self._answer
        whole, end, self._partial_line = (self._partial_line + str(event["content"])).rpartition("\n")
        events = [Event("text", whole.strip(), at=at)] if end and whole.strip() else []
        return events if event.get("delta") else events + self._flush(at)

    def _flush(self, at: float | None) -> list[Event]:
        """Return the rest of an answer, which has ended."""
        rest, self._partial_line, self._answer = self._partial_line.strip(), "", ""
        return [Event("text", rest, at=at)] if rest else []

    def _ended(self, event: dict[str, Any], at: float | None) -> list[Event]:
        self._end = event
        total = (event.get("stats") or {}).get("total_tokens")
        self.used = UsedTokens(total if isinstance(total, int) else None)
        if event.get("status") != "success":
            return [Event("error", str((event.get("error") or {}).get("message")), failed=True, at=at)]
        return [Event("step", f"done: {format_count(self.steps, 'step')}, {total} tokens", at=at)]


reader = GeminiReader


def _seconds(stamp: Any) -> float | None:
    return epoch(stamp) if isinstance(stamp, str) else None

"""gemini (Gemini CLI): `gemini -o stream-json`, prompt on stdin.

Seen with 0.61.0: the session's id is ours to choose; a session belongs to the directory it was begun in, and cannot be forked;
a directory that it does not trust ends it with exit code 55; tools that need an approval are not even offered to the model, so
exit code 0 may mean that nothing was done. A supervisor loads this module, so standard library only.
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
"""What its own words mean, beside what all programs print."""
_RETRY = re.compile(r"Attempt \d+ failed|[Rr]etrying (with backoff|after)")
"""What it says on its error output when its provider refused and is asked again."""
EXIT_CODES = {41: "credentials", 44: "config", 52: "config", 53: "endless", 55: "blocked"}
"""What its exit codes mean: no login, no sandbox, bad settings, too many turns, a directory it does not trust."""


def build_command(settings: "AgentSettings", call: "Invocation") -> list[str]:
    """Return its command line."""
    argv = [settings.program or "gemini", "--output-format=stream-json"]
    argv.append(f"--resume={call.session.session_id}" if call.session.mode == "continue" else f"--session-id={call.new_id}")
    return [*argv, *([f"--model={settings.model}"] if settings.model else []), *settings.args]


def build_screen_command(settings: "AgentSettings", session_id: str | None, _state_dir: str) -> list[str]:
    """Return the command line of its own screen, for a person."""
    return [settings.program or "gemini", *(["--resume", session_id] if session_id else [])]


def reader(options: Mapping[str, Any]) -> "GeminiReader":
    """Read what a run tells."""
    return GeminiReader(options)


class GeminiReader(Reader):
    """One run of gemini."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._answer = ""
        self._unsaid = ""
        """The part of the answer whose line has not ended yet."""
        self._call: tuple[str, str] = ("", "")
        self._end: dict[str, Any] | None = None
        self._note = ""

    def feed_text(self, text: str) -> list[Event]:
        """Take what was said on the error output."""
        self._note = text
        if _RETRY.search(text) is not None:
            self.hindrance = "exit", text
        return super().feed_text(text)

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Take one event; those of a type that is not known say nothing."""
        kind, at = event.get("type"), _seconds(event.get("timestamp"))
        if kind in ("result", "message", "tool_use", "tool_result"):
            self.finished, self.hindrance = kind == "result", None
        if kind == "message":
            return self._message(event, at)
        found = self._flush(at)
        if kind == "init":
            self.session_id = event["session_id"]
            found.append(Event("session", f"{self.session_id}, {event.get('model')}", at=at))
        elif kind == "tool_use":
            words = tool_calls.describe_call(str(event["tool_name"]), event.get("parameters"), self.directory)
            self._call = (str(event.get("tool_id")), words)
            self.steps += 1
            found.append(Event("tool", words, at=at))
        elif kind == "tool_result":
            error = event.get("error")
            result = str(error.get("message") if isinstance(error, dict) else event.get("output") or "")
            failed = event.get("status") == "error"
            latest = self._call[0] == event.get("tool_id")
            found.append(Event("tool", "" if latest else str(event.get("tool_id")), result, failed, at))
        elif kind == "error":
            warning = event.get("severity") == "warning"
            self.hindrance = "exit", str(event["message"])
            found.append(Event("note" if warning else "error", str(event["message"]), failed=not warning, at=at))
        elif kind == "result":
            found += self._ended(event, at)
        return found

    def failure(self, exit_code: int) -> tuple[str, str] | None:
        """Why it failed; None when it did what it was asked for, or its events do not tell."""
        if self._end is not None and self._end.get("status") != "success":
            error = self._end.get("error")
            return "exit", str(error.get("message") if isinstance(error, dict) else "it ended with an error")
        if exit_code in EXIT_CODES:
            return EXIT_CODES[exit_code], f"exit code {exit_code}" + (f": {self._note[:300]}" if self._note else "")
        if not exit_code and self._end is None:
            return "exit", "exit code 0, but it ended in the middle: it told no result"
        return None

    def _message(self, event: dict[str, Any], at: float | None) -> list[Event]:
        if event.get("role") != "assistant":
            return []
        if not self._answer:
            self.steps += 1
        self._answer += str(event["content"])
        self.last_text = self._answer
        whole, end, self._unsaid = (self._unsaid + str(event["content"])).rpartition("\n")
        found = [Event("text", whole.strip(), at=at)] if end and whole.strip() else []
        return found if event.get("delta") else found + self._flush(at)

    def _flush(self, at: float | None) -> list[Event]:
        """The rest of an answer that has ended."""
        rest, self._unsaid, self._answer = self._unsaid.strip(), "", ""
        return [Event("text", rest, at=at)] if rest else []

    def _ended(self, event: dict[str, Any], at: float | None) -> list[Event]:
        self._end = event
        total = (event.get("stats") or {}).get("total_tokens")
        self.used = UsedTokens(total if isinstance(total, int) else None)
        if event.get("status") != "success":
            return [Event("error", str((event.get("error") or {}).get("message")), failed=True, at=at)]
        return [Event("step", f"done: {format_count(self.steps, 'step')}, {total} tokens", at=at)]


def _seconds(stamp: Any) -> float | None:
    return epoch(stamp) if isinstance(stamp, str) else None

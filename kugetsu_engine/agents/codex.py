"""codex: `codex exec --json`, `exec resume ID`, `exec fork ID`, prompt on stdin.

Seen with 0.169.0: the first line tells the id; a session is resumed and forked from any directory, and works in that one;
options stand before `resume`, which knows only some of them; it tells the tokens of the whole session, not of the run; its
sandbox is read-only unless it is told otherwise. A supervisor loads this module, so standard library only.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import tool_calls
from .stream_events import Event, Reader, UsedTokens

if TYPE_CHECKING:
    from ..config.loader import AgentSettings
    from .launch_spec import Invocation

FAILURES = (
    (r"no rollout found for thread id|thread/(resume|fork) failed", "session"),
    (r"unexpected status 40[13] ", "credentials"),
    (r"last status: 429\b", "rate_limit"),
    (r"unexpected status 5\d\d |stream disconnected before completion", "network"),
    (r"unexpected status 400 |model .{1,60} (is not supported|does not exist)", "refused"),
    (r"error loading config|unknown variant .{1,200} in config", "config"),
)
"""What its own words mean, beside what all programs print."""


def build_command(own: "AgentSettings", call: "Invocation") -> list[str]:
    """Return its command line."""
    argv = [own.program or "codex", "exec", "--json", *([f"--model={own.model}"] if own.model else []), *own.args]
    if call.session.mode == "continue":
        argv += ["resume", str(call.session.session_id)]
    elif call.session.mode == "fork":
        argv += ["fork", str(call.session.session_id)]
    return [*argv, "-"]


def build_screen_command(own: "AgentSettings", session_id: str | None, _state_dir: str) -> list[str]:
    """Return the command line of its own screen, for a person."""
    return [own.program or "codex", *(["resume", session_id] if session_id else [])]


def reader(options: Mapping[str, Any]) -> "CodexReader":
    """Read what a run tells."""
    return CodexReader(options)


class CodexReader(Reader):
    """One run of codex."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._resumed = bool(options.get("resumed"))
        self._completed = False
        self._error: str | None = None
        self._failed: str | None = None
        self._declined: str | None = None
        self._open: str | None = None

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Take one event; those of a type that is not known say nothing."""
        kind = event.get("type")
        if kind in ("turn.completed", "turn.failed", "turn.started", "item.started", "item.completed"):
            self.finished = kind in ("turn.completed", "turn.failed")
        if kind == "thread.started":
            self.session_id = event["thread_id"]
            return [Event("session", str(self.session_id))]
        if kind in ("item.started", "item.completed"):
            self.hindrance = None
        if kind in ("item.started", "item.completed") and isinstance(event["item"], dict):
            return self._item(event["item"], started=kind == "item.started")
        if kind == "turn.completed":
            return self._turn(event.get("usage") or {})
        if kind == "turn.failed":
            self._failed = str(event["error"]["message"])
            return [Event("error", self._failed, failed=True)]
        if kind == "error":
            return self._trouble(str(event["message"]))
        return []

    def failure(self, exit_code: int) -> tuple[str, str] | None:
        """Why it failed; None when it did what it was asked for, or its events do not tell."""
        if self._failed is not None:
            return "exit", self._failed
        if exit_code:
            return ("exit", f"exit code {exit_code}: {self._error}") if self._error else None
        if not self._completed:
            return "exit", "exit code 0, but it ended in the middle: its turn was never completed"
        if self._declined is not None:
            return "blocked", f"it needed a permission nobody could give: {self._declined[:200]}; see --sandbox and its rules"
        return None

    def _item(self, item: dict[str, Any], *, started: bool) -> list[Event]:
        kind, status = item.get("type"), item.get("status")
        if kind in ("agent_message", "plan", "reasoning"):
            return [] if started else self._said(kind, str(item["text"]))
        if kind == "error":
            return [] if started else [Event("note", str(item["message"]))]
        words = self._words(item)
        if words is None:
            return []
        if started:
            self._open = item.get("id")
            return [Event("tool", words)]
        self.steps += 1
        failed = status in ("failed", "declined")
        self._declined = words if status == "declined" else None if not failed else self._declined
        result = str(item.get("aggregated_output") or "") or _result(item)
        told, self._open = self._open == item.get("id"), None
        return [Event("tool", "" if told else words, result, failed)]

    def _said(self, kind: str, text: str) -> list[Event]:
        if kind == "reasoning":
            return [Event("thinking", text.strip())]
        self.last_text = text
        self.steps += 1
        return [Event("text", text.strip())]

    def _words(self, item: dict[str, Any]) -> str | None:
        """A call of a tool in words; None for what is none."""
        kind = item.get("type")
        if kind == "command_execution":
            return str(item["command"])
        if kind == "file_change":
            changes = [f"{change.get('kind')} {self._short(str(change.get('path')))}" for change in item["changes"]]
            return f"edit {', '.join(changes)}"
        if kind == "mcp_tool_call":
            return tool_calls.describe_call(f"{item.get('server')}.{item['tool']}", item.get("arguments"), self.directory)
        if kind == "web_search":
            return f"search {item.get('query')}"
        if kind == "collab_tool_call":
            return tool_calls.describe_call(str(item.get("tool")), item, self.directory)
        return None

    def _short(self, path: str) -> str:
        return path.removeprefix(f"{self.directory}/") if self.directory else path

    def _turn(self, usage: dict[str, Any]) -> list[Event]:
        self._completed = True
        names = ("input_tokens", "output_tokens")  # the cached ones are among the first, those of reasoning among the second
        total = sum(count for name in names if isinstance(count := usage.get(name), int))
        if not self._resumed:
            self.used = UsedTokens(total)
        what = "tokens in the whole session" if self._resumed else "tokens"
        return [Event("step", f"done: {total} {what}")]

    def _trouble(self, text: str) -> list[Event]:
        self.hindrance = "exit", text
        if text.startswith("Reconnecting..."):
            return [Event("note", text)]
        self._error = text
        return [Event("error", text, failed=True)]


def _result(item: dict[str, Any]) -> str:
    error, result = item.get("error"), item.get("result")
    if isinstance(error, dict):
        return str(error.get("message") or "")
    return tool_calls.describe_outcome(result.get("content")) if isinstance(result, dict) else ""

"""codex: `codex exec --json`, `exec resume ID`, `exec fork ID`, prompt on stdin.

Seen with 0.169.0: its first line has the session's id. A session can be resumed and forked in any directory, and works there.
Options come before `resume`, which accepts only some of them. It reports the tokens of the whole session, not of the run. Its
sandbox is read-only by default. A supervisor loads this module, so standard library only.
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
"""Patterns of its own messages, in addition to the common ones."""


def build_command(settings: "AgentSettings", call: "Invocation") -> list[str]:
    """Return the command line of a run."""
    argv = [
        settings.program or "codex",
        "exec",
        "--json",
        *([f"--model={settings.model}"] if settings.model else []),
        *settings.args,
    ]
    if call.session.mode == "continue":
        argv += ["resume", str(call.session.session_id)]
    elif call.session.mode == "fork":
        argv += ["fork", str(call.session.session_id)]
    return [*argv, "-"]


class CodexReader(Reader):
    """Reads one run of codex."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._resumed = bool(options.get("resumed"))
        self._completed = False
        self._error: str | None = None
        self._failed: str | None = None
        self._declined: str | None = None
        self._open: str | None = None

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Read one event; unknown types are ignored."""
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
            return self._read_error(str(event["message"]))
        return []

    def find_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return why it failed; None if it succeeded or its events do not say."""
        if self._failed is not None:
            return "exit", self._failed
        if exit_code:
            return ("exit", f"exit code {exit_code}: {self._error}") if self._error else None
        if not self._completed:
            return "exit", "exit code 0, but it stopped in the middle: its turn was not completed"
        if self._declined is not None:
            return "blocked", f"it needed a permission nobody could give: {self._declined[:200]}; see --sandbox and its rules"
        return None

    def _item(self, item: dict[str, Any], *, started: bool) -> list[Event]:
        kind, status = item.get("type"), item.get("status")
        if kind in ("agent_message", "plan", "reasoning"):
            return [] if started else self._read_text(kind, str(item["text"]))
        if kind == "error":
            return [] if started else [Event("note", str(item["message"]))]
        call = self._describe_call(item)
        if call is None:
            return []
        if started:
            self._open = item.get("id")
            return [Event("tool", call)]
        self.steps += 1
        failed = status in ("failed", "declined")
        self._declined = call if status == "declined" else None if not failed else self._declined
        result = str(item.get("aggregated_output") or "") or _result(item)
        latest, self._open = self._open == item.get("id"), None
        return [Event("tool", "" if latest else call, result, failed)]

    def _read_text(self, kind: str, text: str) -> list[Event]:
        if kind == "reasoning":
            return [Event("thinking", text.strip())]
        self.last_text = text
        self.steps += 1
        return [Event("text", text.strip())]

    def _describe_call(self, item: dict[str, Any]) -> str | None:
        """Describe a tool call in a line; None if the item is something else."""
        kind = item.get("type")
        if kind == "command_execution":
            return str(item["command"])
        if kind == "file_change":
            changes = [
                f"{change.get('kind')} {tool_calls.shorten_path(str(change.get('path')), self.directory)}"
                for change in item["changes"]
            ]
            return f"edit {', '.join(changes)}"
        if kind == "mcp_tool_call":
            return tool_calls.describe_call(f"{item.get('server')}.{item['tool']}", item.get("arguments"), self.directory)
        if kind == "web_search":
            return f"search {item.get('query')}"
        if kind == "collab_tool_call":
            return tool_calls.describe_call(str(item.get("tool")), item, self.directory)
        return None

    def _turn(self, usage: dict[str, Any]) -> list[Event]:
        self._completed = True
        names = ("input_tokens", "output_tokens")  # they include cached and reasoning tokens
        total = sum(count for name in names if isinstance(count := usage.get(name), int))
        if not self._resumed:
            self.used = UsedTokens(total)
        what = "tokens in the whole session" if self._resumed else "tokens"
        return [Event("step", f"done: {total} {what}")]

    def _read_error(self, text: str) -> list[Event]:
        self.hindrance = "exit", text
        if text.startswith("Reconnecting..."):
            return [Event("note", text)]
        self._error = text
        return [Event("error", text, failed=True)]


reader = CodexReader


def _result(item: dict[str, Any]) -> str:
    error, result = item.get("error"), item.get("result")
    if isinstance(error, dict):
        return str(error.get("message") or "")
    return tool_calls.describe_outcome(result.get("content")) if isinstance(result, dict) else ""

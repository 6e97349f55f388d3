"""claude (Claude Code): `claude -p --output-format stream-json --verbose`, prompt on stdin.

Seen with 2.1.197: we choose the session's id. A session can be resumed in any worktree of its repository, and works there. A
tool that needs a permission is refused at once, so it never waits for an answer. Without a login, the last event has subtype
"success" together with `is_error`. A supervisor loads this module, so standard library only.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..domain.text.quantities import format_count, format_money
from . import claude_talk, tool_calls
from .stream_events import Event, Reader, UsedTokens
from .talk import TalkEvent

if TYPE_CHECKING:
    from ..config.loader import AgentSettings
    from .launch_spec import Invocation

ENVIRONMENT = {"DISABLE_AUTOUPDATER": "1"}
FAILURES = (
    (r"no conversation found with session id", "session"),
    (r"--dangerously-skip-permissions cannot be used with root", "config"),
)
"""Patterns of its error output."""
ERRORS = {
    "authentication_failed": "credentials", "oauth_org_not_allowed": "credentials", "billing_error": "quota",
    "rate_limit": "rate_limit", "overloaded": "rate_limit", "server_error": "network", "invalid_request": "refused",
    "model_not_found": "config",
}  # fmt: skip
"""Failure class by its name for a provider's error."""
ENDS = {"error_max_turns": "endless", "error_max_budget_usd": "budget"}
"""Failure class by the subtype of its last event."""


def build_command(settings: "AgentSettings", call: "Invocation") -> list[str]:
    """Return the command line of a run."""
    argv = [settings.program or "claude", "-p", "--output-format=stream-json", "--verbose"]
    if settings.messages == "live":
        argv += (*claude_talk.ARGUMENTS, *(claude_talk.ASKING if settings.questions == "ask" else ()))
    if call.session.mode == "new":
        argv += [f"--session-id={call.new_id}", f"--name={call.issue_ref}"]
    else:
        argv.append(f"--resume={call.session.session_id}")
    if call.session.mode == "fork":
        argv += ["--fork-session", f"--session-id={call.new_id}"]
    return [*argv, *([f"--model={settings.model}"] if settings.model else []), *settings.args]


class ClaudeReader(Reader):
    """Reads one run of claude."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._session_known = False
        self._calls: dict[str, tuple[int, str]] = {}
        """Number and description of each tool call without a result yet, by its id."""
        self._count = 0
        self._refused: dict[str, int] = {}
        """Number of each failed call, by its id. The last event says which of them lacked a permission."""
        self._last_good = 0
        self._tokens: dict[str, int] = {}
        self._asked_about: set[str] = set()
        """Calls that the operator was asked about."""
        self._ended_tokens = 0
        """Tokens of all its results; each has those of its own turn only."""
        self._error: str | None = None
        self._end: dict[str, Any] | None = None

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Read one event; unknown types are ignored."""
        kind = event.get("type")
        if kind in ("assistant", "user"):  # background work may start another turn after its result
            self.finished, self.hindrance = False, None
        if kind == "system":
            return self._system(event)
        if kind == "assistant":
            return self._answer(event)
        if kind == "user" and event.get("isReplay"):
            self.talk.append(TalkEvent("read", str(event.get("uuid") or "")))
            return []
        if kind == "control_request":
            return self._asked(event)
        if kind == "control_cancel_request":
            self.talk.append(TalkEvent("withdrawn", str(event.get("request_id"))))
            return []
        if kind == "user":
            content = event["message"]["content"]
            blocks = content if isinstance(content, list) else []
            return [self._result(block) for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]
        return self._ended(event) if kind == "result" else []

    def find_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return why it failed; None if it succeeded or its events do not say."""
        end = self._end
        if end is None:
            return None if exit_code else ("exit", "exit code 0, but it stopped in the middle: it printed no result")
        subtype = str(end.get("subtype"))
        if end.get("is_error") or subtype != "success":
            known = ENDS.get(subtype) or ERRORS.get(self._error or "")
            status = end.get("api_error_status")
            reason = _message(end) or subtype.replace("_", " ")
            if known == "rate_limit" and "limit" in reason:
                known = None  # it may also be the limit of a subscription, which the patterns tell from a rate limit
                reason = f"{reason} ({self._error}, status {status or 429})"
            elif status:
                reason = f"{reason} (status {status})"
            return known or "exit", reason
        denials = end.get("permission_denials")
        denied = [call for call in denials if isinstance(call, dict)] if isinstance(denials, list) else []
        unasked = [call for call in denied if str(call.get("tool_use_id")) not in self._asked_about]
        late = [call for call in unasked if self._refused.get(str(call.get("tool_use_id")), 0) > self._last_good]
        if late:
            what = tool_calls.describe_call(str(late[-1].get("tool_name")), late[-1].get("tool_input"), self.directory)
            return "blocked", f"it needed a permission nobody could give: {what[:200]}; allow it in its settings, or with args"
        return None

    def _asked(self, event: dict[str, Any]) -> list[Event]:
        """It asks whether it may use a tool, and waits for the answer."""
        request = event["request"]
        if request.get("subtype") != "can_use_tool":
            return []
        self._asked_about.add(str(request.get("tool_use_id")))
        about = tool_calls.describe_exactly(request.get("input"))
        question = {
            "id": str(event["request_id"]), "what": f"may it use {request.get('tool_name')}?", "about": about,
            "input": request.get("input"), "suggestions": request.get("permission_suggestions"),
        }  # fmt: skip
        self.talk.append(TalkEvent("question", question["id"], question))
        return [Event("note", f"asks: {about}")]

    def _system(self, event: dict[str, Any]) -> list[Event]:
        if event.get("subtype") == "init":
            self.session_id = event["session_id"]
            is_known, self._session_known = self._session_known, True  # the event is repeated after each compaction
            return [] if is_known else [Event("session", f"{self.session_id}, {event.get('model')}")]
        if event.get("subtype") == "api_retry":
            self._error = _name(event.get("error"))
            wait = float(event.get("retry_delay_ms") or 0) / 1000
            text = f"the provider refused ({event.get('error_status') or event.get('error')}), retrying in {wait:.0f} s"
            text += f": {event.get('attempt')} of {event.get('max_retries')}"
            status = f", status {event['error_status']}" if event.get("error_status") else ""
            self.hindrance = ERRORS.get(self._error or "", "exit"), f"{text} ({self._error}{status})"
            return [Event("note", text)]
        if event.get("subtype") == "compact_boundary":
            return [Event("note", "the conversation was compacted")]
        return []

    def _answer(self, event: dict[str, Any]) -> list[Event]:
        message, events = event["message"], []
        self._error = _name(event.get("error"))
        if self._error:
            self.hindrance = ERRORS.get(self._error, "exit"), f"the provider refused ({self._error})"
        self._count_tokens(message)
        for block in message["content"]:
            kind = block.get("type")
            if kind == "text" and self._error:
                events.append(Event("error", block["text"], str(self._error), failed=True))
            elif kind == "text":
                if event.get("parent_tool_use_id") is None:  # not the text of a subagent
                    self.last_text = block["text"]
                events.append(Event("text", block["text"].strip()))
            elif kind == "thinking" and block.get("thinking"):
                events.append(Event("thinking", block["thinking"].strip()))
            elif kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
                self._count += 1
                description = tool_calls.describe_call(block["name"], block.get("input"), self.directory)
                self._calls[block["id"]] = (self._count, description)
                events.append(Event("tool", description))
        return events

    def _count_tokens(self, message: dict[str, Any]) -> None:
        """Count the tokens of an answer, which comes in several events with one id; only the last has the final sum."""
        usage, name = message.get("usage") or {}, str(message.get("id"))
        if message.get("model") == "<synthetic>":
            return
        if name not in self._tokens:
            self.steps += 1
        before, self._tokens[name] = self._tokens.get(name, 0), _tokens(usage)
        self.used = UsedTokens((self.used.tokens or 0) + self._tokens[name] - before, self.used.cost)

    def _result(self, block: dict[str, Any]) -> Event:
        call, failed = str(block.get("tool_use_id")), bool(block.get("is_error"))
        number, description = self._calls.pop(call, (0, ""))
        if failed:
            self._refused[call] = number
        else:
            self._last_good = max(self._last_good, number)
        latest = number == self._count
        return Event("tool", "" if latest else description, tool_calls.describe_outcome(block.get("content")), failed)

    def _ended(self, event: dict[str, Any]) -> list[Event]:
        self._end, self.finished = event, True
        self.talk.append(TalkEvent("idle"))
        cost = event.get("total_cost_usd")
        self._ended_tokens += _tokens(event.get("usage") or {})
        self.used = UsedTokens(self._ended_tokens or self.used.tokens or 0, cost if isinstance(cost, (int, float)) else None)
        if isinstance(event.get("result"), str) and not event.get("is_error"):
            self.last_text = event["result"]
        if event.get("is_error") or event.get("subtype") != "success":
            return [Event("error", _message(event) or str(event.get("subtype")), failed=True)]
        steps, spent = format_count(self.steps, "step"), format_money(self.used.cost or 0)
        return [Event("step", f"done: {steps}, {self.used.tokens} tokens, {spent} $")]


reader = ClaudeReader


def _message(end: dict[str, Any]) -> str:
    """Return the text of its last event: the result, or the errors."""
    errors = end.get("errors")
    return str(end.get("result") or (" ".join(map(str, errors)) if isinstance(errors, list) else ""))[:400]


def _name(error: Any) -> str | None:
    return str(error) if error else None


def _tokens(usage: dict[str, Any]) -> int:
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    return sum(count for name in names if isinstance(count := usage.get(name), int))

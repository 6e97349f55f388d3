"""Reads the JSON events of an operator's own agent, described in `[agents.NAME.stream]`.

A supervisor loads this module, so standard library only.
"""

from collections.abc import Mapping
from typing import Any

from ..domain.text import json_paths
from . import tool_calls
from .stream_events import Event, Reader, UsedTokens


class JsonStreamReader(Reader):
    """Reads one run of such an agent."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._stream: dict[str, Any] = options["stream"]
        self._sums: dict[tuple[str, int], float] = {}
        self._answer = ""
        self._partial_line = ""
        self._error: str | None = None
        self._failed = False
        self._finished = False

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Read one event; what none of the paths names is ignored."""
        events = self._text(event)
        for session in self._strings("session", event):
            if self.session_id is None:
                self.session_id = session
                events.append(Event("session", session))
        events += [Event("thinking", text.strip()) for text in self._strings("thinking", event) if text.strip()]
        inputs = self._values("input", event)
        for index, name in enumerate(self._strings("tool", event)):
            events.append(
                Event("tool", tool_calls.describe_call(name, inputs[index] if index < len(inputs) else None, self.directory))
            )
        for value in self._values("result", event):
            events.append(Event("tool", "", tool_calls.describe_outcome(value)))
        for value in self._values("error", event):
            if value not in (None, False, ""):
                self._error = value if isinstance(value, str) else str(value)[:2000]
                events.append(Event("error", self._error, failed=True))
                self.hindrance = "exit", self._error
        self._count(event)
        if self._holds("step", event):
            self.steps += 1
            events.append(Event("step", f"step {self.steps}"))
        failed, finished = self._holds("failed_when", event), self._holds("finished_when", event)
        self._failed, self._finished = self._failed or failed, self._finished or finished
        if failed or finished:
            self.finished = True
        elif any(event.kind in ("text", "thinking", "tool", "step") for event in events):
            self.finished = False
            self.hindrance = None if events[-1].kind != "error" else self.hindrance
        return events

    def feed_errors(self, line: bytes) -> list[Event]:
        """Read one line of the error output, where such a program may print events too."""
        return self.feed(line)

    def find_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return why it failed by the conditions on its events; None if they do not say."""
        if self._failed:
            return "exit", self._error or "one of its events said that it failed"
        if exit_code:
            return ("exit", f"exit code {exit_code}: {self._error}") if self._error else None
        if "finished_when" in self._stream and not self._finished:
            return "exit", "exit code 0, but no event said that it finished" + (f": {self._error}" if self._error else "")
        return None

    def _text(self, event: dict[str, Any]) -> list[Event]:
        pieces = self._strings("text", event)
        if not self._stream.get("deltas"):
            self.last_text = pieces[-1] if pieces else self.last_text
            return [Event("text", piece.strip()) for piece in pieces if piece.strip()]
        if not pieces:  # the answer has ended
            rest, self._partial_line, self._answer = self._partial_line.strip(), "", ""
            return [Event("text", rest)] if rest else []
        self._answer += "".join(pieces)
        self.last_text = self._answer
        whole, _, self._partial_line = (self._partial_line + "".join(pieces)).rpartition("\n")
        return [Event("text", whole.strip())] if whole.strip() else []

    def _count(self, event: dict[str, Any]) -> None:
        for name in ("tokens", "cost"):
            for index, place in enumerate(self._stream.get(name, ())):
                numbers = [number for number in self._at(place, event) if _is_number(number)]
                if numbers:
                    before = 0 if place["total"] else self._sums.get((name, index), 0)
                    self._sums[name, index] = before + sum(numbers)
        tokens = [value for (name, _), value in self._sums.items() if name == "tokens"]
        costs = [value for (name, _), value in self._sums.items() if name == "cost"]
        self.used = UsedTokens(round(sum(tokens)) if tokens else None, sum(costs) if costs else None)

    def _values(self, name: str, event: dict[str, Any]) -> list[Any]:
        return [value for place in self._stream.get(name, ()) for value in self._at(place, event)]

    def _strings(self, name: str, event: dict[str, Any]) -> list[str]:
        return [value for value in self._values(name, event) if isinstance(value, str) and value]

    def _at(self, place: dict[str, Any], event: dict[str, Any]) -> list[Any]:
        return list(json_paths.find_values(event, place["at"])) if json_paths.condition_holds(event, place["when"]) else []

    def _holds(self, name: str, event: dict[str, Any]) -> bool:
        return any(json_paths.condition_holds(event, condition) for condition in self._stream.get(name, ()))


reader = JsonStreamReader


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15

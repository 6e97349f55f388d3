"""What an agent program tells while it works, in one shape for all of them. Supervisors load this: standard library only.

Programs that print a stream of JSON, one object a line, have a reader: a class that is fed line by line, turns each into
events that a person can read, and remembers what the attempt must know: session, usage, the last text, errors.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Kind = Literal["session", "text", "thinking", "tool", "step", "error", "note"]
LINE_LIMIT = 4 << 20
"""Bytes of one line that are looked at; a longer one is no event."""


class Event(NamedTuple):
    """One thing an agent told."""

    kind: Kind
    text: str
    """What it said or did, in a line or more; not cleaned for a terminal.

    A tool whose program tells its call and its outcome apart is two events: the second has an empty text if it belongs to the
    latest call.
    """
    result: str = ""
    """What came of it: of a tool its output, of an error its details."""
    failed: bool = False
    at: float | None = None
    """Seconds since 1970, where the program tells."""


class Used(NamedTuple):
    """What an attempt consumed so far, as far as the program tells."""

    tokens: int | None = None
    cost: float | None = None


class Reader:
    """Reads the stream of one attempt. Subclasses override `read`; they set the attributes as they learn them."""

    def __init__(self, options: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Begin.

        Args:
            options: `session`, the session it works in, where that is known before; `directory`, the worktree, in front of
                which paths are shortened; and what a subclass needs.
        """
        self.session_id: str | None = options.get("session")
        self.directory = str(options.get("directory") or "")
        self.used = Used()
        self.steps = 0
        """Turns of the model so far."""
        self.last_text = ""
        """The agent's last whole answer."""

    def feed(self, line: bytes) -> list[Event]:
        """Take one line of output; what is no JSON object is a note of its own."""
        if len(line) <= LINE_LIMIT and line[:1] == b"{":
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                try:
                    return self.read(found)
                except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
                    return []  # an event of a shape we do not know is no fault of the attempt
        text = line[:LINE_LIMIT].decode("utf-8", "replace").rstrip()
        return [Event("note", text)] if text else []

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Take one event of the program; unknown ones give nothing."""
        return []

    def failure(self, exit_code: int) -> tuple[str, str] | None:
        """Class and reason of a failure that the events tell, whatever the exit code says; None when they tell none.

        Class `exit` means that the reason is the program's own words, in which the patterns of failures are looked for.
        """
        return None

    def trouble(self) -> tuple[str, str] | None:
        """Class and reason why the attempt must be ended now, as the agent will not come to an end; asked each second."""
        return None

    def waiting(self, quiet_s: float, processes: int) -> str | None:
        """What it seems to wait for, in a few words; None when its last event says enough. Asked each second.

        Args:
            quiet_s: seconds since the agent last printed something.
            processes: how many live, the agent itself included.
        """
        return None

"""The events of an agent's output, in one form for all agents. A supervisor loads this module, so standard library only.

An agent that prints a stream of JSON has a reader. It is given the output line by line, turns it into events for people, and
keeps what the attempt needs to know: session, usage, the last text, errors.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ..domain.text.safe_text import safe_line
from .talk import TalkEvent

Kind = Literal["session", "text", "thinking", "tool", "step", "error", "note"]
LINE_LIMIT = 4 << 20
"""Bytes of one line that are read; no event is longer."""
MAX_BROKEN = 64
"""Broken objects after which the rest of a line is taken as text."""
_OBJECT_START = re.compile(r'\{\s*"')
_DECODER = json.JSONDecoder(strict=False)


class Event(NamedTuple):
    """One thing that an agent said or did."""

    kind: Kind
    text: str
    """What it said or did, in one line or more; not yet safe for a terminal.

    If a program reports a tool's call and its result separately, there are two events. The second has an empty text if it
    belongs to the latest call.
    """
    result: str = ""
    """The output of a tool, or the details of an error."""
    failed: bool = False
    at: float | None = None
    """Seconds since 1970; None if the program does not say."""


class UsedTokens(NamedTuple):
    """What an attempt has consumed so far; None where the program does not say."""

    tokens: int | None = None
    cost: float | None = None


class Reader:
    """Reads the output of one attempt. Subclasses override `read` and set the attributes."""

    def __init__(self, options: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Set up a reader for one attempt.

        Args:
            options: `session`, the session it works in, if known beforehand; `directory`, the worktree, which is cut off
                paths; and whatever a subclass needs.
        """
        self.session_id: str | None = options.get("session")
        self.directory = str(options.get("directory") or "")
        self.used = UsedTokens()
        self.steps = 0
        """Turns of the model so far."""
        self.last_text = ""
        """The agent's last complete answer."""
        self.finished = False
        """Whether it has reported its result and has not continued since."""
        self.hindrance: tuple[str, str] | None = None
        """Class and text of what keeps it from working, such as a provider that refuses; None while it works. The class is
        `exit` if the patterns of failures decide by the text."""
        self.talk: list[TalkEvent] = []
        """What its output said about messages and questions, until `supervisor.message_delivery` removes it."""

    def feed(self, line: bytes) -> list[Event]:
        """Read one line of output: JSON events, wherever they start in it, and the text around them."""
        events: list[Event] = []
        for piece in split_objects(line[:LINE_LIMIT]):
            if isinstance(piece, str):
                events += self.feed_text(piece)
                continue
            try:
                events += self.read(piece)
            except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
                continue  # an event in an unknown format is not the attempt's fault
        return events

    def feed_errors(self, line: bytes) -> list[Event]:
        """Read one line of the error output, if that is separate: always text, even if it looks like JSON."""
        text = line[:LINE_LIMIT].decode("utf-8", "replace").rstrip()
        return self.feed_text(text) if text else []

    def feed_text(self, text: str) -> list[Event]:
        """Read text that is not an event."""
        return [Event("note", text)]

    def read(self, event: dict[str, Any]) -> list[Event]:
        """Read one event of the program; unknown ones are ignored."""
        return []

    def find_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return class and reason of a failure seen in the events, whatever the exit code; None if there is none.

        Class `exit` means that the reason is the program's own message, to which the patterns of failures are applied.
        """
        return None

    def find_hang(self) -> tuple[str, str] | None:
        """Return class and reason if the agent will never end and must be stopped now. Called every second."""
        return None

    def describe_wait(self, quiet_s: float, processes: int) -> str | None:
        """Return what it seems to wait for, in a few words; None if its last event says enough. Called every second.

        Args:
            quiet_s: seconds since the agent last printed something.
            processes: how many are running, including the agent itself.
        """
        return None

    # Kept for one release: the spare supervisor of an engine that was started before an upgrade calls these.
    def failure(self, exit_code: int) -> tuple[str, str] | None:
        return self.find_failure(exit_code)

    def trouble(self) -> tuple[str, str] | None:
        return self.find_hang()

    def waiting(self, quiet_s: float, processes: int) -> str | None:
        return self.describe_wait(quiet_s, processes)


def split_objects(line: bytes) -> Iterator[dict[str, Any] | str]:
    """Split a line into the JSON objects in it and the text around them.

    An object is found even after a terminal sequence, a progress display, a NUL or a truncated object. An object in the middle
    of text counts only if it has a `type`, as events do.
    """
    text = line.decode("utf-8", "replace").replace("\0", "").rstrip()
    text_start = at = broken = 0
    while (match := _OBJECT_START.search(text, at)) is not None and broken < MAX_BROKEN:
        start = match.start()
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            at, broken = start + 1, broken + 1
            continue
        alone = start == 0 and end == len(text)
        inside = broken > 0 and not _stands_alone(text, end)  # part of a truncated object
        if inside or not (alone or isinstance(value.get("type"), str)):
            at = end
            continue
        if _has_text(text[text_start:start]):
            yield text[text_start:start].strip()
        yield value
        text_start = at = end
        broken = 0
    if text_start == 0 or _has_text(text[text_start:]):
        rest = text[text_start:].rstrip() if text_start == 0 else text[text_start:].strip()
        if rest:
            yield rest


def _stands_alone(text: str, end: int) -> bool:
    rest = text[end:].lstrip()
    return not rest or _OBJECT_START.match(rest) is not None


def _has_text(text: str) -> bool:
    """Whether there is anything but terminal sequences, line ends and byte order marks."""
    return any(map(str.isalnum, safe_line(text, 1000)))

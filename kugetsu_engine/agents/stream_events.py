"""What an agent program tells while it works, in one shape for all of them. Supervisors load this: standard library only.

Programs that print a stream of JSON, one object a line, have a reader: a class that is fed line by line, turns each into
events that a person can read, and remembers what the attempt must know: session, usage, the last text, errors.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from ..domain.text.safe_text import safe_line

Kind = Literal["session", "text", "thinking", "tool", "step", "error", "note"]
LINE_LIMIT = 4 << 20
"""Bytes of one line that are looked at; a longer one is no event."""
MAX_BROKEN = 64
"""Beginnings of an object that come to nothing, after which the rest of a line is taken for words."""
_BEGIN = re.compile(r'\{\s*"')
_DECODER = json.JSONDecoder(strict=False)


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


class UsedTokens(NamedTuple):
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
        self.used = UsedTokens()
        self.steps = 0
        """Turns of the model so far."""
        self.last_text = ""
        """The agent's last whole answer."""

        self.finished = False
        """Whether it has told how its work ended, and has not gone on since."""

        self.hindrance: tuple[str, str] | None = None
        """Class and words of what keeps it from its work, such as a provider that refuses and is asked again; None while it
        works. The class is `exit` where the words may tell."""

    def feed(self, line: bytes) -> list[Event]:
        """Take one line of output: events, wherever in it they begin, and the words around them."""
        found: list[Event] = []
        for piece in split_objects(line[:LINE_LIMIT]):
            if isinstance(piece, str):
                found += self.feed_text(piece)
                continue
            try:
                found += self.read(piece)
            except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError):
                continue  # an event of a shape we do not know is no fault of the attempt
        return found

    def feed_errors(self, line: bytes) -> list[Event]:
        """Take one line of the error output, where that is read apart: words, whatever they look like."""
        text = line[:LINE_LIMIT].decode("utf-8", "replace").rstrip()
        return self.feed_text(text) if text else []

    def feed_text(self, text: str) -> list[Event]:
        """Take words that are no event."""
        return [Event("note", text)]

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


def split_objects(line: bytes) -> Iterator[dict[str, Any] | str]:
    """Split a line into the JSON objects it holds and the words around them.

    A terminal sequence, a progress display or a NUL before an object does not hide it, and neither does an object before it
    that was cut off. An object in the middle of words counts only if it has a `type`, as events do.
    """
    text = line.decode("utf-8", "replace").replace("\0", "").rstrip()
    begun = at = broken = 0
    while (found := _BEGIN.search(text, at)) is not None and broken < MAX_BROKEN:
        start = found.start()
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            at, broken = start + 1, broken + 1
            continue
        alone = start == 0 and end == len(text)
        inside = broken > 0 and not _stands_alone(text, end)  # a part of one that was cut off
        if inside or not (alone or isinstance(value.get("type"), str)):
            at = end
            continue
        if _says_something(text[begun:start]):
            yield text[begun:start].strip()
        yield value
        begun = at = end
        broken = 0
    if begun == 0 or _says_something(text[begun:]):
        rest = text[begun:].rstrip() if begun == 0 else text[begun:].strip()
        if rest:
            yield rest


def _stands_alone(text: str, end: int) -> bool:
    rest = text[end:].lstrip()
    return not rest or _BEGIN.match(rest) is not None


def _says_something(text: str) -> bool:
    """Whether there are words beside terminal sequences, line ends and marks of byte order."""
    return any(map(str.isalnum, safe_line(text, 1000)))

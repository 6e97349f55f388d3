"""Writes the readable log of an agent that prints JSON: its events as text. Standard library only."""

from typing import Any

from ..domain.text.log_stamps import Cut
from ..domain.text.terminal_line import render_line
from .agent_log import LogFile

RESULT_LINES = 20
"""Most lines of a tool's result; the agent's own log has all of them."""
LINE_CHARACTERS = 4000
TEXT_CHARACTERS = 100_000


class ReadableLog:
    """Writes events as text. If the disk refuses, only this text is lost."""

    def __init__(self, path: str, cap: int) -> None:
        self._path, self._cap = path, cap
        self._log: LogFile | None = None
        self._length = 0
        self.cuts: list[Cut] = []
        """As in `LogFile`."""
        self.open_again()

    def open_again(self) -> None:
        """Open the file, again if it was closed."""
        try:
            self._log = self._log or LogFile(self._path, self._cap)
        except OSError:
            return
        self._log.cuts = self.cuts

    @property
    def length(self) -> int:
        """Bytes so far."""
        if self._log is not None:
            self._length = self._log.length
        return self._length

    def write_event(self, event: Any) -> None:
        """Add one event."""
        if self._log is not None:
            self._log.write(describe_event(event).encode("utf-8", "replace"))

    def write_line(self, line: bytes) -> None:
        """Add a line unchanged."""
        if self._log is not None:
            self._log.write(line + b"\n")

    def keep_below_cap(self) -> None:
        """Drop the middle of a log that is over its cap."""
        if self._log is not None:
            self._log.keep_below_cap()

    def close(self) -> None:
        """Close the file."""
        if self._log is not None:
            self._length = self._log.length
            self._log.close()
            self._log = None


def describe_event(event: Any) -> str:
    """Format an event: `* ` a tool and its result, `! ` a failure, `- ` a step, `~ ` thinking, the agent's text unchanged."""
    text = _lines(event.text, TEXT_CHARACTERS)
    if event.kind == "tool":
        return _marked("! " if event.failed else "* ", text[:3]) + _result(event.result)
    if event.kind == "error":
        return _marked("! ", text)
    if event.kind in ("step", "session", "thinking"):
        return _marked({"step": "- ", "session": "- session ", "thinking": "~ "}[event.kind], text)
    return _marked("", text)


def _result(result: str) -> str:
    lines = _lines(result, TEXT_CHARACTERS)
    more = [f"… {len(lines) - RESULT_LINES} more lines"] if len(lines) > RESULT_LINES else []
    return "".join(f"    {line}\n" for line in [*lines[:RESULT_LINES], *more])


def _lines(text: str, limit: int) -> list[str]:
    lines = text[:limit].replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []
    return [line if len(line) <= LINE_CHARACTERS else _short(line) for line in lines]


def _short(line: str) -> str:
    """The beginning of a long line; of one with carriage returns, of its last visible content."""
    seen = render_line(line).text if "\r" in line else line
    return seen if len(seen) <= LINE_CHARACTERS else f"{seen[:LINE_CHARACTERS]}…"


def _marked(mark: str, lines: list[str]) -> str:
    """Lines with a mark before the first one; the others are indented to match."""
    return "".join(f"{' ' * len(mark) if index else mark}{line}\n" for index, line in enumerate(lines))

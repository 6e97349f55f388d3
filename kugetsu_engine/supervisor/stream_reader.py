"""What an agent tells in its log while it works: its session, usage, last words. Standard library only, and never in its way.

The log is read again from disk, a little each second, whole lines only; so it does not matter who writes it.
"""

import json
import math
import os
import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..domain.text.log_stamps import Cut
from ..domain.text.quantities import format_money
from ..domain.text.safe_text import safe_line, safe_text
from ..errors import AttemptFailed
from .agent_log import LogFile, Source
from .drivers import load_driver
from .line_splitter import LineSplitter
from .readable_log import ReadableLog

TURN_S = 0.05
"""Time that one look may take."""
LAST_TURN_S = 3.0
"""The same when the agent has ended."""
CHUNK = 64 << 10
FAR_BEHIND = 64 << 20
"""Bytes of backlog beyond which the older part is passed over."""
PLAIN_TAIL_BYTES = 4 << 10
"""Bytes at the end of a log in which it is looked for what an agent does that only prints."""
PLAIN_TAIL_LINES = 20
LAST_TEXT_BYTES = 6 << 10
"""As JSON; the result must fit into the reserve that is made for it."""
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_SHOWN = ("text", "thinking", "tool", "error", "note")


def run_prepare_step(job: dict[str, Any], tell: Callable[[str], None]) -> None:
    """Let the agent's driver do what must be done before the agent starts, such as a fork of its session.

    Raises:
        AttemptFailed: the agent cannot be started.
    """
    if not job.get("prepare"):
        return
    tell("session")
    try:
        job |= load_driver(job["prepare"]).prepare(job)
    except (AttemptFailed, OSError):
        raise
    except Exception as error:  # a plug-in's boundary
        raise AttemptFailed(f"the session could not be prepared: {type(error).__name__}: {error}") from error


def run_check_step(job: dict[str, Any], log: LogFile) -> None:
    """Let the agent's driver look at the program before anything is done for the attempt.

    Raises:
        AttemptFailed: it cannot be driven.
    """
    if not job.get("check"):
        return
    try:
        load_driver(job["check"]).check(job, log.note)
    except AttemptFailed:
        raise
    except Exception as error:  # a plug-in's boundary
        log.note(f"the version of the program is not known: {type(error).__name__}: {safe_line(str(error), 200)}")


def run_after_step(job: dict[str, Any], log: LogFile) -> None:
    """Let the agent's driver end what the agent had done elsewhere, such as on a server that many attempts share."""
    if not job.get("after"):
        return
    try:
        load_driver(job["after"]).after(job)
    except Exception as error:  # a plug-in's boundary
        log.note(f"what it did elsewhere may go on: {type(error).__name__}: {safe_line(str(error), 200)}")


class Reader(Protocol):
    """What is asked of a reader, see `agents.events.Reader`."""

    session_id: str | None
    used: Any
    steps: int
    last_text: str

    finished: bool
    hindrance: tuple[str, str] | None

    def feed(self, line: bytes) -> list[Any]: ...
    def feed_errors(self, line: bytes) -> list[Any]: ...
    def find_failure(self, exit_code: int) -> tuple[str, str] | None: ...
    def find_hang(self) -> tuple[str, str] | None: ...
    def describe_wait(self, quiet_s: float, processes: int) -> str | None: ...


class StreamReader:
    """The agent's log, as far as it has been read."""

    def __init__(self, job: dict[str, Any], log: LogFile) -> None:
        self._log = log
        self._limits = {name: job.get(name) for name in ("max_steps", "max_tokens", "max_cost")}
        self._offset = 0
        self._lines: dict[Source, LineSplitter] = {"output": LineSplitter(), "errors": LineSplitter(), "ours": LineSplitter()}
        self._activity = ""
        self.finished_at = 0.0
        """When it was first seen that it is finished, by the monotonic clock."""
        self._reader: Reader | None = None
        self._broken = False
        """Whether the reader has failed, which is noted once: it goes on with the next line, and what it knows counts."""
        self.readable_log: ReadableLog | None = None
        """Where it is written as a person reads it."""
        name = job.get("reader")
        if name:
            self._reader = self._sheltered(lambda: load_driver(name).reader(job.get("reader_options") or {}))
            if self._reader is not None and job.get("told"):
                self.readable_log = ReadableLog(str(job["told"]), log.cap)

    @property
    def session_id(self) -> str | None:
        """The agent's own id of the conversation; None until it has told."""
        found = self._reader.session_id if self._reader else None
        return found if isinstance(found, str) and _SESSION_ID.fullmatch(found) else None

    @property
    def finished(self) -> bool:
        """Whether it has told how its work ended, and has not gone on since."""
        return self._reader is not None and bool(self._reader.finished)

    def read_new(self, limit_s: float = TURN_S) -> None:
        """Read what was added, as far as the time allows."""
        if self._reader is None:
            self._overhear()
            return
        before, end = self.finished, time.monotonic() + limit_s
        self._read(end)
        if self.finished and not before:
            self.finished_at = time.monotonic()

    def _read(self, end: float) -> None:
        behind = self._log.length - self._offset
        if behind > FAR_BEHIND:
            self._offset += behind - FAR_BEHIND
            self._lose()
        while data := os.pread(self._log.fd, CHUNK, self._offset):
            for source, part in self._log.split_by_source(self._offset, data):
                for line in self._lines[source].feed(part):
                    self._feed(source, line)
            self._offset += len(data)
            if time.monotonic() > end:
                return

    def finish(self) -> None:
        """Read the rest of an agent's log that has ended; its last line may have no end."""
        self.read_new(LAST_TURN_S)
        for source, lines in self._lines.items():
            if rest := lines.flush():
                self._feed(source, rest)
        if self.readable_log is not None:
            self.readable_log.keep_below_cap()
            self.readable_log.close()

    def move_past_cut(self, cut: Cut | None) -> None:
        """Go on at the same place of a log whose middle was dropped."""
        if self.readable_log is not None:
            self.readable_log.keep_below_cap()
        if cut is None:
            return
        if self._offset >= cut.before:
            self._offset += cut.after - cut.before
        else:
            self._offset = cut.after
            self._lose()

    def build_progress(self, quiet_s: float, processes: int) -> dict[str, Any]:
        """What `progress.json` says about it."""
        if self._reader is None:
            return {"activity": self._activity} if self._activity else {}
        reader = self._reader
        waiting = self._sheltered(lambda: reader.describe_wait(quiet_s, processes))
        steps = reader.steps
        return {
            "session_id": self.session_id, **self._used(), "steps": steps if isinstance(steps, int) else 0,
            "activity": safe_line(self._log.mask(str(waiting)), 120) if waiting else self._activity,
        }  # fmt: skip

    def build_result(self) -> dict[str, Any]:
        """What `exit.json` says about it."""
        if self._reader is None:
            return {}
        used, text = self._used(), safe_text(self._log.mask(str(self._reader.last_text)), 4096).strip()
        while len(json.dumps(text)) > LAST_TEXT_BYTES:
            text = text[: len(text) * 3 // 4]
        known = used["tokens"] is not None or used["cost"] is not None
        return {"session_id": self.session_id, "usage": used if known else None, "last_text": text or None}

    def read_hindrance(self) -> tuple[str, str] | None:
        """Class and words of what keeps it from its work, as it last told; None while it works, or does not tell."""
        found = self._sheltered(lambda: self._reader.hindrance) if self._reader else None
        return (str(found[0]), safe_line(self._log.mask(str(found[1])), 300)) if found else None

    def read_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Class and reason of a failure that the events tell, whatever the exit code says."""
        return self._told("find_failure", exit_code)

    def check_limits(self) -> tuple[str, str] | None:
        """Class and reason why the agent must be ended now; None as long as it may go on."""
        if self._reader is None:
            return None
        used, steps = self._used(), self._reader.steps
        left = self._limits["max_cost"]
        if left is not None and used["cost"] is not None and used["cost"] >= left:
            spent = f"{format_money(used['cost'])} in this attempt, {format_money(left)} was left"
            return "budget", f"it has used up the budget of its task: {spent}"
        for name, have, unit in (("max_steps", steps, "steps"), ("max_tokens", used["tokens"], "tokens")):
            limit = self._limits[name]
            if limit is not None and isinstance(have, int) and have >= limit:
                return "endless", f"{have} {unit} without coming to an end: {name} is {limit}"
        return self._told("find_hang")

    def _overhear(self) -> None:
        """Of an agent that only prints: the last line that holds a word, and is none of a stream of JSON."""
        length = self._log.length
        if length != self._offset:
            self._offset = length
            lines = self._log.read_last_lines(PLAIN_TAIL_LINES, PLAIN_TAIL_BYTES)
            said = next((line for line in lines if not line.startswith('{"') and any(map(str.isalnum, line))), None)
            if said:
                self._activity = safe_line(" ".join(said.split()), 120)

    def _told(self, question: str, *facts: int) -> tuple[str, str] | None:
        found = self._sheltered(lambda: getattr(self._reader, question)(*facts)) if self._reader else None
        return (str(found[0]), safe_line(str(found[1]), 500)) if found else None

    def _used(self) -> dict[str, Any]:
        tokens, cost = self._reader.used if self._reader else (None, None)
        return {
            "tokens": tokens if isinstance(tokens, int) and 0 <= tokens < 1 << 53 else None,
            "cost": round(float(cost), 6) if isinstance(cost, (int, float)) and math.isfinite(cost) and cost >= 0 else None,
        }

    def _lose(self) -> None:
        for lines in self._lines.values():
            lines.skip_line()

    def _feed(self, source: Source, line: bytes) -> None:
        reader = self._reader
        if source == "ours" or line.startswith(b"[kugetsu] "):
            if self.readable_log is not None:
                self.readable_log.write_line(line)
            return
        if reader is None:
            return
        feed = reader.feed_errors if source == "errors" else reader.feed
        for event in self._sheltered(lambda: feed(line)) or ():
            if self.readable_log is not None:
                self.readable_log.write_event(event)
            if event.kind in _SHOWN and (said := next((part for part in event.text.splitlines() if part.strip()), "")):
                self._activity = safe_line(self._log.mask(said.strip()), 120)

    def _sheltered(self, ask: Any) -> Any:
        """Ask the reader; what breaks it is passed over."""
        try:
            return ask()
        except Exception as error:  # a plug-in's boundary
            if not self._broken:
                self._broken = True
                self._log.note(f"what the agent tells cannot all be read: {type(error).__name__}: {safe_line(str(error), 200)}")
            return None

"""Reads an agent's events from its log while it works: session, usage, last text. Standard library only.

The log is read from disk, a little each second and in whole lines, so it does not matter who writes it.
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
"""Time limit of one read."""
LAST_TURN_S = 3.0
"""Time limit of the last read, when the agent has ended."""
CHUNK = 64 << 10
FAR_BEHIND = 64 << 20
"""Bytes of backlog beyond which the older part is skipped."""
PLAIN_TAIL_BYTES = 4 << 10
"""Bytes at the end of a plain-text agent's log that are searched for its activity."""
PLAIN_TAIL_LINES = 20
LAST_TEXT_BYTES = 6 << 10
"""As JSON; the result must fit into its reserved disk space."""
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_ACTIVITY_KINDS = ("text", "thinking", "tool", "error", "note")


def run_prepare_step(job: dict[str, Any], set_phase: Callable[[str], None]) -> None:
    """Run the driver's step before the agent starts, such as forking its session.

    Raises:
        AttemptFailed: the agent cannot be started.
    """
    if not job.get("prepare"):
        return
    set_phase("session")
    try:
        job |= load_driver(job["prepare"]).prepare(job)
    except (AttemptFailed, OSError):
        raise
    except Exception as error:  # a plug-in's boundary
        raise AttemptFailed(f"the session could not be prepared: {type(error).__name__}: {error}") from error


def run_check_step(job: dict[str, Any], log: LogFile) -> None:
    """Let the driver check the agent's program before anything else is done.

    Raises:
        AttemptFailed: kugetsu cannot use the program.
    """
    if not job.get("check"):
        return
    try:
        load_driver(job["check"]).check(job, log.note)
    except AttemptFailed:
        raise
    except Exception as error:  # a plug-in's boundary
        log.note(f"the program's version could not be checked: {type(error).__name__}: {safe_line(str(error), 200)}")


def run_after_step(job: dict[str, Any], log: LogFile) -> None:
    """Let the driver end the agent's work elsewhere, such as on a server that attempts share."""
    if not job.get("after"):
        return
    try:
        load_driver(job["after"]).after(job)
    except Exception as error:  # a plug-in's boundary
        log.note(f"its work on the server may still be running: {type(error).__name__}: {safe_line(str(error), 200)}")


class Reader(Protocol):
    """What a driver's reader offers, see `agents.stream_events.Reader`."""

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
    """Reads one agent's log."""

    def __init__(self, job: dict[str, Any], log: LogFile, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin at the start of the log; `clock` is that of the attempt."""
        self._log = log
        self._clock = clock
        self._limits = {name: job.get(name) for name in ("max_steps", "max_tokens", "max_cost")}
        self._offset = 0
        self._lines: dict[Source, LineSplitter] = {"output": LineSplitter(), "errors": LineSplitter(), "ours": LineSplitter()}
        self._activity = ""
        self.finished_at = 0.0
        """When the agent was first seen to have finished, by the attempt's clock."""
        self._reader: Reader | None = None
        self._before: list[Reader] = []
        """The readers of earlier turns."""
        self._broken = False
        """Whether the driver's reader has failed, which is logged once; it continues with the next line."""
        self.readable_log: ReadableLog | None = None
        """Where the events are written as text."""
        self._open_reader(job)
        if self._reader is not None and job.get("told"):
            self.readable_log = ReadableLog(str(job["told"]), log.cap)

    def _open_reader(self, job: dict[str, Any]) -> None:
        name = job.get("reader")
        self._reader = self._guard(lambda: load_driver(name).reader(job.get("reader_options") or {})) if name else None

    def start_turn(self, job: dict[str, Any]) -> None:
        """Go on with the output of another run of the agent, whose events are judged alone; what it uses is added up."""
        if self._reader is not None:
            self._before.append(self._reader)
        self._open_reader(job)
        self._activity, self.finished_at = "", 0.0
        if self.readable_log is not None:
            self.readable_log.open_again()

    def drain_talk(self) -> list[Any]:
        """Return what the output has said about messages and questions since the last call."""
        talk: list[Any] = getattr(self._reader, "talk", [])
        drained = [*talk]
        talk.clear()
        return drained

    @property
    def session_id(self) -> str | None:
        """The agent's own id of the conversation; None until it has reported one."""
        for reader in (self._reader, *reversed(self._before)):
            session_id = reader.session_id if reader else None
            if isinstance(session_id, str) and _SESSION_ID.fullmatch(session_id):
                return session_id
        return None

    @property
    def steps(self) -> int:
        """Turns of the model so far; 0 also if the agent does not report them."""
        readers = [reader for reader in (*self._before, self._reader) if reader is not None]
        return sum(reader.steps for reader in readers if isinstance(reader.steps, int))

    @property
    def finished(self) -> bool:
        """Whether it has reported its result, and has not continued since."""
        return self._reader is not None and bool(self._reader.finished)

    def read_new(self, limit_s: float = TURN_S) -> None:
        """Read what was added, within a time limit."""
        if self._reader is None:
            self._read_plain_text()
            return
        before, end = self.finished, time.monotonic() + limit_s
        self._read_until(end)
        if self.finished and not before:
            self.finished_at = self._clock()

    def _read_until(self, end: float) -> None:
        behind = self._log.length - self._offset
        if behind > FAR_BEHIND:
            self._offset += behind - FAR_BEHIND
            self._skip_lines()
        while data := os.pread(self._log.fd, CHUNK, self._offset):
            for source, part in self._log.split_by_source(self._offset, data):
                for line in self._lines[source].feed(part):
                    self._feed_line(source, line)
            self._offset += len(data)
            if time.monotonic() > end:
                return

    def finish(self) -> None:
        """Read the rest of the log of an agent that has ended; the last line may be without a line feed."""
        self.read_new(LAST_TURN_S)
        for source, lines in self._lines.items():
            if line := lines.flush():
                self._feed_line(source, line)
        if self.readable_log is not None:
            self.readable_log.keep_below_cap()
            self.readable_log.close()

    def move_past_cut(self, cut: Cut | None) -> None:
        """Continue at the same place after the middle of the log was dropped."""
        if self.readable_log is not None:
            self.readable_log.keep_below_cap()
        if cut is None:
            return
        if self._offset >= cut.before:
            self._offset += cut.after - cut.before
        else:
            self._offset = cut.after
            self._skip_lines()

    def build_progress(self, quiet_s: float, processes: int) -> dict[str, Any]:
        """Return the fields of `progress.json` that come from the log."""
        if self._reader is None:
            return {"activity": self._activity} if self._activity else {}
        reader = self._reader
        waiting = self._guard(lambda: reader.describe_wait(quiet_s, processes))
        return {
            "session_id": self.session_id, **self._read_usage(), "steps": self.steps,
            "activity": safe_line(self._log.mask(str(waiting)), 120) if waiting else self._activity,
        }  # fmt: skip

    def build_result(self) -> dict[str, Any]:
        """Return the fields of `exit.json` that come from the log."""
        if self._reader is None:
            return {}
        texts = (str(reader.last_text) for reader in (self._reader, *reversed(self._before)) if reader.last_text)
        used, text = self._read_usage(), safe_text(self._log.mask(next(texts, "")), 4096).strip()
        while len(json.dumps(text)) > LAST_TEXT_BYTES:
            text = text[: len(text) * 3 // 4]
        known = used["tokens"] is not None or used["cost"] is not None
        return {"session_id": self.session_id, "usage": used if known else None, "last_text": text or None}

    def read_hindrance(self) -> tuple[str, str] | None:
        """Return class and text of what holds the agent up, by its last events; None while it works."""
        hindrance = self._guard(lambda: self._reader.hindrance) if self._reader else None
        return (str(hindrance[0]), safe_line(self._log.mask(str(hindrance[1])), 300)) if hindrance else None

    def read_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return class and reason of a failure in the events, whatever the exit code is."""
        return self._ask("find_failure", exit_code)

    def check_limits(self) -> tuple[str, str] | None:
        """Return class and reason if the agent exceeds a limit and must be stopped; None else."""
        if self._reader is None:
            return None
        used, steps = self._read_usage(), self.steps
        left = self._limits["max_cost"]
        if left is not None and used["cost"] is not None and used["cost"] >= left:
            spent = f"{format_money(used['cost'])} in this attempt, {format_money(left)} was left"
            return "budget", f"it has used up the budget of its task: {spent}"
        for name, count, unit in (("max_steps", steps, "steps"), ("max_tokens", used["tokens"], "tokens")):
            limit = self._limits[name]
            if limit is not None and isinstance(count, int) and count >= limit:
                return "endless", f"{count} {unit} without finishing: {name} is {limit}"
        return self._ask("find_hang")

    def _read_plain_text(self) -> None:
        """For plain-text agents: the activity is the last line that has a word and is not JSON."""
        length = self._log.length
        if length != self._offset:
            self._offset = length
            lines = self._log.read_last_lines(PLAIN_TAIL_LINES, PLAIN_TAIL_BYTES)
            text = next((line for line in lines if not line.startswith('{"') and any(map(str.isalnum, line))), None)
            if text:
                self._activity = safe_line(" ".join(text.split()), 120)

    def _ask(self, method: str, *arguments: int) -> tuple[str, str] | None:
        answer = self._guard(lambda: getattr(self._reader, method)(*arguments)) if self._reader else None
        return (str(answer[0]), safe_line(str(answer[1]), 500)) if answer else None

    def _read_usage(self) -> dict[str, Any]:
        tokens: int | None = None
        cost: float | None = None
        for reader in (*self._before, self._reader):
            some, spent = reader.used if reader else (None, None)
            if isinstance(some, int) and 0 <= some < 1 << 53:
                tokens = (tokens or 0) + some
            if isinstance(spent, (int, float)) and math.isfinite(spent) and spent >= 0:
                cost = round((cost or 0.0) + float(spent), 6)
        return {"tokens": tokens, "cost": cost}

    def _skip_lines(self) -> None:
        for lines in self._lines.values():
            lines.skip_line()

    def _feed_line(self, source: Source, line: bytes) -> None:
        reader = self._reader
        if source == "ours" or line.startswith(b"[kugetsu] "):
            if self.readable_log is not None:
                self.readable_log.write_line(line)
            return
        if reader is None:
            return
        feed = reader.feed_errors if source == "errors" else reader.feed
        for event in self._guard(lambda: feed(line)) or ():
            if self.readable_log is not None:
                self.readable_log.write_event(event)
            if event.kind in _ACTIVITY_KINDS and (text := next((part for part in event.text.splitlines() if part.strip()), "")):
                self._activity = safe_line(self._log.mask(text.strip()), 120)

    def _guard(self, call: Any) -> Any:
        """Call the driver's reader; its exceptions are logged once and ignored."""
        try:
            return call()
        except Exception as error:  # a plug-in's boundary
            if not self._broken:
                self._broken = True
                self._log.note(f"some events of the agent cannot be read: {type(error).__name__}: {safe_line(str(error), 200)}")
            return None

"""What a supervisor learns from the log of its agent: a little each second, whole lines only, and never in the agent's way."""

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents.stream_events import Event, Reader, UsedTokens
from kugetsu_engine.domain.text.masking import Mask
from kugetsu_engine.supervisor import drivers, outcome, stream_reader
from kugetsu_engine.supervisor import line_splitter as lines
from kugetsu_engine.supervisor.agent_log import LogFile
from kugetsu_engine.supervisor.stream_reader import StreamReader

NAME = "tests_reader_of_lines"


class Lines(Reader):
    """Counts lines; `boom` breaks it, `id X` is its session."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    def feed(self, line: bytes) -> list[Event]:
        if line == b"boom":
            raise RuntimeError("a bug")
        if line.startswith(b"id "):
            self.session_id = line[3:].decode()
        self.lines.append(line)
        self.steps = len(self.lines)
        self.used = UsedTokens(self.steps * 10, self.steps / 10)
        self.last_text = line.decode("utf-8", "replace")
        return [Event("text", self.last_text)]


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """A log of 64 KiB at most."""
    log = LogFile(str(tmp_path / "1.log"), 64 << 10)
    yield log
    log.close()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """The reader that jobs with `NAME` get."""
    reader, module = Lines(), types.ModuleType(NAME)
    module.reader = lambda options: reader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, NAME, module)
    monkeypatch.setitem(drivers.MODULES, NAME, NAME)
    return reader


def test_only_whole_lines_are_read_and_the_last_one_at_the_end(log: LogFile, reader: Lines) -> None:
    """An agent that writes in pieces is understood; lines of kugetsu's own are no words of the agent."""
    reads = StreamReader({"reader": NAME}, log)
    log.write(b"one\ntw")
    reads.read_new()
    assert reader.lines == [b"one"]
    log.note("something of ours")
    log.write(b"o\n[kugetsu] me too\nid ses_1\nlast")
    reads.read_new()
    assert reader.lines[1:] == [b"two", b"id ses_1"]
    assert (reads.session_id, reads.build_progress(0, 1)["activity"]) == ("ses_1", "id ses_1")
    reads.finish()
    assert reader.lines[-1] == b"last"
    assert reads.build_result() == {"session_id": "ses_1", "usage": {"tokens": 40, "cost": 0.4}, "last_text": "last"}


def test_a_log_whose_middle_is_dropped_is_read_on_at_the_same_place(log: LogFile, reader: Lines) -> None:
    """What was read is not read again, what is left is read once, and half a line is none."""
    reads = StreamReader({"reader": NAME}, log)
    for number in range(20_000):
        log.write(b"line %07d\n" % number)
        if number % 1000 == 0:
            reads.read_new()
            reads.move_past_cut(log.keep_below_cap())
    reads.finish()
    assert len(reader.lines) == len(set(reader.lines))
    assert reader.lines[-1] == b"line 0019999"
    assert all(len(line) == 12 for line in reader.lines)
    behind = StreamReader({"reader": NAME}, log)
    reader.lines.clear()
    log.write(b"x" * (128 << 10) + b"\nend\n")
    behind.move_past_cut(log.keep_below_cap())
    behind.finish()
    assert reader.lines[-1] == b"end"
    assert log.length < 66 << 10


def test_a_flood_and_a_line_without_end_cost_bounded_time_and_memory(
    log: LogFile, reader: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest part of a backlog is passed over, and so is a line that is too long."""
    monkeypatch.setattr(stream_reader, "FAR_BEHIND", 128 << 10)
    monkeypatch.setattr(lines, "LINE_BYTES", 1 << 10)
    log.write(b"early\n" + b"y" * (256 << 10) + b"\nshort\n" + b"z" * (72 << 10) + b"\nafter\n")
    reads = StreamReader({"reader": NAME}, log)
    reads.read_new(10)
    assert reader.lines == [b"short", b"after"]


def test_what_breaks_a_reader_is_passed_over_and_what_it_knows_counts(log: LogFile, reader: Lines) -> None:
    """A fault of a plug-in is told in the log, once, and loses neither the session nor a failure that was told."""
    reads = StreamReader({"reader": NAME, "max_steps": 9}, log)
    log.write(b"id S1\nboom\nboom\ntwo\n")
    reads.read_new()
    reads.finish()
    assert reader.lines == [b"id S1", b"two"]
    assert reads.build_result() == {"session_id": "S1", "usage": {"tokens": 20, "cost": 0.2}, "last_text": "two"}
    assert os.pread(log.fd, 9999, 0).count(b"some events of the agent cannot be read") == 1
    reader.find_failure = lambda exit_code: ("network", "it said so")  # type: ignore[method-assign]
    assert reads.read_failure(0) == ("network", "it said so")
    none = StreamReader({"reader": "no_such_reader"}, log)
    none.read_new()
    assert none.session_id is None
    assert StreamReader({"reader": None}, log).build_progress(0, 1) == {}


def test_of_an_agent_that_only_prints_its_last_line_with_a_word_is_told(tmp_path: Path) -> None:
    """Clean, masked, short, also where it has no end yet; rules, JSON and what kugetsu wrote are passed over."""
    log = LogFile(str(tmp_path / "1.log"), 1 << 20, Mask(["geheim-123"]))
    reads = StreamReader({"reader": None}, log)

    def told(text: str) -> str:
        log.write(text.encode())
        reads.read_new()
        return str(reads.build_progress(0, 1).get("activity", ""))

    assert told("\x1b[31mrun the tests\x1b[0m with geheim-123\n-----\n\n") == "run the tests with ***"
    assert told('{"type": "x"}\n') == "run the tests with ***"
    assert told("Continue? [y/n] ") == "Continue? [y/n]"
    log.note("stop requested")
    assert told("\n").endswith("requested")
    assert told("z" * 10_000) == "z" * 119 + "…"
    assert told("\n[12:00] done\n") == "[12:00] done"
    assert told("=" * 5_000) == "[12:00] done"
    log.close()


def test_what_a_reader_claims_cannot_break_the_result(log: LogFile, reader: Lines) -> None:
    """Lone surrogates, escapes, endless texts, numbers that are none: what is written is JSON, short, and read back."""
    reads = StreamReader({"reader": NAME}, log)
    reader.session_id, reader.last_text = "--evil\nid", "\ud800\x1b]0;x\x07 " + "\N{PILE OF POO}" * 100_000
    reader.used, reader.steps = UsedTokens(-1, float("nan")), "many"  # type: ignore[assignment]
    result, progress = reads.build_result(), reads.build_progress(0, 1)
    assert result["session_id"] is None
    assert result["usage"] is None
    assert len(json.dumps(result)) < 8 << 10
    assert json.dumps(result, allow_nan=False).encode("ascii")
    assert "\x1b" not in result["last_text"]
    assert (progress["tokens"], progress["cost"], progress["steps"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("limit", "failure", "words"),
    [
        ({"max_steps": 3}, "endless", "3 steps"),
        ({"max_tokens": 30}, "endless", "30 tokens"),
        ({"max_cost": 0.25}, "budget", "0.30"),
    ],
)
def test_an_attempt_beyond_its_limit_is_ended_with_its_class(
    log: LogFile, reader: Lines, limit: dict[str, Any], failure: str, words: str
) -> None:
    """Steps, tokens and cost."""
    reads = StreamReader({"reader": NAME, **limit}, log)
    log.write(b"1\n2\n")
    reads.read_new()
    assert reads.check_limits() is None
    log.write(b"3\n")
    reads.read_new()
    found = reads.check_limits()
    assert found is not None
    assert found[0] == failure
    assert words in found[1]
    ended = outcome.judge_stop(found[0], 60.0, found[1], {"exit_code": None, "signal": 15})
    assert (ended["outcome"], ended["failure"], ended["signal"]) == ("failed", failure, 15)


def test_what_the_events_tell_wins_over_the_exit_code_and_its_words_are_looked_through(log: LogFile) -> None:
    """Class `exit` means: the agent's own words, whatever they mean."""
    job: dict[str, Any] = {"patterns": [("429", "rate_limit")]}
    assert outcome.judge_exit(job, log, 0, ("blocked", "no permission"))["failure"] == "blocked"
    assert outcome.judge_exit(job, log, 1, ("exit", "429, retry-after: 90"))["failure"] == "rate_limit"
    assert outcome.judge_exit(job, log, 1, ("exit", "odd"))["failure"] == "exit"
    assert outcome.judge_exit(job, log, -9, ("exit", "odd"))["failure"] == "crash"


def test_what_an_agent_tells_is_written_as_a_person_reads_it(log: LogFile, tmp_path: Path) -> None:
    """Tools with what came of them, words, errors, and kugetsu's own notes; a folder in its place costs only these words."""
    job = {"reader": "opencode", "told": str(tmp_path / "1.txt")}
    reads = StreamReader(job, log)
    state = {"status": "completed", "input": {"command": "ls"}, "output": "\n".join(map(str, range(30)))}
    log.write(json.dumps({"type": "tool_use", "sessionID": "ses_1", "part": {"tool": "bash", "state": state}}).encode() + b"\n")
    log.note("stop requested")
    log.write(json.dumps({"type": "text", "part": {"text": "Two\nlines."}}).encode() + b"\nplain words\n")
    log.write(json.dumps({"type": "error", "error": {"name": "APIError", "data": {"message": "no"}}}).encode())
    reads.finish()
    lines = (tmp_path / "1.txt").read_text("utf-8").splitlines()
    assert lines[:3] == ["- session ses_1", "* bash ls", "    0"]
    assert lines[21:] == [
        "    19", "    … 10 more lines", "[kugetsu] stop requested", "Two", "lines.", "plain words", "! APIError: no",
    ]  # fmt: skip
    (tmp_path / "2.txt").mkdir()
    blocked = StreamReader({**job, "told": str(tmp_path / "2.txt")}, log)
    blocked.finish()
    assert blocked.session_id == "ses_1"

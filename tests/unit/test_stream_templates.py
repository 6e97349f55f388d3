"""Events of any program, read by what its operator wrote down: places, conditions, sums."""

import json
from typing import Any

import pytest

from kugetsu_engine.agents import json_stream
from kugetsu_engine.agents.json_stream import JsonStreamReader
from kugetsu_engine.agents.stream_events import Event, UsedTokens
from kugetsu_engine.domain.text import json_paths
from tests.unit.test_agent_streams import STREAMS


def reading(table: dict[str, Any], *events: Any, **options: Any) -> tuple[JsonStreamReader, list[Event]]:
    """Feed events to a reader made from a table, through JSON as a job takes it."""
    made = json.loads(json.dumps({"stream": json_paths.compile_stream(table), **options}))
    reader = json_stream.reader(made)
    return reader, [event for one in events for event in reader.feed(json.dumps(one).encode())]


CLAUDE = {
    "session": "session_id",
    "text": {"at": "message.content.*.text", "when": {"type": "assistant"}},
    "tool": {"at": ["message", "content", "*", "name"], "when": {"type": "assistant"}},
    "input": {"at": "message.content.*.input", "when": {"type": "assistant"}},
    "result": {"at": "message.content.*.content", "when": {"type": "user"}},
    "tokens": [
        {"at": "usage.input_tokens", "when": {"type": "result"}}, {"at": "usage.output_tokens", "when": {"type": "result"}},
    ],
    "cost": "total_cost_usd",
    "error": {"at": "result", "when": {"is_error": True}},
    "failed_when": {"is_error": True},
    "finished_when": {"type": "result"},
}  # fmt: skip
"""What one would write for claude, did it not have a reader of its own."""


def test_a_table_for_a_known_program_reads_the_recorded_stream() -> None:
    """The same words as of its own reader: text, call, result, last text, tokens, cost, failure."""
    events = [json.loads(line) for line in (STREAMS / "claude-ok.jsonl").read_text(encoding="utf-8").splitlines()]
    reader, told = reading(CLAUDE, *events)
    assert [(event.kind, event.text, event.result) for event in told] == [
        ("session", "6f1c9f7e-5a63-4f0f-8d0f-0123456789c1", ""), ("text", "I write a file.", ""),
        ("tool", "Bash echo hi > made.txt; cat made.txt", ""), ("tool", "", "hi"), ("text", "Done: made.txt is there.", ""),
    ]  # fmt: skip
    assert (reader.used, reader.last_text, reader.find_failure(0)) == (
        UsedTokens(290, 0.00273),
        "Done: made.txt is there.",
        None,
    )
    refused = [json.loads(line) for line in (STREAMS / "claude-nologin.jsonl").read_text(encoding="utf-8").splitlines()]
    assert reading(CLAUDE, *refused)[0].find_failure(1) == ("exit", "Not logged in · Please run /login")


def test_numbers_are_added_up_unless_each_is_the_sum_so_far() -> None:
    """Several places are added; what is no number does not count."""
    events = [{"t": 10, "c": 0.5, "u": {"a": 1, "b": 2}}, {"t": 30, "c": 0.75, "u": {"a": 3, "b": True}}, {"t": "x"}]
    assert reading({"tokens": "t", "cost": {"at": "c", "total": True}}, *events)[0].used == UsedTokens(40, 0.75)
    assert reading({"tokens": [{"at": "t", "total": True}, {"at": "u.*"}]}, *events)[0].used == UsedTokens(36, None)


def test_pieces_of_an_answer_are_told_line_by_line_and_joined() -> None:
    """A line is told when it has ended, the rest with the next event."""
    reader, told = reading(
        {"text": "d", "deltas": True}, {"d": "one "}, {"d": "line\nand "}, {"d": "more"}, {"end": 1}, {"d": "new"}
    )
    assert [event.text for event in told] == ["one line", "and more"]
    assert reader.last_text == "new"


def test_an_id_that_was_chosen_is_known_from_the_start_and_one_that_is_told_once() -> None:
    """The first one counts."""
    assert reading({"session": "uuid"}, session="chosen")[0].session_id == "chosen"
    reader, told = reading({"session": ["a", "id"]}, {"a": {"id": 7}}, {"a": {"id": "s1"}}, {"a": {"id": "s2"}})
    assert (reader.session_id, len(told)) == ("s1", 1)


@pytest.mark.parametrize(
    ("condition", "event", "holds"),
    [
        ({"type": "error"}, {"type": "error"}, True),
        ({"type": ["error", "fatal"]}, {"type": "fatal"}, True),
        ({"a": {"b": True}}, {"a": {"b": True}}, True),
        ({"a.b": True}, {"a": {"b": 1}}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": "*"}, {"a": 0}, True),
        ({"a": "*"}, {"a": None}, False),
        ({"a": "*"}, {"a": False}, False),
        ({"a.0.b": 2}, {"a": [{"b": 2}]}, True),
        ({"a.*.b": 2}, {"a": [{"b": 1}, {"b": 2}]}, True),
        ({"a.9.b": 2}, {"a": [{"b": 2}]}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({}, {}, True),
        ({"a.b.c": 1}, {"a": "text"}, False),
    ],
)
def test_a_condition_compares_what_stands_at_paths(condition: dict[str, Any], event: dict[str, Any], holds: bool) -> None:
    """Truth values and numbers are different things; a path that leads nowhere holds nothing."""
    compiled = json_paths.compile_stream({"failed_when": condition})["failed_when"]
    assert json_paths.condition_holds(event, compiled[0]) is holds


def test_success_needs_the_event_that_says_so_and_steps_are_counted() -> None:
    """Exit code 0 without it is a failure; another exit code keeps the last error's words."""
    table = {"finished_when": {"end": True}, "step": {"type": "step"}, "error": "error"}
    reader, _ = reading(table, {"type": "step"}, {"type": "step"}, {"error": {"code": 429}})
    assert reader.steps == 2
    found = reader.find_failure(0)
    assert found is not None
    assert "429" in found[1]
    assert reader.find_failure(3) == ("exit", "exit code 3: {'code': 429}")
    assert reading(table, {"end": True})[0].find_failure(0) is None

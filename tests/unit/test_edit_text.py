"""A task as a text to be edited, and back."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kugetsu_engine.domain.new_task import check_tags
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.task_document import add_complaint, format_document, format_fields, list_changes, parse_document
from kugetsu_engine.domain.text.times import epoch
from kugetsu_engine.errors import UsageError

NOW = 1_800_000_000.0
TASK = Task(
    "q_41", "local/a#1", "# A heading\n\nkey: value\n---\n  the end\n", agent="demo", priority=7, after=["q_3", "q_17_ab"],
    not_before="2027-01-15T22:00:00.000Z", timeout_s=5400.0, repo="/src/a  #1", tags=["urgent"],
)  # fmt: skip


def _changed(task: Task, text: str) -> dict[str, Any]:
    return list_changes(task, *parse_document(text), NOW)


def test_a_text_that_was_left_as_it_is_changes_nothing() -> None:
    """Whatever stands in the message, and with or without a line at its end."""
    for task in (TASK, Task("q_1", "local/a#1", "x"), Task("q_1", "local/a#1", "---\n---\n")):
        assert _changed(task, format_document(task)) == {}
        assert _changed(task, format_document(task, "a note").rstrip("\n")) == {}


@given(some.text(alphabet=some.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_message_comes_back_as_it_went(message: str) -> None:
    """But for the newlines at its end, which editors add."""
    task = Task("q_1", "local/a#1", message)
    assert _changed(task, format_document(task)) == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("priority: 9", {"priority": 9}), ("agent:", {"agent": None}), ("agent: other", {"agent": "other"}),
        ("after: #5, q_6", {"after": ["q_5", "q_6"]}), ("after:   # none", {"after": []}),
        ("timeout: 30m", {"timeout_s": 1800.0}), ("timeout:", {"timeout_s": None}), ("at:", {"not_before": None}),
        ("repo: ~/src/b", {"repo": "~/src/b"}),
        ("tags: +Urgent new urgent", {"tags": ["urgent", "new"]}), ("tags:", {"tags": []}),
        ("expect: commits", {"expect": "commits"}),
    ],
)  # fmt: skip
def test_each_field_can_be_changed(line: str, found: dict[str, Any]) -> None:
    """Only what differs is an edit."""
    name = line.partition(":")[0]
    text = "\n".join(line if one.startswith(f"{name}:") else one for one in format_document(TASK).split("\n"))
    assert _changed(TASK, text) == found


def test_a_time_may_be_written_as_everywhere() -> None:
    """Local, or from now."""
    text = format_document(TASK).replace(f"at: {format_fields(TASK)['at']}", "at: +2h")
    assert epoch(_changed(TASK, text)["not_before"]) == NOW + 7200.0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("priority: 7", "priority: ten", "priority"), ("priority: 7", "prio: 7", "line"), ("priority: 7", "priority 7", "line"),
        ("after: 3 17_ab", "after: x", "not a task id"), ("timeout: 5400s", "timeout: soon", "duration"),
        ("tags: urgent", "tags: a/b", "not a valid tag"),
        ("expect: anything", "expect: wonders", "not a valid value"),
        ("agent: demo", "tags: a", "twice"), ("\n---\n", "\n", "not a valid field"),
        ("\n---\nno line of dashes", "", "missing"),
    ],
)  # fmt: skip
def test_a_broken_text_is_told_by_line_or_field(old: str, new: str, told: str) -> None:
    """In words; nothing is guessed."""
    task = msgspec.structs.replace(TASK, after=["q_3", "q_17_ab"], message="no line of dashes")
    text = format_document(task)
    assert old in text
    with pytest.raises(UsageError, match=told):
        _changed(task, text.replace(old, new, 1))


def test_a_complaint_stands_at_the_top_and_takes_the_place_of_the_last_one() -> None:
    """So that the text can be mended and read again."""
    first = add_complaint(format_document(TASK), "one\nthing")
    assert first.startswith("# ! one thing\n# #41")
    assert add_complaint(first, "another") == add_complaint(format_document(TASK), "another")


@pytest.mark.parametrize("rule", ["---\n", ""], ids=["with the rule", "without it"])
def test_a_complaint_leaves_the_message_as_it_is(rule: str) -> None:
    """Also where one of its lines looks like a complaint."""
    text = f"priority: 5\n{rule}see:\n# ! not a complaint\n"
    assert add_complaint(add_complaint(text, "one"), "another") == f"# ! another\n{text}"


def test_tags_are_plain_words() -> None:
    """In small letters, each once, few."""
    assert check_tags(["+Api", "api", "v1.2", "日本"]) == ["api", "v1.2", "日本"]
    for wrong in (["a b"], [""], ["x" * 31], ["\x1b[2J"], [str(number) for number in range(11)]):
        with pytest.raises(UsageError):
            check_tags(wrong)

"""Filters, sorts, completions and what is remembered, without a console."""

import os
import time
from collections.abc import Sequence
from typing import Any

import pytest

from kugetsu_engine.paths import StatePaths
from kugetsu_tui.commands.completion import KnownValues, find_common_start, format_hint, list_completions
from kugetsu_tui.commands.grammar import Command, parse_command
from kugetsu_tui.controllers.preferences_file import (
    MAX_LENGTH,
    MAX_LINES,
    ListPreference,
    PreferencesFile,
    load_preferences,
    save_preferences,
)
from kugetsu_tui.themes import ALL, list_names
from kugetsu_tui.viewmodels.filtering import build_row_text, choose_rows, compile_filter, match_fuzzy
from kugetsu_tui.viewmodels.rows import Column, Row


class Rows:
    """A list of texts that can stand by their length."""

    columns: tuple[Column, ...] = ()
    sorts: Sequence[str] = ("order", "length")

    def __init__(self, *texts: str) -> None:
        self.keys = texts

    def row(self, index: int) -> Row:
        """Not asked for."""
        raise NotImplementedError

    def text(self, index: int) -> str:
        """What a filter looks at."""
        return self.keys[index]

    def task_id(self, index: int) -> str | None:
        """None."""
        return None

    def sort_key(self, by: str, index: int) -> Any:
        """The length."""
        return len(self.keys[index])


LOGIN = build_row_text(
    "#41 api#88 Fix the Login loop", tag=["auth", "urgent"], state=("running", "agent"), agent="opencode", repo="h/o/api"
)
RATE = build_row_text("#45 api#91 rate limiter", tag=[], state="waiting", agent=None, repo="h/o/api")


@pytest.mark.parametrize(
    ("text", "login", "rate"),
    [
        ("", True, True), ("login", True, False), ("LOGIN fix", True, False), ("api", True, True), ("api !login", False, True),
        ("!login", False, True), ("!", True, True), ("~", True, True), ("~lgnlp", True, False), ("~rtlmt", False, True),
        ("!~rtlmt", True, False), ("tag:auth", True, False), ("tag:ur", True, False), ("!tag:auth", False, True),
        ("state:waiting", False, True), ("agent:open", True, False), ("repo:h/o/api limiter", False, True),
        ("agent:", True, False),
        ("urgent", False, False), ("time:12", False, False),
    ],
)  # fmt: skip
def test_a_filter_asks_for_all_of_its_words(text: str, login: bool, rate: bool) -> None:
    """Without regard to case; fields are asked for by name only."""
    test = compile_filter(text)
    assert [test is None or test(row.lower()) for row in (LOGIN, RATE)] == [login, rate]


def test_fuzzy_keeps_the_order_and_the_letters_near() -> None:
    """Else everything would match."""
    assert match_fuzzy("abc", "a-b-c")
    assert not match_fuzzy("cba", "a-b-c")
    assert not match_fuzzy("ab", "a........b")
    assert match_fuzzy("ab", "a.........ab")


def test_fuzzy_is_quick_on_the_worst_of_texts() -> None:
    """No search tries every way through a text."""
    began = time.process_time()
    assert not match_fuzzy("a" * 60 + "b", "a" * 2000)
    assert time.process_time() - began < 1.0


def test_rows_stand_as_they_come_or_by_what_is_asked() -> None:
    """Filtered or not, forwards or backwards; a name that is no order changes nothing."""
    rows = Rows("ccc", "a", "bb", "b")
    assert choose_rows(rows, "") is None
    assert choose_rows(rows, "", "order") is None
    assert choose_rows(rows, "", "nonsense", True) is None
    assert choose_rows(rows, "b") == [2, 3]
    assert choose_rows(rows, "", "length") == [1, 3, 2, 0]
    assert choose_rows(rows, "", "length", True) == [0, 2, 1, 3]
    assert choose_rows(rows, "", "order", True) == [3, 2, 1, 0]
    assert choose_rows(rows, "b", "order", True) == [3, 2]


KNOWN = KnownValues(
    {"active": ["41"], "pending": ["46", "47"], "ended": ["39"]}, ["demo", "opencode"], ["dark", "light"], ["order", "age"]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lim", ["limit "]), ("kill ", ["kill 41 ", "kill 46 ", "kill 47 ", "kill --now "]),
        ("kill 41 ", ["kill 41 46 ", "kill 41 47 ", "kill 41 --now "]), ("hold 4", ["hold 46 ", "hold 47 "]),
        ("retry 3", ["retry 39 "]), ("move 46 b", ["move 46 bottom ", "move 46 before "]),
        ("move 46 before ", ["move 46 before 46 ", "move 46 before 47 "]), ("edit 46 ag", ["edit 46 agent "]),
        ("edit 46 agent o", ["edit 46 agent opencode "]), ("theme l", ["theme light "]), ("sort a", ["sort age "]),
        ("resume --agent d", ["resume --agent demo "]), ("enqueue local/a#1 x --pri", ["enqueue local/a#1 x --priority "]),
        ("show 41 ", []), ("stop 41", []), ("stop 4", ["stop 41 ", "stop 46 ", "stop 47 "]), ("nonsense ", []),
        ("doc", ["doctor "]), ("doctor --f", ["doctor --fix "]), ("queue s", ["queue stats "]), ("context 3", ["context 39 "]),
        ("server a", ["server add "]), ("edit 46 expect c", ["edit 46 expect changes ", "edit 46 expect commits "]),
        ("enqueue local/a#1 x --expect n", ["enqueue local/a#1 x --expect none "]), ("edit 46 --re", ["edit 46 --repo "]),
        ("enqueue local/a#1 x --after ", [f"enqueue local/a#1 x --after {one} " for one in ("46", "47", "41")]),
    ],
)  # fmt: skip
def test_a_line_is_completed_by_what_there_is(text: str, found: list[str]) -> None:
    """Commands, tasks that the command can be about, agents, places, options."""
    assert list_completions(text, KNOWN) == found


def test_what_completions_share_is_taken_at_once() -> None:
    """As a shell does."""
    assert find_common_start(["move 46 bottom ", "move 46 before "]) == "move 46 b"
    assert find_common_start(["one"]) == "one"
    assert find_common_start([]) == ""
    assert "cancel" in format_hint("c", KNOWN, 80)
    assert format_hint("limit ", KNOWN, 80).startswith("limit NUMBER")
    assert len(format_hint("enqueue ", KNOWN, 30)) == 30
    assert format_hint("enqueue local/a#1 x --a", KNOWN, 76).startswith("--agent  --after  --at   enqueue ISSUE_REF")


def test_themes_complete_by_their_documented_names() -> None:
    """The console's own first; others keep theirs."""
    found = list_names([*(theme.name for theme in ALL), "nord", "dracula"])
    assert found[:2] == ["dark", "light"]
    assert found[-2:] == ["dracula", "nord"]
    assert list_completions("theme li", KnownValues(themes=found)) == ["theme light "]
    assert list_names([*(theme.name for theme in ALL), "ansi-light"]).count("ansi-light") == 1, "Textual has one of that name"


@pytest.mark.parametrize("text", ["41", "#41", "jump 41", "jump q_41"])
def test_a_number_alone_goes_there(text: str) -> None:
    """Everywhere as a task is named."""
    assert parse_command(text) == Command("jump", ("q_41",))


def test_sorts_and_plans_are_commands() -> None:
    """With a minus for backwards."""
    assert parse_command("sort -age").args == {"by": "age", "backwards": True}
    assert parse_command("sort").args == {"by": "", "backwards": False}
    assert parse_command("plan --limit 4").args == {"limit": 4}
    assert parse_command("edit 41") == Command("edit", ("q_41",))
    assert parse_command("edit 41 tags api urgent").args == {"tags": ["api", "urgent"]}


def test_what_is_remembered_comes_back(paths: StatePaths) -> None:
    """Bounded, each line once, and private."""
    kept = PreferencesFile().with_list("queue", ListPreference("age", True, "!flaky")).with_line("limit 4")
    save_preferences(paths, kept)
    assert load_preferences(paths) == kept
    assert os.stat(paths.console).st_mode & 0o777 == 0o600
    for number in range(MAX_LINES + 20):
        kept = kept.with_line(f"limit {number}")
    kept = kept.with_line("x" * (MAX_LENGTH + 1)).with_line("limit 30")
    assert len(kept.typed) == MAX_LINES
    assert kept.typed[-1] == "limit 30"
    assert kept.typed.count("limit 30") == 1
    save_preferences(paths, kept)
    assert len(load_preferences(paths).typed) == MAX_LINES - 1, "a line too long is not kept"
    assert kept.with_list("queue", ListPreference()).lists == {}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"lists": 3}', b'{"typed": [1]}', b"\xff\xfe", b'{"lists": {"queue": {"sort": []}}}', b"[" * 5000],
)
def test_what_cannot_be_read_is_forgotten(paths: StatePaths, data: bytes) -> None:
    """It stops nothing."""
    with open(paths.console, "wb") as file:
        file.write(data)
    assert load_preferences(paths) == PreferencesFile()
    os.remove(paths.console)
    os.mkdir(paths.console)
    assert load_preferences(paths) == PreferencesFile()
    save_preferences(paths, PreferencesFile())


def test_what_someone_wrote_there_reaches_no_terminal(paths: StatePaths) -> None:
    """A filter with an escape sequence is cleaned as all text from outside."""
    with open(paths.console, "w", encoding="utf-8") as file:
        file.write('{"lists": {"queue": {"filter": "\\u001b]52;c;aGk=\\u0007x"}}, "typed": ["\\u001b[2J"]}')
    found = load_preferences(paths)
    assert "\x1b" not in found.lists["queue"].filter + found.typed[0]

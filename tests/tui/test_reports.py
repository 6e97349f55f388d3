"""The verbs of the command line that only show something, or belong elsewhere, typed into the console."""

import json
import os
from collections.abc import Awaitable, Callable, Sequence

import pytest

from kugetsu_engine.cli.verbs import MODULES
from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.session import Session
from kugetsu_engine.domain.text.times import epoch
from kugetsu_engine.errors import UsageError
from kugetsu_engine.state import sessions
from kugetsu_tui.commands.grammar import ALIASES, ELSEWHERE, VERBS, Command, parse_command
from kugetsu_tui.controllers import cli_output
from kugetsu_tui.modals.confirm import Confirm
from kugetsu_tui.modals.output_dialog import OutputDialog, OutputLines

from .conftest import Console, Opener
from .test_hostile import HOSTILE, drawn_safely

Put = Callable[..., str]


async def type_line(here: Console, line: str) -> None:
    """Type a line after the colon."""
    await here.press("colon", *line, "enter")


@pytest.mark.parametrize("verb", sorted(MODULES.keys() - {"--headless"}))
def test_every_verb_of_the_command_line_has_an_answer(verb: str) -> None:
    """It is a command here too, or it is said where it belongs."""
    assert (ALIASES.get(verb, verb) in VERBS) != (verb in ELSEWHERE)
    if verb in ELSEWHERE:
        with pytest.raises(UsageError, match="not available in the console"):
            parse_command(verb)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("status", Command("status", (), {"words": []})),
        ("queue list --all", Command("queue", (), {"words": ["list", "--all"]})),
        ("stats", Command("queue", (), {"words": ["stats"]})),
        ("kugetsu queue stats", Command("queue", (), {"words": ["stats"]})),
        ("doctor agents", Command("doctor", (), {"words": ["agents"]})),
        ("notify list", Command("notify", (), {"how": "list", "words": ["list"]})),
        ("clear --older-than 7d", Command("clear", (), {"older_than_s": 7 * 86400.0})),
        ("enqueue --file tasks.jsonl", Command("enqueue", (), {"file": "tasks.jsonl"})),
        ("edit 16 after 13", Command("edit", ("q_16",), {"after": ["q_13"]})),
        ("edit 16 after ''", Command("edit", ("q_16",), {"after": []})),
        ("edit 16 expect commits", Command("edit", ("q_16",), {"expect": "commits"})),
        ("edit 16 --timeout 30m --repo ''", Command("edit", ("q_16",), {"timeout_s": 1800.0, "repo": None})),
        ("edit 16 --message say --now --priority=2", None),
        ("edit 16 message say --now", Command("edit", ("q_16",), {"message": "say --now"})),
        (
            "enqueue a/b#1 x --expect commits --session new",
            Command("enqueue", (), {"expect": "commits", "session": "new", "reference": "a/b#1", "message": "x"}),
        ),
    ],
)  # fmt: skip
def test_options_are_those_of_the_command_line(line: str, wanted: Command | None) -> None:
    """With the same meaning; None: refused, and it is said how it is written."""
    if wanted is None:
        with pytest.raises(UsageError, match="write it like"):
            parse_command(line)
    else:
        assert parse_command(line) == wanted


def test_an_earliest_start_is_a_point_in_time() -> None:
    """As the command line has it."""
    assert epoch(parse_command("edit 16 at 22:00").args["not_before"]) is not None


async def test_what_a_verb_prints_is_read_in_a_dialog(console: Opener, operator: Client, enqueue: Put) -> None:
    """At the width of the dialog; escape leaves, and one line is an answer."""
    enqueue("local/web#7", "a message that is far too long for a line of a table " * 4, hold=True)
    async with console((80, 24)) as here:
        await type_line(here, "queue list")
        await here.until(lambda: isinstance(here.app.screen, OutputDialog))
        await here.shows("held by you")
        [row] = [line for line in here.lines if "local/web#7" in line]
        assert "a message" in row
        assert "held by you" in row
        await here.press("escape")
        await here.until(lambda: not isinstance(here.app.screen, OutputDialog))
        await type_line(here, "queue stats")
        await here.shows("cancelled")
        await here.press("escape")
        await type_line(here, "doctor --verify")
        await here.until(lambda: here.said == "healthy")
        await type_line(here, "usage --colour")
        await here.until(lambda: "unrecognized arguments: --colour" in here.said)


async def test_the_doctor_has_a_screen(console: Opener, root: str) -> None:
    """What is wrong is there in words, also on the smallest screen."""
    os.chmod(root, 0o755)
    async with console((40, 12)) as here:
        await type_line(here, "doctor")
        await here.until(lambda: isinstance(here.app.screen, OutputDialog))
        await here.press("G")
        await here.shows("finding")
        assert {len(line) for line in here.lines} == {40}


async def test_what_removes_shows_what_goes_and_asks(console: Opener, operator: Client) -> None:
    """And a console that only looks does not even ask."""
    sessions.save_session(operator.paths, Session("local-web-7", "local/web#7", agent="demo", session_id="s7"))
    kept = operator.paths.session("local-web-7")
    async with console((140, 40), read_only=True) as here:
        for line in ("prune", "worktrees --clean", "doctor --fix", "server add x.org https://x.org", "list --refresh"):
            await type_line(here, line)
            await here.until(lambda: here.said == "read-only: nothing is changed: start without --read-only", line)
            await here.press("R")
            await here.until(lambda: "reading everything" in here.said)
    async with console((140, 40)) as here:
        await type_line(here, "prune")
        await here.until(lambda: isinstance(here.app.screen, Confirm))
        await here.shows("local-web-7")
        await here.press("y")
        await here.until(lambda: not os.path.exists(kept), "the session goes")


def test_printed_text_is_only_text() -> None:
    """Whatever a worktree or a message is called."""
    lines = OutputLines([*HOSTILE, "x" * 500]).lay_out(40)
    assert all(drawn_safely(text) for line in lines for text, _ in line)
    assert all(len("".join(text for text, _ in line)) <= 40 for line in lines[-13:])


async def test_nothing_to_remove_asks_nothing(console: Opener) -> None:
    """What stays is told with its reason; where there is nothing at all, that is said."""
    async with console((140, 40)) as here:
        for line in ("prune", "worktrees --clean"):
            await type_line(here, line)
            await here.until(lambda: here.said == "nothing to remove", line)
            await here.press("R")
            await here.until(lambda: "reading everything" in here.said)
        await type_line(here, "prune --colour")
        await here.until(lambda: "unrecognized arguments: --colour" in here.said)


async def test_what_a_question_lists_does_not_hang_on_words(
    console: Opener, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the documents of a dry run: what is kept is no line of it, whatever the reasons say."""
    monkeypatch.setattr(cli_output, "_run", printed_by({
        ("worktrees", "--clean"): [
            {"slug": "a-b-1", "issue_ref": "a/b#1", "size_bytes": 3 << 20, "safe": True, "why": "merged\x1b[2J"},
            {"slug": "a-b-2", "issue_ref": None, "size_bytes": 1, "safe": False, "why": "would remove 0 of nothing"},
            {"slug": "a-b-3", "issue_ref": None, "size_bytes": 10, "safe": True, "why": "pushed"},
        ],
        ("prune",): [
            {"kind": "worktree", "path": "/x", "why": "holds work", "kept": True},
            {"kind": "session", "path": "/y", "why": "its worktree is gone", "kept": False},
        ],
    }))  # fmt: skip
    async with console((140, 40)) as here:
        for line, shown in (
            ("worktrees --clean", ["a/b#1, 3M: merged", "a-b-3, 10B: pushed"]),
            ("prune", ["session /y: its worktree is gone"]),
        ):
            await type_line(here, line)
            await here.until(lambda: isinstance(here.app.screen, Confirm))
            question = here.app.screen
            assert isinstance(question, Confirm)
            assert [told.replace("[2J", "") for told in question.lines] == shown
            assert all("\x1b" not in told for told in question.lines)
            await here.press("n")
            await here.until(lambda: here.said == "nothing was done")


def printed_by(answers: dict[tuple[str, ...], list[dict[str, object]]]) -> Callable[..., Awaitable[tuple[int, str, str]]]:
    """Stands in for the command line: the documents that a dry run of a verb prints."""

    async def printed(app: object, words: Sequence[str]) -> tuple[int, str, str]:
        assert tuple(words[-2:]) == ("--dry-run", "--json")
        return 0, json.dumps(answers[tuple(words[:-2])]), ""

    return printed

"""Hostile text in every place that shows text: nothing crashes, and no byte a terminal obeys is drawn."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.domain.task import Attempt, Notice, Task
from kugetsu_engine.state import notifications
from kugetsu_tui.backend.messages import Answered, EngineFailed

from .conftest import Opener

HOSTILE = [
    "[/bad]", "[/", "[@click=app.quit]x[/]", "[ERROR] $x [$warning]", "\x1b]52;c;aGVsbG8=\x07", "\x1b[2J\x1b[H",
    "\x9b31m\x9d0;x\x9c",
    "\x1bP+q\x1b\\", "a\u202eb\u2066c", "zero\u200bwidth\ufeff", "日本語" * 40, "e\u0301" * 200, "\x00\x07\x08\x7f",
    "🧑‍🚀" * 30, "line\nline\r\ttab",
]  # fmt: skip


def drawn_safely(text: str) -> bool:
    """Whether the screen holds no control character and no reordering one."""
    return not any(
        character != "\n"
        and (
            unicodedata.category(character) in ("Cc", "Cs")
            or 0x202A <= ord(character) <= 0x202E
            or 0x2066 <= ord(character) <= 0x2069
        )
        for character in text
    )


def lay_out(operator: Client, text: str) -> None:
    """Put a text wherever a state directory has text."""
    paths = operator.paths
    text = text.encode("utf-8", "replace").decode()

    def write(path: str, record: msgspec.Struct) -> None:
        Path(path).write_bytes(msgspec.json.encode(record))

    told = text.replace("\0", "")  # a task file with a NUL is set aside, and its task never shown
    attempt = Attempt(1, outcome="failed", failure="exit", reason=told, log=told)
    write(paths.item("q_1"), Task("q_1", told, told, agent=told, reason=told, repo=told))
    write(
        paths.item("q_2"),
        Task("q_2", f"local/{told}#2", told, state="running", attempt=1, token="t", notified_at="2026-01-01T00:00:00Z"),
    )
    write(paths.item("q_3"), Task("q_3", "local/w#3", told, attempt=1, attempts=[attempt], reason=told))
    write(paths.ended("q_4"), Task("q_4", told, told, state="error", error=told, reason=told, attempt=1, attempts=[attempt]))
    for task in ("q_2", "q_3", "q_4"):
        log = Path(paths.log(task, 1))
        log.parent.mkdir(parents=True)
        log.write_bytes(
            text.encode("utf-8", "surrogateescape") + b"\n" + b"\xff\xfe\x1b[31m" + b"x" * 5000 + b"\n" + text.encode()
        )
    notifications.append_notification(paths, Notice("2026-01-01T00:00:00.000Z", "task_error", text, "error", "q_4", text))
    write(paths.engine, EngineState(1, text, text, recovered=text))


@pytest.mark.parametrize("size", [(140, 40), (50, 14)])
async def test_every_pane_draws_hostile_text(console: Opener, operator: Client, size: tuple[int, int]) -> None:
    """References, messages, reasons, logs and notifications, in the lists, the cards, the questions and the task's screen."""
    lay_out(operator, " ".join(HOSTILE))
    async with console(size) as here:
        await here.press("2")
        for keys in (
            ("1",),
            ("2",),
            ("j",),
            ("x",),
            ("n",),
            ("4",),
            ("5",),
            ("enter",),
            ("escape",),
            ("3",),
            ("G",),
            ("z",),
            ("0",),
        ):
            await here.press(*keys)
            await here.pilot.pause()
            assert drawn_safely(here.text), keys
            assert {len(line) for line in here.lines} != {0}
        assert here.app.is_running
        assert "pane failed" not in here.text


@pytest.mark.parametrize("text", HOSTILE)
async def test_answers_and_failures_are_only_text(console: Opener, text: str) -> None:
    """What the engine answers is shown as it is, cleaned."""
    async with console((80, 24)) as here:
        for message in (Answered(text, False), EngineFailed(text)):
            here.app.post_message(message)
            await here.pilot.pause()
            assert drawn_safely(here.text)
        assert here.app.is_running


async def test_hostile_words_typed_into_fields(console: Opener, enqueue: Callable[..., str]) -> None:
    """A filter, a search and a command may hold anything."""
    enqueue(message="[/bad] words")
    async with console() as here:
        await here.press("2", "slash", *("left_square_bracket", "slash", "b"), "enter")
        await here.shows("1/1 /[/b")
        await here.press("colon")
        await here.press("left_square_bracket", "slash", "x", "enter")
        await here.until(lambda: "unknown command '[/x'" in here.said)


def lay_out_a_megabyte(operator: Client) -> None:
    """A message and a log of a megabyte each, in one line."""
    Path(operator.paths.item("q_1")).write_bytes(
        msgspec.json.encode(Task("q_1", "local/w#1", "m" * 1_000_000, state="running", attempt=1, token="t"))
    )
    log = Path(operator.paths.log("q_1", 1))
    log.parent.mkdir(parents=True)
    log.write_bytes(b"y" * 1_000_000 + b"\nend\n")


async def test_a_line_of_a_megabyte(console: Opener, operator: Client) -> None:
    """Is drawn like any other."""
    lay_out_a_megabyte(operator)
    async with console() as here:
        await here.shows("yyyy")
        await here.shows("end")
        await here.press("enter")
        await here.shows("mmmm")

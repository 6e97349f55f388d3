"""S01 to S05: text from outside, where the other tests do not look."""

import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.domain.task import Attempt, Notice, Task
from kugetsu_engine.domain.text.safe_text import safe_line
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import notifications
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.terminal import Tmux, environment
from tests.support.waiting import wait_until
from tests.tui.conftest import Opener

ESCAPES = "\x1b]52;c;S1VHRVRTVQ==\x07 \x1b]0;TITLE\x1b\\ \x9b31m \x1b[2J \x07 \x7f \u202e \u2066 \u200b"
MARKUP = "[/bad] [/ [@click=app.quit]click[/] [link=http://x]y[/link] [$error]"


def obeyed(text: str) -> list[str]:
    """The characters in a text that a terminal obeys or that reorder it, line ends aside."""
    return [c for c in text if c not in "\n\r" and (unicodedata.category(c) in ("Cc", "Cs") or c in "\u202e\u2066\u200b")]


async def test_s01_file_names_settings_and_words_of_git_are_drawn_harmlessly(console: Opener, operator: Client) -> None:
    """A hostile file name among the items, a hostile value in the settings, hostile words of git in an error."""
    paths = operator.paths
    files.replace(f"{paths.items}/q_\x1b]0;TITLE\x07.json", b"{}", durable=False)
    files.replace(paths.config, b'max_concurrent_agents = "\\u001b]0;TITLE\\u0007\\u202e"\n', durable=False)
    attempt = Attempt(1, outcome="failed", failure="git", reason=f"git fetch: fatal: {ESCAPES}")
    ended = Task("q_4", "local/w#4", "x", state="error", error=attempt.reason, attempt=1, attempts=[attempt])
    files.replace(paths.ended("q_4"), msgspec.json.encode(ended))
    async with console((140, 40), embed=True) as here:
        await here.until(lambda: here.app.state is not None and len(here.app.state.snapshot.alerts) >= 2)
        for key in ("5", "enter", "escape", "4", "1"):
            await here.press(key)
            assert not obeyed(here.text), key
        assert "TITLE" not in here.app.title


@pytest.mark.terminal
@pytest.mark.xdist_group("terminal")
def test_s02_a_program_that_is_not_careful_does_set_the_clipboard_of_this_tmux(fleet: Fleet, tmux: Tmux) -> None:
    """The counter-proof of `test_clipboard_and_title_of_tmux_stay_as_they_are`: there the sequence would work."""
    tmux.start()
    tmux.wait_for("engine here")
    tmux._tmux("new-window", "-d", r"printf '\033]52;c;S1VHRVRTVQ==\007'; read x")
    wait_until(lambda: tmux.show("buffer") == "KUGETSU", 10, "the clipboard")


def in_terminal(state: str, *words: str) -> str:
    """What a verb prints into a terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kugetsu_engine", *words], stdin=slave, stdout=slave, stderr=slave,
        env=environment(Path(state)), start_new_session=True,
    ) as process:  # fmt: skip
        os.close(slave)
        shown = b""
        while True:
            try:
                data = os.read(master, 1 << 16)
            except OSError:
                break
            if not data:
                break
            shown += data
        process.wait(60)
    os.close(master)
    return shown.decode("utf-8", "replace")


def test_s03_the_command_line_is_as_careful_in_a_terminal_as_in_a_pipe(paths: StatePaths) -> None:
    """Lists, details, logs, errors; a table that is cut to the width too. JSON stays JSON."""
    attempt = Attempt(1, outcome="failed", failure="exit", reason=ESCAPES, log=ESCAPES)
    task = Task("q_1", f"local/{ESCAPES}#1", ESCAPES * 5, reason=ESCAPES, agent=ESCAPES, attempt=1, attempts=[attempt])
    files.replace(paths.item("q_1"), msgspec.json.encode(task))
    files.replace(paths.engine, msgspec.json.encode(EngineState(1, ESCAPES, ESCAPES, recovered=ESCAPES)))
    Path(paths.log("q_1", 1)).parent.mkdir()
    Path(paths.log("q_1", 1)).write_text(f"{ESCAPES}\n", encoding="utf-8")
    notifications.append_notification(paths, Notice("2026-01-01T00:00:00.000Z", "task_error", ESCAPES, "error", "q_1"))
    Path(paths.config).write_text('agent = "\\u001b]0;x\\u0007"\n', encoding="utf-8")
    for words in ("queue list", "show 1", "list", "status", "logs 1", "notify list", "queue stats", f"show {ESCAPES}"):
        shown = in_terminal(paths.root, *words.split(" ", 1))
        assert shown.strip(), words
        if words.startswith("logs"):  # its colours are the program's, the sequences for them ours
            shown = re.sub(r"\x1b\[(?:0|1|3[1-6]|90)m", "", shown)
        assert not obeyed(shown), words
    documents = json.loads(in_terminal(paths.root, "queue", "list", "--json"))
    assert documents[0]["message"] == ESCAPES * 5


def test_s04_what_hides_or_reorders_is_a_visible_mark() -> None:
    """The reader of `gnp.exe` sees that something is there; a name in an error is quoted."""
    assert safe_line("a\u202egnp.exe") == "a·gnp.exe"
    assert safe_line("zero\u200bwidth\ufeff") == "zero·width·"
    assert safe_line("\x00\x08") == "\ufffd\ufffd"


async def test_s05_clicking_on_markup_in_data_does_nothing(console: Opener, operator: Client) -> None:
    """Every cell of a screen full of it is clicked; the words stand there as they are and nothing happens."""
    for number in (1, 2, 3):
        task = Task(f"q_{number}", f"local/w#{number}", MARKUP, reason=MARKUP, held=True)
        files.replace(operator.paths.item(task.id), msgspec.json.encode(task))
    async with console((100, 30)) as here:
        await here.shows("[@click=app.quit]click[/]")
        rows = [(line.index("[@click"), y) for y, line in enumerate(here.lines) if "[@click" in line]
        assert len(rows) >= 3
        for x, y in rows:
            for shift in (0, 8, 18, 20):
                await here.pilot.click(offset=(x + shift, y))
        await here.pilot.pause()
        assert here.app.is_running
        assert not here.app._exit

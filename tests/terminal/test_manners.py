"""The console in its terminal: hostile text gets nowhere, and the terminal is itself again whatever ends the program."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.support.fleet import Fleet
from tests.support.terminal import Pty, Tmux, environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

CLIPBOARD = "\x1b]52;c;S1VHRVRTVQ==\x07"
PAYLOADS = (
    CLIPBOARD,
    CLIPBOARD.replace("\x07", "\x1b\\"), "\x1b]0;KUGETSU-TITLE\x07", "\x9d0;KUGETSU-TITLE\x9c", "\x1bc\x1b[2J\x1b[31m",
    "\x9b31m", "[/bad]", "[/", "[@click=app.quit]x[/]", "[link=http://x]y", "\u202egnp.exe", "\u200b\u2066", "\x00\x08\r\x7f",
    "\ud800", "日本語 e\u0301 👩\u200d👩\u200d👧",
)  # fmt: skip


def lay_out(fleet: Fleet) -> None:
    """Put hostile text into every place the console shows."""
    fleet.configure(max_concurrent_agents=1)
    running = fleet.enqueue(text=" ".join(PAYLOADS).replace("\ud800", "").replace("\x00", ""), wait=fleet.waiting_file("x"))
    fleet.wait_for(running, "pending")
    for number, payload in enumerate(PAYLOADS, 2):
        text = payload.replace("\ud800", "\ufffd").replace("\x00", " ")
        fleet.enqueue(f"local/work#{number}", text=f"{text} hostile", options={"hold": True})
    item = fleet.folder / "state/queue/items/q_3.json"
    document = json.loads(item.read_text())
    item.write_text(json.dumps(document | {"issue_ref": f"local/{CLIPBOARD}[/x]#3", "reason": CLIPBOARD, "agent": CLIPBOARD}))
    with (fleet.folder / "state/notifications.jsonl").open("a") as notifications:
        for payload in PAYLOADS:
            notice = {"time": "2026-01-01T00:00:00.000Z", "type": "task_error", "level": "error", "text": f"{payload} told"}
            notifications.write(json.dumps(notice) + "\n")


def pour_into_log(fleet: Fleet) -> None:
    """Write hostile lines into the log of the running task."""
    with open(fleet.paths.log("q_1", 1), "ab") as log:
        for payload in PAYLOADS:
            log.write(payload.encode("utf-8", "surrogatepass") + b" logged\n")
        log.write(b"\xff\xfe\x9b31m\n" + b"x" * 1_000_000 + b"\nthe last line\n")


TOUR = (
    "1",
    "\r",
    "\x1b",
    "2",
    "j",
    "j",
    "j",
    "\r",
    "\x1b",
    "3",
    "z",
    "g",
    "G",
    "0",
    "4",
    "j",
    "j",
    "\r",
    "\x1b",
    "5",
    "\x1b",
    "?",
    "\x1b",
)


def test_no_hostile_byte_reaches_the_terminal(fleet: Fleet, console_pty: Pty) -> None:
    """References, messages, reasons, notifications and logs in every pane: no escape sequence of theirs gets out."""
    lay_out(fleet)
    console_pty.read_until(b"hostile")
    fleet.wait_for("q_1", "running")
    pour_into_log(fleet)
    console_pty.read_until(b"last line")
    for key in TOUR:
        console_pty.press(key)
        console_pty.read(quiet_s=0.15, limit_s=3)
    assert console_pty.process.poll() is None, console_pty.written[-3000:]
    shown = console_pty.written
    for mark in (
        b"\x1b]52",
        b"\x1b]0;KUGETSU",
        b"\x1bc",
        b"\x9d0",
        "\x9d".encode(),
        "\x9b".encode(),
        "\u202e".encode(),
        b"\x00",
    ):
        assert mark not in shown, mark
    fleet.release("x")


def test_clipboard_and_title_of_tmux_stay_as_they_are(fleet: Fleet, tmux: Tmux) -> None:
    """End to end: a log line cannot set the clipboard or the title through tmux."""
    lay_out(fleet)
    tmux.start()
    tmux.wait_for("hostile")
    title = tmux.show("#{pane_title}")
    fleet.wait_for("q_1", "running")
    pour_into_log(fleet)
    tmux.wait_for("last line")
    for key in ("2", "j", "j", "4", "j", "3", "g", "G", "1", "g"):
        tmux.keys(key)
    tmux.wait_for("last line")
    assert tmux.show("buffer") == ""
    assert "KUGETSU-TITLE" not in tmux.show("#{pane_title}")
    assert tmux.show("#{pane_title}") == title
    assert not tmux.ended()
    fleet.release("x")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_as_it_was(fleet: Fleet, console_pty: Pty, number: signal.Signals) -> None:
    """Modes, main screen, cursor and mouse are restored; the agent goes on."""
    task = fleet.enqueue(wait=fleet.waiting_file("x"))
    console_pty.read_until(b"#1")
    fleet.wait_for(task, "running")
    code = console_pty.signal(number)
    assert console_pty.restored, console_pty.written[-500:]
    assert code != 0
    assert b"Traceback" not in console_pty.written
    assert fleet.task(task).pid is not None
    os.kill(fleet.task(task).pid or 0, 0)
    fleet.release("x")


def test_an_idle_console_writes_nothing(fleet: Fleet, console_pty: Pty) -> None:
    """With nothing to tell, no byte goes to the terminal."""
    fleet.enqueue(options={"hold": True})
    console_pty.read_until(b"#1")
    console_pty.read(quiet_s=3.0, limit_s=20)
    assert console_pty.read(quiet_s=6.0, limit_s=6.0) == b""


def test_without_a_terminal_it_says_what_to_do(fleet: Fleet) -> None:
    """One line, an exit code, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "kugetsu_tui.main"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env=environment(fleet.folder / "state"), timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("kugetsu: ")
    assert done.stderr.count("\n") == 1
    assert "--headless" in done.stderr


def test_a_folder_that_is_none_is_said_until_it_is_mended(fleet: Fleet, tmux: Tmux) -> None:
    """With a file in place of a folder of the queue the console says what is wrong; mended, the engine goes on."""
    tmux.start()
    tmux.wait_for("engine here")
    items = fleet.folder / "state/queue/items"
    items.rename(fleet.folder / "aside")
    items.write_text("in the way")
    tmux.wait_for("cannot be read", 20)
    items.unlink()
    (fleet.folder / "aside").rename(items)
    task = fleet.enqueue()
    assert fleet.wait_for(task, "completed", limit_s=30).state == "completed"
    wait_until(lambda: "engine here" in tmux.screen(), 15, "the engine to be back")

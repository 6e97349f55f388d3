"""Every row stands straight in a real tmux, whatever characters are in it: measured by tmux itself, cell by cell."""

import json
import sys
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.domain.task import Attempt, Notice, Task
from kugetsu_engine.state import notifications
from tests.support.fleet import Fleet
from tests.support.terminal import Tmux
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.terminal, pytest.mark.xdist_group("terminal")]

HOSTILE = {
    "skin tones": "wave 👋🏽 thumb 👍🏿 boxer 🥊🏻 end",
    "joined": "👨‍👩‍👧‍👦 👩🏾‍🚀 🏳️‍🌈 🧑‍💻 end",
    "variation": "heart ❤️ ❤︎ sun ☀️ warn ⚠️ end",
    "flags": "🇩🇪🇯🇵🇺 🇧🇷 🏴󠁧󠁢󠁥󠁮󠁧󠁿 end",
    "keycaps": "1️⃣ 2⃣ #️⃣ *️⃣ end",
    "stacked": "e\u0301 a\u0300\u0301\u0302\u0303\u0304\u0305 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́ end",
    "alone": "\u0301alone \u0301 \u20dd end",
    "hangul": "한글 \u1112\u1161\u11ab\u1100\u1173\u11af \u1161\u11a8 \ud7b0 \u3164 end",
    "indic": "हिन्दी தமிழ் বাংলা ไทยกำลัง မြန်မာ ខ្មែរ end",
    "zero width": "a\u200bb\u200cc\u2060d\ufeffe\u00adf end",
    "direction": "a\u202egnp.exe\u2066x\u2069 عربي עברית end",
    "tags": "a\U000e0041\U000e0042\U000e007f end",
    "private": "\ue0b0 \uf8ff \U000f0001 \U0010fffd end",
    "unassigned": "\u0378 \u2ffc \U0001fbff \U0002fa20 \U000e01f0 end",
    "ambiguous": "①②③ αβγ ±×÷ “quoted” … ■□▲△ ☆★ ℃ end",
    "wide": "日本語 ＡＢＣ ｱｲｳ 한국어 𠮷野家 🀄 🈁 end",
    "sixteen": "☰☱☲ ⚊⚋ 𝌆𝌇 𝍠𝍡 ㉈㉉ end",
    "new emoji": "🫠 🫨 🩷 🪿 🫎 end",
    "controls": "a\x00b\x07c\x7fd\x85e\u2028f\u2029g end",
    "spaces": "a\u00a0b\u2003c\u3000d\u205fe end",
}
FRAME = "│┃╭╮╰╯"
MEASURE = """
import json, os, re, sys, termios, tty
rows = json.load(open(sys.argv[1]))
before = termios.tcgetattr(0); tty.setraw(0)
found, came = [], b""
for row in rows:
    columns = []
    for place, character in enumerate(row):
        if character in sys.argv[3] or place == len(row) - 1:
            os.write(1, ("\\r\\x1b[2K" + row[: place + 1] + "\\x1b[6n").encode())
            while not (answer := re.search(rb"\\x1b\\[\\d+;(\\d+)R", came)):
                came += os.read(0, 4096)
            came = came[answer.end():]
            columns.append((character, int(answer[1]) - 1))
    found.append(columns)
termios.tcsetattr(0, termios.TCSANOW, before)
json.dump(found, open(sys.argv[2] + ".new", "w")); os.rename(sys.argv[2] + ".new", sys.argv[2])
"""


def lay_out(fleet: Fleet) -> None:
    """Each text in the queue, among what runs and what has ended, in notifications and in a log."""
    paths = fleet.paths

    def write(path: str, record: msgspec.Struct) -> None:
        Path(path).write_bytes(msgspec.json.encode(record))

    shown = {name: text.replace("\0", "") for name, text in HOSTILE.items()}  # a task with a NUL is set aside
    for number, (name, text) in enumerate(shown.items(), 1):
        write(paths.item(f"q_{number}"), Task(f"q_{number}", f"local/{name}#{number}", text, tags=[name.replace(" ", "-")]))
        attempt = Attempt(1, outcome="failed", failure="exit", reason=text)
        ended = Task(
            f"q_{100 + number}", f"local/w#{number}", text, state="error", error=text, attempt=1, attempts=[attempt],
            completed_at="2026-01-01T00:00:00.000Z",
        )  # fmt: skip
        write(paths.ended(ended.id), ended)
        notifications.append_notification(
            paths, Notice("2026-01-01T00:00:00.000Z", "task_error", text, "error", ended.id, ended.issue_ref)
        )
    for number, text in enumerate(list(shown.values())[:5], 201):
        task = Task(f"q_{number}", "local/w#9", text, state="running", attempt=1, token="t", notified_at="2026-01-01T00:00:00Z")
        write(paths.item(task.id), task)
    log = Path(paths.log("q_201", 1))
    log.parent.mkdir(parents=True)
    log.write_bytes("".join(f"{text}\t|\n\x1b[35m{text}\x1b[0m\r{text[:4]}\n" for text in HOSTILE.values()).encode())


def measured(tmux: Tmux, rows: list[str], folder: Path) -> list[list[tuple[str, int]]]:
    """For each row the columns behind its frame characters, and behind its last one, as tmux counts them."""
    program, asked, answered = folder / "measure.py", folder / "rows.json", folder / "columns.json"
    program.write_text(MEASURE, encoding="utf-8")
    asked.write_text(json.dumps(rows), encoding="utf-8")
    answered.unlink(missing_ok=True)
    tmux._tmux("new-window", "-d", sys.executable, str(program), str(asked), str(answered), FRAME)
    wait_until(answered.exists, 30, "tmux to have measured the rows")
    return [[(character, column) for character, column in row] for row in json.loads(answered.read_text(encoding="utf-8"))]


def settled(tmux: Tmux) -> str:
    """The screen, once two looks at it are the same."""
    seen = [tmux.screen()]

    def still() -> bool:
        seen.append(tmux.screen())
        return seen[-1] == seen[-2]

    wait_until(still, 15, "the screen to stand still")
    return seen[-1]


def straight(tmux: Tmux, folder: Path, width: int = 140) -> None:
    """Every row of the panes ends with its frame in the last column, and frames stand below each other."""
    rows = [line for line in settled(tmux).splitlines() if line[:1] in FRAME and line[:1]]
    assert len(rows) > 8
    found = measured(tmux, rows, folder)
    crooked = [row for row, columns in zip(rows, found, strict=True) if columns[-1][1] != width or columns[-1][0] not in FRAME]
    assert not crooked, "\n".join(crooked)
    inner = {column for columns in found for character, column in columns[:-1] if character == "│" and column > 1}
    assert len(inner) <= 2, inner  # where two panes stand side by side


def test_every_pane_stands_straight_and_leaves_nothing_behind(fleet: Fleet, tmux: Tmux, tmp_path: Path) -> None:
    """At home, zoomed, in the ended tasks, a task's screen and its story; and the same once all is drawn anew."""
    lay_out(fleet)
    tmux.start("--read-only")
    tmux.wait_for("Notifications")
    tmux.wait_for("wave")
    straight(tmux, tmp_path)
    for keys in (("2", "j", "j", "j"), ("5", "j", "j"), ("4", "j"), ("3", "g"), ("w",), ("w", "right"), ("z",)):
        tmux.keys(*(key.capitalize() if key == "right" else key for key in keys))
        straight(tmux, tmp_path)
    tmux.keys("z", "0", "1")
    before = settled(tmux)
    tmux._tmux("resize-window", "-t", "main", "-x", "141")
    settled(tmux)
    tmux._tmux("resize-window", "-t", "main", "-x", "140")
    wait_until(lambda: settled(tmux) == before, 15, "the same picture when all is drawn anew")
    tmux.keys("5", "Enter")
    tmux.wait_for("Log")
    straight(tmux, tmp_path)

"""Makes the pictures of the console: the real console on a state directory laid out by hand, at a frozen time.

`python screenshots/make.py [FOLDER]` writes the SVG files beside this script, or into another folder.
"""

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.modals.output_dialog import OutputDialog, OutputLines
from screenshots.scene import NOW, Scene, StillConnection, diff_read, fill_form, in_the_past, make_worktree
from tests.support.clients import local_client


async def shoot(
    scene: Scene, target: Path, size: tuple[int, int], keys: tuple[str, ...] = (), theme: str | None = None,
    more: Callable[[KugetsuApp], Awaitable[None]] | None = None, variables: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Open the console, press keys, save what it shows."""
    environ = {"PATH": os.environ["PATH"], **(variables or {})} | ({"KUGETSU_THEME": theme} if theme else {})
    connection = StillConnection(local_client(scene.paths.root, environ), lambda: NOW)
    app = KugetsuApp(connection)
    async with app.run_test(size=size) as pilot:
        deadline = time.monotonic() + 20
        while app.state is None or not app.state.snapshot.done:
            assert time.monotonic() < deadline, "the console never showed its tasks"
            await pilot.pause(0.02)
        await pilot.pause(0.3)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        if more is not None:
            await more(app)
        await pilot.pause(0.4)
        save(target, robust(app.export_screenshot(title="kugetsu")))


CELL = 12.2
"""Width of a character in the pictures."""


def save(target: Path, svg: str) -> None:
    """Write a picture."""
    target.write_text(svg, encoding="utf-8")


def robust(svg: str) -> str:
    """Move each text past its leading spaces, as some viewers drop them and would shift the columns."""

    def moved(match: re.Match[str]) -> str:
        head, x, rest, length, tail, spaces, text = match.groups()
        count = spaces.count("&#160;")
        return f'{head}x="{float(x) + count * CELL:g}"{rest}textLength="{float(length) - count * CELL:g}"{tail}>{text}</text>'

    pattern = r'(<text [^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>((?:&#160;)+)([^<]+)</text>'
    return re.sub(pattern, moved, svg)


async def shoot_doctor(scene: Scene, target: Path) -> None:
    """The report of the doctor, with one file that others may read."""
    os.chmod(scene.paths.notifications, 0o644)

    async def looked(app: KugetsuApp) -> None:
        app.commands.run_typed("doctor")
        deadline = time.monotonic() + 60
        while not isinstance(app.screen, OutputDialog):
            assert time.monotonic() < deadline, "the doctor never told anything"
            await asyncio.sleep(0.05)
        lines = app.screen.query_one(OutputLines)
        lines.printed = [
            line.replace(scene.paths.root, "~/.kugetsu").replace(sys.executable, ".venv/bin/python") for line in lines.printed
        ]
        lines.sync()

    await shoot(scene, target, (120, 34), more=looked, variables={"HOME": "/home/me", "KUGETSU_AGENT": "demo"})
    os.chmod(scene.paths.notifications, 0o600)


async def undo_list(app: KugetsuApp) -> None:
    """Actions that can be undone."""
    app.undo_log.add("moved #46 to the end of the queue", ())
    app.undo_log.add("hold of #49", ())
    app.navigator.open_undo_list()


async def main(folder: Path) -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory(prefix="kugetsu-pictures-") as temporary:
        scene = Scene(f"{temporary}/state")
        try:
            await shoot_lists(scene, folder)
            await shoot_tasks(scene, folder)
            await shoot_doctor(scene, folder / "doctor.svg")
        finally:
            scene.close()
        scene = Scene(f"{temporary}/paused")
        try:
            scene.pause_agents()
            await shoot(scene, folder / "paused.svg", (120, 34), ("1", "g"))
        finally:
            scene.close()
        scene = Scene(f"{temporary}/talk")
        try:
            scene.talk_to_agents()
            await shoot(scene, folder / "talk.svg", (120, 34), ("1", "g", "j", "enter"))
            await shoot(scene, folder / "asks.svg", (120, 34), ("1", "g", "j", "j"))
        finally:
            scene.close()
        scene = Scene(f"{temporary}/restarted", restarted=True)
        try:
            await shoot(scene, folder / "restart-report.svg", (120, 34))
        finally:
            scene.close()


async def shoot_lists(scene: Scene, folder: Path) -> None:
    """The home screen in its sizes and themes, and its dialogs."""
    await shoot(scene, folder / "home-wide.svg", (140, 40))
    await shoot(scene, folder / "home-80x24.svg", (80, 24))
    await shoot(scene, folder / "home-40x12.svg", (40, 12))
    for name in ("light", "contrast", "contrast-light", "ansi"):
        await shoot(scene, folder / f"home-{name}.svg", (140, 40), ("2", "j", "j", "j"), theme=name)
    await shoot(scene, folder / "task-form.svg", (120, 34), ("n",), more=fill_form)
    await shoot(scene, folder / "help.svg", (120, 40), ("2", "question_mark"))
    await shoot(scene, folder / "help-search.svg", (120, 34), ("2", "question_mark", *"queue move"))
    await shoot(scene, folder / "done.svg", (140, 40), ("5",))
    await shoot(scene, folder / "marks.svg", (140, 40), ("2", "space", "j", "space", "space", "x"))
    await shoot(scene, folder / "history.svg", (120, 34), ("h",))
    await shoot(scene, folder / "plan.svg", (120, 34), ("2", "w", "plus"))
    await shoot(scene, folder / "sort.svg", (120, 34), ("2", "o", "j", "j"))
    await shoot(scene, folder / "undo.svg", (120, 34), more=undo_list)
    await shoot(scene, folder / "replay.svg", (120, 34), ("1", "g"), more=in_the_past)
    await shoot(scene, folder / "leaving.svg", (120, 34), ("q",))
    await shoot(scene, folder / "command-line.svg", (120, 34), ("2", "colon", *"move 46 ", "tab"))


async def shoot_tasks(scene: Scene, folder: Path) -> None:
    """The screens of one task, and logs."""
    await shoot(scene, folder / "task.svg", (120, 40), ("1", "j", "enter"))
    await shoot(scene, folder / "log-search.svg", (120, 40), ("1", "j", "enter", "slash", *"pytest", "enter", "n"))
    await shoot(scene, folder / "log-times.svg", (120, 34), ("1", "j", "enter", "t"))
    await shoot(scene, folder / "merged.svg", (140, 40), ("m",))
    await shoot(scene, folder / "story.svg", (110, 30), ("1", "j", "i"))
    make_worktree(scene.paths)
    await shoot(scene, folder / "diff.svg", (140, 40), ("1", "j", "d"), more=diff_read)
    await shoot(scene, folder / "diff-80x24.svg", (80, 24), ("1", "j", "d"), more=diff_read)
    await shoot(scene, folder / "edit.svg", (120, 34), ("2", "j", "j", "e"))


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    os.umask(0o077)
    time.tzset()
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))

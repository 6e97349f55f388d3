"""The console under a pty: first paint with 10,000 tasks, a key's way to the screen, and silence when nothing happens."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .claims import filled
from .measure import KUGETSU, ROOT, Unavailable, alternate, environment, median, quantile, run_time
from .options import Options
from .report import Goal, Table, ratio
from .terminal import Answer, Terminal, plain

ROW = rb"(repository#|do number )\d"
"""Both programs show it as soon as there is a row on the screen."""
LIMIT_S = 30.0
KEYS = (b"\x1b[B", b"\x1b[A")


def console(options: Options) -> list[Table]:
    """The console beside a plain Textual program with four panes.

    Raises:
        Unavailable: the console does not come up.
    """
    tasks = options.pick(10_000, 1_000)
    state = filled(tasks)
    (state / "config.toml").write_text('queue_expiry = "never"\nmax_concurrent_agents = 1\n', encoding="utf-8")
    _note_first_page(state)
    # A viewer: an engine in it would start agents for the tasks.
    own = ([KUGETSU, "--read-only"], environment(KUGETSU_DIR=str(state)))
    panes = ([sys.executable, "-m", "tests.benchmarks.four_panes", "100"], environment())
    many = ([sys.executable, "-m", "tests.benchmarks.four_panes", str(tasks)], environment())
    _comes_up(*own)
    programs = {f"console, {tasks:,} tasks": own, "four panes, 100 rows": panes, f"four panes, {tasks:,} rows": many}
    return [_first_paint(options, programs), _keys(options, programs), _idle(options, programs)]


def _note_first_page(state: Path) -> None:
    """Run an engine for a moment, as there was one before in any directory with so many tasks: it leaves the first page."""
    for verb in ("pause", "resume"):
        run_time([KUGETSU, verb], environment(KUGETSU_DIR=str(state)), ROOT)


def _comes_up(argv: list[str], env: dict[str, str]) -> None:
    terminal = Terminal(argv, env, ROOT)
    try:
        if terminal.wait_for_text(ROW, LIMIT_S) is None:
            said = plain(terminal.output)[-300:].decode(errors="replace").strip()
            raise Unavailable(f"the console does not come up: {said or 'it wrote nothing'}")
    finally:
        terminal.close()


Programs = dict[str, tuple[list[str], dict[str, str]]]


def _first_paint(options: Options, programs: Programs) -> Table:
    def painted(argv: list[str], env: dict[str, str]) -> float:
        terminal = Terminal(argv, env, ROOT)
        try:
            took = terminal.wait_for_text(ROW, LIMIT_S)
        finally:
            terminal.close()
        if took is None:
            raise RuntimeError(f"{argv} painted nothing")
        return took

    ways: dict[str, Callable[[], float]] = {name: partial(painted, argv, env) for name, (argv, env) in programs.items()}
    taken = alternate(options.pick(5, 2), ways)
    table = Table("console", "First paint of the console, 120 × 36 (ms)", ("program", "median", "p90"))
    for name, values in taken.items():
        table.add(name, median(values), quantile(values, 0.9))
    own, panes, *_ = taken.values()
    table.goals.append(Goal("first paint, console / four panes of 100 rows", 1.5, ratio(median(own), median(panes))))
    table.notes.append("from the start of the process until the first row of the queue has been written to the terminal")
    return table


def _keys(options: Options, programs: Programs) -> Table:
    table = Table(
        "console", "A key, down and up in turns", ("program", "first byte ms", "last byte ms", "p90", "bytes", "keys")
    )
    for place, (name, (argv, env)) in enumerate(programs.items()):
        answers = _pressed(argv, env, options.pick(40, 10))
        lasts = [answer.last_ms for answer in answers if answer.last_ms is not None]
        firsts = [answer.first_ms for answer in answers if answer.first_ms is not None]
        sizes = [float(answer.size) for answer in answers if answer.size]
        table.add(name, median(firsts), median(lasts), quantile(lasts, 0.9), median(sizes), f"{len(lasts)} of {len(answers)}")
        if place == 0:
            why = "no key brought any output"
            table.goals.append(Goal("key to last byte, many tasks queued", 10, median(lasts), "ms", why))
            table.goals.append(Goal("bytes a key", 2048, median(sizes), "bytes", why))
    table.notes.append("the last byte before 0.2 s of silence; keys that brought no output are left out and counted")
    return table


def _pressed(argv: list[str], env: dict[str, str], count: int) -> list[Answer]:
    terminal = Terminal(argv, env, ROOT)
    try:
        if terminal.wait_for_text(ROW, LIMIT_S) is None:
            raise RuntimeError(f"{argv} painted nothing")
        terminal.quiet(1.0, 10)
        for key in (KEYS[0], KEYS[0], KEYS[1]):
            terminal.press(key)
        return [terminal.press(KEYS[number % 2]) for number in range(count)]
    finally:
        terminal.close()


def _idle(options: Options, programs: Programs) -> Table:
    seconds = options.pick(30, 4)
    table = Table("console", "Nothing happens", ("program", f"bytes in {seconds} s", "CPU s/min"))
    for place, (name, (argv, env)) in enumerate(programs.items()):
        terminal = Terminal(argv, env, ROOT)
        try:
            terminal.wait_for_text(ROW, LIMIT_S)
            terminal.quiet(1.0, 10)
            terminal.idle(3)
            size, used = terminal.idle(seconds)
        finally:
            terminal.close()
        table.add(name, size, used * 60 / seconds)
        if place == 0:
            table.goals.append(Goal("idle console writes", 0, float(size), "bytes"))
            table.goals.append(Goal("processor time a minute", 0.2, used * 60 / seconds, "s"))
    table.notes.append(f"processor time of {seconds} s scaled to a minute")
    return table

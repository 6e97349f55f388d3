"""Opening the console from the command line, and putting things in order after it."""

import argparse
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Mapping

from kugetsu_engine.cli import in_one_line
from kugetsu_engine.errors import KugetsuError

JOIN_S = 2.0
GARBAGE = 10_000
"""New objects after which Python looks for cycles. Its own 700 means a look at every few tasks that are read, and from time to
time at all that was ever loaded; so what is there at the start is left out of it, too."""
SWITCH_S = 0.0005
"""So soon a thread that reads ten thousand tasks gives way to a key; Python's own 5 ms come at each step of its way."""


def start(words: list[str]) -> int:
    """Open the console for `kugetsu [--read-only]` or `kugetsu demo …`; returns the exit code."""
    return in_one_line(lambda: _start(words))


def _start(words: list[str]) -> int:
    if words[:1] == ["replay"]:
        return _replay(words[1:])
    options = _parse(words)
    if options.verb == "demo":
        return _demo(options)
    from kugetsu_engine.paths import state_dir_from

    return run_console(state_dir_from(os.environ), options.read_only, resume=options.resume)


def run_console(
    state_dir: str, read_only: bool, environ: Mapping[str, str] = os.environ, resume: bool = False, replay: str | None = None
) -> int:
    """Open the console on a state directory; returns when it was left.

    Args:
        replay: the time in the past that is shown first.

    Raises:
        KugetsuError: there is no terminal, or the state directory cannot be used.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise KugetsuError(
            "the console needs a terminal", "for scripts: kugetsu status, kugetsu queue list, kugetsu --headless"
        )
    from kugetsu_engine.operator import Operator

    from .app import KugetsuApp
    from .console_log import kept
    from .formatting.states import choose_glyphs, speaks_utf8
    from .link import Link

    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    gc.set_threshold(GARBAGE)
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())
    choose_glyphs(speaks_utf8())
    link = Link(Operator(state_dir, environ, read_only=read_only), folder=_folder(), resume=resume)
    app = KugetsuApp(link, replay)
    try:
        with contextlib.nullcontext() if read_only else kept(link.operator.paths, environ):
            app.run()
    finally:
        link.close()
        link.join(JOIN_S)
        if not read_only:
            with contextlib.suppress(KugetsuError, OSError):
                link.operator.mark_seen()
    if app.departure.afterwards is not None:
        return _go_on_without(state_dir, environ, drain=app.departure.afterwards == "drain")
    return app.return_code or 0


def _folder() -> str | None:
    """Where the console was started; None where that was removed since, as a worktree may be."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _go_on_without(state_dir: str, environ: Mapping[str, str], drain: bool) -> int:
    """Start an engine in the background, now that the console's has ended."""
    from kugetsu_engine.cli.daemon import start_engine
    from kugetsu_engine.operator import Operator
    from kugetsu_engine.paths import StatePaths

    if drain:
        Operator(state_dir, environ).do("drain")
    pid = start_engine(StatePaths(state_dir), environ)
    sys.stderr.write(f"an engine goes on in the background, pid {pid}; kugetsu shows it again\n")
    return 0


def _replay(words: list[str]) -> int:
    """Show the past in a console that changes nothing and runs no engine."""
    import time

    from kugetsu_engine.cli.replay import parse
    from kugetsu_engine.domain.times import past_moment
    from kugetsu_engine.paths import state_dir_from

    wanted = " ".join(parse(words).time)
    if wanted:
        past_moment(wanted, time.time())  # what is no time is said before the screen is taken
    return run_console(state_dir_from(os.environ), read_only=True, replay=wanted)


def _demo(options: argparse.Namespace) -> int:
    from kugetsu_engine import demo
    from kugetsu_engine.snapshot import SnapshotReader

    state_dir = demo.prepare(options.tasks, options.speed) if options.tasks else demo.prepare(speed=options.speed)
    # The demo's own directory decides, whatever the operator has set for the real one.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KUGETSU_")}
    try:
        return run_console(state_dir, options.read_only, environ)
    finally:
        from kugetsu_engine.paths import StatePaths

        if SnapshotReader(StatePaths(state_dir), environ).read(with_history=False).active:
            sys.stderr.write(f"the demo's agents go on; see it again: KUGETSU_DIR={state_dir} kugetsu\n")
        else:
            demo.remove(state_dir)
            sys.stderr.write("the demo was removed\n")


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kugetsu", description="the operator's console for a fleet of coding agents")
    parser.add_argument("--read-only", action="store_true", help="look, and change nothing")
    parser.add_argument("--resume", action="store_true", help="go on even if the machine was restarted while there was work")
    verbs = parser.add_subparsers(dest="verb")
    demo = verbs.add_parser("demo", help="try it: a throwaway state directory, a built-in agent, no keys, no network")
    demo.add_argument("--tasks", type=int, default=None, help="how many tasks")
    demo.add_argument("--speed", type=float, default=1.0, help="2 works twice as fast")
    demo.add_argument("--headless", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(words)

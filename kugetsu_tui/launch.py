"""Starts the console from the command line, and cleans up after it."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Mapping

from kugetsu_engine.cli.main import report_errors
from kugetsu_engine.errors import KugetsuError

from .later import load_asyncio, postpone_collection

JOIN_S = 2.0
CANNOT_DRAW = ("dumb", "unknown")
GC_THRESHOLD = 10_000
"""New objects after which Python collects garbage. Its own 700 means a collection for every few tasks that are read, and
then one over everything loaded; so what exists at the start is frozen, too."""
SWITCH_INTERVAL_S = 0.0005
"""How soon a thread that reads ten thousand tasks yields to a key; Python's own 5 ms would add up at each step."""


def launch_console(argv: list[str]) -> int:
    """Open the console for `kugetsu [--read-only]` or `kugetsu demo …`; returns the exit code."""
    postpone_collection()
    load_asyncio()
    return report_errors(lambda: _start(argv))


def _start(argv: list[str]) -> int:
    if argv[:1] == ["replay"]:
        return _replay(argv[1:])
    if argv[:1] == ["demo"]:
        return _demo(argv[1:])
    from kugetsu_engine.paths import find_state_dir

    return run_console(find_state_dir(os.environ), "--read-only" in argv, resume="--resume" in argv)


def run_console(
    state_dir: str, read_only: bool, environ: Mapping[str, str] = os.environ, resume: bool = False, replay: str | None = None
) -> int:
    """Run the console on a state directory; returns its exit code.

    Args:
        replay: the time at which a replay begins at once.

    Raises:
        KugetsuError: there is no terminal, or the state directory cannot be used.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise KugetsuError(
            "the console needs a terminal", "scripts use kugetsu status, kugetsu queue list or kugetsu --headless"
        )
    if (term := os.environ.get("TERM")) in CANNOT_DRAW:
        raise KugetsuError(
            f"the console needs a terminal that can draw, and TERM={term} cannot",
            "without a screen: kugetsu status, kugetsu queue list, kugetsu --headless",
        )
    from kugetsu_engine.client.api import Client
    from kugetsu_engine.engine.local_engine import LocalEngine
    from kugetsu_engine.paths import StatePaths

    from .app import KugetsuApp
    from .backend.connection import Connection
    from .console_log import keep_log
    from .formatting.glyphs import choose_glyphs, supports_utf8

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(GC_THRESHOLD)
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())
    choose_glyphs(supports_utf8())
    client = Client(state_dir, environ, LocalEngine(StatePaths(state_dir), environ), read_only=read_only)
    connection = Connection(client, folder=_folder(), resume=resume)
    app = KugetsuApp(connection, replay)
    try:
        with contextlib.nullcontext() if read_only else keep_log(connection.client.paths, environ):
            app.run()
    finally:
        connection.close()
        connection.engine.join(JOIN_S)
        with contextlib.suppress(KugetsuError, OSError):
            connection.client.mark_seen()
    if app.quit_flow.farewell:
        sys.stderr.write(f"{app.quit_flow.farewell}\n")
    if app.quit_flow.next_step is not None:
        return _continue_in_background(state_dir, environ, drain=app.quit_flow.next_step == "drain")
    if app.failed:
        return 1
    return app.end_code if app.end_code is not None else app.return_code or 0


def _folder() -> str | None:
    """Where the console was started; None if it was removed since, as a worktree may be."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _continue_in_background(state_dir: str, environ: Mapping[str, str], drain: bool) -> int:
    """Start an engine in the background after the console's has ended."""
    from kugetsu_engine.cli.commands.daemon import start_engine
    from kugetsu_engine.paths import StatePaths

    pid = start_engine(StatePaths(state_dir), environ, drain=drain)
    sys.stderr.write(f"an engine continues in the background, pid {pid}; kugetsu shows it again\n")
    return 0


def _replay(argv: list[str]) -> int:
    """Start a replay in a console that changes nothing and runs no engine."""
    import time

    from kugetsu_engine.cli.commands.replay import parse_arguments
    from kugetsu_engine.domain.text.times import parse_past_moment
    from kugetsu_engine.paths import find_state_dir

    start = " ".join(parse_arguments(argv).time)
    if start:
        parse_past_moment(start, time.time())  # fails before the terminal is set up
    return run_console(find_state_dir(os.environ), read_only=True, replay=start)


def _demo(argv: list[str]) -> int:
    from kugetsu_engine.cli.commands.demo import make_demo_parser
    from kugetsu_engine.client import demo_setup
    from kugetsu_engine.client.snapshot_reader import SnapshotReader

    given = make_demo_parser("demo").parse_args(argv)
    state_dir = demo_setup.prepare_demo(given.tasks, given.speed)
    environ = demo_setup.without_settings(os.environ)
    try:
        return run_console(state_dir, False, environ)
    finally:
        from kugetsu_engine.paths import StatePaths

        if SnapshotReader(StatePaths(state_dir), environ).read(with_history=False).active:
            sys.stderr.write(f"the demo's agents go on; see it again: KUGETSU_DIR={state_dir} kugetsu\n")
        elif given.keep:
            sys.stderr.write(f"kept: KUGETSU_DIR={state_dir} kugetsu\n")
        else:
            demo_setup.remove_demo(state_dir)
            sys.stderr.write("the demo was removed\n")

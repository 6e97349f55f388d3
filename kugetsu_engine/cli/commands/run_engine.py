"""`kugetsu --headless`: the engine without a screen, one line per change."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType

from ...domain import states
from ...domain.task import Notice
from ...domain.text.safe_text import safe_line
from ...engine.engine_thread import EngineThread
from ...errors import EngineHeld, KugetsuError
from ...paths import StatePaths
from ..context import choose_glyph, make_paths, print_note
from ..parser import make_parser

STATES = {event: state for state, event in states.EVENTS.items()} | {states.RETRY_EVENT: "retry"}


def main(verb: str, argv: list[str]) -> int:
    """Run the engine until a signal, the end of a drain, or with `--until-idle` until nothing runs or will start."""
    args = make_parser(verb).parse_args(argv)
    as_json = args.log_format == "json"
    return run(make_paths(), until_idle=args.until_idle, as_json=as_json, resume=args.resume, drain=args.drain)


def run(
    here: StatePaths, *, until_idle: bool, as_json: bool = False, resume: bool = False, drain: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> int:  # fmt: skip
    """Run the engine of a state directory in this process.

    Raises:
        EngineHeld: another process runs it.
        KugetsuError: it could not start.
    """

    def print_notice(notice: Notice) -> None:
        line = json.dumps(_document(notice)) if as_json else _line(notice)
        try:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        except OSError as error:  # its reader has exited, or the disk is full: the engine runs on
            _stop_printing(error)

    engine = EngineThread(
        here,
        environ,
        "headless",
        on_notice=print_notice,
        on_fault=lambda text: print_note(f"kugetsu: engine: {text}"),
        until_idle=until_idle,
        resume=resume,
        drain=drain,
    )
    signals: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        engine.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    engine.start()
    # The kernel may give a signal to a thread that was just started, which does not end this wait; Python then runs the
    # handler when the main thread is awake again.
    while not engine.join(1.0):
        continue
    if engine.held_by is not None:
        raise EngineHeld(engine.held_by)
    if engine.fault is not None and not signals:
        raise KugetsuError(engine.fault)
    if engine.blocked_by_settings:
        raise KugetsuError(engine.blocked_by_settings, "correct it, then start again")
    return 0


def _stop_printing(error: OSError) -> None:
    """Discard all further output; the notifications and the engine's log have it anyway."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    with contextlib.suppress(OSError):
        print_note(f"kugetsu: cannot print any more ({error.strerror}); the engine runs on, see logs/engine.log")


def _line(notice: Notice) -> str:
    return safe_line(f"{notice.time[11:19]} {choose_glyph(STATES.get(notice.type, ''))} {notice.text}")


def _document(notice: Notice) -> dict[str, str | None]:
    return {"time": notice.time, "type": notice.type, "level": notice.level, "id": notice.id, "issue_ref": notice.issue_ref,
            "text": notice.text}  # fmt: skip

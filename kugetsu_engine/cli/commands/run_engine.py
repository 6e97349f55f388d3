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
from ...engine.thread import EngineThread
from ...errors import EngineHeld, KugetsuError
from ...paths import StatePaths
from ..context import glyph, print_note, state_paths
from ..grammar import parser_of

STATES = {event: state for state, event in states.EVENTS.items()} | {states.RETRY_EVENT: "retry"}


def main(verb: str, words: list[str]) -> int:
    """Run the engine until a signal, the end of a drain, or with `--until-idle` the end of all work."""
    given = parser_of(verb).parse_args(words)
    as_json = given.log_format == "json"
    return run(state_paths(), until_idle=given.until_idle, as_json=as_json, resume=given.resume, drain=given.drain)


def run(
    here: StatePaths, *, until_idle: bool, as_json: bool = False, resume: bool = False, drain: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> int:  # fmt: skip
    """Run the engine of a state directory in this process.

    Raises:
        EngineHeld: another process does.
        KugetsuError: it could not be started.
    """

    def tell(notice: Notice) -> None:
        line = json.dumps(_document(notice)) if as_json else _line(notice)
        try:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        except OSError as error:  # whoever read it has gone, or its disk is full: the work goes on without
            _print_no_more(error)

    engine = EngineThread(
        here,
        environ,
        "headless",
        on_notice=tell,
        on_fault=lambda words: print_note(f"kugetsu: engine: {words}"),
        until_idle=until_idle,
        resume=resume,
        drain=drain,
    )
    got: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        got.append(number)
        engine.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    engine.start()
    while not engine.join(3600.0):
        continue
    if engine.held_by is not None:
        raise EngineHeld(engine.held_by)
    if engine.fault is not None and not got:
        raise KugetsuError(engine.fault)
    if engine.blocked_by_settings:
        raise KugetsuError(engine.blocked_by_settings, "correct that, then start again")
    return 0


def _print_no_more(error: OSError) -> None:
    """Send what is printed from now on nowhere; the notifications and the engine's log have it all the same."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    with contextlib.suppress(OSError):
        print_note(f"kugetsu: nothing is printed any more ({error.strerror}); the engine goes on, see logs/engine.log")


def _line(notice: Notice) -> str:
    return safe_line(f"{notice.time[11:19]} {glyph(STATES.get(notice.type, ''))} {notice.text}")


def _document(notice: Notice) -> dict[str, str | None]:
    return {"time": notice.time, "type": notice.type, "level": notice.level, "id": notice.id, "issue_ref": notice.issue_ref,
            "text": notice.text}  # fmt: skip

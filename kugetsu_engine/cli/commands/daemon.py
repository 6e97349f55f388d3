"""`kugetsu queue-daemon start|stop|restart|status|logs`: the headless engine in the background."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping

from ...config.loader import SettingsSource
from ...domain.engine_state import EngineState
from ...errors import BadFile, Conflict, EngineHeld, KugetsuError, UsageError
from ...paths import StatePaths
from ...process import identity
from ...process.interpreter import build_cli_command
from ...process.waiting import pause, wait_for_exit
from ...state.log_reader import LogReader
from ...storage import files, json_files
from ...storage.engine_lock import read_holder
from ...storage.locks import is_held
from ..context import print_note, state_paths
from ..grammar import parser_of
from ..parser import VerbParser

WAIT_S = 10.0


def main(verb: str, words: list[str]) -> int:
    """Start, stop or look after the engine in the background."""
    actions = {**RESUMING, "stop": _stop, "status": _status, "logs": _logs}
    if words[:1] in (["-h"], ["--help"]):
        VerbParser(verb, "start, stop, restart, status or logs of the headless engine in the background.").print_help()
        return 0
    action = words[0] if words else ""
    if action not in actions:
        raise UsageError(
            "kugetsu queue-daemon takes one word", "start, stop, restart, status or logs; --resume after start or restart"
        )
    given = parser_of(f"{verb} {action}").parse_args(words[1:])
    here = state_paths()
    files.create_folders(here.folders())
    if action in RESUMING:
        return RESUMING[action](here, given.resume)
    return actions[action](here)


def _start(here: StatePaths, resume: bool = False) -> int:
    print(f"started: pid {start_engine(here, os.environ, resume)}")
    for problem in SettingsSource(here, os.environ).problems:
        print_note(f"kugetsu: {problem}")
    return 0


def start_engine(here: StatePaths, environ: Mapping[str, str], resume: bool = False, drain: bool = False) -> int:
    """Start a headless engine in the background; returns its pid once it holds the lock.

    Args:
        resume: go on even if the machine was restarted while there was work.
        drain: start nothing new, not even before a request could say so, and end with the last agent.

    Raises:
        AlreadySo: an engine runs.
        KugetsuError: it did not come up.
    """
    if is_held(here.engine_lock):
        raise Conflict(f"an engine runs already: {read_holder(here)}")
    files.rotate_log(here.daemon_log)
    further = [*(["--resume"] if resume else []), *(["--drain"] if drain else [])]
    with open(here.daemon_log, "ab", opener=_private) as log:
        process = subprocess.Popen(
            build_cli_command("--headless", *further), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd="/", start_new_session=True, env={**environ, "KUGETSU_DIR": here.root},
        )  # fmt: skip
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        state = _state(here)
        if state is not None and state.pid == process.pid and is_held(here.engine_lock):
            return process.pid
        if process.poll() is not None:
            raise KugetsuError(f"the engine ended at once with exit code {process.returncode}", f"see {here.daemon_log}")
        pause(0.02)
    process.terminate()
    raise KugetsuError(f"the engine did not answer within {WAIT_S:g} s", f"see {here.daemon_log}")


def _stop(here: StatePaths) -> int:
    state = _state(here)
    if not is_held(here.engine_lock):
        raise Conflict("no engine runs")
    if state is None or state.mode != "headless":
        raise EngineHeld(f"the engine is not one of the background: {read_holder(here)}", "quit it where it runs")
    if not identity.signal_process(state.pid, state.start_ticks, state.boot_id, signal.SIGTERM):
        raise KugetsuError(f"the engine could not be told: {read_holder(here)}")
    wait_for_exit([state.pid], WAIT_S)
    if is_held(here.engine_lock) and identity.is_alive(state.pid, state.start_ticks, state.boot_id):
        raise KugetsuError(f"the engine has not ended within {WAIT_S:g} s: {read_holder(here)}")
    print("stopped; agents go on, the next engine adopts them")
    return 0


def _restart(here: StatePaths, resume: bool = False) -> int:
    if is_held(here.engine_lock):
        _stop(here)
    return _start(here, resume)


def _status(here: StatePaths) -> int:
    if is_held(here.engine_lock):
        print(f"running: {read_holder(here)}")
        return 0
    print("not running")
    return 1


def _logs(here: StatePaths) -> int:
    from .logs import print_log

    return print_log(LogReader(here.daemon_log), raw=False, last=200)


def _state(here: StatePaths) -> EngineState | None:
    try:
        return json_files.read(here.engine, EngineState)
    except (FileNotFoundError, BadFile):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


RESUMING = {"start": _start, "restart": _restart}
"""What begins an engine."""

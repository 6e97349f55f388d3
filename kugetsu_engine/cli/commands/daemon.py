"""`kugetsu queue-daemon start|stop|restart|status|logs`: the headless engine in the background."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping

from ...config.loader import SettingsSource
from ...domain.engine_state import EngineState
from ...errors import BadFile, Conflict, EngineHeld, KugetsuError
from ...paths import StatePaths
from ...process import identity
from ...process.interpreter import build_cli_command
from ...process.waiting import pause, wait_for_exit
from ...state.log_reader import LogReader
from ...storage import files, json_files
from ...storage.engine_lock import read_holder
from ...storage.locks import is_held
from ..context import make_paths, print_note
from ..parser import make_parser, split_part

WAIT_S = 10.0


def main(verb: str, argv: list[str]) -> int:
    """Start, stop or check the engine in the background."""
    part, rest = split_part(verb, argv)
    args = make_parser(f"{verb} {part}").parse_args(rest)
    here = make_paths()
    files.create_folders(here.folders())
    if part in ("start", "restart"):
        return (_start if part == "start" else _restart)(here, args.resume)
    return {"stop": _stop, "status": _status, "logs": _logs}[part](here)


def _start(here: StatePaths, resume: bool = False) -> int:
    print(f"started: pid {start_engine(here, os.environ, resume)}")
    for problem in SettingsSource(here, os.environ).problems:
        print_note(f"kugetsu: {problem}")
    return 0


def start_engine(here: StatePaths, environ: Mapping[str, str], resume: bool = False, drain: bool = False) -> int:
    """Start a headless engine in the background; returns its pid once it holds the lock.

    Args:
        resume: start tasks even if the machine was restarted while agents were running.
        drain: start no tasks from the first moment on, and end with the last agent.

    Raises:
        Conflict: an engine is running.
        KugetsuError: it did not start.
    """
    if is_held(here.engine_lock):
        raise Conflict(f"an engine is already running: {read_holder(here)}")
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
    raise KugetsuError(f"the engine did not start within {WAIT_S:g} s", f"see {here.daemon_log}")


def _stop(here: StatePaths) -> int:
    state = _state(here)
    if not is_held(here.engine_lock):
        raise Conflict("no engine is running", "kugetsu queue-daemon start")
    if state is None or state.mode != "headless":
        raise EngineHeld(f"the engine does not run in the background: {read_holder(here)}", "quit it where it was started")
    if not identity.signal_process(state.pid, state.start_ticks, state.boot_id, signal.SIGTERM):
        raise KugetsuError(f"the engine could not be signalled: {read_holder(here)}")
    wait_for_exit([state.pid], WAIT_S)
    if is_held(here.engine_lock) and identity.is_alive(state.pid, state.start_ticks, state.boot_id):
        raise KugetsuError(f"the engine did not stop within {WAIT_S:g} s: {read_holder(here)}")
    print("stopped; agents continue, and the next engine adopts them")
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

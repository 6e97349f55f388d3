"""Whether the shown state is still true: cheap stamps that differ whenever the state would."""

import time

import msgspec

from kugetsu_engine.client.snapshot import STALE_S
from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import manual_sessions
from kugetsu_engine.storage import files
from kugetsu_engine.storage.locks import is_held

from ..viewmodels.console_state import ConsoleState


def read_change_stamp(paths: StatePaths, runs_engine: bool) -> tuple[object, ...]:
    """Read signatures that differ whenever the state would; the heartbeat of a healthy engine is left out."""
    watched = (
        paths.items, paths.done, paths.notifications, paths.notifications_read, paths.control, paths.config, paths.shell_config,
        paths.edits, paths.run_times,
    )  # fmt: skip
    return (
        *map(files.read_signature, watched),
        manual_sessions.list_manual_sessions(paths),
        read_engine_stamp(paths),
        runs_engine,
    )


def read_engine_stamp(paths: StatePaths) -> object:
    """Read what the engine says of itself, without its heartbeat as long as that is fresh."""
    try:
        held = is_held(paths.engine_lock)
        state = msgspec.json.decode(files.read(paths.engine), type=EngineState)
    except (OSError, KugetsuError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    stale = time.monotonic() - state.heartbeat > STALE_S
    return held, msgspec.structs.replace(state, heartbeat=time.monotonic() if held and stale else 0.0)


def strip_times(state: ConsoleState) -> tuple[object, ...]:
    """The state without what changes by itself."""
    snapshot = state.snapshot
    engine = snapshot.engine
    if not engine.stale:
        engine = msgspec.structs.replace(engine, heartbeat_age_s=None)
    return (
        msgspec.structs.replace(snapshot, taken_at=0.0, engine=engine), state.here, state.starting, state.fault,
        state.load, state.free_bytes, state.max_attempts, state.cpu, state.screenless,
    )  # fmt: skip

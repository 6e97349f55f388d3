"""Whether what is shown is still true: cheap looks that differ whenever a picture would."""

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


def change_stamp(paths: StatePaths, runs_engine: bool) -> tuple[object, ...]:
    """Something cheap that differs whenever a picture would; the heartbeat of a healthy engine is not in it."""
    watched = (
        paths.items, paths.done, paths.notifications, paths.notifications_read, paths.control, paths.config, paths.shell_config,
        paths.edits, paths.run_times,
    )  # fmt: skip
    return (*map(files.read_signature, watched), manual_sessions.list_manual_sessions(paths), engine_stamp(paths), runs_engine)


def engine_stamp(paths: StatePaths) -> object:
    """What the engine says of itself, without its heartbeat as long as that is fresh."""
    try:
        held = is_held(paths.engine_lock)
        state = msgspec.json.decode(files.read(paths.engine), type=EngineState)
    except (OSError, KugetsuError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    stale = time.monotonic() - state.heartbeat > STALE_S
    return held, msgspec.structs.replace(state, heartbeat=time.monotonic() if held and stale else 0.0)


def without_times(picture: ConsoleState) -> tuple[object, ...]:
    """The picture without what changes by itself."""
    snapshot = picture.snapshot
    engine = snapshot.engine
    if not engine.stale:
        engine = msgspec.structs.replace(engine, heartbeat_age_s=None)
    return (
        msgspec.structs.replace(snapshot, taken_at=0.0, engine=engine), picture.here, picture.starting, picture.fault,
        picture.load, picture.free_bytes, picture.max_attempts, picture.cpu, picture.screenless,
    )  # fmt: skip

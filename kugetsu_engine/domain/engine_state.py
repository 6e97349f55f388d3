"""Two records of the engine: its state in `engine.json`, and the operator's controls in `queue/control.json`."""

import msgspec

from .changes import Changes
from .config_faults import Gaps
from .obstacles import Obstacles
from .overlaps import Overlap


class Alert(msgspec.Struct, frozen=True):
    """A problem shown to the operator while it lasts."""

    code: str
    """Stable, for scripts: `config`, `corrupt`, `disk`, `engine_crashed` …"""
    text: str
    since: str


class EngineState(msgspec.Struct, frozen=True):
    """`engine.json`: the engine's process, its heartbeat, and what it last decided."""

    pid: int
    mode: str
    """`headless` or `console`."""
    since: str
    boot_id: str = ""
    start_ticks: int = 0
    heartbeat: float = 0.0
    """This machine's monotonic clock at the last turn of the loop, in seconds."""
    limit: int = 0
    paused: bool = False
    draining: bool = False
    stopped: bool = False
    """Whether the engine stopped properly."""
    median_run_s: float | None = None
    recovered: str = ""
    """What the engine found when it started, as a sentence."""
    alerts: list[Alert] = []
    pressure: str = ""
    """The resource that is short, so that nothing starts."""
    pause_reason: str = ""
    """Why the queue is paused, unless the operator did it."""
    found: dict[str, int] = {}
    """What the engine found when it started, as counts."""
    overlaps: list[Overlap] = []
    """Running tasks that change the same files."""
    changes: dict[str, Changes] = {}
    """What running tasks have changed so far, by id."""
    gaps: Gaps = Gaps()
    """Settings that are missing or invalid."""
    obstacles: Obstacles = Obstacles()
    """Obstacles the engine has found."""
    default_agent: str = ""
    """The agent of tasks that name none; the engine may have kept the last valid setting."""
    pause_code: str = ""
    """`pause_reason` as a `pause.PauseReason`."""
    prepared: dict[str, bool] = {}
    """Waiting tasks whose worktree is made ahead, by id: whether it is ready."""


class Control(msgspec.Struct, frozen=True):
    """`queue/control.json`: the operator's controls of the whole queue; outlives the engine."""

    paused: bool = False
    pause_reason: str = ""
    """Why, unless the operator did it."""
    limit: int | None = None
    """The limit set by `kugetsu limit`; applies until `max_concurrent_agents` changes."""
    limit_over: int | None = None
    """The value of `max_concurrent_agents` that `limit` overrides."""
    budget_day: str = ""
    """The local day on which the daily budget last paused the queue; it does so once a day."""
    pause_code: str = ""
    """`pause_reason` as a `pause.PauseReason`."""

"""What the engine tells about itself: `engine.json`, and `queue/control.json` with what operators set."""

import msgspec

from .changes import Changes
from .config_faults import Gaps
from .obstacles import Obstacles
from .overlaps import Overlap


class Alert(msgspec.Struct, frozen=True):
    """Something an operator should know, as long as it is so."""

    code: str
    """Stable, for scripts: `config`, `corrupt`, `disk`, `engine_crashed` …"""
    text: str
    since: str


class EngineState(msgspec.Struct, frozen=True):
    """`engine.json`: who runs the engine, its heartbeat, and what it decided lately."""

    pid: int
    mode: str
    """`headless` or `console`."""
    since: str
    boot_id: str = ""
    start_ticks: int = 0
    heartbeat: float = 0.0
    """Monotonic clock of this machine at the last turn of the loop, in seconds."""
    limit: int = 0
    paused: bool = False
    draining: bool = False
    stopped: bool = False
    """Whether the engine ended in an orderly way."""
    median_run_s: float | None = None
    recovered: str = ""
    """What the engine found when it started, in a sentence."""
    alerts: list[Alert] = []
    pressure: str = ""
    """What the machine lacks, so that nothing starts."""
    pause_reason: str = ""
    """Why the queue is paused, where it was not the operator."""
    found: dict[str, int] = {}
    """What the engine found when it started, in numbers."""
    overlaps: list[Overlap] = []
    """Running tasks that change the same files."""
    changes: dict[str, Changes] = {}
    """What running tasks have changed so far, by id."""
    gaps: Gaps = Gaps()
    """Which settings are not whole."""
    obstacles: Obstacles = Obstacles()
    """What the engine found in its way."""
    default_agent: str = ""
    """The agent of tasks that name none, as the engine has it: it may have kept the last good setting."""
    pause_code: str = ""
    """The same for the program, see `pause.PauseReason`."""


class Control(msgspec.Struct, frozen=True):
    """`queue/control.json`: what operators set for the whole queue; outlives the engine."""

    paused: bool = False
    pause_reason: str = ""
    """Why, where it was not the operator."""
    limit: int | None = None
    """Limit set by hand; holds until `max_concurrent_agents` is changed."""
    limit_over: int | None = None
    """The setting that the limit set by hand overrides."""
    budget_day: str = ""
    """The local day on which the budget of the day paused the queue; it does so once a day."""
    pause_code: str = ""
    """The same for the program, see `pause.PauseReason`."""

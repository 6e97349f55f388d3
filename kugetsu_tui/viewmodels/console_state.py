"""The console's state: the engine's snapshot and a few facts of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.task import Task


@dataclass(frozen=True)
class ReplayState:
    """Replay: the moment that is shown, and playback."""

    clock: str
    """The moment, formatted."""
    speed: int
    playing: bool


@dataclass(frozen=True)
class ConsoleState:
    """Everything the view models are built from."""

    snapshot: Snapshot
    read_only: bool = False
    here: bool = False
    """Whether the engine runs in this process."""
    starting: bool = False
    """Whether the engine is about to start."""
    fault: str | None = None
    """The last failure of the engine in this process."""
    max_attempts: int = 3
    load: float | None = None
    """Load average of the last minute, while agents run."""
    free_bytes: int | None = None
    cpu: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Recent CPU percentages by task."""
    replaying: ReplayState | None = None
    """None: the present."""
    approving: Mapping[str, str] = field(default_factory=dict)
    """By agent that approves everything: the option that says so."""
    screenless: Mapping[str, str] = field(default_factory=dict)
    """Why an operator cannot attach to sessions of an agent, by agent without an interface for it."""

    def no_attach(self, task: Task) -> str | None:
        """Why an operator cannot attach to a task; None if nothing known prevents it."""
        if any(session.issue_key == task.issue_key for session in self.snapshot.by_hand):
            return f"{task.shown} already has a manual session"
        return self.screenless.get(task.agent or self.snapshot.default_agent)

    def approves(self, task: Task) -> str | None:
        """The option by which the task's agent approves everything."""
        return self.approving.get(task.agent or self.snapshot.default_agent)


def format_tags(task: Task) -> str:
    """Format tags as `+api +urgent`."""
    return " ".join(f"+{tag}" for tag in task.tags)


def split_reference(reference: str) -> tuple[str, int]:
    """Split a reference into repository and number, for sorting."""
    repository, _, number = reference.rpartition("#")
    return repository, int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0


def shorten_reference(reference: str) -> str:
    """Shorten `github.com/user/api#88` to `api#88`; other texts stay as they are."""
    return reference.rpartition("/")[2] or reference

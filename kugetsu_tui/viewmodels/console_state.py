"""What the console knows at one moment: the engine's snapshot and a few facts of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.task import Task


@dataclass(frozen=True)
class ReplayState:
    """That a picture is of the past, and how time goes in it."""

    clock: str
    """The moment as it is shown."""
    speed: int
    playing: bool


@dataclass(frozen=True)
class ConsoleState:
    """Everything the view models are made from."""

    snapshot: Snapshot
    read_only: bool = False
    here: bool = False
    """Whether the engine runs in this very process."""
    starting: bool = False
    """Whether it is about to."""
    fault: str | None = None
    """The last failure of the engine in this process."""
    max_attempts: int = 3
    load: float | None = None
    """Load average of the last minute, while agents run."""
    free_bytes: int | None = None
    cpu: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The last percentages of processor time by task."""
    replaying: ReplayState | None = None
    """None: the picture is of now."""
    approving: Mapping[str, str] = field(default_factory=dict)
    """By the agents that are told to approve everything, the word that tells them."""

    screenless: Mapping[str, str] = field(default_factory=dict)
    """By the agents that have no screen of their own, why a person cannot go on with their sessions."""

    def no_attach(self, task: Task) -> str | None:
        """Why a task cannot be taken over by hand, as far as that is known; None when nothing stands against it."""
        if any(hand.issue_key == task.issue_key for hand in self.snapshot.by_hand):
            return f"{task.shown} is worked on by hand already"
        return self.screenless.get(task.agent or self.snapshot.default_agent)

    def approves(self, task: Task) -> str | None:
        """The word by which the agent of a task approves everything."""
        return self.approving.get(task.agent or self.snapshot.default_agent)


def format_tags(task: Task) -> str:
    """The tags of a task as lists show them: `+api +urgent`."""
    return " ".join(f"+{tag}" for tag in task.tags)


def split_reference(reference: str) -> tuple[str, int]:
    """What references are sorted by: repository, then number as a number."""
    repository, _, number = reference.rpartition("#")
    return repository, int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0


def shorten_reference(reference: str) -> str:
    """Write `github.com/user/api#88` as `api#88`; what is no reference stays as it is."""
    return reference.rpartition("/")[2] or reference

"""What an engine found when it started, and whether the machine was restarted in between."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from ..engine_state import EngineState
from ..pause import PauseReason

MACHINE_RESTARTED = "machine restarted"
"""The reason of a lost attempt, and of the queue that is then paused."""


class Recovered(StrEnum):
    """What became of an attempt left by an earlier engine; each is a field of `RecoveryCounts`."""

    ADOPTED = "adopted"
    ENDED_MEANWHILE = "ended_meanwhile"
    LOST = "lost"
    GIVEN_BACK = "given_back"


class RecoveryCounts(msgspec.Struct, frozen=True):
    """How many attempts of an earlier engine had which fate, and how many files were quarantined."""

    adopted: int = 0
    """Their agents still run."""
    ended_meanwhile: int = 0
    lost: int = 0
    """Ended without a result: the supervisor or the machine went away."""
    given_back: int = 0
    """Never began, so they do not count."""
    set_aside: int = 0
    """Unreadable files, now in `queue/corrupt/`."""

    @property
    def text(self) -> str:
        """For example `2 adopted, 1 lost`; empty when all counts are 0."""
        counts: dict[str, int] = msgspec.structs.asdict(self)
        return ", ".join(f"{count} {WORDS[field]}" for field, count in counts.items() if count)


WORDS = {
    Recovered.ADOPTED: "adopted", Recovered.ENDED_MEANWHILE: "ended meanwhile", Recovered.LOST: "lost",
    Recovered.GIVEN_BACK: "given back", "set_aside": "set aside",
}  # fmt: skip
"""The name of each field of `RecoveryCounts` in a sentence."""


def describe_recovery(counts: RecoveryCounts, restarted: bool, paused: PauseReason | None) -> str:
    """Describe what was found at the start in a sentence; empty when there was nothing.

    Args:
        restarted: the machine was restarted during work.
        paused: why the queue is paused; None when it is not.
    """
    parts = [f"found {counts.text}"] if counts.text else []
    if restarted:
        then = "and the queue stays paused" if paused is not None else "and the queue continues, as you asked"
        then = "so the queue is paused: kugetsu resume continues it" if paused is PauseReason.MACHINE_RESTARTED else then
        parts.append(f"{MACHINE_RESTARTED}, {then}")
    return "; ".join(parts)


def was_machine_restarted(last: EngineState | None, lost_boots: Iterable[str], boot: str) -> bool:
    """Whether the machine was restarted while an engine or attempts without a result were running.

    Args:
        last: the state of the previous engine; one that stopped properly was not ended by a restart.
        lost_boots: boot ids of attempts that were running and have no result.
        boot: the current boot id; empty where the system has none, so a restart cannot be detected.
    """
    boots = {*lost_boots, last.boot_id if last is not None and not last.stopped else ""} - {""}
    return bool(boot) and bool(boots - {boot})

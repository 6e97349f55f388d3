"""What an engine found when it started, in counts and in words; and whether the machine was restarted meanwhile."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from ..engine_state import EngineState
from ..pause import PauseReason

MACHINE_RESTARTED = "machine restarted"
"""Reason of a lost attempt, and of a queue that waits for the operator after it."""


class Recovered(StrEnum):
    """What became of an attempt that an earlier engine left; each is a field of `RecoveryCounts`."""

    ADOPTED = "adopted"
    ENDED_MEANWHILE = "ended_meanwhile"
    LOST = "lost"
    GIVEN_BACK = "given_back"


class RecoveryCounts(msgspec.Struct, frozen=True):
    """Attempts that an earlier engine left, by what became of them; and files that were set aside."""

    adopted: int = 0
    """Their agents still run."""
    ended_meanwhile: int = 0
    lost: int = 0
    """Used up without a result: supervisor or machine went away."""
    given_back: int = 0
    """They never began, and do not count."""
    set_aside: int = 0
    """Files that cannot be read, now in `queue/corrupt/`."""

    @property
    def text(self) -> str:
        """`2 adopted, 1 lost`; empty when nothing was found."""
        counts: dict[str, int] = msgspec.structs.asdict(self)
        return ", ".join(f"{count} {WORDS[field]}" for field, count in counts.items() if count)


WORDS = {
    Recovered.ADOPTED: "adopted", Recovered.ENDED_MEANWHILE: "ended meanwhile", Recovered.LOST: "lost",
    Recovered.GIVEN_BACK: "given back", "set_aside": "set aside",
}  # fmt: skip
"""How each field of `RecoveryCounts` is named in a sentence."""


def describe_recovery(found: RecoveryCounts, restarted: bool, paused: PauseReason | None) -> str:
    """What the start is told as; empty when there is nothing to tell.

    Args:
        restarted: the machine was restarted while there was work.
        paused: why the queue is paused; None when it is not.
    """
    parts = [f"found {found.text}"] if found.text else []
    if restarted:
        then = "and the queue stays paused" if paused is not None else "and the queue goes on, as you asked"
        then = "so the queue is paused: kugetsu resume goes on" if paused is PauseReason.MACHINE_RESTARTED else then
        parts.append(f"{MACHINE_RESTARTED}, {then}")
    return "; ".join(parts)


def was_machine_restarted(last: EngineState | None, lost_boots: Iterable[str], boot: str) -> bool:
    """Whether the machine was restarted under an engine or under attempts that have no result.

    Args:
        last: what the engine before told; one that ended in an orderly way was not torn away by a restart.
        lost_boots: boot ids of the attempts that were under way and have no result.
        boot: today's; empty where the system has none, and then nobody can tell.
    """
    boots = {*lost_boots, last.boot_id if last is not None and not last.stopped else ""} - {""}
    return bool(boot) and bool(boots - {boot})

"""The gate: the one way to the right to run. Slot, task and issue are locks of the kernel, taken before anything is started.

They are passed on to the supervisor, so they are freed when it ends, however it ends; nothing counts processes.
"""

import os
from enum import StrEnum

from ..paths import LOCK, StatePaths
from ..storage.locks import is_held, try_lock
from .issue_names import name_of


class SlotRefusal(StrEnum):
    """Which lock was not to be had."""

    SLOTS = "slots"
    TASK = "task"
    ISSUE = "issue"


class SlotLease:
    """The right to make one attempt: three held locks, as open descriptors."""

    def __init__(self, fds: list[int]) -> None:
        self.fds = fds

    def release(self) -> None:
        """Close our descriptors; the locks are free unless a supervisor shares them."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def acquire_slot(paths: StatePaths, task_id: str, issue_ref: str, limit: int) -> SlotLease | SlotRefusal:
    """Take the locks for one attempt without waiting, or say which one is not to be had."""
    issue = (SlotRefusal.ISSUE, paths.issue_lock(name_of(paths, issue_ref)))
    return _enter(paths, limit, ((SlotRefusal.TASK, paths.task_lock(task_id)), issue))


def acquire_manual_slot(paths: StatePaths, issue_ref: str, limit: int) -> SlotLease | SlotRefusal:
    """Take a slot and an issue for a person without waiting, or say which one is not to be had."""
    return _enter(paths, limit, ((SlotRefusal.ISSUE, paths.issue_lock(name_of(paths, issue_ref))),))


def claim_slot(paths: StatePaths, limit: int) -> int:
    """Take a lock beyond the limit, so that the next slot which is given back is not given away; returns its descriptor.

    Whoever holds it counts as one that started under a higher limit: see `_above`.
    """
    number = limit + 1
    while (fd := try_lock(paths.slot_lock(number))) is None:
        number += 1
    return fd


def acquire_claimed_slot(paths: StatePaths, issue_ref: str, claimed: int) -> SlotLease | None:
    """Take an issue for a person who has a claim, now that a slot was given back for it; None where it is not to be had."""
    fd = try_lock(paths.issue_lock(name_of(paths, issue_ref)))
    return SlotLease([claimed, fd]) if fd is not None else None


def count_taken_slots(paths: StatePaths) -> int:
    """How many slots are held at this moment: the truth about agents that run, whatever the files say."""
    names = (name.removesuffix(LOCK) for name in os.listdir(paths.slots))
    return sum(is_held(paths.slot_lock(int(name))) for name in names if name.isascii() and name.isdigit())


def _enter(paths: StatePaths, limit: int, further: tuple[tuple[SlotRefusal, str], ...]) -> SlotLease | SlotRefusal:
    if _above(paths, limit):
        return SlotRefusal.SLOTS
    fds: list[int] = []
    try:
        for number in range(1, limit + 1):
            fd = try_lock(paths.slot_lock(number))
            if fd is not None:
                fds.append(fd)
                break
        else:
            return SlotRefusal.SLOTS
        for what, path in further:
            fd = try_lock(path)
            if fd is None:
                _close(fds)
                return what
            fds.append(fd)
        return SlotLease(fds)
    except BaseException:
        _close(fds)
        raise


def _above(paths: StatePaths, limit: int) -> bool:
    """Whether agents that started under a higher limit take all of this one: they hold slots that are not tried any more."""
    names = (name.removesuffix(LOCK) for name in os.listdir(paths.slots))
    above = sum(
        is_held(paths.slot_lock(int(name))) for name in names if name.isascii() and name.isdigit() and int(name) > limit
    )
    return above > 0 and above + sum(is_held(paths.slot_lock(number)) for number in range(1, limit + 1)) >= limit


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
    fds.clear()

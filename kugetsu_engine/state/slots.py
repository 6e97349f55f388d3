"""Slots: the right to run an agent. Slot, task and issue are kernel locks, acquired before anything is started.

They are passed on to the supervisor and freed when it ends, however it ends, so no processes need to be counted.
"""

import os
from enum import StrEnum

from ..paths import LOCK, StatePaths
from ..storage.locks import is_held, try_lock
from .issue_names import name_of


class SlotRefusal(StrEnum):
    """The lock that could not be acquired."""

    SLOTS = "slots"
    TASK = "task"
    ISSUE = "issue"


class SlotLease:
    """The right to make one attempt: held locks, as open descriptors."""

    def __init__(self, fds: list[int]) -> None:
        self.fds = fds

    def release(self) -> None:
        """Close our descriptors; the locks stay held while a supervisor shares them."""
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def acquire_slot(paths: StatePaths, task_id: str, issue_ref: str, limit: int) -> SlotLease | SlotRefusal:
    """Acquire the locks for one attempt without waiting, or return which one is held."""
    issue = (SlotRefusal.ISSUE, paths.issue_lock(name_of(paths, issue_ref)))
    return _acquire(paths, limit, ((SlotRefusal.TASK, paths.task_lock(task_id)), issue))


def acquire_manual_slot(paths: StatePaths, issue_ref: str, limit: int) -> SlotLease | SlotRefusal:
    """Acquire a slot and an issue for a manual session without waiting, or return which one is held."""
    return _acquire(paths, limit, ((SlotRefusal.ISSUE, paths.issue_lock(name_of(paths, issue_ref))),))


def claim_slot(paths: StatePaths, limit: int) -> int:
    """Acquire a slot lock above the limit, so that no agent gets the next slot that becomes free; returns its descriptor.

    The holder counts like an agent that started under a higher limit, see `_is_full_above`.
    """
    number = limit + 1
    while (fd := try_lock(paths.slot_lock(number))) is None:
        number += 1
    return fd


def acquire_claimed_slot(paths: StatePaths, issue_ref: str, claimed: int) -> SlotLease | None:
    """Acquire an issue for a manual session with a claim, once a slot is free for it; None when the issue is locked."""
    fd = try_lock(paths.issue_lock(name_of(paths, issue_ref)))
    return SlotLease([claimed, fd]) if fd is not None else None


def count_taken_slots(paths: StatePaths) -> int:
    """Count the slots held at this moment; the locks are right even if the files are not."""
    names = (name.removesuffix(LOCK) for name in os.listdir(paths.slots))
    return sum(is_held(paths.slot_lock(int(name))) for name in names if name.isascii() and name.isdigit())


def _acquire(paths: StatePaths, limit: int, further: tuple[tuple[SlotRefusal, str], ...]) -> SlotLease | SlotRefusal:
    if _is_full_above(paths, limit):
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


def _is_full_above(paths: StatePaths, limit: int) -> bool:
    """Whether agents that started under a higher limit use up this one: their slot locks are above it."""
    names = (name.removesuffix(LOCK) for name in os.listdir(paths.slots))
    above = sum(
        is_held(paths.slot_lock(int(name))) for name in names if name.isascii() and name.isdigit() and int(name) > limit
    )
    return above > 0 and above + sum(is_held(paths.slot_lock(number)) for number in range(1, limit + 1)) >= limit


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
    fds.clear()

"""Which task starts next, and when a waiting one expires: pure functions of (tasks, facts, now)."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from ..text.times import epoch
from .waiting_reasons import Cooldown, SchedulingFacts, Waiting, find_clone_host, find_own_reason, find_queue_reason

AnyWaiting = TypeVar("AnyWaiting", bound=Waiting)

MOST_PREPARED = 4
"""Worktrees that are made ahead at a time; never more than there are slots."""


class Timing(msgspec.Struct, frozen=True):
    """The settings that time retries and expiry, in seconds; `queue_expiry` None means never."""

    max_attempts: int
    retry_delay: float
    retry_delay_max: float
    queue_expiry: float | None
    budget_per_task: float = 0.0
    """What the attempts of a task may cost together; 0: no limit."""


def find_probes(
    preparing: Iterable[Waiting], hosts: Mapping[str, Cooldown], own_repositories: frozenset[str]
) -> dict[str, str]:
    """Find, for each host that did not answer, the first task whose preparation tries it.

    Args:
        preparing: tasks that have a supervisor but no agent yet.
    """
    probes: dict[str, str] = {}
    for task in preparing if hosts else ():
        host = find_clone_host(task, own_repositories)
        if host is not None and host in hosts:
            probes.setdefault(host, task.id)
    return probes


def choose_next(in_order: Iterable[AnyWaiting], facts: SchedulingFacts, now: float) -> AnyWaiting | None:
    """Choose the first of the pending tasks, given in their order, that may start; None when none may."""
    if find_queue_reason(facts):
        return None
    return next((task for task in in_order if find_own_reason(task, facts, now) is None), None)


def choose_prepared(in_order: Iterable[AnyWaiting], facts: SchedulingFacts, now: float) -> list[AnyWaiting]:
    """Choose the tasks whose worktree is made ahead: the first that would start if slots were free, one of each issue.

    None while a slot is free or nothing may start at all. A task of a host that does not answer is tried in a slot only.

    Args:
        in_order: the first of the pending tasks, in their order.
    """
    why, chosen = find_queue_reason(facts), dict[str, AnyWaiting]()
    if why is None or why.code != "slots":
        return []
    for task in in_order:
        if len(chosen) >= min(facts.limit, MOST_PREPARED):
            break
        unsure = facts.hosts and find_clone_host(task, facts.own_repositories) in facts.hosts
        if not unsure and find_own_reason(task, facts, now) is None:
            chosen.setdefault(task.issue_key, task)
    return [*chosen.values()]


def compute_expiry(task: Waiting, timing: Timing) -> float | None:
    """Compute when a waiting task expires, in seconds since 1970; None: never.

    While a task is held, or before its `not_before`, `queue_expiry` does not count.
    """
    own = epoch(task.expires_at)
    if own is not None or timing.queue_expiry is None or task.held:
        return own
    since, not_before = task.pending_since_s, epoch(task.not_before)
    if since is None or (not_before is not None and not_before > since):
        since = not_before
    return since + timing.queue_expiry if since is not None else None

"""The decisions of the engine, as pure functions of (tasks, facts, now).

The console and `queue list` explain a waiting task with the very function the engine starts tasks by.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Literal, Protocol, TypeVar

import msgspec

from .. import failures
from ..config_faults import Gaps
from ..manual_session import ManualSession
from ..new_task import format_id
from ..obstacles import Obstacles
from ..pause import PauseReason
from ..refs import LOCAL
from ..states import COMPLETED, FINAL
from ..task import Attempt, Task
from ..text.quantities import format_clock, format_money, format_upcoming
from ..text.times import epoch
from ..usage_sums import sum_cost

WhyCode = Literal[
    "next", "slots", "edited", "held", "after", "retry_at", "not_before", "paused", "draining", "issue_busy", "no_engine",
    "rate_limit", "pressure", "too_new", "budget", "by_hand", "network", "preparing", "config",
]  # fmt: skip


class Waiting(Protocol):
    """The fields of a task that decisions use; both `Task` and the engine's index entry have them."""

    @property
    def id(self) -> str: ...
    @property
    def held(self) -> bool: ...
    @property
    def after(self) -> Sequence[str]: ...
    @property
    def retry_at(self) -> str | None: ...
    @property
    def not_before(self) -> str | None: ...
    @property
    def issue_key(self) -> str: ...
    @property
    def agent(self) -> str | None: ...
    @property
    def repo(self) -> str | None: ...
    @property
    def repository(self) -> str: ...
    @property
    def expires_at(self) -> str | None: ...
    @property
    def pending_since(self) -> str | None: ...


AnyWaiting = TypeVar("AnyWaiting", bound=Waiting)


class WaitingReason(msgspec.Struct, frozen=True):
    """Why a task waits."""

    code: WhyCode
    text: str
    until: float | None = None
    """Seconds since 1970 at which the reason ends, if known."""
    without_time: str = ""
    """`text` without its countdown, for displays that show `until` instead; empty where the code is enough."""


class Cooldown(msgspec.Struct, frozen=True):
    """A provider in cooldown after a rate limit, or a host that did not answer."""

    provider: str
    until: float
    """Seconds since 1970."""
    failure: str = "rate_limit"


class SchedulingFacts(msgspec.Struct, frozen=True):
    """What decisions depend on besides the tasks."""

    limit: int
    used: int
    """Slots in use by agents."""
    paused: bool = False
    draining: bool = False
    engine_runs: bool = True
    engine_answers: bool = True
    """Whether its heartbeat is recent; an engine that holds its lock may still be stopped or hang."""
    busy_refs: frozenset[str] = frozenset()
    """Keys of issues that have an agent."""
    pause: PauseReason = PauseReason.OPERATOR
    pause_reason: str = ""
    """Why the queue is paused, in a sentence, unless the operator did it."""
    pressure: str = ""
    """The resource that is short for another agent; empty when none is, or it was not checked."""
    states: Mapping[str, str] = {}
    """States of tasks that others wait for; a missing one counts as completed long ago."""
    cooldowns: Mapping[str, Cooldown] = {}
    """Cooldowns of providers, by the agent that has to wait."""
    default_agent: str = ""
    """The agent of tasks that name none."""
    edited: frozenset[str] = frozenset()
    """Ids of tasks that are being edited."""
    gaps: Gaps = Gaps()
    """Settings that are missing or invalid."""
    by_hand: tuple[ManualSession, ...] = ()
    """Manual sessions: each holds a slot and keeps agents from its issue."""
    hosts: Mapping[str, Cooldown] = {}
    """Hosts that did not answer when cloning; after its cooldown a host is tried by one task first."""
    own_repositories: frozenset[str] = frozenset()
    """Repositories for which the settings name a folder, so that no host is needed."""
    probes: Mapping[str, str] = {}
    """By host, the task whose preparation tries it."""
    obstacles: Obstacles = Obstacles()
    """Obstacles the engine has found."""

    @property
    def taken(self) -> int:
        """Slots in use by anyone."""
        return self.used + len(self.by_hand) + self.obstacles.slots


class Timing(msgspec.Struct, frozen=True):
    """The settings that time retries and expiry, in seconds; `queue_expiry` None means never."""

    max_attempts: int
    retry_delay: float
    retry_delay_max: float
    queue_expiry: float | None
    budget_per_task: float = 0.0
    """What the attempts of a task may cost together; 0: no limit."""


class NextState(msgspec.Struct, frozen=True):
    """The state of a task after an attempt."""

    state: Literal["completed", "error", "cancelled", "pending"]
    reason: str
    retry_delay: float | None = None
    """Seconds to wait before the next attempt, without jitter; for `pending` only."""
    counts: bool = True
    """Whether the attempt counts against `max_attempts`."""


def find_own_reason(task: Waiting, facts: SchedulingFacts, now: float) -> WaitingReason | None:
    """Say why this task may not start, apart from slots and queue; None when it may."""
    if task.id in facts.edited:
        return WaitingReason("edited", "being edited")
    if task.held:
        return WaitingReason("held", "held by you")
    for earlier in task.after:
        state = facts.states.get(earlier, COMPLETED)
        if state != COMPLETED:
            ended_badly = state in FINAL
            return WaitingReason(
                "after", f"after {format_id(earlier)}" + (f", which ended as {state}: retry it" if ended_badly else "")
            )
    gap = facts.gaps.reason(task.agent or facts.default_agent, task.issue_key)
    if gap and not facts.gaps.everything:  # a fault that stops everything is the queue's reason
        return WaitingReason("config", gap)
    if (why := _not_prepared(task, facts, now)) is not None:
        return why
    rest = facts.cooldowns.get(task.agent or facts.default_agent)
    if rest is not None and rest.until > now:
        text = f"{rest.provider}: {failures.describe_failure(rest.failure)}"
        return WaitingReason("rate_limit", f"{text}, resumes in {format_clock(rest.until - now)}", rest.until, text)
    retry_at = epoch(task.retry_at)
    if retry_at is not None and retry_at > now:
        return WaitingReason("retry_at", f"retry in {format_clock(retry_at - now)}", retry_at)
    not_before = epoch(task.not_before)
    if not_before is not None and not_before > now:
        return WaitingReason("not_before", f"starts in {format_clock(not_before - now)}", not_before)
    for hand in facts.by_hand:
        if task.issue_key == hand.issue_key:
            return WaitingReason("by_hand", f"the issue is worked on by hand, see {hand.shown}")
    if task.issue_key in facts.busy_refs:
        return WaitingReason("issue_busy", "the issue has an agent already")
    if task.issue_key in facts.obstacles.issues:
        return WaitingReason("issue_busy", "another program is working on the issue")
    return None


def find_clone_host(task: Waiting, own_repositories: frozenset[str]) -> str | None:
    """The host that a task's repository is cloned from; None when it works in a local repository."""
    if task.repo is not None or task.repository in own_repositories:
        return None
    host = task.repository.partition("/")[0]
    return None if host == LOCAL else host


def _not_prepared(task: Waiting, facts: SchedulingFacts, now: float) -> WaitingReason | None:
    """Say why a worktree cannot be made now: the host does not answer, or git is busy in the repository for long."""
    host = find_clone_host(task, facts.own_repositories) if facts.hosts else None
    rest = facts.hosts.get(host) if host is not None else None
    if rest is not None and host is not None:
        if rest.until > now:
            return WaitingReason("network", f"{host} does not answer: next try {format_upcoming(rest.until, now)}", rest.until)
        if host in facts.probes:
            return WaitingReason("network", f"{host} did not answer: {format_id(facts.probes[host])} tries it first")
    other = facts.obstacles.preparing.get(task.repo or task.repository) if facts.obstacles.preparing else None
    if other is not None:
        return WaitingReason("preparing", f"git is busy in the repository for {format_id(other)}")
    return None


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


def find_queue_reason(facts: SchedulingFacts) -> WaitingReason | None:
    """Say why no task at all may start; None when some may."""
    if facts.gaps.everything:
        return WaitingReason("config", facts.gaps.everything)
    if not facts.engine_runs:
        return WaitingReason("no_engine", "no engine runs")
    if not facts.engine_answers:
        return WaitingReason("no_engine", "the engine does not answer")
    if facts.draining:
        return WaitingReason("draining", "draining: nothing new starts")
    if facts.paused:
        code: WhyCode = "budget" if facts.pause is PauseReason.BUDGET else "paused"
        return WaitingReason(code, f"queue paused: {facts.pause_reason}" if facts.pause_reason else "queue paused")
    if facts.taken >= facts.limit:
        hands, strangers = len(facts.by_hand), facts.obstacles.slots
        others = [f"{hands} by hand"] * bool(hands) + [f"{strangers} by another program"] * bool(strangers)
        return WaitingReason("slots", ", ".join([f"slots {facts.taken}/{facts.limit}", *others]))
    if facts.pressure:
        return WaitingReason("pressure", facts.pressure)
    if facts.obstacles.trouble:
        return WaitingReason("pressure", facts.obstacles.trouble)
    return None


def find_waiting_reason(task: Waiting, facts: SchedulingFacts, now: float) -> WaitingReason:
    """Say why a task waits; `next` when it starts at the next turn."""
    return find_own_reason(task, facts, now) or find_queue_reason(facts) or WaitingReason("next", "starts next")


def choose_next(in_order: Iterable[AnyWaiting], facts: SchedulingFacts, now: float) -> AnyWaiting | None:
    """Choose the first of the pending tasks, given in their order, that may start; None when none may."""
    if find_queue_reason(facts):
        return None
    return next((task for task in in_order if find_own_reason(task, facts, now) is None), None)


def compute_expiry(task: Waiting, timing: Timing) -> float | None:
    """Compute when a waiting task expires, in seconds since 1970; None: never.

    While a task is held, or before its `not_before`, `queue_expiry` does not count.
    """
    own = epoch(task.expires_at)
    if own is not None or timing.queue_expiry is None or task.held:
        return own
    starts = [stamp for stamp in map(epoch, (task.pending_since, task.not_before)) if stamp is not None]
    return max(starts) + timing.queue_expiry if starts else None


def compute_retry_delay(failures: int, timing: Timing) -> float:
    """Compute the seconds to wait after so many failures in a row, without jitter; doubles up to the maximum."""
    return min(timing.retry_delay * 2.0 ** min(max(failures - 1, 0), 40), timing.retry_delay_max)


def decide_next_state(task: Task, ended: Attempt, timing: Timing) -> NextState:
    """Decide the state of a task whose attempt has ended."""
    reason = ended.reason or ended.outcome
    if ended.outcome == "ok":
        return NextState("completed", reason)
    if task.stop is not None or ended.outcome == "cancelled":
        return NextState("cancelled", "stopped by you" if task.stop else reason)
    reason = failures.prefix_class(ended.failure, reason)
    used = ended.number - task.attempts_before
    spent = sum_cost([*task.attempts, ended], task.attempts_before)
    if 0 < timing.budget_per_task <= spent and ended.failure != "budget":
        budget = f"{format_money(spent)} of {format_money(timing.budget_per_task)}"
        return NextState("error", f"{reason} (not retried: the budget of the task is used up, {budget})")
    if failures.was_unreachable(ended.outcome, ended.failure):
        attempts = [*task.attempts, ended]
        tries = sum(1 for _ in takewhile(lambda one: failures.was_unreachable(one.outcome, one.failure), reversed(attempts)))
        if tries % failures.MAX_UNCOUNTED == 0:  # the operator's retry allows as many again
            return NextState("error", f"{reason} ({tries} times in a row)")
        return NextState("pending", f"attempt {ended.number} did not start: {reason}", 0.0, counts=False)
    known = failures.get_policy(ended.failure)
    if failures.was_refused(ended.outcome, ended.failure):
        in_a_row = 1 + sum(
            1 for _ in takewhile(lambda one: failures.was_refused(one.outcome, one.failure), reversed(task.attempts))
        )
        return NextState(
            "pending", f"attempt {ended.number} did not start: {reason}", compute_retry_delay(in_a_row, timing), counts=False
        )
    if not known.retried:
        return NextState("error", f"{reason} (not retried)", counts=known.counts)
    if not known.counts:
        in_a_row = failures.count_uncounted([*(one.failure for one in task.attempts), ended.failure])
        if in_a_row % failures.MAX_UNCOUNTED == 0:  # the operator's retry allows as many again
            return NextState("error", f"{reason} ({in_a_row} times in a row)")
        delay = 0.0 if known.pause else compute_retry_delay(in_a_row, timing)  # the provider's cooldown is long enough
        return NextState("pending", f"attempt {ended.number}: {reason}", delay, counts=False)
    if used >= timing.max_attempts:
        return NextState("error", f"{reason} (attempt {used} of {timing.max_attempts})")
    delay = compute_retry_delay(used, timing)
    return NextState("pending", f"attempt {ended.number} failed: {reason}", delay)

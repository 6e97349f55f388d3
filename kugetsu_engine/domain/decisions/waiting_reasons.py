"""Why a task waits: its own reasons first, then those of the whole queue. Pure functions of (task, facts, now).

The console and `queue list` explain a waiting task with the very function that the engine starts tasks by.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from .. import failures
from ..config_faults import Gaps
from ..manual_session import ManualSession
from ..new_task import format_id
from ..obstacles import Obstacles
from ..pause import PauseReason
from ..refs import LOCAL
from ..states import COMPLETED, FINAL
from ..text.quantities import format_clock, format_upcoming
from ..text.times import epoch

WhyCode = Literal[
    "next", "slots", "edited", "held", "after", "retry_at", "not_before", "paused", "draining", "issue_busy", "no_engine",
    "rate_limit", "pressure", "too_new", "budget", "by_hand", "network", "preparing", "config", "prepared",
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
    def pending_since_s(self) -> float | None: ...


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
    prepared: Mapping[str, bool] = {}
    """Tasks whose worktree is made ahead, by id: whether it is ready."""

    @property
    def taken(self) -> int:
        """Slots in use by anyone."""
        return self.used + len(self.by_hand) + self.obstacles.slots


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
            return WaitingReason("by_hand", f"the issue has a manual session, see {hand.shown}")
    if task.issue_key in facts.busy_refs:
        return WaitingReason("issue_busy", "an agent is already working on the issue")
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


def find_queue_reason(facts: SchedulingFacts) -> WaitingReason | None:
    """Say why no task at all may start; None when some may."""
    if facts.gaps.everything:
        return WaitingReason("config", facts.gaps.everything)
    if not facts.engine_runs:
        return WaitingReason("no_engine", "no engine is running")
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
    why = find_own_reason(task, facts, now) or find_queue_reason(facts) or WaitingReason("next", "starts next")
    if why.code == "slots" and (ready := facts.prepared.get(task.id)) is not None:
        text, short = ("ready", "ready") if ready else ("its worktree is being made", "worktree is made")
        return WaitingReason("prepared", f"{text}, waits for a slot ({why.text})", without_time=short)
    return why

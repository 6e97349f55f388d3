"""Which actions are possible in a context, and why others are not. Loads no user interface library."""

from collections.abc import Callable
from dataclasses import dataclass

from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.states import ACTIVE, FINAL

REPLAY_REFUSAL = "this is the past: esc returns to the present"


@dataclass(frozen=True)
class ActionContext:
    """What decides which actions are possible at a moment, as plain values."""

    pane: str = "agents"
    """The focused pane: `agents`, `queue`, `log`, `notices`, `done`, or `task` on a task's own screen."""
    read_only: bool = False
    task: str | None = None
    """Id of the selected task."""
    state: str | None = None
    held: bool = False
    paused: bool = False
    """Whether its agent is paused, or is to be."""
    stopping: bool = False
    waits_for_retry: bool = False
    attempt: int = 0
    """The attempt whose log is shown."""
    last_attempt: int = 0
    limit: int = 1
    searching: bool = False
    """Whether lines of the log are being searched for."""
    has_log: bool = True
    """Whether there is a log: a task that never started has none."""
    streams: bool = True
    """Whether the log exists in two forms: as the agent printed it, and readable."""
    marked: int = 0
    """Number of marked tasks; while there are any, actions apply to them."""
    kinds: tuple["ActionContext", ...] = ()
    """One context for each kind of marked task."""
    in_replay: bool = False
    """Whether a replay is shown."""
    needing: int = 0
    """How many things need the operator."""
    no_attach: str | None = None
    """Why the operator cannot attach to the selected task, apart from its state."""
    asks: bool = False
    """Whether the agent of the selected task waits for an answer."""
    undo: str | None = None
    """The text of the act that can be undone."""


WhyNot = Callable[[ActionContext], str | None]


def allow_always(now: ActionContext) -> str | None:
    """Refuse never."""
    return None


def require_writable(now: ActionContext) -> str | None:
    """Refuse in a replay and in a read-only console."""
    if now.in_replay:
        return REPLAY_REFUSAL
    return "read-only: start without --read-only to change anything" if now.read_only else None


def require_writable_task(now: ActionContext) -> str | None:
    """Refuse without a task that may be changed."""
    return require_writable(now) or (None if now.task else "no task is selected")


def _shown(now: ActionContext) -> str:
    return format_id(now.task or "")


def require_pending(verb: str) -> WhyNot:
    """Make a check that refuses unless the task waits; `verb` is the participle of the action."""

    def why_not(now: ActionContext) -> str | None:
        if (reason := require_writable_task(now)) is not None:
            return reason
        if now.state != "pending":
            return f"{_shown(now)} is {now.state}; only a waiting task can be {verb}"
        return None

    return why_not


def require_holdable(now: ActionContext) -> str | None:
    """Refuse unless it waits, or has an agent that is not being ended."""
    if now.state == "pending":
        return require_writable_task(now)
    return require_parkable(now)


def require_parkable(now: ActionContext) -> str | None:
    """Refuse for a task without an agent, or whose agent is being ended."""
    if (reason := require_writable_task(now)) is not None:
        return reason
    if now.state not in ACTIVE:
        return f"{_shown(now)} has no agent ({now.state})"
    return f"{_shown(now)} is being stopped" if now.stopping else None


def require_listener(now: ActionContext) -> str | None:
    """Refuse unless it is one task whose agent can still read a message."""
    if now.marked > 1:
        return f"one task at a time: {now.marked} are marked, esc clears the marks"
    if (reason := require_writable_task(now)) is not None:
        return reason
    return f"{_shown(now)} has ended ({now.state}): no agent would read it" if now.state in FINAL else None


def require_question(now: ActionContext) -> str | None:
    """Refuse unless the agent of the task asks something."""
    return require_writable_task(now) or (None if now.asks else f"{_shown(now)} asks nothing now")


def require_editable(now: ActionContext) -> str | None:
    """Refuse unless it is one waiting task."""
    if now.marked > 1:
        return f"one task at a time: {now.marked} are marked, esc clears the marks"
    return require_pending("edited")(now.kinds[0] if now.marked and now.kinds else now)


def require_stoppable(now: ActionContext) -> str | None:
    """Refuse for a task that has ended or is being stopped."""
    if (reason := require_writable_task(now)) is not None:
        return reason
    if now.state in FINAL:
        return f"{_shown(now)} has already ended ({now.state})"
    return f"{_shown(now)} is being stopped; X kills it now" if now.stopping else None


def require_killable(now: ActionContext) -> str | None:
    """Refuse for a task without an agent."""
    if (reason := require_writable_task(now)) is not None:
        return reason
    return None if now.state in ACTIVE else f"{_shown(now)} has no agent to kill ({now.state})"


def require_retryable(now: ActionContext) -> str | None:
    """Refuse unless the task has ended or waits for its retry."""
    if (reason := require_writable_task(now)) is not None:
        return reason
    if now.state in ACTIVE:
        return f"{_shown(now)} is running"
    if now.state == "pending" and not now.waits_for_retry:
        return f"{_shown(now)} is already waiting to start"
    return None


def require_lowerable_limit(now: ActionContext) -> str | None:
    """Refuse to lower the limit below 1."""
    return require_writable(now) or ("the limit is 1 already; P pauses the queue" if now.limit <= 1 else None)


def require_undo(now: ActionContext) -> str | None:
    """Refuse while nothing can be undone."""
    return require_writable(now) or (
        None if now.undo else "nothing to undo: an action can be undone for 30 s, :undo lists them"
    )


def require_need(now: ActionContext) -> str | None:
    """Refuse while nothing needs the operator."""
    return None if now.needing else "nothing needs you"


def require_task(now: ActionContext) -> str | None:
    """Refuse without a task."""
    return None if now.task else "no task is selected"


def require_copyable(now: ActionContext) -> str | None:
    """Refuse without a task, except where the lines of all agents are shown."""
    return None if now.pane == "merged" else require_task(now)


def require_live(now: ActionContext) -> str | None:
    """Refuse in a replay."""
    return "this is not recorded, so a replay cannot show it: esc returns to the present" if now.in_replay else None


def require_diffable(now: ActionContext) -> str | None:
    """Refuse without a task, and in a replay."""
    return require_task(now) or require_live(now)


def require_replay(now: ActionContext) -> str | None:
    """Refuse except in a replay."""
    return None if now.in_replay else "this is the present; , or :replay 03:00 shows the past"


def is_replaying(now: ActionContext) -> bool:
    """Whether a replay is shown."""
    return now.in_replay


def require_worktree(now: ActionContext) -> str | None:
    """Refuse for a task without a worktree."""
    return require_writable_task(now) or (
        None if now.last_attempt else f"{_shown(now)} has no worktree yet: its first attempt makes it"
    )


def require_log(now: ActionContext) -> str | None:
    """Refuse where one task's log would be shown and there is none."""
    if now.pane not in ("log", "task") or (now.attempt and now.has_log):
        return None
    return require_task(now) or f"{_shown(now)} has no log yet: its first attempt writes one"


def require_two_log_forms(now: ActionContext) -> str | None:
    """Refuse where the log has one form only."""
    return require_log(now) or (
        None if now.streams else "this log has one form only: its agent prints lines, no stream of events"
    )


def require_attachable(now: ActionContext) -> str | None:
    """Refuse for a task without a worktree, or whose agent has no screen of its own."""
    return require_worktree(now) or now.no_attach


def require_older_attempt(now: ActionContext) -> str | None:
    """Refuse at the first attempt."""
    return require_task(now) or (None if now.attempt > 1 else "there is no earlier attempt")


def require_newer_attempt(now: ActionContext) -> str | None:
    """Refuse at the last attempt."""
    return require_task(now) or (None if now.attempt < now.last_attempt else "there is no later attempt")

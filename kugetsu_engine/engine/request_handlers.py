"""What the operator's requests do: one function each, the same whether an engine runs or a command applies its own request."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ..domain import states
from ..domain.new_task import check_priority, check_tags, format_bare_id, format_id, parse_task_id
from ..domain.request import Answer, Request, Undo
from ..domain.session import Mode
from ..domain.task import Expect, Task
from ..domain.text.quantities import format_count
from ..domain.text.times import epoch
from ..errors import ConfigError, Conflict, KugetsuError, NoSuchTask, TryLater, UsageError
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..scheduler.attempts import AttemptTracker
from ..scheduler.dispatcher import Dispatcher
from ..scheduler.engine_context import EngineContext
from ..scheduler.provider_backoff import ProviderBackoff
from ..scheduler.queue_control import QueueControl
from ..state import tasks
from ..state.new_tasks import check_message
from . import issue_requests

CLEARED_AT_ONCE = 100
"""Ended tasks whose logs are removed before `clear` is answered; those of more are removed beside the engine's turns."""

NEAREST = 2.0**-10
"""What at least lies between two positions after room was made: enough for further moves to the same place."""

FAR = 2.0**40
"""A position from which on too few numbers lie so near; nobody comes there but by hand."""

EDITABLE: dict[str, Any] = {
    "message": str, "priority": int, "agent": str | None, "after": list[str], "not_before": str | None,
    "expires_at": str | None, "timeout_s": float | None, "repo": str | None, "position": float,
    "expect": Expect, "tags": list[str],
}  # fmt: skip


class Handled(NamedTuple):
    """What was done, and what would take it back."""

    text: str
    undo: Undo | None = None


class RequestHandlers:
    """Applies requests to the books."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, controls: QueueControl, backoff: ProviderBackoff,
        attempts: AttemptTracker, dispatcher: Dispatcher,
    ) -> None:  # fmt: skip
        self._context = context
        self._store = store
        self._controls = controls
        self._backoff = backoff
        self._attempts = attempts
        self._dispatcher = dispatcher
        self._asked_by = ""
        """Number and time of the request under way: a number alone comes again if the counter is lost."""
        self._task_handlers: dict[str, Callable[[Task, dict[str, Any]], Handled]] = {
            "kill": self._stop_task, "cancel": self._cancel_task, "restore": self._restore_task, "retry": self._retry_task,
            "hold": self._hold_task, "release": self._release_task, "move": self._move_task, "edit": self._edit_task,
            "start": self._start_task,
        }  # fmt: skip

    def apply_request(self, request: Request, name: str) -> Answer:
        """Do what a request asks for, and say what was done or why not. After a crash it may have been done already.

        Args:
            name: its number; of one that is a part of another, also its place in that.
        """
        self._asked_by = f"{name} {request.at}"
        try:
            if request.verb in self._task_handlers:
                task = self._store.find(request.task or "")
                done = self._task_handlers[request.verb](task, request.args)
            else:
                done = self._apply_to_queue(request.verb, request.args)
            return Answer(True, done.text, undo=done.undo)
        except KugetsuError as error:
            return Answer(False, error.message, error.hint, error.exit_code)
        except OSError as error:
            return Answer(False, f"the disk refused: {error.strerror}", "make room, then ask again", 1)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            return Answer(False, f"the request makes no sense: {error}", "", 64)

    # one task

    def _stop_task(self, task: Task, args: dict[str, Any]) -> Handled:
        if task.state == states.PENDING:
            return self._cancel_task(task, args)
        if task.ended:
            raise Conflict(f"{task.shown} has ended already ({task.state})")
        how = "kill" if args.get("now") else "stop"
        if task.stop == how or task.stop == "kill":
            raise Conflict(f"{task.shown} is being stopped already")
        task = self._store.update(task, stop=how)
        self._attempts.stop_attempt(task)
        return Handled(f"{'killing' if how == 'kill' else 'stopping'} {task.shown}, its worktree is kept")

    def _cancel_task(self, task: Task, args: dict[str, Any]) -> Handled:
        if task.state in states.ACTIVE:
            raise Conflict(f"{task.shown} has an agent already", f"to stop it: kugetsu kill {format_bare_id(task.id)}")
        if task.ended:
            raise Conflict(f"{task.shown} has ended already ({task.state})")
        self._store.change(task, "cancelled", "cancelled by you")
        return Handled(f"cancelled {task.shown}", Undo("restore", task.id, {"retry_at": task.retry_at}))

    def _restore_task(self, task: Task, args: dict[str, Any]) -> Handled:
        """Put a cancelled task back at its place, as it waited there; unlike a retry it counts no attempts anew."""
        if task.state != "cancelled":
            raise Conflict(f"{task.shown} is {task.state}; only a cancelled task can be put back")
        retry_at = msgspec.convert(args.get("retry_at"), str | None)
        if retry_at is not None and epoch(retry_at) is None:
            raise UsageError("retry_at is no time")
        self._store.reopen(task, "put back by you", retry_at=retry_at, completed_at=None, error=None)
        return Handled(f"{task.shown} is back in the queue")

    def _retry_task(self, task: Task, args: dict[str, Any]) -> Handled:
        if task.state in states.ACTIVE:
            raise Conflict(f"{task.shown} is running")
        fresh: dict[str, Any] = {
            "retry_at": None, "attempts_before": task.attempt, "pending_since": self._context.now(), "held": False,
        }  # fmt: skip
        if (session := msgspec.convert(args.get("session"), Mode | None)) is not None:
            fresh["session"] = session
        if task.state == states.PENDING:
            if task.retry_at is None:
                raise Conflict(f"{task.shown} waits for its start already", "kugetsu queue list says why")
            self._store.update(task, **fresh, reason="retry asked for by you")
            return Handled(f"{task.shown} is tried again at once")
        fresh |= {"error": None, "exit_code": None, "completed_at": None, "expires_at": None}
        self._store.reopen(task, "retry asked for by you", **fresh)
        return Handled(f"{task.shown} waits for another attempt")

    def _start_task(self, task: Task, args: dict[str, Any]) -> Handled:
        """Start one task now, before all others, or take it back, as it was made for this; `keep`: it waits as before."""
        if task.state in states.ACTIVE:
            return Handled(f"{task.shown} starts")  # the request is applied again after a crash
        self._require_pending(task, "started")
        if task.held:
            self._store.update(task, held=False)
        self._attempts.settle_missed()
        refused = self._dispatcher.start_task(task.id)
        if refused is not None and args.get("keep"):
            if task.held:
                self._store.update(self._store.get(task.id), held=True)
            raise TryLater(f"{task.shown} cannot start now: {refused.text}", "it waits in the queue, as before")
        if refused is not None:
            self._store.change(self._store.get(task.id), "cancelled", f"could not start at once: {refused.text}")
            words = f"{task.issue_ref} cannot start now: {refused.text}"
            if refused.code == "config":  # that does not pass by itself
                raise ConfigError(words, "correct that first; kugetsu enqueue puts it in the queue")
            raise TryLater(words, "try later; kugetsu enqueue puts it in the queue")
        return Handled(f"{task.shown} starts")

    def _hold_task(self, task: Task, args: dict[str, Any]) -> Handled:
        self._require_pending(task, "held")
        if task.held:
            raise Conflict(f"{task.shown} is held already")
        self._store.update(task, held=True)
        return Handled(f"holding {task.shown}", Undo("release", task.id))

    def _release_task(self, task: Task, args: dict[str, Any]) -> Handled:
        self._require_pending(task, "released")
        if not task.held:
            raise Conflict(f"{task.shown} is not held")
        # It starts to grow old now.
        self._store.update(task, held=False, pending_since=self._context.now())
        return Handled(f"released {task.shown}", Undo("hold", task.id))

    def _move_task(self, task: Task, args: dict[str, Any]) -> Handled:
        self._require_pending(task, "moved")
        others = [entry for entry in self._store.list_pending() if entry.id != task.id]
        before = sum(1 for entry in others if entry.key < task.order)
        if task.moved_by == self._asked_by:  # a step up or down would be a second one
            return Handled(_told_place(task, before, others))
        place = self._wanted_place(others, before, args)
        if place == before:
            raise Conflict(f"{task.shown} is {'the first' if not place else f'number {place + 1}'} already")
        priority, position = _between(
            task.priority, others[place - 1] if place else None, others[place] if place < len(others) else None
        )
        if position is None:
            self._make_room(others[place - 1])
            return self._move_task(self._store.get(task.id), args)
        self._store.update(task, priority=priority, position=position, moved_by=self._asked_by)
        changed = f", priority {priority} now" if priority != task.priority else ""
        back = Undo("edit", task.id, {"priority": task.priority, "position": task.position})
        return Handled(f"{_told_place(task, place, others)}{changed}", back)

    def _wanted_place(self, others: list[Entry], before: int, args: dict[str, Any]) -> int:
        """The index among the other tasks at which the task is to stand."""
        to = args.get("to")
        if to == "number":
            return max(min(int(args["number"]) - 1, len(others)), 0)
        if to == "before":
            wanted = parse_task_id(str(args.get("before", "")))
            for place, entry in enumerate(others):
                if entry.id == wanted:
                    return place
            raise NoSuchTask(f"{args.get('before')!r} is no other waiting task", "kugetsu queue list shows them")
        places = {"top": 0, "bottom": len(others), "up": max(before - 1, 0), "down": min(before + 1, len(others))}
        if to not in places:
            raise UsageError(f"{to!r} is no place in the queue", "use top, bottom, up, down, before or number")
        return places[to]

    def _make_room(self, above: Entry) -> None:
        """Move the tasks below another one aside, as no number is left after it: no more of them than stand too close."""
        same = [entry for entry in self._store.list_pending() if entry.priority == above.priority]
        low, step, crowd = above.position, 1.0, list[Entry]()
        for entry in same[same.index(above) + 1 :]:
            between = (entry.position - low) / (len(crowd) + 1)
            if between >= NEAREST:
                step = between
                break
            crowd.append(entry)
        if abs(low) >= FAR:
            low, step, crowd = 0.0, 1.0, same
        for nth in range(len(crowd), 0, -1):  # the last one first, as it has room
            self._store.update(self._store.get(crowd[nth - 1].id), position=low + nth * step)

    def _edit_task(self, task: Task, args: dict[str, Any]) -> Handled:
        self._require_pending(task, "edited")
        if not args or not args.keys() <= EDITABLE.keys():
            raise UsageError(f"nothing to edit in {sorted(args)}", f"one of {', '.join(EDITABLE)}")
        changes = {name: msgspec.convert(value, EDITABLE[name]) for name, value in args.items()}
        self._check_edit(task, changes)
        self._store.update(task, **changes)
        before = {name: getattr(task, name) for name in changes}
        return Handled(f"changed {', '.join(sorted(changes))} of {task.shown}", Undo("edit", task.id, before))

    def _check_edit(self, task: Task, changes: dict[str, Any]) -> None:
        if "message" in changes:
            check_message(changes["message"])
        if "priority" in changes:
            check_priority(changes["priority"])
        if changes.get("timeout_s") is not None and not changes["timeout_s"] > 0:
            raise UsageError("a time limit of nothing leaves no time to work")
        if "tags" in changes:
            changes["tags"] = check_tags(changes["tags"])
        for name in ("not_before", "expires_at"):
            if changes.get(name) is not None and epoch(changes[name]) is None:
                raise UsageError(f"{name} is no time")
        for earlier in changes.get("after", ()):
            if earlier == task.id or parse_task_id(earlier) != earlier:
                raise UsageError(f"{task.shown} cannot come after {earlier!r}")
            tasks.find_task(self._store.paths, earlier)
            if self._waits_for(earlier, task.id):
                raise UsageError(f"{task.shown} and {format_id(earlier)} would wait for each other")

    def _waits_for(self, task_id: str, other: str) -> bool:
        """Whether a task waits for another one, also by way of further tasks."""
        seen, to_see = set(), [task_id]
        while to_see:
            entry = self._store.entries.get(to_see.pop())
            for earlier in entry.after if entry else ():
                if earlier == other:
                    return True
                if earlier not in seen:
                    seen.add(earlier)
                    to_see.append(earlier)
        return False

    def _require_pending(self, task: Task, done: str) -> None:
        if task.state != states.PENDING:
            raise Conflict(f"{task.shown} is {task.state}; only a waiting task can be {done}")

    # the whole queue

    def _apply_to_queue(self, verb: str, args: dict[str, Any]) -> Handled:
        controls = self._controls
        if verb == "limit":
            before = controls.limit
            return Handled(controls.set_limit(args.get("limit")), Undo("limit", None, {"limit": before}))
        if verb == "stop_all":
            return Handled(self._stop_tasks(args))
        if verb == "clear":
            return Handled(self._clear_ended(args))
        if verb == "set_pr":
            text, pr_before = issue_requests.set_pull_request(self._store, args, self._context.clock())
            return Handled(text, Undo("set_pr", None, {"issue_ref": args.get("issue_ref"), "url": pr_before}))
        if verb == "forget":
            self._attempts.settle_missed()
            return Handled(issue_requests.forget_session(self._store, args))
        if verb == "resume" and args.get("agent") is not None:
            return Handled(self._resume_agent(str(args["agent"])))
        if (
            verb == "resume"
            and not controls.paused
            and not controls.draining
            and (rest := self._backoff.list_cooldowns() | self._backoff.list_unreachable_hosts())
        ):
            raise Conflict("the queue is not paused", f"to end the rest after a rate limit: kugetsu resume --agent {min(rest)}")
        back: Undo | None = Undo("resume")
        if verb == "resume":
            back = Undo("pause") if controls.paused else Undo("drain")
        elif controls.paused or controls.draining:
            back = None  # two reasons not to start anything: going on is not where it came from
        return Handled(controls.set_flow(verb), back)

    def _stop_tasks(self, args: dict[str, Any]) -> str:
        """Pause the queue, then stop every agent, in this order: no freed slot starts the next task, also after a crash.

        It can be applied again at any point. The queue stays paused until the operator resumes it, whatever had paused it.
        """
        how = "kill" if args.get("now") else "stop"
        self._attempts.settle_missed()
        refused: OSError | None = None
        paused, stopping = False, 0
        try:
            paused = self._controls.pause_by_operator()
        except OSError as error:
            refused = error  # a brake on a full disk stops what runs all the same
        for entry in self._store.list_active():
            try:
                task = self._store.get(entry.id)
                if task.stop in (how, "kill"):
                    continue
                task = self._store.update(task, stop=how)
            except NoSuchTask:
                continue
            except OSError as error:
                refused, task = error, msgspec.structs.replace(task, stop=how)
            self._attempts.stop_attempt(task)
            stopping += 1
        if refused is not None:
            raise refused
        if not (paused or stopping):
            raise Conflict("the queue is paused already, and no agent runs that is not being stopped")
        waiting = len(self._store.list_pending())
        waits = format_count(waiting, "task waits", "tasks wait") if waiting else "no task waits"
        agents = f"{'killing' if how == 'kill' else 'stopping'} {format_count(stopping, 'agent')}, worktrees are kept"
        return f"the queue is paused, {waits}; {agents if stopping else 'no agent runs'}"

    def _resume_agent(self, agent: str) -> str:
        """End the rest of an agent's provider, as whoever asks knows better."""
        if not self._backoff.end_cooldown(agent):
            raise Conflict(f"{agent} has reached no limit", "kugetsu queue list says why a task waits")
        return f"the tasks of {agent} go on"

    def _clear_ended(self, args: dict[str, Any]) -> str:
        """Drop ended tasks from the list, with their logs; worktrees and branches stay."""
        from ..queue.cleanup import finish_removals, set_aside_ended

        older_than_s = msgspec.convert(args.get("older_than_s", 0.0), float)
        paths = self._store.paths
        count = set_aside_ended(paths, self._context.clock() - older_than_s)
        if count <= CLEARED_AT_ONCE:
            finish_removals(paths)
        else:  # thousands of logs take their time, and the engine has other things to do; a crash is made up for by tidying
            threading.Thread(target=finish_removals, args=(paths,), name="kugetsu-clear").start()
        return f"cleared {format_count(count, 'ended task')}, their worktrees are kept"


def _told_place(task: Task, place: int, others: list[Entry]) -> str:
    return f"{task.shown} is number {place + 1} of {len(others) + 1} in the queue"


def _between(own: int, above: Entry | None, below: Entry | None) -> tuple[int, float | None]:
    """Priority and position for a task between two others; position None where no number is left between them.

    The task keeps its priority where the order allows it.
    """
    highest = above.priority if above else 9
    lowest = below.priority if below else 0
    priority = min(max(own, lowest), highest)
    low = above.position if above and above.priority == priority else None
    high = below.position if below and below.priority == priority else None
    if low is None and high is None:
        return priority, 0.0
    if low is None or high is None:
        return priority, (low + 1.0) if low is not None else (high or 0.0) - 1.0
    middle = (low + high) / 2
    return priority, middle if low < middle < high else None

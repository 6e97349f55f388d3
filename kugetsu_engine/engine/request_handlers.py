"""What each request of the operator does. A command applies its request by this code too if no engine is running."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from ..domain import states
from ..domain.new_task import check_priority, check_tags, format_bare_id, format_id, parse_task_id
from ..domain.request import Answer, Request, Undo
from ..domain.session import Mode
from ..domain.task import Expect, Task
from ..domain.text.quantities import format_count
from ..domain.text.times import epoch
from ..errors import ConfigError, Conflict, KugetsuError, NoSuchTask, TryLater, UsageError
from ..queue.task_store import TaskStore
from ..scheduler.attempts import AttemptTracker
from ..scheduler.dispatcher import Dispatcher
from ..scheduler.engine_context import EngineContext
from ..scheduler.provider_backoff import ProviderBackoff
from ..scheduler.queue_control import QueueControl
from ..state import tasks
from ..state.new_tasks import check_message
from . import issue_requests, queue_order
from .agent_requests import AgentRequests

CLEARED_AT_ONCE = 100
"""Up to this many ended tasks, `clear` removes the logs before it answers; else a thread removes them."""

EDITABLE: dict[str, Any] = {
    "message": str, "priority": int, "agent": str | None, "after": list[str], "not_before": str | None,
    "expires_at": str | None, "timeout_s": float | None, "memory_cap": int | None, "repo": str | None, "position": float,
    "expect": Expect, "tags": list[str],
}  # fmt: skip


class RequestHandlers:
    """Applies requests to tasks and queue."""

    def __init__(
        self, context: EngineContext, *, store: TaskStore, controls: QueueControl, backoff: ProviderBackoff,
        attempts: AttemptTracker, dispatcher: Dispatcher, agents: AgentRequests,
    ) -> None:  # fmt: skip
        self._context = context
        self._store = store
        self._controls = controls
        self._backoff = backoff
        self._attempts = attempts
        self._dispatcher = dispatcher
        self._agents = agents
        self._asked_by = ""
        """Number and time of the current request. The number alone would repeat if the counter were lost."""
        self._task_handlers: dict[str, Callable[[Task, dict[str, Any]], Answer]] = {
            "kill": self._stop_task, "cancel": self._cancel_task, "restore": self._restore_task, "retry": self._retry_task,
            "hold": self._hold_task, "release": self._release_task, "move": self._move_task, "edit": self._edit_task,
            "start": self._start_task, "pause_agent": agents.pause_agent, "resume_agent": agents.resume_agent,
            "park": agents.park_task,
        }  # fmt: skip

    def apply_request(self, request: Request, name: str) -> Answer:
        """Apply a request; the answer says what was done, or why not. After a crash it may be applied a second time.

        Args:
            name: its number; for a part of another request also its index there.
        """
        self._asked_by = f"{name} {request.at}"
        try:
            if request.verb in self._task_handlers:
                task = self._store.find(request.task or "")
                return self._task_handlers[request.verb](task, request.args)
            return self._apply_to_queue(request.verb, request.args)
        except KugetsuError as error:
            return Answer(False, error.message, error.hint, error.exit_code)
        except OSError as error:
            return Answer(False, f"writing failed: {error.strerror}", "free some disk space, then try again", 1)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            return Answer(False, f"the request is not valid: {error}", "", 64)

    # one task

    def _stop_task(self, task: Task, args: dict[str, Any]) -> Answer:
        if task.state == states.PENDING:
            return self._cancel_task(task, args)
        if task.ended:
            raise Conflict(f"{task.shown} has already ended ({task.state})")
        how = "kill" if args.get("now") else "stop"
        if task.stop == how or task.stop == "kill":
            raise Conflict(f"{task.shown} is already being stopped")
        task = self._store.update(task, stop=how)
        self._attempts.stop_attempt(task)
        return Answer(True, f"{'killing' if how == 'kill' else 'stopping'} {task.shown}, its worktree is kept")

    def _cancel_task(self, task: Task, args: dict[str, Any]) -> Answer:
        if task.state in states.ACTIVE:
            raise Conflict(f"{task.shown} already has an agent", f"to stop it: kugetsu kill {format_bare_id(task.id)}")
        if task.ended:
            raise Conflict(f"{task.shown} has already ended ({task.state})")
        self._store.change(task, "cancelled", "cancelled by you")
        return Answer(True, f"cancelled {task.shown}", undo=Undo("restore", task.id, {"retry_at": task.retry_at}))

    def _restore_task(self, task: Task, args: dict[str, Any]) -> Answer:
        """Put a cancelled task back at its place in the queue. Unlike a retry it does not reset the count of attempts."""
        if task.state != "cancelled":
            raise Conflict(f"{task.shown} is {task.state}; only a cancelled task can be put back")
        retry_at = msgspec.convert(args.get("retry_at"), str | None)
        if retry_at is not None and epoch(retry_at) is None:
            raise UsageError("retry_at is not a valid time")
        self._store.reopen(task, "put back by you", retry_at=retry_at, completed_at=None, error=None)
        return Answer(True, f"{task.shown} is back in the queue")

    def _retry_task(self, task: Task, args: dict[str, Any]) -> Answer:
        if task.state in states.ACTIVE:
            raise Conflict(f"{task.shown} is running")
        fresh: dict[str, Any] = {
            "retry_at": None, "attempts_before": task.attempt, "pending_since": self._context.now(), "held": False,
        }  # fmt: skip
        if (session := msgspec.convert(args.get("session"), Mode | None)) is not None:
            fresh["session"] = session
        if task.state == states.PENDING:
            if task.retry_at is None:
                raise Conflict(f"{task.shown} is already waiting to start", "kugetsu queue list says why")
            self._store.update(task, **fresh, reason="retry requested by you")
            return Answer(True, f"{task.shown} is retried at once")
        fresh |= {"error": None, "exit_code": None, "completed_at": None, "expires_at": None}
        self._store.reopen(task, "retry requested by you", **fresh)
        return Answer(True, f"{task.shown} waits for another attempt")

    def _start_task(self, task: Task, args: dict[str, Any]) -> Answer:
        """Start one task now, before all others. If it cannot start it is cancelled, or with `keep` waits as before."""
        if task.state in states.ACTIVE:
            return Answer(True, f"{task.shown} starts")  # the request is applied again after a crash
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
            text = f"{task.issue_ref} cannot start now: {refused.text}"
            if refused.code == "config":  # waiting does not help
                raise ConfigError(text, "correct that first; kugetsu enqueue puts it in the queue")
            raise TryLater(text, "try later; kugetsu enqueue puts it in the queue")
        return Answer(True, f"{task.shown} starts")

    def _hold_task(self, task: Task, args: dict[str, Any]) -> Answer:
        self._require_pending(task, "held")
        if task.held:
            raise Conflict(f"{task.shown} is already held")
        self._store.update(task, held=True)
        return Answer(True, f"holding {task.shown}", undo=Undo("release", task.id))

    def _release_task(self, task: Task, args: dict[str, Any]) -> Answer:
        self._require_pending(task, "released")
        if not task.held:
            raise Conflict(f"{task.shown} is not held")
        self._store.update(task, held=False, park=None, pending_since=self._context.now())  # its expiry counts from now
        return Answer(True, f"released {task.shown}", undo=Undo("hold", task.id))

    def _move_task(self, task: Task, args: dict[str, Any]) -> Answer:
        self._require_pending(task, "moved")
        return queue_order.move_task(self._store, task, args, self._asked_by)

    def _edit_task(self, task: Task, args: dict[str, Any]) -> Answer:
        self._require_pending(task, "edited")
        if not args or not args.keys() <= EDITABLE.keys():
            raise UsageError(f"cannot edit {', '.join(sorted(args)) or 'nothing'}", f"use {', '.join(EDITABLE)}")
        changes = {name: msgspec.convert(value, EDITABLE[name]) for name, value in args.items()}
        self._check_edit(task, changes)
        self._store.update(task, **changes)
        before = {name: getattr(task, name) for name in changes}
        return Answer(True, f"changed {', '.join(sorted(changes))} of {task.shown}", undo=Undo("edit", task.id, before))

    def _check_edit(self, task: Task, changes: dict[str, Any]) -> None:
        if "message" in changes:
            check_message(changes["message"])
        if "priority" in changes:
            check_priority(changes["priority"])
        if changes.get("timeout_s") is not None and not changes["timeout_s"] > 0:
            raise UsageError("the time limit must be greater than 0")
        if "tags" in changes:
            changes["tags"] = check_tags(changes["tags"])
        for name in ("not_before", "expires_at"):
            if changes.get(name) is not None and epoch(changes[name]) is None:
                raise UsageError(f"{name} is not a valid time")
        for earlier in changes.get("after", ()):
            if earlier == task.id or parse_task_id(earlier) != earlier:
                raise UsageError(f"{task.shown} cannot come after {earlier!r}")
            tasks.find_task(self._store.paths, earlier)
            if self._waits_for(earlier, task.id):
                raise UsageError(f"{task.shown} and {format_id(earlier)} would wait for each other")

    def _waits_for(self, task_id: str, other: str) -> bool:
        """Whether a task waits for another one, directly or through others."""
        seen, queue = set(), [task_id]
        while queue:
            entry = self._store.entries.get(queue.pop())
            for earlier in entry.after if entry else ():
                if earlier == other:
                    return True
                if earlier not in seen:
                    seen.add(earlier)
                    queue.append(earlier)
        return False

    def _require_pending(self, task: Task, done: str) -> None:
        if task.state != states.PENDING:
            raise Conflict(f"{task.shown} is {task.state}; only a waiting task can be {done}")

    # the whole queue

    def _apply_to_queue(self, verb: str, args: dict[str, Any]) -> Answer:
        controls = self._controls
        if verb == "limit":
            before = controls.limit
            return Answer(True, controls.set_limit(args.get("limit")), undo=Undo("limit", None, {"limit": before}))
        if verb == "stop_all":
            return Answer(True, self._stop_tasks(args))
        if verb == "pause_all":
            return self._agents.pause_all()
        if verb == "resume_all":
            return self._agents.resume_all()
        if verb == "clear":
            return Answer(True, self._clear_ended(args))
        if verb == "set_pr":
            return issue_requests.set_pull_request(self._store, args, self._context.clock())
        if verb == "forget":
            self._attempts.settle_missed()
            return Answer(True, issue_requests.forget_session(self._store, args))
        if verb == "resume" and args.get("agent") is not None:
            return Answer(True, self._resume_agent(str(args["agent"])))
        if (
            verb == "resume"
            and not controls.paused
            and not controls.draining
            and (cooldowns := self._backoff.list_cooldowns() | self._backoff.list_unreachable_hosts())
        ):
            raise Conflict(
                "the queue is not paused", f"to end the cooldown after a rate limit: kugetsu resume --agent {min(cooldowns)}"
            )
        back: Undo | None = Undo("resume")
        if verb == "resume":
            back = Undo("pause") if controls.paused else Undo("drain")
        elif controls.paused or controls.draining:
            back = None  # paused and draining: resuming would end both
        return Answer(True, controls.set_flow(verb), undo=back)

    def _stop_tasks(self, args: dict[str, Any]) -> str:
        """Pause the queue, then stop every agent, so that no freed slot starts the next task.

        It can be applied again after a crash at any point. The queue stays paused until the operator resumes it, even if
        something else had paused it.
        """
        how = "kill" if args.get("now") else "stop"
        self._attempts.settle_missed()
        refused: OSError | None = None
        paused, stopping = False, 0
        try:
            paused = self._controls.pause_by_operator()
        except OSError as error:
            refused = error  # on a full disk the agents are stopped anyway
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
            raise Conflict("the queue is already paused, and no agent is left to stop")
        waiting = len(self._store.list_pending())
        waits = format_count(waiting, "task waits", "tasks wait") if waiting else "no task waits"
        agents = f"{'killing' if how == 'kill' else 'stopping'} {format_count(stopping, 'agent')}, worktrees are kept"
        return f"the queue is paused, {waits}; {agents if stopping else 'no agent runs'}"

    def _resume_agent(self, agent: str) -> str:
        """End the cooldown of an agent's provider."""
        if not self._backoff.end_cooldown(agent):
            raise Conflict(f"{agent} is not in a cooldown", "kugetsu queue list says why a task waits")
        return f"the tasks of {agent} go on"

    def _clear_ended(self, args: dict[str, Any]) -> str:
        """Remove ended tasks with their logs; worktrees and branches stay."""
        from ..queue.cleanup import finish_removals, set_aside_ended

        older_than_s = msgspec.convert(args.get("older_than_s", 0.0), float)
        paths = self._store.paths
        count = set_aside_ended(paths, self._context.clock() - older_than_s)
        if count <= CLEARED_AT_ONCE:
            finish_removals(paths)
        else:  # thousands of logs take long; after a crash the hourly cleanup finishes it
            threading.Thread(target=finish_removals, args=(paths,), name="kugetsu-clear").start()
        return f"cleared {format_count(count, 'ended task')}, their worktrees are kept"

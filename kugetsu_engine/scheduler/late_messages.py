"""Messages of the operator that no attempt could deliver, as their task has ended: they are never lost.

If the task completed, a new one continues its session with them. Else they are kept, and a notification says so; the operator's
retry gives them to the next attempt.
"""

from typing import Any

from ..domain.message_states import Message, describe_count, format_continuation
from ..domain.new_task import format_bare_id, format_id
from ..domain.task import Notice, Task
from ..errors import BadFile, NoSuchTask
from ..paths import StatePaths
from ..queue.task_store import TaskStore
from ..state import message_files as stored
from ..state import new_tasks, tasks
from ..storage import files
from ..storage.counter import next_number
from .engine_context import EngineContext
from .finish_attempt import FinishedAttempt

STOPPED = "stopped by you"


class LateMessages:
    """Looks after the messages of tasks that have ended."""

    def __init__(self, context: EngineContext, *, store: TaskStore) -> None:
        self._context = context
        self._store = store
        self._paths: StatePaths = context.paths
        self._checked: dict[str, files.Signature | None] = {}
        """By task id: the signature of its folder when all of its messages were settled."""

    def note_end(self, finished: FinishedAttempt) -> None:
        """Check the messages of a task whose attempt has just ended."""
        self._checked.pop(finished.task.id, None)
        self._check(finished.task.id)

    def check_all(self) -> None:
        """Check the folders that have changed: a message may be written while its task ends."""
        for task_id in files.list_names(self._paths.messages):
            seen = files.read_signature(self._paths.messages_of(task_id))
            if task_id not in self._checked or self._checked[task_id] != seen:
                self._check(task_id)

    def _check(self, task_id: str) -> None:
        seen = files.read_signature(self._paths.messages_of(task_id))
        if seen is None:
            return
        try:
            task = tasks.find_task(self._paths, task_id)
        except (NoSuchTask, BadFile):
            return
        if task.ended:
            try:
                self._settle(task)
            except OSError:
                return  # the next check tries again
            self._checked[task_id] = files.read_signature(self._paths.messages_of(task_id))

    def _settle(self, task: Task) -> None:
        late = stored.read_late(self._paths, task.id)
        messages = stored.load_messages(self._paths, task.id, task.attempt)
        undelivered = [message for message in messages if not message.delivered]
        self._finish_task(task, undelivered, late)
        rest = [message for message in undelivered if str(message.number) not in late]
        if not rest:
            return
        stopped = all(message.record.get("why") == STOPPED for message in rest)
        if task.state != "completed" or stopped:
            self._keep(task, rest, late, STOPPED if stopped else f"the task ended ({task.state})")
            return
        number = next_number(self._paths.task_number)
        late |= {str(message.number): {"task": f"q_{number}"} for message in rest}
        stored.write_late(self._paths, task.id, late)  # first, so that a crash makes no second task
        self._finish_task(task, undelivered, late)

    def _finish_task(self, task: Task, messages: list[Message], late: dict[str, Any]) -> None:
        """Create the tasks that are promised and not made yet."""
        promised = {str(one["task"]) for one in late.values() if one.get("task") and not one.get("made")}
        for task_id in sorted(promised):
            own = [message for message in messages if late.get(str(message.number), {}).get("task") == task_id]
            now = self._context.clock()
            options: dict[str, object] = {
                "session": "continue", "agent": task.agent, "repo": task.repo, "timeout_s": task.timeout_s, "expect": "none",
                "priority": task.priority, "tags": task.tags,
            }  # fmt: skip
            number, text = int(format_bare_id(task_id)), format_continuation(own)
            try:
                new_tasks.create_numbered_task(self._paths, number, task.issue_ref, text, now, **options)
                new_tasks.announce_task(self._paths, task_id, task.issue_ref, now)
                self._notify(task, f"{describe_count(len(own))} for {format_id(task_id)}, as {task.shown} had ended", "warning")
            except FileExistsError:
                pass  # made before a crash
            for one in late.values():
                if one.get("task") == task_id:
                    one["made"] = True
            stored.write_late(self._paths, task.id, late)
            self._store.reread({task_id})

    def _keep(self, task: Task, messages: list[Message], late: dict[str, Any], why: str) -> None:
        late |= {str(message.number): {"why": why} for message in messages}
        stored.write_late(self._paths, task.id, late)
        text = f"{describe_count(len(messages))} undelivered for {task.shown} {task.issue_ref}: {why}; kugetsu retry gives them"
        self._notify(task, text, "info" if why == STOPPED else "error")

    def _notify(self, task: Task, text: str, level: Any) -> None:
        self._context.notify(
            Notice(
                self._context.now(), "task_message_late", text, level, task.id, task.issue_ref, reason="message not delivered"
            )
        )

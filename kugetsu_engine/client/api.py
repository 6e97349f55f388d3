"""How console and command line change a state directory: new tasks, requests to the engine, marks of the operator.

Importing it is cheap, so that `enqueue` starts fast; the rest is loaded when it is needed.
"""

from __future__ import annotations

import os
import time

from ..domain import refs
from ..domain.new_task import SESSION_CHOICES, check_expectation, check_priority, check_tags, format_id
from ..errors import Conflict, KugetsuError, NoAnswer, NoSuchTask, QueueFull, ReadOnlyError, TryLater, UsageError
from ..paths import is_utf8
from ..state import new_tasks as creating
from ..storage import files, wakeup_fifo
from .preflight import ProgramCheck
from .read_client import ReadClient
from .task_options import check_agent, check_earlier_task, find_repository, parse_memory, parse_times

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from ..domain.request import Answer, Request, Verb
    from ..notifications.channels import ChannelResult
    from .edit import Edit

    class LocalEngine(Protocol):
        """Acts as the engine if none runs."""

        def apply_requests(self) -> None:
            """Apply the waiting requests."""

        def settle_attempts(self) -> None:
            """Settle attempts that have ended."""


ANSWER_WAIT_S = 10.0
ANSWER_WAIT_MORE_S = 0.05
"""Additional time for each of several requests, as each is flushed to disk."""
COUNTED_AGAIN_AFTER = 1000
"""A command that adds many tasks counts the open ones again after this many."""


class Client(ReadClient):
    """Changes one state directory."""

    def __init__(
        self, root: str, environ: Mapping[str, str] = os.environ, local_engine: LocalEngine | None = None, *,
        read_only: bool = False, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """Prepare to change a state directory.

        Args:
            local_engine: applies requests if no engine is running; without it they wait for an engine.
            read_only: refuse every change.
        """
        super().__init__(root, environ)
        self.read_only = read_only
        self._clock = clock
        self._local_engine = local_engine
        self._prepared = False
        self._programs = ProgramCheck(self.paths, environ)
        self._room_left = 0
        """Tasks that may be added before the open ones are counted again."""

    def refuse_if_read_only(self) -> None:
        """The one check that every change passes.

        Raises:
            ReadOnlyError: this client changes nothing.
        """
        if self.read_only:
            raise ReadOnlyError("read-only: nothing is changed", "start without --read-only")

    def _prepare_change(self) -> None:
        """Refuse a change if read-only; else make the state directory, once."""
        self.refuse_if_read_only()
        if not self._prepared:
            files.create_folders(self.paths.folders())
            self._prepared = True

    def enqueue(
        self, reference: str, message: str, *, repo: str | None = None, folder: str | None = None,
        agent: str | None = None, priority: int = 5, after: list[str] | None = None, at: str | None = None,
        timeout: str | None = None, hold: bool = False, session: str | None = None, expect: str | None = None,
        tags: list[str] | None = None, memory: str | None = None,
    ) -> tuple[str, str | None]:  # fmt: skip
        """Write a new task; returns its id and the repository it will work in, None if `[repos]` or a clone decides.

        Args:
            reference: the issue, in any accepted form.
            repo: a local repository; relative to `folder`.
            folder: where the command was run; its repository is used if it can be that of the issue.
            priority: 0 to 9, 9 starts first.
            after: ids of tasks that must complete before.
            at: earliest start: `22:00`, `+2h`, ISO 8601.
            timeout: time limit of one attempt.
            session: `new`, `continue` (that of the issue) or `fork` (of the base session); None: the engine decides.
            expect: what an attempt must leave: `anything`, `none`, `changes` or `commits`.
            tags: labels to filter by.
            memory: memory limit of one attempt: a size, `auto` or `off`.

        Raises:
            KugetsuError: the task is refused; nothing was written.
        """
        self.refuse_if_read_only()
        now = self._clock()
        ref = refs.parse_reference(reference, self.default_server)
        if session is not None and session not in SESSION_CHOICES:
            raise UsageError(f"{session!r} is not a valid value of session", f"use one of {', '.join(SESSION_CHOICES)}")
        options: dict[str, object] = {"priority": check_priority(priority), "held": hold, "session": session}
        if expect is not None:
            options["expect"] = check_expectation(expect)
        if agent is not None:
            options["agent"] = check_agent(self.paths, self.environ, agent)
        if tags:
            options["tags"] = check_tags(tags)
        self._programs.refuse_wrong_program(agent)
        options["after"] = [check_earlier_task(self.paths, earlier) for earlier in after or ()]
        options |= parse_times(at, timeout, now) | parse_memory(memory)
        options["repo"] = repository = find_repository(self.paths, self.environ, ref, repo, folder)
        if repository is not None and not is_utf8(repository):
            raise UsageError(
                f"the name of the repository {repository!r} is not UTF-8", "rename its folder, or name another with --repo"
            )
        self._prepare_change()
        self._reserve_room()
        try:
            task_id = creating.create_task(self.paths, str(ref), message, now, **options)
        except OSError as error:
            raise KugetsuError(f"the task was not written: {error.strerror}", f"check the disk of {self.paths.root}") from None
        creating.announce_task(self.paths, task_id, str(ref), now)
        wakeup_fifo.notify(self.paths.wakeup_fifo, task_id)
        return task_id, repository or None

    def _reserve_room(self) -> None:
        """Count one more open task. Other processes add tasks too, so they are counted again now and then."""
        if self._room_left <= 0:
            self._room_left = min(creating.count_room(self.paths), COUNTED_AGAIN_AFTER)
        if self._room_left <= 0:
            raise QueueFull(
                f"there are {creating.MAX_OPEN} open tasks, which is the limit", "wait until some have ended, or cancel some"
            )
        self._room_left -= 1

    def say(self, task: str, text: str) -> tuple[int, str]:
        """Write a message to the agent of a task; returns its number and where it is, in words. No engine is needed.

        Raises:
            KugetsuError: the task has ended, or the message is not valid; nothing was written.
        """
        from . import task_messages

        self._prepare_change()
        return task_messages.say(self.paths, self.settings, self.resolve_task(task, "say"), text, self._clock())

    def answer(self, task: str, decision: str, text: str = "") -> str:
        """Answer the question of a task's agent; returns what was answered, in a line.

        Args:
            decision: `yes`, `always` (for the rest of its session) or `no`.

        Raises:
            KugetsuError: it asks nothing, or is answered already.
        """
        from . import task_messages

        self._prepare_change()
        return task_messages.answer(self.paths, self.resolve_task(task, "answer"), decision, text, self._clock())

    def send_request(self, verb: Verb, task: str | None = None, wait_s: float = ANSWER_WAIT_S, **args: Any) -> Answer:
        """Send a request and return its answer. If no engine is running, the local engine applies it.

        Raises:
            NoAnswer: the engine has not answered in time; the request is kept and will be applied.
            KugetsuError: the request was not sent.
        """
        from ..domain.request import Request

        return self.send_requests([Request(verb, task, args)], wait_s)[0]

    def send_requests(self, requested: Sequence[Request], wait_s: float = ANSWER_WAIT_S) -> list[Answer]:
        """Send several requests as one file; returns their answers in order.

        The engine applies all of them before it starts anything: a slot that the first one frees is not given to a task that
        the second one is about.

        Raises:
            NoAnswer: the engine has not answered in time; the requests stay and will be applied.
            KugetsuError: one of them is not valid; none was sent.
        """
        from ..domain.request import Request
        from ..state import requests

        self._prepare_change()
        parts = []
        for part in requested:
            if part.args.get("agent") is not None and part.verb != "resume":  # `resume` also takes the name of a provider
                check_agent(self.paths, self.environ, part.args["agent"])
            task_id = self.resolve_task(part.task, part.verb) if part.task is not None else None
            parts.append(Request(part.verb, task_id, part.args, _now(self._clock())))
        if not parts:
            return []
        whole = parts[0] if len(parts) == 1 else Request("many", at=_now(self._clock()), parts=parts)
        number = requests.submit_request(self.paths, whole)
        wakeup_fifo.notify(self.paths.wakeup_fifo)
        reply = self._wait_for_answer(number, wait_s + len(parts) * ANSWER_WAIT_MORE_S)
        return reply.parts or [reply] * len(parts)

    def _wait_for_answer(self, number: int, wait_s: float) -> Answer:
        from ..process.waiting import pause
        from ..state import requests

        deadline = time.monotonic() + wait_s
        poll_s = 0.002
        while True:
            reply = requests.pop_answer(self.paths, number)
            if reply is not None:
                return reply
            if poll_s > 0.005 and self._local_engine is not None:
                self._local_engine.apply_requests()
            if time.monotonic() >= deadline:
                raise NoAnswer(
                    f"the engine has not answered within {wait_s:g} s",
                    "the request is kept and will be applied; see kugetsu status",
                )
            pause(poll_s)
            poll_s = min(poll_s * 2, 0.1)

    def do(self, verb: Verb, task: str | None = None, **args: Any) -> str:
        """Send a request; returns what was done, in one line.

        Raises:
            KugetsuError: it was refused, for the reason of its `exit_code`.
        """
        reply = self.send_request(verb, task, **args)
        if reply.ok:
            return reply.text
        kind = {2: TryLater, 3: Conflict, 4: NoSuchTask, 64: UsageError}.get(reply.exit_code, KugetsuError)
        raise kind(reply.text, reply.hint)

    def start_edit(self, task: str) -> Edit:
        """Start to edit a waiting task; it cannot start before the edit ends.

        Raises:
            NoSuchTask: there is no such task.
            Conflict: it is not waiting, or is already being edited.
        """
        from . import edit

        self._prepare_change()
        return edit.start_edit(self.paths, self.resolve_task(task, "edit"), self._clock)

    def mark_read(self, until: str) -> None:
        """Mark notifications up to a time as read."""
        from ..state import notifications

        self._prepare_change()
        notifications.mark_read(self.paths, until)

    def mark_seen(self) -> None:
        """Record that the operator uses the console now."""
        self._prepare_change()
        files.touch(self.paths.last_seen)

    def mute(self, name: str, for_s: float | None) -> str:
        """Send no messages about a task, or about anything (`all`); returns what was done.

        Args:
            for_s: how long; None for ever, 0 ends the mute.

        Raises:
            NoSuchTask: there is no such task.
        """
        from ..domain.decisions import notification_rules
        from ..domain.text.quantities import format_upcoming
        from ..state import notifications, tasks

        self._prepare_change()
        known = name if name == notification_rules.ALL else tasks.find_task(self.paths, name).id
        now = self._clock()
        until = notifications.FOR_EVER if for_s is None else _now(now + for_s) if for_s else None
        notifications.set_mute(self.paths, known, until, now)
        what = "everything" if known == notification_rules.ALL else format_id(known)
        if until is None:
            return f"{what} is no longer muted"
        return f"{what} is muted" + (f" until {format_upcoming(now + for_s, now)}" if for_s else "")

    def send_test_notifications(self) -> list[ChannelResult]:
        """Send a test message through every channel in the settings; returns the result of each."""
        from ..notifications.channels import send_test_messages

        self.refuse_if_read_only()
        return send_test_messages(self.settings.notify, self.environ)

    def settle_attempts(self) -> None:
        """Settle attempts that have ended, if no engine is running."""
        if self._local_engine is not None:
            self._local_engine.settle_attempts()


def _now(epoch_s: float) -> str:
    from ..domain.text.times import iso

    return iso(epoch_s)

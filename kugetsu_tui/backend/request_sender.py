"""Sends requests to the engine, and does slow things, without holding up the event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from textual.message import Message

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.request import VERBS, Request, Verb
from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import KugetsuError, ReadOnlyError, UsageError

from .messages import Answered
from .request_results import summarize_answers
from .undo import UndoEntry
from .worker_thread import WorkerThread

SLOW_S = 1.0
"""If the engine has not answered by then, the operator sees that the request was sent."""

Result = TypeVar("Result")


class RequestSender:
    """Two threads beside the event loop: one for changes, in their order, and one for what may take long."""

    def __init__(
        self, client: Client, folder: str | None, post: Callable[[Message], object], wake: Callable[[], None]
    ) -> None:  # fmt: skip
        """Prepare to send.

        Args:
            folder: where the console was started, for tasks that name no repository.
            post: sends the app a message, from any thread.
            wake: has the state read soon.
        """
        self._client = client
        self._folder = folder
        self._post = post
        self._wake = wake
        self._changes = WorkerThread("kugetsu-changes")
        self._slow = WorkerThread("kugetsu-slow")
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Start nothing new; what runs is not waited for."""
        for task in self._tasks:
            task.cancel()
        self._changes.close()
        self._slow.close()

    def send(self, verb: str, task: str | None = None, **args: Any) -> None:
        """Make a request; the answer comes as a message."""
        self._start(self._send([Request(check_verb(verb), task, args)]))

    def send_all(self, requests: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Make several requests as one act, each a verb, a task and arguments; one answer comes for all."""
        self._start(self._send([Request(check_verb(verb), task, dict(args)) for verb, task, args in requests]))

    def stop_tasks(self, tasks: Sequence[Task], *, now: bool) -> None:
        """Stop the agents of tasks, `now` without time to finish; waiting tasks are cancelled. One answer comes for all."""
        requests = [
            Request("cancel", task.id) if task.state == "pending" else Request("kill", task.id, {"now": True} if now else {})
            for task in tasks
        ]
        self._start(self._send(requests))

    def undo(self, entry: UndoEntry) -> None:
        """Undo an act; the answer comes as a message."""
        self._start(self._send([Request(step.verb, step.task, step.args) for step in entry.steps], undoable=False))

    def say(self, task: str, text: str) -> None:
        """Write a message to the agent of a task; where it is then comes as a message."""
        self._start(self._report(lambda: f"message to {format_id(task)}: {self._client.say(task, text)[1]}"))

    def answer(self, task: str, decision: str, text: str) -> None:
        """Answer what the agent of a task asks; what was answered then comes as a message."""
        self._start(self._report(lambda: self._client.answer(task, decision, text)))

    async def _report(self, act: Callable[[], str]) -> None:
        try:
            done = await self._changes.run(act)
        except (KugetsuError, OSError) as error:
            self._post(Answered(str(error), False))
        else:
            self._post(Answered(done, True))
        self._wake()

    async def enqueue(self, reference: str, message: str, **options: Any) -> str:
        """Put a task into the queue; returns what was done, in one line.

        Raises:
            KugetsuError: it is invalid, and no task was made.
        """
        task_id, repository = await self._changes.run(
            lambda: self._client.enqueue(reference, message, folder=self._folder, **options)
        )
        self._wake()
        return f"queued {format_id(task_id)}{f', works in {repository}' if repository else ''}"

    async def run_change(self, job: Callable[[], Result]) -> Result:
        """Run a job after the changes that were asked for before; returns what it returns, raises what it raises."""
        return await self._changes.run(job)

    async def run_slow(self, job: Callable[[], Result]) -> Result:
        """Run a job that may take long, such as one that asks git; changes do not wait for it."""
        return await self._slow.run(job)

    def remember(self, job: Callable[[], None]) -> None:
        """Run a job that keeps something for the next time; a read-only console keeps nothing, and does not report that."""
        self._start(self._remember(job))

    async def _remember(self, job: Callable[[], None]) -> None:
        try:
            self._client.refuse_if_read_only()
            await self._changes.run(job)
        except ReadOnlyError:
            return
        except (KugetsuError, OSError) as error:
            self._post(Answered(str(error), False))

    async def _send(self, requests: Sequence[Request], undoable: bool = True) -> None:
        answering = asyncio.ensure_future(self._changes.run(lambda: self._client.send_requests(requests)))
        if not (await asyncio.wait({answering}, timeout=SLOW_S))[0]:
            self._post(Answered("request sent; waiting for the engine's answer", True))
        try:
            answers = await answering
        except (KugetsuError, OSError) as error:
            text = str(error) if isinstance(error, KugetsuError) else f"the disk refused: {error.strerror or error}"
            self._post(Answered(text, False))
        else:
            self._post(summarize_answers(requests, answers, undoable))
        self._wake()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def check_verb(text: str) -> Verb:
    """Check that a word is a verb of the engine."""
    for verb in VERBS:
        if verb == text:
            return verb
    raise UsageError(f"unknown verb {text!r}")

"""What a supervisor does ahead, while all slots are busy: it makes the worktree, then waits for the job and a slot.

It holds no lock of a slot, a task or an issue, and writes nothing about an attempt, which has not begun: if the engine ends,
closes the socket or does not need it any more, it just ends. Its git runs with low priority.
"""

import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

from ..domain.supervisor_messages import SupervisorMessage
from ..errors import AttemptFailed
from ..git import command
from ..process import tree
from .worktree_step import ReadyWorktree, prepare_ahead

Received = tuple[dict[str, Any], list[int]]
"""A job, and the descriptors of its locks."""
Receive = Callable[[int], Received | None]
"""Receives a job with flags for the socket; None if the engine has closed it."""


class Begun(NamedTuple):
    """An attempt that may begin now."""

    job: dict[str, Any]
    locks: list[int]
    ready: ReadyWorktree | None
    """None if the worktree must be made in the slot."""
    stop_reason: str | None
    """Why it is to be stopped already."""


class _GivenUp(BaseException):
    """The engine does not need this supervisor any more, or the attempt is to be stopped."""


class Preparation:
    """The preparation of one task."""

    def __init__(self, control: socket.socket, receive: Receive) -> None:
        self._control = control
        self._receive = receive
        self._received: Received | None = None
        self._stop_reason: str | None = None
        self._may_interrupt = False
        self._waiting = False

    def run(self, job: dict[str, Any]) -> Begun | None:
        """Make the worktree, and wait for the job and a slot; None if they will not come."""
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGIO):
            signal.signal(number, self._on_signal)
        command.run_in_background(True)
        ready = self._make_worktree(job)
        command.run_in_background(False)
        if self._received is None and self._stop_reason is None:
            self._notify(SupervisorMessage.PREPARED if ready is not None else SupervisorMessage.NOT_PREPARED)
            self._received = self._wait()
        return Begun(*self._received, ready, self._stop_reason) if self._received is not None else None

    def _wait(self) -> Received | None:
        """Wait for the job and a slot."""
        try:
            self._waiting = True
            if self._stop_reason is not None and not self._has_news():  # it came a moment ago
                return None
            return self._receive(0)
        except _GivenUp:
            return None
        finally:
            self._waiting = False

    def _make_worktree(self, job: dict[str, Any]) -> ReadyWorktree | None:
        """Make the worktree, unless something comes that ends this; None if it is not made."""
        flags = fcntl.fcntl(self._control, fcntl.F_GETFL)
        ready = None
        try:
            try:
                self._may_interrupt = True
                fcntl.fcntl(self._control, fcntl.F_SETOWN, os.getpid())
                fcntl.fcntl(self._control, fcntl.F_SETFL, flags | os.O_ASYNC)  # SIGIO when the engine sends or closes
                self._read_news()  # it may have done so before
                ready = prepare_ahead(job, self._notice_slot)
            except (AttemptFailed, OSError, ValueError, OverflowError):
                ready = None  # in the slot it is tried again, and judged
            self._may_interrupt = False
        except _GivenUp:
            tree.sweep_tree(os.getpid(), None, 0.0)
        fcntl.fcntl(self._control, fcntl.F_SETFL, flags)
        return ready

    def _notice_slot(self, _phase: str) -> None:
        """With a slot, the rest is as urgent as any attempt."""
        command.run_in_background(self._received is None)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGIO:
            self._read_news()
            return
        if self._waiting and not self._has_news():  # a stop of the engine would follow the job
            self._waiting = False
            raise _GivenUp
        self._read_news()
        if number == signal.SIGUSR1:
            self._stop_reason = "kill"
        elif self._stop_reason is None:
            self._stop_reason = "timeout" if number == signal.SIGALRM else "stop"
        self._interrupt()

    def _has_news(self) -> bool:
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        return bool(poller.poll(0))

    def _read_news(self) -> None:
        """Receive the job if it has come. Its time limit starts here."""
        if self._received is not None or not self._may_interrupt:
            return
        try:
            self._received = self._receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if self._received is None:
            self._interrupt()
        else:
            signal.setitimer(signal.ITIMER_REAL, max(float(self._received[0]["timeout_s"]), 0.001))

    def _interrupt(self) -> None:
        if self._may_interrupt:
            self._may_interrupt = False
            raise _GivenUp

    def _notify(self, message: str) -> None:
        try:
            self._control.send(message.encode() + b"\n", socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0))
        except OSError:
            return

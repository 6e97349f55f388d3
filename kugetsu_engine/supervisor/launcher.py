"""Starts supervisors for the engine. One spare supervisor is started ahead, so that a free slot is filled at once."""

import json
import os
import selectors
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from typing import IO

import msgspec

from ..domain.job import Job, RunRecord
from ..domain.supervisor_messages import Received, decode_messages
from ..process import identity, interpreter, marks


class SupervisorHandle:
    """A supervisor this engine started: its process, and the socket that it sends messages on."""

    def __init__(self, process: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self.process = process
        self.control = control

    @property
    def pid(self) -> int:
        """The supervisor's pid."""
        return self.process.pid

    def read_messages(self) -> Received:
        """Return the messages since the last call, and whether the supervisor has closed the socket."""
        received = b""
        try:
            while data := self.control.recv(4096, socket.MSG_DONTWAIT):
                received += data
        except BlockingIOError:
            return decode_messages(received, closed=False)
        except OSError:
            pass
        return decode_messages(received, closed=True)

    def close(self) -> None:
        """Close our end; the supervisor keeps running."""
        self.control.close()
        self.process.poll()


class Launcher:
    """Keeps a spare supervisor and hands jobs to it."""

    def __init__(self, log_path: str) -> None:
        self._log_path = log_path
        self._reserve: SupervisorHandle | None = None
        self._gone: list[subprocess.Popen[bytes]] = []

    def start_reserve(self) -> None:
        """Start the spare supervisor unless it is running.

        Raises:
            OSError: no process can be started now.
        """
        if self._reserve is None or self._reserve.process.poll() is not None:
            self._drop_reserve()
            self._reserve = self._start()

    def launch(self, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Give a supervisor its job and the locks; the caller then closes its own descriptors of the locks.

        The job holds the agent's environment, so it is passed as an anonymous file and never written to disk.

        Raises:
            OSError: no process can be started now.
        """
        self.start_reserve()
        handle, self._reserve = self._reserve, None
        assert handle is not None
        return self.hand_over(handle, job, locks)

    def hand_over(self, handle: SupervisorHandle, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Give a job and its locks to a supervisor that waits for it; one that cannot take it is given up.

        Raises:
            OSError: it has ended, or the system is short of something.
        """
        fd = _anonymous_file(_encoded(job))
        try:
            socket.send_fds(handle.control, [b"job"], [fd, *locks])
        except OSError:
            handle.close()
            raise
        finally:
            os.close(fd)
        return handle

    def release(self, handle: SupervisorHandle) -> None:
        """Close the socket of a supervisor that has ended, and reap the process."""
        handle.control.close()
        self._gone.append(handle.process)
        self._gone = [process for process in self._gone if process.poll() is None]

    def is_alive(self, record: RunRecord) -> bool:
        """Whether the supervisor of a record is alive."""
        return identity.is_alive(record.supervisor_pid, record.start_ticks, record.boot_id)

    def open_pidfd(self, record: RunRecord) -> int | None:
        """Return a pidfd, readable once the supervisor of a record ends; None if it has ended, or the system has no pidfds."""
        if not hasattr(os, "pidfd_open") or not identity.is_alive(record.supervisor_pid, record.start_ticks, record.boot_id):
            return None
        try:
            return os.pidfd_open(record.supervisor_pid)
        except OSError:
            return None

    def kill_attempt(self, root: str, task_id: str, token: str) -> None:
        """Kill all processes that carry an attempt's mark. The caller has made sure that no supervisor holds its lock."""
        marks.kill_attempt(root, task_id, token)

    def close(self) -> None:
        """Stop the spare supervisor."""
        self._drop_reserve()
        self._gone = [process for process in self._gone if process.poll() is None]

    def _start(self) -> SupervisorHandle:
        ours, theirs = socket.socketpair()
        try:
            with theirs, open_log(self._log_path) as log:
                process = subprocess.Popen(
                    interpreter.build_command("kugetsu-supervisor", str(theirs.fileno())), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, pass_fds=[theirs.fileno()], start_new_session=True, cwd="/",
                )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        return SupervisorHandle(process, ours)

    def _drop_reserve(self) -> None:
        if self._reserve is not None:
            self._reserve.control.close()
            self._gone.append(self._reserve.process)
            self._reserve = None


class Waker:
    """Ends the engine's wait: on a supervisor's message, the end of an adopted one, a FIFO, or a call from another thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._fifo: int | None = None
        self._on_data: Callable[[bytes], None] = lambda data: None
        self._selector.register(self._near, selectors.EVENT_READ, None)

    def add(self, source: socket.socket | int, key: str) -> None:
        """Wake up when a socket or a pidfd is readable; `wait` then returns `key`."""
        self._selector.register(source, selectors.EVENT_READ, key)

    def listen(self, fifo: int, on_data: Callable[[bytes], None]) -> None:
        """Also wake up when something is written to a FIFO, and pass the data on; owns the descriptor from now on."""
        self._fifo, self._on_data = fifo, on_data
        self._selector.register(fifo, selectors.EVENT_READ, None)

    def discard(self, source: socket.socket | int) -> None:
        """Stop waiting for a source."""
        try:
            self._selector.unregister(source)
        except (KeyError, ValueError):
            return

    def wait(self, timeout_s: float) -> set[str]:
        """Wait until a source is readable or the time is over; return the keys of readable sources."""
        keys = set()
        for entry, _ in self._selector.select(max(timeout_s, 0.0)):
            if entry.data is not None:
                keys.add(str(entry.data))
                continue
            try:
                while data := os.read(entry.fd, 4096):
                    if entry.fd == self._fifo:
                        self._on_data(data)
            except BlockingIOError:
                continue
        return keys

    def wake(self) -> None:
        """End the wait; from any thread or signal handler."""
        try:
            self._far.send(b"w")
        except OSError:
            return

    def close(self) -> None:
        """Close everything."""
        self._selector.close()
        self._near.close()
        self._far.close()
        if self._fifo is not None:
            os.close(self._fifo)


def _encoded(job: Job) -> bytes:
    """A job as JSON. Only the slower encoder can write variables that are not UTF-8."""
    try:
        return msgspec.json.encode(job)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(job)).encode()


def _anonymous_file(data: bytes) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("kugetsu-job", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def open_log(path: str) -> IO[bytes]:
    """Open the supervisors' log; if it is not a regular file, their output is dropped."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return os.fdopen(fd, "ab")
        os.close(fd)
    except OSError:
        pass
    return os.fdopen(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), "ab")

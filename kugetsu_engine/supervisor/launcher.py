"""Starting supervisors from the engine: one is always started ahead, so that a freed slot is filled at once."""

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


class Handle:
    """A supervisor this engine started: its process, and the socket over which it says that something happened."""

    def __init__(self, process: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self.process = process
        self.control = control

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self.process.pid

    def read_messages(self) -> Received:
        """What it said since last time, and whether it is gone."""
        said = b""
        try:
            while data := self.control.recv(4096, socket.MSG_DONTWAIT):
                said += data
        except BlockingIOError:
            return decode_messages(said, closed=False)
        except OSError:
            pass
        return decode_messages(said, closed=True)

    def close(self) -> None:
        """Let go of it; it lives on if it is alive."""
        self.control.close()
        self.process.poll()


class Launcher:
    """Keeps a supervisor in reserve and hands jobs over."""

    def __init__(self, log_path: str) -> None:
        self._log_path = log_path
        self._reserve: Handle | None = None
        self._gone: list[subprocess.Popen[bytes]] = []

    def start_reserve(self) -> None:
        """Have one supervisor in reserve.

        Raises:
            OSError: no process can be started now.
        """
        if self._reserve is None or self._reserve.process.poll() is not None:
            self._drop_reserve()
            self._reserve = self._start()

    def launch(self, job: Job, locks: Sequence[int]) -> Handle:
        """Give a supervisor its job and the locks; the caller then closes its own descriptors of the locks.

        The job holds the agent's environment, so it travels as an anonymous file and never has a name on disk.

        Raises:
            OSError: no process can be started now.
        """
        self.start_reserve()
        handle, self._reserve = self._reserve, None
        assert handle is not None
        fd = _anonymous_file(_encoded(job))
        try:
            socket.send_fds(handle.control, [b"job"], [fd, *locks])
        except OSError:
            handle.close()
            raise
        finally:
            os.close(fd)
        return handle

    def release(self, handle: Handle) -> None:
        """Let go of a supervisor that has ended, and collect it."""
        handle.control.close()
        self._gone.append(handle.process)
        self._gone = [process for process in self._gone if process.poll() is None]

    def is_alive(self, record: RunRecord) -> bool:
        """Whether the supervisor of a record is surely alive."""
        return identity.is_alive(record.supervisor_pid, record.start_ticks, record.boot_id)

    def signal_supervisor(self, record: RunRecord, number: int) -> bool:
        """Signal the supervisor of a record; False if it is gone."""
        return identity.signal_process(record.supervisor_pid, record.start_ticks, record.boot_id, number)

    def open_pidfd(self, record: RunRecord) -> int | None:
        """A descriptor that tells when the supervisor of a record ends; None when it has, or the system has no such thing."""
        if not hasattr(os, "pidfd_open") or not identity.is_alive(record.supervisor_pid, record.start_ticks, record.boot_id):
            return None
        try:
            return os.pidfd_open(record.supervisor_pid)
        except OSError:
            return None

    def kill_attempt(self, root: str, task_id: str, token: str) -> None:
        """Kill what carries the mark of an attempt of one state directory that nobody holds the lock of."""
        marks.kill_attempt(root, task_id, token)

    def close(self) -> None:
        """Send the reserve home."""
        self._drop_reserve()
        self._gone = [process for process in self._gone if process.poll() is None]

    def _start(self) -> Handle:
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
        return Handle(process, ours)

    def _drop_reserve(self) -> None:
        if self._reserve is not None:
            self._reserve.control.close()
            self._gone.append(self._reserve.process)
            self._reserve = None


class Waker:
    """What ends the engine's wait: a supervisor's word, the death of an adopted one, or a call from another thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._bell: int | None = None
        self._heard: Callable[[bytes], None] = _ignore
        self._selector.register(self._near, selectors.EVENT_READ, None)

    def add(self, source: socket.socket | int, key: str) -> None:
        """Wake up when a socket or a pidfd has something to say; `key` comes back from `wait`."""
        self._selector.register(source, selectors.EVENT_READ, key)

    def listen(self, bell: int, heard: Callable[[bytes], None]) -> None:
        """Also wake up when someone rings, and pass on what was said; takes the descriptor over."""
        self._bell, self._heard = bell, heard
        self._selector.register(bell, selectors.EVENT_READ, None)

    def discard(self, source: socket.socket | int) -> None:
        """Stop looking at a source."""
        try:
            self._selector.unregister(source)
        except (KeyError, ValueError):
            return

    def wait(self, timeout_s: float) -> set[str]:
        """Wait for any source or the time; the keys of those that have something to say."""
        keys = set()
        for entry, _ in self._selector.select(max(timeout_s, 0.0)):
            if entry.data is not None:
                keys.add(str(entry.data))
                continue
            try:
                while said := os.read(entry.fd, 4096):
                    if entry.fd == self._bell:
                        self._heard(said)
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
        """Let go of everything."""
        self._selector.close()
        self._near.close()
        self._far.close()
        if self._bell is not None:
            os.close(self._bell)


def _ignore(_said: bytes) -> None:
    return


def _encoded(job: Job) -> bytes:
    """A job as JSON. Variables may hold bytes that are not UTF-8, which only the slower encoder can write."""
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
    """The supervisors' log; where something else has its place, what they say there is let go."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return os.fdopen(fd, "ab")
        os.close(fd)
    except OSError:
        pass
    return os.fdopen(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), "ab")

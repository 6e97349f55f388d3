"""Makes supervisors for the engine. One spare supervisor waits for its job, so that a free slot is filled at once."""

import json
import os
import secrets
import select
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO

import msgspec

from ..domain.job import Job, RunRecord
from ..domain.supervisor_messages import Received, decode_messages
from ..process import identity, interpreter, marks, user_scope
from . import template_client
from .template_client import TemplateClient, TemplateGone

WARM_UP_S = 0.2
"""How long a start waits for a template that was started a moment ago; then a supervisor is started without it."""
SCOPE_PAUSE_S = 3600.0
"""After a scope that could not be made, none is tried for so long."""
SAID_AFTER = 4
"""The operator is told after so many failures in a row."""
MAX_PAUSE_S = 60.0
"""The longest pause between templates that fail one after another."""


class SupervisorHandle:
    """A supervisor, forked, started or adopted: the socket that it sends messages on, and a pidfd for signals and its end."""

    def __init__(
        self, pid: int, control: socket.socket | None = None, pidfd: int | None = None,
        process: "subprocess.Popen[bytes] | None" = None,
    ) -> None:  # fmt: skip
        """Keep what is known; it is closed with the handle.

        Args:
            control: None for an adopted supervisor, whose messages went to the engine before.
            pidfd: None where the system has none.
            process: only if it is a child of ours, which must be reaped.
        """
        self.pid = pid
        self.control = control
        self.pidfd = pidfd
        self.process = process

    @property
    def source(self) -> socket.socket | int | None:
        """What is readable when it has sent something, or has ended."""
        return self.control if self.control is not None else self.pidfd

    def has_ended(self) -> bool:
        """Whether the process has ended."""
        if self.process is not None:
            return self.process.poll() is not None
        if self.pidfd is None:
            return False
        end = select.poll()
        end.register(self.pidfd, select.POLLIN)
        return bool(end.poll(0))

    def send_signal(self, number: int) -> None:
        """Send a signal, if it is alive and this system can be sure of it."""
        try:
            if self.pidfd is not None:
                signal.pidfd_send_signal(self.pidfd, number)
            elif self.process is not None:
                self.process.send_signal(number)
        except ProcessLookupError:
            return

    def read_messages(self) -> Received:
        """Return the messages since the last call, and whether the supervisor has closed the socket."""
        if self.control is None:
            return Received()
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
        """Close our ends; the supervisor keeps running."""
        if self.control is not None:
            self.control.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


class Launcher:
    """Makes supervisors and hands jobs to them: the template process forks them, or each is started where that cannot be."""

    def __init__(self, log_path: str) -> None:
        self._log_path = log_path
        self._reserve: SupervisorHandle | None = None
        self._template: TemplateClient | None = None
        self._forks = False
        self._failures = 0
        """How often in a row a template failed."""
        self._template_at = 0.0
        """Monotonic time before which no further template is started."""
        self._scope_at = 0.0
        """Monotonic time before which the template is started without a scope."""
        self._gone: list[subprocess.Popen[bytes]] = []

    def prepare(self) -> None:
        """Start the template process. Only an engine that lasts does that: for a single supervisor it does not pay."""
        self._forks = template_client.SUPPORTED
        self._find_template()

    @property
    def trouble(self) -> str:
        """Why supervisors are started one by one although this system could fork them; empty if it does."""
        if self._failures < SAID_AFTER:
            return ""
        return f"supervisors are started one by one, which takes longer: their template ends at once, see {self._log_path}"

    def start_reserve(self) -> None:
        """Make the spare supervisor unless it waits already, or the template is about to be ready.

        Raises:
            OSError: no process can be made now.
        """
        if self._reserve is not None and not self._reserve.has_ended():
            return
        self._drop_reserve()
        template = self._find_template()
        if template is None or self._is_ready(template, 0.0):
            self._reserve = self._make()

    def launch(self, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Give a supervisor its job and the locks; the caller then closes its own descriptors of the locks.

        The job holds the agent's environment, so it is passed as an anonymous file and never written to disk. Without locks the
        supervisor prepares the attempt, and waits for `start_attempt`.

        Raises:
            OSError: no process can be made now.
        """
        fd = _make_job_file(job)
        try:
            handle, self._reserve = self._reserve, None
            if handle is not None:
                try:
                    return self._hand_over(handle, fd, locks)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the spare was killed
            return self._hand_over(self._make(), fd, locks)
        finally:
            os.close(fd)

    def start_attempt(self, handle: SupervisorHandle, job: Job, locks: Sequence[int]) -> SupervisorHandle:
        """Give the job of an attempt, and its locks, to the supervisor that has prepared it; on a failure it is given up.

        Raises:
            OSError: it has ended, or the system is short of something.
        """
        fd = _make_job_file(job)
        try:
            return self._hand_over(handle, fd, locks)
        finally:
            os.close(fd)

    def _hand_over(self, handle: SupervisorHandle, job: int, locks: Sequence[int]) -> SupervisorHandle:
        assert handle.control is not None
        try:
            socket.send_fds(handle.control, [b"job"], [job, *locks])
        except OSError:
            self.release(handle)
            raise
        return handle

    def release(self, handle: SupervisorHandle) -> None:
        """Close what belongs to a supervisor that has ended or is not tracked any more, and reap it if it is our child."""
        handle.close()
        if handle.process is not None:
            self._gone.append(handle.process)
        self._gone = [process for process in self._gone if process.poll() is None]

    def is_alive(self, record: RunRecord) -> bool:
        """Whether the supervisor of a record is alive."""
        return identity.is_alive(record.supervisor_pid, record.start_ticks, record.boot_id)

    def adopt(self, record: RunRecord) -> SupervisorHandle | None:
        """Return a handle of the supervisor of a record; None if it has ended, or the system has no pidfds."""
        pidfd = _open_pidfd(record.supervisor_pid)
        if pidfd is None:
            return None
        if not self.is_alive(record):  # only now, as the pidfd keeps the pid from being reused
            os.close(pidfd)
            return None
        return SupervisorHandle(record.supervisor_pid, pidfd=pidfd)

    def kill_attempt(self, root: str, task_id: str, token: str) -> None:
        """Kill all processes that carry an attempt's mark. The caller has made sure that no supervisor holds its lock."""
        marks.kill_attempt(root, task_id, token)

    def close(self) -> None:
        """End the spare supervisor and the template."""
        self._drop_reserve()
        if self._template is not None:
            self._template.kill()
            self._gone.append(self._template.process)
            self._template = None
        self._gone = [process for process in self._gone if process.poll() is None]

    def _make(self) -> SupervisorHandle:
        """Make a supervisor that waits for its job."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, open_log(self._log_path) as log:
                return self._fork(ours, theirs, log) or self._start(ours, theirs, log)
        except BaseException:
            ours.close()
            raise

    def _fork(self, ours: socket.socket, theirs: socket.socket, log: IO[bytes]) -> SupervisorHandle | None:
        """Have the template fork a supervisor; None if there is none that answers."""
        template = self._find_template()
        if template is None or not self._is_ready(template, WARM_UP_S):
            return None
        try:
            forked = template.fork(theirs, log)
        except TemplateGone:
            self._drop_template(template)
            return None
        self._failures = 0
        return SupervisorHandle(forked.pid, ours, forked.pidfd)

    def _start(self, ours: socket.socket, theirs: socket.socket, log: IO[bytes]) -> SupervisorHandle:
        process = subprocess.Popen(
            interpreter.build_command("kugetsu-supervisor", str(theirs.fileno())), stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, pass_fds=[theirs.fileno()], start_new_session=True, cwd="/",
        )  # fmt: skip
        return SupervisorHandle(process.pid, ours, _open_pidfd(process.pid), process)

    def _find_template(self) -> TemplateClient | None:
        """Return the template, which is started unless it runs; None if there is none at the moment."""
        if self._template is not None and not self._template.usable:
            self._drop_template(self._template)
        if self._template is None and self._forks and time.monotonic() >= self._template_at:
            try:
                with open_log(self._log_path) as log:
                    self._template = TemplateClient(log, os.environ, self._choose_prefix())
            except OSError:
                self._note_failure()
        return self._template

    def _choose_prefix(self) -> list[str]:
        """Return what puts the template into a scope of its own, unless that failed within the last hour."""
        if time.monotonic() < self._scope_at:
            return []
        return user_scope.choose_scope(os.environ, f"kugetsu-{os.getpid()}-{secrets.token_hex(4)}").prefix

    def _is_ready(self, template: TemplateClient, limit_s: float) -> bool:
        try:
            ready = template.wait_until_ready(limit_s)
        except TemplateGone:
            self._drop_template(template)
            return False
        if not ready and template.late:
            self._drop_template(template)
        return ready

    def _drop_template(self, template: TemplateClient) -> None:
        """Give up a template that has ended, does not answer, or is of another version; the next one follows."""
        template.kill()
        self._gone.append(template.process)
        self._template = None
        if template.in_scope and not template.was_ready:
            self._scope_at = time.monotonic() + SCOPE_PAUSE_S
            with open_log(self._log_path) as log:
                log.write(b"systemd made no scope for the agents' supervisors: their memory is watched for the next hour\n")
        self._note_failure()

    def _note_failure(self) -> None:
        self._template_at = time.monotonic() + (min(2.0**self._failures, MAX_PAUSE_S) if self._failures else 0.0)
        self._failures += 1

    def _drop_reserve(self) -> None:
        if self._reserve is not None:
            self.release(self._reserve)
            self._reserve = None


def _open_pidfd(pid: int) -> int | None:
    """Return a pidfd; None if there is no such process, or the system has no pidfds."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") and 1 < pid <= identity.MAX_PID else None
    except OSError:
        return None


def _make_job_file(job: Job) -> int:
    """An anonymous file with a job, and with our variables, which git gets."""
    return _anonymous_file(_encoded(msgspec.structs.replace(job, process_env=dict(os.environ))))


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

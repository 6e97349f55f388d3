"""The engine's side of the template process: starts it, and asks it for supervisors. It never waits for it without a limit."""

import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple

from ..process import interpreter

PROGRAM = "kugetsu-template"
READY = b"ready"
"""The first message of a template: it may be asked from now on."""
FORK = b"fork"
"""The request; with it come the descriptors of the supervisor's socket and of its log. The answer is the pid, with a pidfd."""
REFUSED = b"refused "
"""Begins the answer that no process can be made now; the errno follows."""
START_LIMIT_S = 10.0
"""A template that is not ready by then is given up."""
ANSWER_LIMIT_S = 0.5
"""A template that has not answered by then is stopped, or dead."""
SUPPORTED = hasattr(os, "pidfd_open") and hasattr(socket, "SOCK_SEQPACKET") and os.path.isdir("/proc/self/fd")
"""Whether this system has what a template needs; without it each supervisor is started."""
_FOR_SCOPE = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
_KEPT = ("LANG", "LANGUAGE", "TZ")
_KEPT_PREFIXES = ("LC_", "LD_")


class TemplateGone(Exception):
    """The template process has ended, or does not answer."""


def build_command(control: int) -> list[str]:
    """Return the command line of a template process; `control` is the descriptor of its socket."""
    return interpreter.build_command(PROGRAM, str(control))


class Forked(NamedTuple):
    """A supervisor that the template has forked."""

    pid: int
    pidfd: int


class TemplateClient:
    """One template process, which is ours alone."""

    def __init__(self, log: IO[bytes], environ: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
        """Start the process, without waiting until it is ready.

        Args:
            prefix: goes in front of its command line; see `process.user_scope`.
            environ: only what concerns the language and the loader is passed on; a supervisor gets the rest with its job.

        Raises:
            OSError: no process can be started now.
        """
        self._signature = _read_signature()
        self._ready = False
        self._waited = False
        self.in_scope = bool(prefix)
        self._late_at = time.monotonic() + START_LIMIT_S
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self.process = subprocess.Popen(
                    [*prefix, *build_command(theirs.fileno())], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    pass_fds=[theirs.fileno()], start_new_session=True, cwd="/", env=_choose_environment(environ, prefix),
                )  # fmt: skip
        except BaseException:
            self._control.close()
            raise
        self._control.settimeout(ANSWER_LIMIT_S)

    @property
    def was_ready(self) -> bool:
        """Whether it has been ready."""
        return self._ready

    @property
    def usable(self) -> bool:
        """Whether it runs, from the files that are installed now."""
        return self.process.poll() is None and self._signature == _read_signature()

    @property
    def late(self) -> bool:
        """Whether it should have been ready for long."""
        return not self._ready and time.monotonic() >= self._late_at

    def wait_until_ready(self, limit_s: float) -> bool:
        """Whether it may be asked; waits for that, but no longer than the limit, and in vain only once.

        Raises:
            TemplateGone: it has ended.
        """
        if not self._ready:
            poller = select.poll()
            poller.register(self._control, select.POLLIN)
            if poller.poll(0.0 if self._waited else limit_s * 1000):
                self._ready = self._receive()[0] == READY
            self._waited = self._waited or limit_s > 0.0
        return self._ready

    def fork(self, control: socket.socket, log: IO[bytes]) -> Forked:
        """Have a supervisor forked, which waits for its job at `control`. Only once it is ready.

        Raises:
            TemplateGone: it has ended, or does not answer. A supervisor that it may have forked ends with `control`.
            OSError: the system refuses another process.
        """
        try:
            socket.send_fds(self._control, [FORK], [control.fileno(), log.fileno()])
        except OSError as error:
            raise TemplateGone(str(error)) from None
        answer, fds = self._receive()
        if answer.startswith(REFUSED):
            number = int(answer.removeprefix(REFUSED))
            raise OSError(number, os.strerror(number))
        if not answer.isdigit() or len(fds) != 1:
            for fd in fds:
                os.close(fd)
            raise TemplateGone("it sent no process")
        return Forked(int(answer), fds[0])

    def kill(self) -> None:
        """End it at once, even if it is stopped. The supervisors that it has forked run on."""
        self._control.close()
        self.process.kill()

    def _receive(self) -> tuple[bytes, list[int]]:
        try:
            answer, fds, _, _ = socket.recv_fds(self._control, 64, 1)
        except OSError as error:  # also when it takes too long
            raise TemplateGone(str(error)) from None
        if not answer:
            raise TemplateGone("it has ended")
        for fd in fds:
            os.set_inheritable(fd, False)
        return answer, fds


def _choose_environment(environ: Mapping[str, str], prefix: Sequence[str] = ()) -> dict[str, str]:
    """The template's variables: those that decide how texts, times and libraries are read. No secret is among them.

    What makes its scope needs to find the user's systemd, too.
    """
    kept = (*_KEPT, *_FOR_SCOPE) if prefix else _KEPT
    return {name: value for name, value in environ.items() if name in kept or name.startswith(_KEPT_PREFIXES)}


def _read_signature() -> tuple[int, int]:
    """Changes when another version is installed: the template has loaded the one before."""
    try:
        status = os.stat(os.path.join(os.path.dirname(__file__), "supervisor.py"))
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns

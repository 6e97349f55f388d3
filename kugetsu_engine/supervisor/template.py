"""The template process: it has loaded what a supervisor needs, and forks one for each attempt when the engine asks.

It has one thread, the standard library, and a socket to the engine. It never sees a job: an attempt's socket is only passed
through to the child, which waits there for its job as a supervisor that was started does. It ends with the engine.
"""

import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterable
from importlib import import_module
from types import FrameType

from ..process import cgroup, identity, tree
from . import drivers, supervisor
from .template_client import PROGRAM, READY, REFUSED

_SUPERVISOR = "kugetsu-supervisor"
_PR_SET_NAME = 15
_LATER = ("binascii", "datetime", "encodings.ascii", *drivers.MODULES.values())
"""Modules that a supervisor would load in the course of an attempt."""


def main(argv: list[str]) -> None:
    """Fork supervisors until the engine closes the socket."""
    control = socket.socket(fileno=int(argv[0]))
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    tree.die_with_parent(os.getppid())  # a stopped process does not see that its socket is closed
    _set_name(PROGRAM)
    cgroup.enter_leaf()
    for name in _LATER:
        import_module(name)
    title = _find_title()
    gc.collect()
    gc.freeze()  # so that no collection in a child copies the pages they share
    try:
        control.send(READY)
        while True:
            request, fds, _, _ = socket.recv_fds(control, 64, 4)
            if not request:
                return
            if len(fds) == 2:
                _fork_supervisor(control, fds[0], fds[1], title)
            _close(fds)
    except (BrokenPipeError, ConnectionResetError):
        return


def _fork_supervisor(control: socket.socket, attempt: int, log: int, title: tuple[int, int]) -> None:
    """Fork a supervisor, and send its pid and a pidfd."""
    signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGCHLD}
    )  # it is not reaped, so its pid is its own, until there is a pidfd
    try:
        pid = os.fork()
        if pid == 0:
            control.detach()
            _run_supervisor(attempt, log, title)
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        control.send(REFUSED + str(error.errno or 0).encode())
        return
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    try:
        socket.send_fds(control, [str(pid).encode()], [pidfd])
    finally:
        os.close(pidfd)


def _run_supervisor(control: int, log: int, title: tuple[int, int]) -> None:
    """In the child: become a process of its own, and run a supervisor to its end."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for fd in (1, 2):
            os.dup2(log, fd)
        _close(fd for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and fd != control)
        os.set_inheritable(control, False)
        _set_name(_SUPERVISOR)
        _set_title(*title)
        supervisor.main(control)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)  # nothing of the template may run here


def _reap(_number: int, _frame: FrameType | None) -> None:
    tree.reap_children()


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):  # the listing's own
            os.close(fd)


def _set_name(name: str) -> None:
    """Set the name that `ps` shows beside the command line; the kernel keeps 15 characters."""
    if tree.LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def _find_title() -> tuple[int, int]:
    """Return where in memory the end of the command line is that names this program, and its length; zeros if unknown."""
    try:
        with open("/proc/self/cmdline", "rb") as file:
            line = file.read()
        fields = identity.read_stat(os.getpid()) or []
        start, end = int(fields[45]), int(fields[46])
    except (OSError, IndexError, ValueError):
        return 0, 0
    place = line.rfind(PROGRAM.encode())
    if place < 0 or not start or end - start != len(line) or ctypes.string_at(start, len(line)) != line:
        return 0, 0
    return start + place, len(line) - place


def _set_title(place: int, length: int) -> None:
    """Name the supervisor where the command line names the template, so that `ps` shows what the process is."""
    if length > len(_SUPERVISOR):
        ctypes.memmove(place, _SUPERVISOR.encode().ljust(length, b"\0"), length)

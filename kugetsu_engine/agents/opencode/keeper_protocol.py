"""How to talk to the keeper of the shared opencode server, over a Unix socket in the state directory. Standard library only.

An attempt's run client sends `enter` with its worktree and stays connected while it lives. However it dies, the kernel closes
the connection, and the keeper stops what the server still does in that worktree. The attempt's supervisor then sends `leave`,
which is answered when that is done. The engine sends `retire` when the settings have changed.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import BadFile
from ...paths import StatePaths
from ...process import marks
from ...storage import files, locks

ENTERED_FILE = "opencode-server"
"""File in the TMPDIR of an attempt on the server; it names the socket of the keeper it connected to, and is empty before."""
LEAVE_LIMIT_S = 60.0
PUBLIC_FIELDS = ("state", "pid", "keeper_pid", "since", "restarts", "attempts", "rss_bytes", "fault")
MESSAGE_BYTES = 1 << 20
OPEN_FILES = "/proc/self/fd"
"""A short path to any open folder, by its descriptor; only on Linux."""


def read_status(state_dir: str) -> dict[str, Any] | None:
    """Return the active keeper's status file; None if there is none."""
    try:
        status = json.loads(files.read(StatePaths(state_dir).server, MESSAGE_BYTES))
    except (OSError, ValueError, RecursionError, BadFile):
        return None
    return status if isinstance(status, dict) and isinstance(status.get("socket"), str) else None


def read_public_status(state_dir: str) -> dict[str, Any] | None:
    """Return the shared server's status for display, without secrets; None if no keeper is active."""
    status = read_status(state_dir)
    if status is None or not locks.is_held(StatePaths(state_dir).server_lock):
        return None
    return {name: status.get(name) for name in PUBLIC_FIELDS}


def connect_to_keeper(path: str, timeout_s: float) -> socket.socket:
    """Connect to a keeper's socket, by a short path, as socket paths are limited to about 100 bytes.

    This does not change the current directory: the engine may be a thread of a console that starts an editor meanwhile.

    Raises:
        OSError: no keeper listens there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        with _short_path(os.path.dirname(path)) as folder:
            connection.connect(f"{folder}/{os.path.basename(path)}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _short_path(folder: str) -> Iterator[str]:
    """Give a folder a short path for the length of the block."""
    if os.path.isdir(OPEN_FILES):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"{OPEN_FILES}/{fd}"
        finally:
            os.close(fd)
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="kugetsu-", dir="/tmp") as temporary:
        os.symlink(folder, f"{temporary}/at")
        yield f"{temporary}/at"


def send_line(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send one message."""
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive_line(connection: socket.socket) -> dict[str, Any] | None:
    """Wait for one message; None when the other side has closed the connection."""
    line = b""
    while not line.endswith(b"\n"):
        data = connection.recv(65536)
        line += data
        if not data or len(line) > MESSAGE_BYTES:
            return None
    message = json.loads(line)
    return message if isinstance(message, dict) else None


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Return the command line and prompt of an attempt that resumes a session, or forks one: the server makes the copy.

    Raises:
        AttemptFailed: there is no such session.
    """
    from .session_ids import prepare_session

    if job["session"]["mode"] == "fork":
        return {"argv": [*job["argv"], "--fork", "-s", str(job["session"]["session_id"])]}
    return prepare_session(job)


def after(job: dict[str, Any]) -> None:
    """After the client of an attempt has ended: wait until the server has stopped its session, and end its tools."""
    worktree = str(job["worktree"])
    try:
        with open(f"{job['env']['TMPDIR']}/{ENTERED_FILE}", "rb") as file:
            path = os.fsdecode(file.read())
        with connect_to_keeper(path, LEAVE_LIMIT_S) as connection:
            send_line(connection, {"verb": "leave", "directory": worktree})
            receive_line(connection)
    except (OSError, ValueError):
        pass  # it never connected, or the keeper is gone and its server with it
    marks.kill_attempt(str(job["state_dir"]), str(job["task_id"]), str(job["token"]))

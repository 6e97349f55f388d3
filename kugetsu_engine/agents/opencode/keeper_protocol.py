"""The way to the keeper of the shared opencode server: a socket in the state directory. Standard library only.

An attempt's client *enters* with its worktree and stays connected as long as it lives; the kernel closes the connection
however it dies, and then the keeper stops what the server still does there. Its supervisor *leaves*: it waits for that.
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
"""File in the attempt's TMPDIR that names the socket of the keeper it entered at."""
LEAVE_LIMIT_S = 60.0
PUBLIC_FIELDS = ("state", "pid", "keeper_pid", "since", "restarts", "attempts", "rss_bytes", "fault")
MESSAGE_BYTES = 1 << 20
OPEN_FILES = "/proc/self/fd"
"""By the number of an open folder its name here; only Linux has it."""


def read_status(state_dir: str) -> dict[str, Any] | None:
    """What the keeper in office says of itself; None where there is none."""
    try:
        found = json.loads(files.read(StatePaths(state_dir).server, MESSAGE_BYTES))
    except (OSError, ValueError, RecursionError, BadFile):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("socket"), str) else None


def read_public_status(state_dir: str) -> dict[str, Any] | None:
    """How the shared server stands, for those who look on; None where there is none."""
    state = read_status(state_dir)
    if state is None or not locks.is_held(StatePaths(state_dir).server_seat):
        return None
    return {name: state.get(name) for name in PUBLIC_FIELDS}


def connect_to_keeper(path: str, timeout_s: float) -> socket.socket:
    """Connect to a keeper; by a short name, as that of a socket may not be long.

    The process stays in its directory: the engine may be a thread of a console that starts an editor meanwhile.

    Raises:
        OSError: nobody is there.
    """
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        end.settimeout(timeout_s)
        with _near(os.path.dirname(path)) as folder:
            end.connect(f"{folder}/{os.path.basename(path)}")
    except BaseException:
        end.close()
        raise
    return end


@contextmanager
def _near(folder: str) -> Iterator[str]:
    """A short name of a folder, for a moment."""
    if os.path.isdir(OPEN_FILES):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"{OPEN_FILES}/{fd}"
        finally:
            os.close(fd)
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="kugetsu-", dir="/tmp") as place:
        os.symlink(folder, f"{place}/at")
        yield f"{place}/at"


def send_line(end: socket.socket, word: dict[str, Any]) -> None:
    """Send one word."""
    end.sendall(json.dumps(word).encode() + b"\n")


def receive_line(end: socket.socket) -> dict[str, Any] | None:
    """Wait for one word; None when the other side has gone."""
    said = b""
    while not said.endswith(b"\n"):
        data = end.recv(65536)
        said += data
        if not data or len(said) > MESSAGE_BYTES:
            return None
    found = json.loads(said)
    return found if isinstance(found, dict) else None


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Return the command line and the prompt of an attempt that goes on with a session; the server itself copies one.

    Raises:
        AttemptFailed: there is no such session.
    """
    from .session_ids import prepare_session

    if job["session"]["mode"] == "fork":
        return {"argv": [*job["argv"], "--fork", "-s", str(job["session"]["session_id"])]}
    return prepare_session(job)


def after(job: dict[str, Any]) -> None:
    """When an attempt's client is gone: see to it that the server has stopped its session and that no tool is left."""
    worktree = str(job["worktree"])
    try:
        with open(f"{job['env']['TMPDIR']}/{ENTERED_FILE}", "rb") as file:
            path = os.fsdecode(file.read())
        with connect_to_keeper(path, LEAVE_LIMIT_S) as end:
            send_line(end, {"verb": "leave", "directory": worktree})
            receive_line(end)
    except (OSError, ValueError):
        pass  # it never entered, or the keeper is gone and its server with it
    marks.end_marked(str(job["state_dir"]), str(job["task_id"]), str(job["token"]))

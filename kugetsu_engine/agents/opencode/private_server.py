"""An opencode server for one attempt, started by its run client and ended with it. Standard library only."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...process import interpreter
from ...process.waiting import pause
from .http_api import Refused, ServerApi, ServerLost

READY_S = 60.0
NO_PROGRAM = 127
"""The exit code if the program does not exist."""


class CannotStart(Exception):
    """The program is not installed."""


@contextmanager
def start_server(program: str) -> Iterator[ServerApi]:
    """Run a server as long as the block.

    Raises:
        CannotStart: the program does not exist.
        ServerLost: it ended, or was not ready in time; its last line is included.
    """
    password = secrets.token_urlsafe(24)
    log = os.path.join(os.environ.get("TMPDIR") or ".", "opencode-private-server")
    argv = interpreter.build_command("opencode-server", str(os.getpid()), program, "serve", "--hostname=127.0.0.1", "--port=0")
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        server = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=fd, stderr=fd, env={**os.environ, "OPENCODE_SERVER_PASSWORD": password}
        )
    finally:
        os.close(fd)
    try:
        yield _wait_until_ready(server, log, password)
    finally:
        server.kill()
        server.wait()


def _wait_until_ready(server: "subprocess.Popen[bytes]", log: str, password: str) -> ServerApi:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 16).splitlines()
        ready = next((line for line in lines if "listening on http://" in line), None)
        if ready is not None:
            with suppress(ServerLost, Refused, ValueError):
                api = ServerApi(int(ready.rpartition(":")[2].split("/")[0]), password)
                api.call("GET", "/global/health", timeout_s=5.0)  # a request made before it is ready is never answered
                return api
        if (code := server.poll()) is not None:
            last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")[:300]
            if code == NO_PROGRAM:
                raise CannotStart(last)
            raise ServerLost(f"opencode serve does not start: {last}")
        pause(0.05)
    raise ServerLost(f"opencode serve was not ready within {READY_S:g} s")

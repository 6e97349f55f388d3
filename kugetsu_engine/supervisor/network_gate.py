"""The supervisor's end of a sandbox's network: starts the process that lets named hosts through, and notes what it refused.

The sandbox has a network of its own with nothing in it. Before its command starts, a socket that listens there is handed out to
that process, so that the command's proxy is at home in the sandbox but connects from outside.
"""

import os
import socket
import subprocess
from typing import Any

from ..domain.text.safe_text import safe_line
from ..process import interpreter
from .agent_log import LogFile

PORT = 3128
MAX_REFUSED = 200
"""Different refused hosts that are noted."""
_VARIABLES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")


class NetworkGate:
    """The process that connects to allowed hosts for one attempt."""

    def __init__(self, allowed: list[str], environ: dict[str, str], log: LogFile) -> None:
        self._log = log
        self.refused: list[str] = []
        """Hosts that were refused, as `host:port`, in the order of their first refusal."""
        self._rest = b""
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reading, writing = os.pipe()
        for end in (self._reading, writing):
            os.set_blocking(end, False)
        self._theirs = theirs
        upstream = next(
            (environ[name] for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY") if name in environ), ""
        )
        try:
            self._process = subprocess.Popen(
                interpreter.build_command("network-gate", str(os.getpid()), str(self._end.fileno()), *allowed),
                stdin=subprocess.DEVNULL,
                stdout=writing, stderr=subprocess.DEVNULL, cwd="/", pass_fds=(self._end.fileno(),), start_new_session=True,
                env={"KUGETSU_UPSTREAM_PROXY": upstream},
            )  # fmt: skip
        finally:
            os.close(writing)
            self._end.close()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def lend(self) -> int:
        """Return a descriptor for a command in a sandbox, through which it hands out its socket."""
        return os.dup(self._theirs.fileno())

    def wrap(self, argv: list[str], fd: int) -> list[str]:
        """Return the command line that hands out the socket and then becomes the command, with its proxy set."""
        return [*interpreter.build_command("network-enter", str(fd), str(PORT)), *argv]

    def note_refusals(self) -> None:
        """Note in the log which hosts were refused since the last time."""
        try:
            while data := os.read(self._reading, 65536):
                self._rest += data
        except OSError:  # nothing more yet, or it is closed
            pass
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            host = safe_line(line.decode("utf-8", "replace"), 200)
            if host and host not in self.refused and len(self.refused) < MAX_REFUSED:
                self.refused.append(host)
                self._log.note(f"sandbox: the network refused {host}, which is not in sandbox_net")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for close in (self._theirs.close, lambda: os.close(self._reading)):
            try:
                close()
            except OSError:
                continue


def proxy_variables() -> dict[str, Any]:
    """Return the variables by which programs in the sandbox find the proxy."""
    address = f"http://127.0.0.1:{PORT}"
    local = "localhost,127.0.0.1,::1"
    return dict.fromkeys(_VARIABLES, address) | {"NO_PROXY": local, "no_proxy": local, "NODE_USE_ENV_PROXY": "1"}

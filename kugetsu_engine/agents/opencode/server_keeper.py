"""The keeper of the shared opencode server: a separate process that outlives the engine, as supervisors do.

It starts the server and restarts it when it dies. Attempts connect to it; when a connection closes, it stops what the server
still does in that worktree. It ends when the server has been idle for a while. Standard library only.

The *active* keeper holds a lock, so there is one per state directory. When its server grows too large it is *retired*: it
releases the lock, the engine starts another keeper, and this one ends with its last attempt.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from ...domain.text.quantities import format_size
from ...domain.text.times import iso
from ...paths import LOCK, StatePaths
from ...process import memory, tree
from ...process.identity import read_stat
from ...storage import files
from ...storage.locks import try_lock, unlock
from .. import program_versions
from .http_api import Refused, ServerApi, ServerLost
from .server_clients import ServerClients

READY_S = 60.0
BUSY_FACTOR = 5
"""How much longer a server may take that still gets processor time: on an overloaded machine it is slow and not dead."""
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
MAX_FAILED_STARTS = 3
"""Failed starts in a row after which waiting attempts get an error."""
NO_PROGRAM = 127
LOG_LIMIT = 1 << 20
TURN_S = 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ServerKeeper:
    """One keeper; `spec` comes from the engine, see `scheduler.shared_server`."""

    def __init__(self, spec: dict[str, Any], active_lock: int, alive_lock: int) -> None:
        self.spec = spec
        self.paths = StatePaths(str(spec["state_dir"]))
        self.folder = self.paths.servers
        self.token = str(spec["token"])
        self.socket_path = self.paths.server_socket(self.token)
        self.active_lock: int | None = active_lock
        self.alive_lock = alive_lock
        self.retired_lock: int | None = None
        self.log_start = 0
        self.log = self.paths.server_log
        self.password = secrets.token_urlsafe(24)
        self.server: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.failed_starts = 0
        self.since = ""
        self.state = "starting"
        self.exit_code: int | None = None
        self.must_end = False
        self.next_status_at = 0.0
        self.healthy_at = 0.0
        self.cpu_ticks = 0
        self.worked_at = 0.0
        """When the server was last seen to have used the processor."""
        self.next_check_at = 0.0
        self.idle_since = time.monotonic()
        self.clients = ServerClients(str(spec["state_dir"]), self.paths.server_attempts(self.token))

    def run(self) -> None:
        """Keep the server running until it is no longer needed."""
        try:
            self._remove_leftovers()
            with self._listen() as listener:
                threading.Thread(target=self.clients.accept_connections, args=(listener,), name="accept", daemon=True).start()
                while not self.must_end:
                    self._run_server_once()
        finally:
            self._step_down()
            self._end_server()
            tree.sweep_tree(os.getpid(), None, 0.5)
            for path in (self.socket_path, self.paths.server_life(self.token)):
                files.remove(path)
            self.clients.remove_folder()

    def _remove_leftovers(self) -> None:
        """Remove the files of killed keepers, whose locks the kernel has released."""
        for name in os.listdir(self.folder):
            path, token = f"{self.folder}/{name}", name.partition("-")[2].removesuffix(LOCK)
            ours = (self.paths.server_life(self.token), self.paths.server_retired)
            if path == self.paths.server_life(token) and path not in ours:
                lock = try_lock(path)
                if lock is not None:
                    shutil.rmtree(self.paths.server_attempts(token), ignore_errors=True)
                    files.remove(self.paths.server_socket(token))
                    files.remove(path)
                    unlock(lock)

    def _listen(self) -> socket.socket:
        os.chdir(self.folder)
        os.makedirs(self.clients.folder, 0o700, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.path.basename(self.socket_path))
        os.chmod(self.socket_path, 0o600)
        listener.listen(64)
        return listener

    def _run_server_once(self) -> None:
        """Start the server, watch it until it has ended, and clean up after it."""
        started_at = time.monotonic()
        if refusal := self._version_refusal():
            self.clients.fault, self.clients.no_program, self.state = refusal, True, "failing"
            self.clients.disconnect_all()
            self._write_status()
            self._pause(BACK_OFF_S[-1])
            return
        self.state = "starting"
        self._start_server()
        self._write_status()
        api = self._wait_until_ready()
        if api is not None:
            self.failed_starts, self.state, self.since = 0, "ready", iso(time.time())
            self.healthy_at = time.monotonic()
            self.clients.admit(api)
            self._write_status()
            self._watch(api)
        else:
            self.failed_starts += 1
        self._end_server()
        self.clients.disconnect_all()
        tree.sweep_tree(os.getpid(), None, 0.5)  # the tools of the server, which is gone
        if self.must_end:
            return
        if self.failed_starts >= MAX_FAILED_STARTS or self.exit_code == NO_PROGRAM:
            self.clients.no_program = self.exit_code == NO_PROGRAM
            self.clients.fault = f"opencode serve does not start: {self._last_line()}"
        self.state = "failing" if self.failed_starts else "starting"
        self._write_status()
        short_lived = time.monotonic() - started_at < 60.0
        self._pause(BACK_OFF_S[min(max(self.failed_starts, 1 if short_lived else 0), len(BACK_OFF_S) - 1)])

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.must_end:
            self._turn()

    def _version_refusal(self) -> str | None:
        """Why the program must not be started: the server of an unsupported version cannot be stopped."""
        program = shutil.which(os.path.expanduser(self.spec["argv"][0]))
        if program is None:
            return None
        state_dir = str(self.spec["state_dir"])
        return program_versions.describe_refusal(
            "opencode", program_versions.read_version("opencode", program, os.environ, state_dir, ask=True)
        )

    def _start_server(self) -> None:
        self.starts += 1
        files.rotate_log(self.log, LOG_LIMIT)
        env = os.environ | {
            "OPENCODE_SERVER_PASSWORD": self.password, "KUGETSU_SERVER_ATTEMPTS": self.clients.folder, "PWD": self.folder,
        }  # fmt: skip
        fd = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self.log_start = os.fstat(fd).st_size
        try:
            self.server = subprocess.Popen(
                [*self.spec["starter"], str(os.getpid()), *self.spec["argv"]],
                stdin=subprocess.DEVNULL, stdout=fd, stderr=fd, cwd=self.folder, env=env,
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(fd)

    def _wait_until_ready(self) -> ServerApi | None:
        """Wait for the line that names its port and for one answer; None if the server does not get ready."""
        began = time.monotonic()
        while self._turn() and not self.is_overdue(began, READY_S):
            line = next((line for line in self._read_output() if "listening on http://" in line), None)
            if line is None:
                continue
            try:
                api = ServerApi(int(line.rpartition(":")[2].split("/")[0]), self.password)
                api.call("GET", "/global/health", timeout_s=5.0)  # a request made before it is ready is never answered
                return api
            except (ServerLost, Refused, ValueError):
                continue
        return None

    def _watch(self, api: ServerApi) -> None:
        """Check the server's health and limits until it has ended or must be restarted."""
        while self._turn():
            now = time.monotonic()
            if self.clients.stuck:
                self._log(f"a session does not stop ({self.clients.stuck}): restarting the server")
                self.clients.stuck = ""
                return
            if now >= self.next_check_at:
                self.next_check_at = now + float(self.spec["look_s"])
                if not self._is_healthy(api):
                    return
            if self.must_end:
                return

    def _is_healthy(self, api: ServerApi) -> bool:
        """Whether the server may go on. One that is too large is replaced at once if it is unused, else retired."""
        try:
            api.call("GET", "/global/health", timeout_s=min(10.0, float(self.spec["health_s"])))
            self.healthy_at = time.monotonic()
        except (ServerLost, Refused) as error:
            if self.is_overdue(self.healthy_at, float(self.spec["health_s"])):
                silent_s = time.monotonic() - self.healthy_at
                self._log(f"the server has not answered for {silent_s:.0f} s ({error}): restarting it")
                return False
        if self.rss_bytes() > int(self.spec["memory"]):
            if self.clients.count() == 0 and self.clients.stop_admitting():
                self._log(f"the server uses {format_size(self.rss_bytes())} of memory: restarting it")
                return False
            self._retire(f"it uses {format_size(self.rss_bytes())} of memory")
        return True

    def is_overdue(self, since: float, limit_s: float) -> bool:
        """Whether the server has taken too long since a moment; it has more time while it uses the processor."""
        now = time.monotonic()
        works = now - self.worked_at < limit_s / 2
        return now - since > limit_s * (BUSY_FACTOR if works else 1)

    def note_work(self) -> None:
        """Note whether the server has used the processor since the last time."""
        fields = read_stat(self.server.pid) if self.server is not None else None
        ticks = int(fields[11]) + int(fields[12]) if fields is not None else 0
        if abs(ticks - self.cpu_ticks) > 1:
            self.cpu_ticks, self.worked_at = ticks, time.monotonic()

    def _retire(self, why: str) -> None:
        """Stop being the active keeper; the server goes on for its attempts. One retired server at a time, to limit memory."""
        if self.active_lock is None:
            return
        self.retired_lock = try_lock(self.paths.server_retired)
        if self.retired_lock is not None:
            self._log(f"the server is retired: {why}")
            self.clients.stop_admitting(force=True)
            self._step_down()

    def _step_down(self) -> None:
        if self.active_lock is None:
            return
        files.remove(self.paths.server)
        unlock(self.active_lock)
        self.active_lock = None

    def _turn(self) -> bool:
        """Wait a moment and handle what has changed. Return whether the server is still running."""
        self.clients.changed.wait(TURN_S)
        self.clients.changed.clear()
        ended = tree.reap_children()
        self.note_work()
        now = time.monotonic()
        if self.clients.retire_requested and self.active_lock is not None:
            self._retire("the settings changed")
        idle_limit_s = 0.0 if self.active_lock is None else float(self.spec["idle_s"])
        if self.clients.count():
            self.idle_since = now
        elif now - self.idle_since > idle_limit_s and self.clients.stop_admitting():
            self.must_end = True
        if now >= self.next_status_at:
            self._write_status()
        if self.server is not None and self.server.pid in ended:
            self.exit_code = os.waitstatus_to_exitcode(ended[self.server.pid])
            self._log(f"the server has ended with status {self.exit_code}")
            self.server = None
        return self.server is not None and not self.must_end

    def _end_server(self) -> None:
        if self.server is None:
            return
        self.server.kill()
        with suppress(ChildProcessError):
            os.waitpid(self.server.pid, 0)
        self.server = None

    def rss_bytes(self) -> int:
        """Return the resident memory of the server, without its tools."""
        fields = read_stat(self.server.pid) if self.server is not None else None
        return int(fields[21]) * _PAGE if fields is not None else 0

    def _write_status(self) -> None:
        """Write the status file, if this is the active keeper."""
        self.next_status_at = time.monotonic() + 2.0
        if self.active_lock is None:
            return
        document = {
            "token": self.token, "socket": self.socket_path, "digest": self.spec["digest"], "keeper_pid": os.getpid(),
            "pid": self.server.pid if self.server is not None else None, "state": self.state, "since": self.since,
            "restarts": self.starts - 1, "attempts": self.clients.count(), "rss_bytes": self.rss_bytes(),
            "fault": self.clients.fault,
        }  # fmt: skip
        with suppress(OSError):
            files.replace(self.paths.server, json.dumps(document).encode(), durable=False)

    def _log(self, text: str) -> None:
        with suppress(OSError):
            files.append_line(self.log, f"kugetsu: {iso(time.time())} {text}".encode())

    def _read_output(self) -> list[str]:
        """Return the lines the server has printed since its start."""
        with suppress(OSError), open(self.log, "rb") as file:
            file.seek(self.log_start)
            return file.read(1 << 16).decode("utf-8", "replace").splitlines()
        return []

    def _last_line(self) -> str:
        lines = [line.strip() for line in self._read_output() if line.strip() and not line.startswith("kugetsu: ")]
        return lines[-1][:300] if lines else "it printed nothing"

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Handle SIGTERM: end, and stop the server."""
        self.must_end = True


def run_server(argv: list[str]) -> None:
    """Entry point of the server's process: make it die with its keeper (the first argument), then exec the program.

    The keeper has threads, so it cannot do this between fork and exec.
    """
    tree.die_with_parent(int(argv[0]))
    memory.set_score("self", memory.read_own_score() + memory.AGENT_SCORE)  # as every agent's
    try:
        os.execvp(argv[1], argv[1:])
    except OSError as error:
        sys.stderr.write(f"{argv[1]}: {error.strerror}\n")
        sys.exit(NO_PROGRAM)


def main(argv: list[str]) -> None:
    """Entry point of the keeper's process; the arguments are the descriptors of its two locks, and `spec` as JSON."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    tree.become_subreaper()
    keeper = ServerKeeper(json.loads(argv[2]), int(argv[0]), int(argv[1]))
    for fd in (keeper.active_lock, keeper.alive_lock):
        os.set_inheritable(int(fd or 0), False)
    signal.signal(signal.SIGTERM, keeper.on_signal)
    keeper.run()

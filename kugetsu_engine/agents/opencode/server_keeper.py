"""The keeper of the shared opencode server: a process of its own that outlives engines, as supervisors do.

It holds the *seat*, so there is one per state directory; starts the server and starts it again when it dies; lets attempts
enter and learns from the kernel when one is gone; then it stops what the server still does in that worktree. It ends when
nobody has used the server for a while. A server that has grown too large is *retired*: its keeper gives the seat up, the
engine starts another, and this one ends with its last attempt. Standard library only.
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
from ...process import tree
from ...process.identity import stat_fields
from ...storage import files
from ...storage.locks import try_lock, unlock
from .. import program_versions
from .http_api import Refused, ServerApi, ServerLost
from .server_clients import ServerClients

READY_S = 60.0
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
MAX_FAILED_STARTS = 3
"""Starts in a row that fail before attempts that wait are told so."""
NO_PROGRAM = 127
LOG_LIMIT = 1 << 20
TURN_S = 0.2
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ServerKeeper:
    """One keeper; `spec` is what the engine tells it."""

    def __init__(self, spec: dict[str, Any], seat: int, life: int) -> None:
        self.spec = spec
        self.paths = StatePaths(str(spec["state_dir"]))
        self.folder = self.paths.servers
        self.token = str(spec["token"])
        self.socket_path = self.paths.server_socket(self.token)
        self.seat: int | None = seat
        self.life = life
        self.retired: int | None = None
        self.log_from = 0
        self.log = self.paths.server_log
        self.password = secrets.token_urlsafe(24)
        self.server: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.failed_starts = 0
        self.since = ""
        self.state = "starting"
        self.exit_code: int | None = None
        self.must_end = False
        self.next_tell = 0.0
        self.healthy_at = 0.0
        self.next_look = 0.0
        self.idle_since = time.monotonic()
        self.visits = ServerClients(str(spec["state_dir"]), self.paths.server_attempts(self.token))

    def run(self) -> None:
        """Keep the server until nobody needs it any more."""
        try:
            self._tidy_up()
            with self._listen() as listener:
                threading.Thread(target=self.visits.accept, args=(listener,), name="accept", daemon=True).start()
                while not self.must_end:
                    self._serve_once()
        finally:
            self._leave_office()
            self._end_server()
            tree.sweep_tree(os.getpid(), None, 0.5)
            for path in (self.socket_path, self.paths.server_life(self.token)):
                files.remove(path)
            self.visits.tidy()

    def _tidy_up(self) -> None:
        """Remove what keepers have left that were killed; the kernel has freed their locks."""
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
        os.makedirs(self.visits.folder, 0o700, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.path.basename(self.socket_path))
        os.chmod(self.socket_path, 0o600)
        listener.listen(64)
        return listener

    # one life of the server

    def _serve_once(self) -> None:
        """Start the server, watch it until it has ended, and tidy up after it."""
        began = time.monotonic()
        if refused := self._refusal():
            self.visits.fault, self.visits.no_program, self.state = refused, True, "failing"
            self.visits.lose()
            self._tell()
            self._pause(BACK_OFF_S[-1])
            return
        self.state = "starting"
        self._start()
        self._tell()
        api = self._wait_until_ready()
        if api is not None:
            self.failed_starts, self.state, self.since = 0, "ready", iso(time.time())
            self.healthy_at = time.monotonic()
            self.visits.open(api)
            self._tell()
            self._watch(api)
        else:
            self.failed_starts += 1
        self._end_server()
        self.visits.lose()
        tree.sweep_tree(os.getpid(), None, 0.5)  # the tools of a server that is gone
        if self.must_end:
            return
        if self.failed_starts >= MAX_FAILED_STARTS or self.exit_code == NO_PROGRAM:
            self.visits.no_program = self.exit_code == NO_PROGRAM
            self.visits.fault = f"opencode serve does not start: {self._last_words()}"
        self.state = "failing" if self.failed_starts else "starting"
        self._tell()
        quick = time.monotonic() - began < 60.0
        self._pause(BACK_OFF_S[min(max(self.failed_starts, 1 if quick else 0), len(BACK_OFF_S) - 1)])

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.must_end:
            self._turn()

    def _refusal(self) -> str | None:
        """Why the program is not to be started: another version's server would not be one that can be ended."""
        program = shutil.which(os.path.expanduser(self.spec["argv"][0]))
        if program is None:
            return None
        state_dir = str(self.spec["state_dir"])
        return program_versions.describe_refusal(
            "opencode", program_versions.read_version("opencode", program, os.environ, state_dir, ask=True)
        )

    def _start(self) -> None:
        self.starts += 1
        files.rotate_log(self.log, LOG_LIMIT)
        env = os.environ | {
            "OPENCODE_SERVER_PASSWORD": self.password, "KUGETSU_SERVER_ATTEMPTS": self.visits.folder, "PWD": self.folder,
        }  # fmt: skip
        fd = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self.log_from = os.fstat(fd).st_size
        try:
            self.server = subprocess.Popen(
                [*self.spec["starter"], str(os.getpid()), *self.spec["argv"]],
                stdin=subprocess.DEVNULL, stdout=fd, stderr=fd, cwd=self.folder, env=env,
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(fd)

    def _wait_until_ready(self) -> ServerApi | None:
        """Wait for the line that names its port, and for one answer; None when it is not to be had."""
        deadline = time.monotonic() + READY_S
        while self._turn() and time.monotonic() < deadline:
            line = next((line for line in self._said() if "listening on http://" in line), None)
            if line is None:
                continue
            try:
                api = ServerApi(int(line.rpartition(":")[2].split("/")[0]), self.password)
                api.call("GET", "/global/health", timeout_s=5.0)  # what it takes before it is ready it never answers
                return api
            except (ServerLost, Refused, ValueError):
                continue
        return None

    def _watch(self, api: ServerApi) -> None:
        """Hold the server to its limits until it has ended, or has to."""
        while self._turn():
            now = time.monotonic()
            if self.visits.stuck:
                self._note(f"a session does not stop ({self.visits.stuck}): the server is started again")
                self.visits.stuck = ""
                return
            if now >= self.next_look:
                self.next_look = now + float(self.spec["look_s"])
                if not self._is_well(api):
                    return
            if self.must_end:
                return

    def _is_well(self, api: ServerApi) -> bool:
        """Whether the server answers and is not too large; one that is too large may go on until its attempts have ended."""
        try:
            api.call("GET", "/global/health", timeout_s=min(10.0, float(self.spec["health_s"])))
            self.healthy_at = time.monotonic()
        except (ServerLost, Refused) as error:
            if time.monotonic() - self.healthy_at > float(self.spec["health_s"]):
                self._note(f"the server has not answered for {self.spec['health_s']:g} s ({error}): it is started again")
                return False
        if self.rss_bytes() > int(self.spec["memory"]):
            if self.visits.count() == 0 and self.visits.close():
                self._note(f"the server holds {format_size(self.rss_bytes())}: it is started again")
                return False
            self._retire(f"it holds {format_size(self.rss_bytes())}")
        return True

    def _retire(self, why: str) -> None:
        """Give the seat up; the server goes on for the attempts that use it. One at a time, for the memory's sake."""
        if self.seat is None:
            return
        self.retired = try_lock(self.paths.server_retired)
        if self.retired is not None:
            self._note(f"the server is retired: {why}")
            self.visits.close(even_if_used=True)
            self._leave_office()

    def _leave_office(self) -> None:
        if self.seat is None:
            return
        files.remove(self.paths.server)
        unlock(self.seat)
        self.seat = None

    def _turn(self) -> bool:
        """Wait a moment; whether the server lives."""
        self.visits.changed.wait(TURN_S)
        self.visits.changed.clear()
        ended = tree.reap_children()
        now = time.monotonic()
        if self.visits.retire and self.seat is not None:
            self._retire("the settings changed")
        if self.visits.count():
            self.idle_since = now
        elif now - self.idle_since > (0.0 if self.seat is None else float(self.spec["idle_s"])) and self.visits.close():
            self.must_end = True
        if now >= self.next_tell:
            self._tell()
        if self.server is not None and self.server.pid in ended:
            self.exit_code = os.waitstatus_to_exitcode(ended[self.server.pid])
            self._note(f"the server has ended with status {self.exit_code}")
            self.server = None
        return self.server is not None and not self.must_end

    def _end_server(self) -> None:
        if self.server is None:
            return
        self.server.kill()
        with suppress(ChildProcessError):
            os.waitpid(self.server.pid, 0)
        self.server = None

    # telling

    def rss_bytes(self) -> int:
        """Resident memory of the server, without its tools."""
        fields = stat_fields(self.server.pid) if self.server is not None else None
        return int(fields[21]) * _PAGE if fields is not None else 0

    def _tell(self) -> None:
        """Write how the server stands, while in office."""
        self.next_tell = time.monotonic() + 2.0
        if self.seat is None:
            return
        document = {
            "token": self.token, "socket": self.socket_path, "digest": self.spec["digest"], "keeper_pid": os.getpid(),
            "pid": self.server.pid if self.server is not None else None, "state": self.state, "since": self.since,
            "restarts": self.starts - 1, "attempts": self.visits.count(), "rss_bytes": self.rss_bytes(),
            "fault": self.visits.fault,
        }  # fmt: skip
        with suppress(OSError):
            files.replace(self.paths.server, json.dumps(document).encode(), durable=False)

    def _note(self, words: str) -> None:
        with suppress(OSError):
            files.append_line(self.log, f"kugetsu: {iso(time.time())} {words}".encode())

    def _said(self) -> list[str]:
        """What the server has printed since its start."""
        with suppress(OSError), open(self.log, "rb") as file:
            file.seek(self.log_from)
            return file.read(1 << 16).decode("utf-8", "replace").splitlines()
        return []

    def _last_words(self) -> str:
        words = [line.strip() for line in self._said() if line.strip() and not line.startswith("kugetsu: ")]
        return words[-1][:300] if words else "it says nothing"

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """End, and the server with it."""
        self.must_end = True


def run_server(words: list[str]) -> None:
    """Entry of a process that is to be the server: it dies with its keeper. By exec, as the keeper has threads."""
    tree.die_with(int(words[0]))
    try:
        os.execvp(words[1], words[1:])
    except OSError as error:
        sys.stderr.write(f"{words[1]}: {error.strerror}\n")
        sys.exit(NO_PROGRAM)


def main(words: list[str]) -> None:
    """Entry of the keeper's process: descriptors of seat and life, and the specification."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    tree.become_subreaper()
    keeper = ServerKeeper(json.loads(words[2]), int(words[0]), int(words[1]))
    for fd in (keeper.seat, keeper.life):
        os.set_inheritable(int(fd or 0), False)
    signal.signal(signal.SIGTERM, keeper.on_signal)
    keeper.run()

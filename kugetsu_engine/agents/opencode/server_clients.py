"""The attempts on the shared opencode server, as its keeper sees them: one connection each, with a thread that watches it."""

import hashlib
import json
import os
import shutil
import socket
import threading
import time
from contextlib import suppress

from ...paths import JSON
from ...process import marks
from ...storage import files
from . import keeper_protocol as protocol
from .http_api import Refused, ServerApi, ServerLost

STOP_LIMIT_S = 30.0
"""How long a session may keep running after an abort before the whole server is restarted."""
NO_ANSWER_LIMIT_S = 600.0
"""How long aborting may go unanswered while the server still answers others."""
DISCONNECT_LIMIT_S = 5.0
"""How long clients may take to disconnect when the server is lost."""
LATE_START_S = 3.0
"""A prompt sent right before its client died may start this much later."""


class ServerClients:
    """The attempts connected to the server."""

    def __init__(self, state_dir: str, folder: str) -> None:
        self.folder = folder
        """Holds one file per worktree, with the environment of the tools there."""
        self.changed = threading.Event()
        self.fault = ""
        """Why no server can be started; empty while one may still come up."""
        self.no_program = False
        self.stuck = ""
        """Worktree of a session that does not stop; empty if there is none."""
        self.retire_requested = False
        self._state_dir = state_dir
        self._api: ServerApi | None = None
        self._closed = False
        self._connected: dict[str, socket.socket] = {}
        """Connection of the attempt in each worktree, kept until its tools have stopped."""
        self._waiting = 0
        self._state = threading.Condition()

    def admit(self, api: ServerApi) -> None:
        """Let attempts in: the server is ready."""
        with self._state:
            self._api, self.fault, self._closed = api, "", False
            self._state.notify_all()

    def disconnect_all(self) -> None:
        """The server is gone: wait until its clients have noticed and left, and close the connections that remain."""
        with self._state:
            self._api = None
            self._state.notify_all()
            if not self._state.wait_for(lambda: not self._connected, DISCONNECT_LIMIT_S):
                for connection in self._connected.values():
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                self._state.wait_for(lambda: not self._connected, DISCONNECT_LIMIT_S)
            self._closed = False

    def stop_admitting(self, force: bool = False) -> bool:
        """Refuse new attempts, and return True. While an attempt is connected or waits, only if forced."""
        with self._state:
            if not force and (self._connected or self._waiting):
                return False
            self._closed = True
            self._state.notify_all()
            return True

    def count(self) -> int:
        """Return how many attempts use the server or wait for it."""
        with self._state:
            return len(self._connected) + self._waiting

    def remove_folder(self) -> None:
        """Remove the folder of environment files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def accept_connections(self, listener: socket.socket) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle_connection, args=(connection,), name="opencode-client", daemon=True).start()

    def _handle_connection(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError, KeyError):
            message = protocol.receive_line(connection)
            if message is None:
                return
            if message["verb"] == "enter":
                self._serve_client(connection, str(message["directory"]), dict(message["env"]))
            elif message["verb"] == "leave":
                with self._state:
                    self._state.wait_for(lambda: str(message["directory"]) not in self._connected, protocol.LEAVE_LIMIT_S)
                protocol.send_line(connection, {"left": True})
            elif message["verb"] == "retire":
                self.retire_requested = True
                self.changed.set()
                protocol.send_line(connection, {"retires": True})

    def _serve_client(self, connection: socket.socket, directory: str, env: dict[str, str]) -> None:
        with self._state:
            self._waiting += 1
            try:
                self._state.wait_for(
                    lambda: self._closed or self.fault or (self._api is not None and directory not in self._connected)
                )
                if self._closed or self._api is None:
                    fault = {"fault": self.fault, "no_program": self.no_program}
                    protocol.send_line(connection, {"again": True} if self._closed else fault)
                    return
                api = self._api
                self._connected[directory] = connection
            finally:
                self._waiting -= 1
        try:
            files.replace(self._variables_file(directory), json.dumps(env | {"PWD": directory}).encode(), durable=False)
            protocol.send_line(connection, {"port": api.port, "password": api.password})
            connection.settimeout(None)
            message = protocol.receive_line(connection)  # blocks until the client has finished or died
            if message is not None:
                protocol.receive_line(
                    connection
                )  # it has the attempt's mark too: let it exit before marked processes are ended
        except OSError:
            message = None
        try:
            self._clean_up_worktree(api, directory, env.get(marks.MARK, ""), ended=message is not None)
        finally:
            with self._state:
                del self._connected[directory]
                self._state.notify_all()
            self.changed.set()

    def _clean_up_worktree(self, api: ServerApi, directory: str, mark: str, ended: bool) -> None:
        """Stop the server's work in a worktree, end the tools there, and have the server dispose of its instance.

        Args:
            ended: whether the client saw its session end.
        """
        if not ended:
            self._abort_sessions(api, directory, mark)
        self._end_tools(mark)
        with suppress(OSError):
            os.remove(self._variables_file(directory))
        if self._api is api and not self.stuck:
            with suppress(ServerLost, Refused):
                api.call("POST", "/instance/dispose", directory, timeout_s=10.0)

    def _abort_sessions(self, api: ServerApi, directory: str, mark: str) -> None:
        """Abort the sessions of a worktree until none is busy, or this server is gone.

        A slow answer is no reason to restart the server, which works for other attempts. The keeper checks its health.
        """
        now = time.monotonic()
        idle_after, give_up_at, stop_by = now + LATE_START_S, now + NO_ANSWER_LIMIT_S, None
        while self._api is api:
            now = time.monotonic()
            with suppress(ServerLost, Refused):
                busy = api.list_busy_sessions(directory, timeout_s=10.0)
                if not busy and now >= idle_after:
                    return
                for session in busy:
                    api.call("POST", f"/session/{session}/abort", directory, timeout_s=10.0)
                    self._end_tools(mark)  # a tool that keeps its output open keeps the session from ending
                    idle_after, stop_by = 0.0, stop_by or time.monotonic() + STOP_LIMIT_S
            if now > (stop_by or give_up_at):
                self.stuck = directory
                return
            with self._state:
                self._state.wait(0.05)

    def _end_tools(self, mark: str) -> None:
        task_id, _, token = mark.partition(":")
        if token:
            marks.kill_attempt(self._state_dir, task_id, token)

    def _variables_file(self, directory: str) -> str:
        return f"{self.folder}/{hashlib.sha256(directory.encode('utf-8', 'surrogateescape')).hexdigest()}{JSON}"

"""The attempts that use the shared opencode server: each is a connection to its keeper, watched by a thread of its own."""

import hashlib
import json
import os
import shutil
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from ...paths import JSON
from ...process import marks
from ...storage import files
from . import keeper_protocol as desk
from .http_api import Refused, ServerApi, ServerLost

STOP_LIMIT_S = 30.0
"""How long a session may go on that was told to stop, before the whole server has to."""
NO_ANSWER_LIMIT_S = 600.0
"""How long a server may leave the question open that answers others."""
DISCONNECT_LIMIT_S = 5.0
"""How long a client may take to go when its server is lost."""
LATE_START_S = 3.0
"""A prompt that was given right before its client died may begin so much later."""


class ServerClients:
    """Who is there, and the server they use."""

    def __init__(self, state_dir: str, folder: str) -> None:
        self.folder = folder
        """Holds one file per worktree, with the variables that the tools there get."""
        self.changed = threading.Event()
        self.fault = ""
        """Why there will be no server; empty while there is hope."""
        self.no_program = False
        self.stuck = ""
        """A session that does not stop, in words."""
        self.retire = False
        self._state_dir = state_dir
        self._api: ServerApi | None = None
        self._closed = False
        self._present: dict[str, socket.socket] = {}
        """By worktree the attempt there, until what it did has stopped."""
        self._waiting = 0
        self._state = threading.Condition()

    def open(self, api: ServerApi) -> None:
        """Let attempts in, as there is a server."""
        with self._state:
            self._api, self.fault, self._closed = api, "", False
            self._state.notify_all()

    def lose(self) -> None:
        """The server is gone. Its clients know, as its streams have ended; wait until they have told, and are gone too."""
        with self._state:
            self._api = None
            self._state.notify_all()
            if not self._state.wait_for(lambda: not self._present, DISCONNECT_LIMIT_S):
                for end in self._present.values():
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                self._state.wait_for(lambda: not self._present, DISCONNECT_LIMIT_S)
            self._closed = False

    def close(self, even_if_used: bool = False) -> bool:
        """Let nobody in any more; not while someone is there or waits, unless told so. Whether it is closed."""
        with self._state:
            if not even_if_used and (self._present or self._waiting):
                return False
            self._closed = True
            self._state.notify_all()
            return True

    def count(self) -> int:
        """How many attempts use the server or wait for it."""
        with self._state:
            return len(self._present) + self._waiting

    def tidy(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def accept(self, listener: socket.socket) -> None:
        """Take connections, for ever."""
        while True:
            try:
                end, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(end,), name="visit", daemon=True).start()

    def _attend(self, end: socket.socket) -> None:
        with end, suppress(OSError, ValueError, KeyError):
            word = desk.receive_line(end)
            if word is None:
                return
            if word["verb"] == "enter":
                self._enter(end, str(word["directory"]), dict(word["env"]))
            elif word["verb"] == "leave":
                with self._state:
                    self._state.wait_for(lambda: str(word["directory"]) not in self._present, desk.LEAVE_LIMIT_S)
                desk.send_line(end, {"left": True})
            elif word["verb"] == "retire":
                self.retire = True
                self.changed.set()
                desk.send_line(end, {"retires": True})

    def _enter(self, end: socket.socket, directory: str, env: dict[str, str]) -> None:
        with self._state:
            self._waiting += 1
            try:
                self._state.wait_for(
                    lambda: self._closed or self.fault or (self._api is not None and directory not in self._present)
                )
                if self._closed or self._api is None:
                    desk.send_line(end, {"again": True} if self._closed else self._hopeless())
                    return
                api = self._api
                self._present[directory] = end
            finally:
                self._waiting -= 1
        try:
            files.replace(self._variables(directory), json.dumps(env | {"PWD": directory}).encode(), durable=False)
            desk.send_line(end, {"port": api.port, "password": api.password})
            end.settimeout(None)
            word = desk.receive_line(end)  # until it has ended, however it does
            if word is not None:
                desk.receive_line(end)  # it carries the mark of the attempt itself, and may leave in peace
        except OSError:
            word = None
        try:
            self._stop(api, directory, env.get(marks.MARK, ""), ended=word is not None)
        finally:
            with self._state:
                del self._present[directory]
                self._state.notify_all()
            self.changed.set()

    def _stop(self, api: ServerApi, directory: str, mark: str, ended: bool) -> None:
        """Stop what the server still does in a worktree, end the tools there, and let the server forget it.

        Args:
            ended: whether the client has seen its session come to its end.
        """
        if not ended:
            self._abort(api, directory, mark)
        self._end_tools(mark)
        with suppress(OSError):
            os.remove(self._variables(directory))
        if self._api is api and not self.stuck:
            with suppress(ServerLost, Refused):
                api.call("POST", "/instance/dispose", directory, timeout_s=10.0)

    def _abort(self, api: ServerApi, directory: str, mark: str) -> None:
        """Stop the sessions of a worktree, and make sure of it as long as this server lives.

        One that is slow to answer is no reason to end it, as it works for others; whether it answers at all, its keeper looks.
        """
        now = time.monotonic()
        begins_until, give_up, stop_by = now + LATE_START_S, now + NO_ANSWER_LIMIT_S, None
        while self._api is api:
            now = time.monotonic()
            with suppress(ServerLost, Refused):
                busy = api.busy(directory, timeout_s=10.0)
                if not busy and now >= begins_until:
                    return
                for session in busy:
                    api.call("POST", f"/session/{session}/abort", directory, timeout_s=10.0)
                    self._end_tools(mark)  # one that holds on to its output keeps the session from ending
                    begins_until, stop_by = 0.0, stop_by or time.monotonic() + STOP_LIMIT_S
            if now > (stop_by or give_up):
                self.stuck = directory
                return
            self._pause()

    def _hopeless(self) -> dict[str, Any]:
        return {"fault": self.fault, "no_program": self.no_program}

    def _end_tools(self, mark: str) -> None:
        task_id, _, token = mark.partition(":")
        if token:
            marks.end_marked(self._state_dir, task_id, token)

    def _pause(self) -> None:
        with self._state:
            self._state.wait(0.05)

    def _variables(self, directory: str) -> str:
        return f"{self.folder}/{hashlib.sha256(directory.encode('utf-8', 'surrogateescape')).hexdigest()}{JSON}"

"""The agent process of an attempt on the shared opencode server: prompt on stdin, events on stdout.

It prints what `opencode run --format json` prints, so one reader judges both ways to run. It is small, and everything it
learns comes over HTTP. Standard library only.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

from ...process.waiting import pause
from ...storage import files
from . import keeper_protocol as desk
from .http_api import Refused, ServerApi, ServerLost

READY_LIMIT_S = 120.0
"""How long it waits for a server that is ready."""
FIRST_SESSION_LIMIT_S = 300.0
"""The first session of a server may have to wait for a package that opencode installs beside its configuration."""
BUSY_LIMIT_S = 10.0
"""How long a session that told an error may take to go to work before it counts as ended."""
DENIED_PERMISSIONS = [
    {"permission": name, "pattern": "*", "action": "deny"} for name in ("question", "plan_enter", "plan_exit")
]
"""What `opencode run` denies too: questions that nobody is there to answer."""


class Stopped(BaseException):
    """The supervisor asks it to end."""


class NoProgram(Exception):
    """There is no such program as the server is to be."""


class RunClient:
    """One prompt in one session."""

    def __init__(self, given: argparse.Namespace, worktree: str) -> None:
        self.given = given
        self.worktree = worktree
        self.session = ""
        self.family: set[str] = set()
        """The session and those of its subagents, whose questions are answered here too."""
        self.told: set[tuple[str, str]] = set()
        self.failed = False
        self.was_busy = False
        self.failed_at = 0.0

    def run(self, api: ServerApi, prompt: str) -> int:
        """Give the prompt and print what happens, until the session is idle; the exit code."""
        events = api.events()
        next(events)  # from now on nothing is missed
        try:
            self._open_session(api)
            api.call("POST", f"/session/{self.session}/prompt_async", self.worktree, self._message(prompt))
            self._follow(api, events)
        except Refused as error:
            self.fail("UnknownError", str(error), statusCode=error.status)
        except Stopped:
            with suppress(ServerLost, Refused):
                if self.session:
                    api.call("POST", f"/session/{self.session}/abort", self.worktree, timeout_s=5.0)
            raise
        return 1 if self.failed else 0

    def _open_session(self, api: ServerApi) -> None:
        if self.given.fork:
            self._fork(api)
        elif self.given.session:
            found = api.call("GET", f"/session/{self.given.session}", self.worktree)
            if os.path.realpath(str(found["directory"])) != os.path.realpath(self.worktree):
                raise Refused(409, f"session {self.given.session} belongs to {found['directory']}")
            self.session = str(found["id"])
        else:
            names = ("KUGETSU_TASK_ID", "KUGETSU_ISSUE_REF")
            metadata = {name.lower(): os.environ[name] for name in names if name in os.environ}
            wish = {"title": self.given.title, "metadata": metadata, "permission": DENIED_PERMISSIONS}
            self.session = str(api.call("POST", "/session", self.worktree, wish, timeout_s=FIRST_SESSION_LIMIT_S)["id"])
        self.family = {self.session}
        self.say("session", directory=self.worktree)

    def _fork(self, api: ServerApi) -> None:
        """Copy a session, and move the copy here: a session is tied to its directory."""
        origin = str(api.call("GET", f"/session/{self.given.session}")["directory"])
        self.session = str(
            api.call("POST", f"/session/{self.given.session}/fork", origin, {}, timeout_s=FIRST_SESSION_LIMIT_S)["id"]
        )
        move = {"sessionID": self.session, "destination": {"directory": self.worktree}}
        api.call("POST", "/experimental/control-plane/move-session", self.worktree, move, timeout_s=FIRST_SESSION_LIMIT_S)
        about = {"title": self.given.title, "metadata": {"fork_of": self.given.session}}
        api.call("PATCH", f"/session/{self.session}", self.worktree, about)

    def _message(self, prompt: str) -> dict[str, Any]:
        message: dict[str, Any] = {"parts": [{"type": "text", "text": prompt}]}
        if self.given.model:
            provider, _, model = self.given.model.partition("/")
            message["model"] = {"providerID": provider, "modelID": model}
        return message | {name: value for name in ("agent", "variant") if (value := getattr(self.given, name))}

    def _follow(self, api: ServerApi, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
        for kind, found in events:
            if kind == "session.created" and (found.get("info") or {}).get("parentID") in self.family:
                self.family.add(str(found["info"]["id"]))
            elif kind == "permission.asked" and found.get("sessionID") in self.family:
                self._answer(api, found)
            elif found.get("sessionID") == self.session:
                if self._take(kind, found):
                    return
            elif self.failed and not self.was_busy and time.monotonic() > self.failed_at + BUSY_LIMIT_S:
                return  # it was refused before it began, and no word says so

    def _take(self, kind: str, found: dict[str, Any]) -> bool:
        """Print what an event of the session tells; whether it was the last."""
        if kind == "message.part.updated":
            self._part(found["part"])
        elif kind == "session.error" and found.get("error"):
            self.failed, self.failed_at = True, self.failed_at or time.monotonic()
            self.say("error", error=found["error"])
        elif kind == "session.status":
            status = found["status"]
            if status["type"] == "retry":
                self.say("retry", status=status)
            self.was_busy = self.was_busy or status["type"] != "idle"
            return bool(status["type"] == "idle")
        return False

    def _part(self, part: dict[str, Any]) -> None:
        kind, state = part["type"], part.get("state") or {}
        ended = (part.get("time") or {}).get("end")
        if kind == "tool" and state.get("status") in ("completed", "error"):
            name = "tool_use"
        elif kind in ("step-start", "step-finish"):
            name = kind.replace("-", "_")
        elif kind == "text" and ended:
            name = "text"
        else:
            return
        if (name, part["id"]) not in self.told:
            self.told.add((name, part["id"]))
            self.say(name, part=part)

    def _answer(self, api: ServerApi, asked: dict[str, Any]) -> None:
        """Answer a question for a permission as `opencode run` does: nobody is there to ask."""
        if not self.given.auto:
            what = f"{asked.get('permission')} ({', '.join(asked.get('patterns', ()))})"
            sys.stdout.write(f"! permission requested: {what}; auto-rejecting\n")
            sys.stdout.flush()
        with suppress(Refused):  # it was taken back meanwhile
            reply = {"reply": "once" if self.given.auto else "reject"}
            api.call("POST", f"/permission/{asked['id']}/reply", self.worktree, reply)

    def fail(self, name: str, words: str, **more: Any) -> None:
        """Tell an error of our own in the shape of the program's."""
        self.failed = True
        self.say("error", error={"name": name, "data": {"message": words, **more}})

    def say(self, kind: str, **more: Any) -> None:
        """Print one event."""
        event = {"type": kind, "timestamp": int(time.time() * 1000), "sessionID": self.session, **more}
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def connect_to_server(state_dir: str, worktree: str) -> tuple[Any, ServerApi]:
    """Enter at the keeper in office: the connection that says that this attempt lives, and the server.

    Raises:
        ServerLost: there is no server, or none that starts.
        NoProgram: its program is missing.
    """
    mine = {name: value for name, value in os.environ.items() if name.startswith("KUGETSU_") or name in ("TMPDIR", "PWD")}
    deadline = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline:
        keeper = desk.read_status(state_dir)
        with suppress(OSError, ValueError):
            if keeper is not None:
                files.replace(f"{os.environ['TMPDIR']}/{desk.ENTERED_FILE}", os.fsencode(keeper["socket"]), durable=False)
                end = desk.connect_to_keeper(keeper["socket"], READY_LIMIT_S)
                desk.send_line(end, {"verb": "enter", "directory": worktree, "env": mine})
                word = desk.receive_line(end)
                if word is not None and "port" in word:
                    return end, ServerApi(int(word["port"]), str(word["password"]))
                end.close()
                if word is not None and word.get("no_program"):
                    raise NoProgram(str(word["fault"]))
                if word is not None and "fault" in word:
                    raise ServerLost(str(word["fault"]))
        pause(0.1)  # the engine starts one, or the next one
    raise ServerLost(f"no server was ready within {READY_LIMIT_S:g} s")


def main(argv: list[str] | None = None) -> int:
    """Entry of the client."""
    parser = argparse.ArgumentParser("opencode-client", add_help=False, allow_abbrev=False)
    for names in (("--title",), ("-m", "--model"), ("-s", "--session"), ("--agent",), ("--variant",)):
        parser.add_argument(*names)
    for name in ("--auto", "--fork"):
        parser.add_argument(name, action="store_true")
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, _stop)
    worktree = os.getcwd()
    client = RunClient(parser.parse_args(argv), worktree)
    try:
        desk_end, api = connect_to_server(os.environ["KUGETSU_DIR"], worktree)
        try:
            code = client.run(api, sys.stdin.read())
            desk.send_line(desk_end, {"ended": True})
            return code
        finally:
            desk_end.detach()  # the kernel closes it, when all of this process is gone
    except NoProgram as error:
        client.fail("NoProgram", str(error))
        return 1
    except ServerLost as error:
        client.fail("ServerLost", f"the shared opencode server is lost: {error}")
        return 1
    except Stopped:
        return 143


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped

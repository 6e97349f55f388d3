"""One prompt in one session of an opencode server; prints what `opencode run --format json` prints. Standard library only."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .http_api import Refused, ServerApi, ServerLost

SESSION_LIMIT_S = 300.0
"""Limit for creating a session: opencode may first install a package beside its configuration."""
BUSY_LIMIT_S = 10.0
"""How long after an error a session may take to start working before it counts as ended."""
DENIED_PERMISSIONS = [
    {"permission": name, "pattern": "*", "action": "deny"} for name in ("question", "plan_enter", "plan_exit")
]
"""Questions to the user, which nobody would answer; `opencode run` denies them too."""


class Stopped(BaseException):
    """The supervisor asked it to end."""


class SessionClient:
    """One prompt in one session."""

    def __init__(self, args: argparse.Namespace, worktree: str) -> None:
        self.args = args
        self.worktree = worktree
        self.session = ""
        self.session_ids: set[str] = set()
        """The session and those of its subagents, whose permission requests are answered here too."""
        self.printed: set[tuple[str, str]] = set()
        self.failed = False
        self.was_busy = False
        self.failed_at = 0.0

    def read_prompt(self) -> str:
        """Read the prompt: the whole input."""
        return sys.stdin.read()

    def run(self, api: ServerApi, prompt: str) -> int:
        """Send the prompt and print events until the session is idle. Return the exit code."""
        events = api.stream_events()
        next(events)  # from here on no event is missed
        try:
            self._open_session(api)
            api.call("POST", f"/session/{self.session}/prompt_async", self.worktree, self.build_message(prompt))
            self.follow(api, events)
        except Refused as error:
            self.print_error("UnknownError", str(error), statusCode=error.status)
        except Stopped:
            with suppress(ServerLost, Refused):
                if self.session:
                    api.call("POST", f"/session/{self.session}/abort", self.worktree, timeout_s=5.0)
            raise
        return 1 if self.failed else 0

    def _open_session(self, api: ServerApi) -> None:
        if self.args.fork:
            self._fork(api)
        elif self.args.session:
            session = api.call("GET", f"/session/{self.args.session}", self.worktree)
            if os.path.realpath(str(session["directory"])) != os.path.realpath(self.worktree):
                raise Refused(409, f"session {self.args.session} belongs to {session['directory']}")
            self.session = str(session["id"])
        else:
            names = ("KUGETSU_TASK_ID", "KUGETSU_ISSUE_REF")
            metadata = {name.lower(): os.environ[name] for name in names if name in os.environ}
            body = {"title": self.args.title, "metadata": metadata, "permission": [] if self.args.ask else DENIED_PERMISSIONS}
            self.session = str(api.call("POST", "/session", self.worktree, body, timeout_s=SESSION_LIMIT_S)["id"])
        self.session_ids = {self.session}
        self.print_event("session", directory=self.worktree)

    def _fork(self, api: ServerApi) -> None:
        """Copy a session and move the copy into this worktree, as a session is tied to its directory."""
        origin = str(api.call("GET", f"/session/{self.args.session}")["directory"])
        self.session = str(api.call("POST", f"/session/{self.args.session}/fork", origin, {}, timeout_s=SESSION_LIMIT_S)["id"])
        move = {"sessionID": self.session, "destination": {"directory": self.worktree}}
        api.call("POST", "/experimental/control-plane/move-session", self.worktree, move, timeout_s=SESSION_LIMIT_S)
        about = {"title": self.args.title, "metadata": {"fork_of": self.args.session}}
        api.call("PATCH", f"/session/{self.session}", self.worktree, about)

    def build_message(self, prompt: str) -> dict[str, Any]:
        """Build the request body of a text."""
        message: dict[str, Any] = {"parts": [{"type": "text", "text": prompt}]}
        if self.args.model:
            provider, _, model = self.args.model.partition("/")
            message["model"] = {"providerID": provider, "modelID": model}
        return message | {name: value for name in ("agent", "variant") if (value := getattr(self.args, name))}

    def follow(self, api: ServerApi, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
        """Print the events of the session until it is idle."""
        for kind, properties in events:
            if kind == "session.created" and (properties.get("info") or {}).get("parentID") in self.session_ids:
                self.session_ids.add(str(properties["info"]["id"]))
            elif kind == "permission.asked" and properties.get("sessionID") in self.session_ids:
                self.answer_permission(api, properties)
            elif properties.get("sessionID") == self.session:
                if self.print_session_event(kind, properties):
                    return
            elif self.failed and not self.was_busy and time.monotonic() > self.failed_at + BUSY_LIMIT_S:
                return  # it was refused before it started, which no event reports

    def print_session_event(self, kind: str, properties: dict[str, Any]) -> bool:
        """Print an event of the session. Return whether it was the last."""
        if kind == "message.part.updated":
            self._print_part(properties["part"])
        elif kind == "session.error" and properties.get("error"):
            self.failed, self.failed_at = True, self.failed_at or time.monotonic()
            self.print_event("error", error=properties["error"])
        elif kind == "session.status":
            status = properties["status"]
            if status["type"] == "retry":
                self.print_event("retry", status=status)
            self.was_busy = self.was_busy or status["type"] != "idle"
            return bool(status["type"] == "idle")
        return False

    def _print_part(self, part: dict[str, Any]) -> None:
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
        if (name, part["id"]) not in self.printed:
            self.printed.add((name, part["id"]))
            self.print_event(name, part=part)

    def answer_permission(self, api: ServerApi, request: dict[str, Any]) -> None:
        """Answer a permission request as `opencode run` does, as nobody can be asked."""
        if not self.args.auto:
            what = f"{request.get('permission')} ({', '.join(request.get('patterns', ()))})"
            sys.stdout.write(f"! permission requested: {what}; auto-rejecting\n")
            sys.stdout.flush()
        with suppress(Refused):  # it was withdrawn meanwhile
            reply = {"reply": "once" if self.args.auto else "reject"}
            api.call("POST", f"/permission/{request['id']}/reply", self.worktree, reply)

    def print_error(self, name: str, message: str, **more: Any) -> None:
        """Print an error of our own in opencode's format."""
        self.failed = True
        self.print_event("error", error={"name": name, "data": {"message": message, **more}})

    def print_event(self, kind: str, **more: Any) -> None:
        """Print one event."""
        event = {"type": kind, "timestamp": int(time.time() * 1000), "sessionID": self.session, **more}
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()

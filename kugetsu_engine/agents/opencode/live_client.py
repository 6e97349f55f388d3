"""The run client that can be spoken to: its input is lines of JSON, the prompt first, then messages and answers.

Everything comes into one queue: events of the server, lines of the input, and the end of either. Standard library only.

Seen with 1.18.33: a message given again with the same ids for itself and its part stands there once, and wakes a session that
had it and did not answer. So an idle session is given each unanswered message again, up to three times.
"""

import json
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .http_api import Refused, ServerApi, ServerLost
from .session_client import BUSY_LIMIT_S, SessionClient

CALM_S = 1.0
"""How long a session is idle before it is given an unanswered message again."""
MAX_TRIES = 3
TURN_S = 0.5
Item = tuple[str, Any]


class LiveClient(SessionClient):
    """One session, as long as its input is open."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._unread: dict[str, dict[str, Any]] = {}
        """Messages without an answer of the model yet, by their ids."""
        self._asked: dict[str, dict[str, Any]] = {}
        """Questions without an answer, by their ids."""
        self._idle_since: float | None = None
        self._idle_printed = False
        self._input_ended = False

    def read_prompt(self) -> str:
        """Read the first line of the input; a thread reads the others. A supervisor of an earlier version gives plain text."""
        first = sys.stdin.readline()
        try:
            line = json.loads(first or "{}")
        except ValueError:
            line = None
        if not isinstance(line, dict):
            self._items.put(("end", None))
            return first + sys.stdin.read()
        threading.Thread(target=self._read_input, name="input", daemon=True).start()
        return str(line.get("text", ""))

    def _read_input(self) -> None:
        for line in sys.stdin:
            with suppress(ValueError):
                self._items.put(("line", json.loads(line)))
        self._items.put(("end", None))

    def _read_events(self, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
        try:
            for event in events:
                self._items.put(("event", event))
            self._items.put(("lost", "its event stream ended"))
        except Exception as error:  # told to the thread that knows what to do
            self._items.put(("lost", str(error)))

    def follow(self, api: ServerApi, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
        """Print events and pass on what is said, until the input has ended and the session is idle."""
        threading.Thread(target=self._read_events, args=(events,), name="events", daemon=True).start()
        while not (self._input_ended and self._idle_since is not None and not self._unread):
            try:
                kind, value = self._items.get(timeout=TURN_S)
            except queue.Empty:
                kind, value = "time", None
            if kind == "lost":
                raise ServerLost(value)
            if kind == "event":
                self._handle_event(api, *value)
            elif kind == "line":
                with suppress(Refused):
                    self._handle_line(api, value)
            elif kind == "end":
                self._input_ended = True
            self._settle(api, quiet=kind == "time")

    def _handle_event(self, api: ServerApi, kind: str, properties: dict[str, Any]) -> None:
        if kind == "session.created" and (properties.get("info") or {}).get("parentID") in self.session_ids:
            self.session_ids.add(str(properties["info"]["id"]))
        elif kind in ("permission.asked", "question.asked") and properties.get("sessionID") in self.session_ids:
            if self.args.ask:
                self._print_question(kind, properties)
            elif kind == "permission.asked":
                self.answer_permission(api, properties)
        elif kind in ("permission.replied", "question.replied", "question.rejected"):
            name = str(properties.get("requestID") or properties.get("permissionID") or "")
            if self._asked.pop(name, None) is not None:
                self.print_event("question_withdrawn", questionID=name)
        elif kind == "message.updated" and (properties.get("info") or {}).get("sessionID") == self.session:
            self._note_answer(properties["info"])
        elif properties.get("sessionID") == self.session:
            idle = self.print_session_event(kind, properties)
            if kind == "session.status":
                self._idle_since = time.monotonic() if idle and (self.was_busy or self.failed) else None
                self._idle_printed = self._idle_printed and idle

    def _note_answer(self, info: dict[str, Any]) -> None:
        """The model answers to one of our messages: it has it, and those before it."""
        parent = str(info.get("parentID") or "")
        if info.get("role") != "assistant" or parent not in self._unread:
            return
        for name in [*self._unread]:
            self.print_event("message", messageID=name, state="read")
            del self._unread[name]
            if name == parent:
                return

    def _handle_line(self, api: ServerApi, line: dict[str, Any]) -> None:
        if line.get("type") == "message":
            self._unread[str(line["id"])] = {**line, "tries": 0}
            self._give(api, str(line["id"]))
        elif line.get("type") == "answer":
            self._answer(api, line)

    def _give(self, api: ServerApi, name: str) -> None:
        message = self._unread[name]
        message["tries"] += 1
        self._idle_since = None if message["tries"] == 1 else time.monotonic()
        self._idle_printed = False
        body = self.build_message(str(message["text"]))
        body["messageID"], body["parts"][0]["id"] = name, message["part"]
        api.call("POST", f"/session/{self.session}/prompt_async", self.worktree, body)

    def _settle(self, api: ServerApi, quiet: bool) -> None:
        """Look after a session that is idle: give unanswered messages again, or say that it is idle."""
        if self._idle_since is None and quiet:
            self._idle_since = self._check_idle(api)
        if self._idle_since is None:
            return
        calm = time.monotonic() - self._idle_since
        again = [name for name, message in self._unread.items() if message["tries"] < MAX_TRIES]
        if again and calm >= CALM_S:
            with suppress(Refused):
                self._give(api, again[0])
        elif self._unread and not again and calm >= CALM_S:
            self._unread.clear()  # it does not want them: whoever reads our output knows that they are not read
        if not self._unread and not self._idle_printed and not self._asked:
            self._idle_printed = True
            self.print_event("idle")

    def _check_idle(self, api: ServerApi) -> float | None:
        """The time if the session is idle now, as the event may have come before the message; None if it is busy."""
        if self.failed and not self.was_busy and time.monotonic() > self.failed_at + BUSY_LIMIT_S:
            return time.monotonic()  # it was refused before it started, which no event reports
        if not self.was_busy or not self._unread:
            return None
        with suppress(Refused):
            if self.session not in api.list_busy_sessions(self.worktree):
                return time.monotonic()
        return None

    def _print_question(self, kind: str, request: dict[str, Any]) -> None:
        name = str(request["id"])
        self._asked[name] = {"kind": kind.partition(".")[0], "request": request}
        if kind == "permission.asked":
            about = str((request.get("metadata") or {}).get("command") or ", ".join(map(str, request.get("patterns") or ())))
            what = f"may it use {request.get('permission')}?"
        else:
            questions = [one for one in request.get("questions") or () if isinstance(one, dict)]
            what = " ".join(str(one.get("question")) for one in questions)
            about = " / ".join(str(option.get("label")) for one in questions for option in one.get("options") or ())
        self.print_event("question", question={"id": name, "what": what, "about": about, "kind": kind.partition(".")[0]})

    def _answer(self, api: ServerApi, line: dict[str, Any]) -> None:
        asked = self._asked.pop(str(line.get("id")), None)
        if asked is None:
            return
        decision, text, name = str(line.get("decision")), str(line.get("text") or ""), str(line["id"])
        if asked["kind"] == "permission":
            reply = {"once": "once", "always": "always"}.get(decision, "reject")
            body = {"reply": reply} | ({"message": text or "the operator refused"} if reply == "reject" else {})
            api.call("POST", f"/permission/{name}/reply", self.worktree, body)
        elif decision == "no" and not text:
            api.call("POST", f"/question/{name}/reject", self.worktree, {})
        else:
            answers = [[text or _first_label(one)] for one in asked["request"].get("questions") or ()]
            api.call("POST", f"/question/{name}/reply", self.worktree, {"answers": answers})


def _first_label(question: dict[str, Any]) -> str:
    return next((str(option.get("label")) for option in question.get("options") or ()), "yes")

"""Questions of an agent that wait for the operator: what it asks, the answer, and the refusal if nobody answers.

The time limit and the clocks of a stall stand still meanwhile. Only the first answer to a question counts.
"""

import re
import time
from typing import Any

from ..domain.supervisor_messages import SupervisorMessage
from ..domain.text.quantities import format_span
from ..domain.text.safe_text import safe_line
from ..domain.text.times import iso
from ..paths import StatePaths
from ..state import message_files as stored
from .attempt import Attempt

HOLD = "question"
"""The reason with which the clocks are held."""
NOBODY = "nobody answered: go on without it, or stop and say what you need"
PHASE = "asks"
ABOUT_CHARACTERS = 2000
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class Questions:
    """The questions of one attempt; one at a time is asked."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._paths = StatePaths(str(attempt.job["state_dir"]))
        self._task_id = str(attempt.job["task_id"])
        self._wait_s = float(attempt.job.get("question_wait_s") or 1800.0)
        self._open: list[dict[str, Any]] = []
        self._since = 0.0
        self._asked_at = ""

    @property
    def current(self) -> dict[str, Any] | None:
        """The question that is asked now, as the driver gave it."""
        return self._open[0] if self._open else None

    def add(self, question: dict[str, Any]) -> None:
        """The agent asks something."""
        self._open.append(question)
        if len(self._open) == 1:
            self._ask()

    def withdraw(self, name: str) -> None:
        """The agent does not wait for an answer any more."""
        self._drop([question for question in self._open if question.get("id") == name])

    def find_answer(self, now: float) -> tuple[dict[str, Any], str, str] | None:
        """Return the current question with its answer, decision and words, once there is one or nobody has answered in time."""
        question = self.current
        if question is None:
            return None
        answer = stored.read_answer(self._paths, self._task_id, self._name_of(question))
        if answer is None and now - self._since < self._wait_s:
            return None
        decision, text = (str(answer["decision"]), str(answer.get("text") or "")) if answer else ("no", NOBODY)
        who = "you" if answer else f"nobody answered for {format_span(self._wait_s)}"
        self._attempt.log.note(f"{who}: {decision}{f', {safe_line(text, 500)}' if answer and text else ''}")
        self._drop([question])
        return question, decision, text

    def close(self) -> None:
        """The agent has ended: nothing waits any more."""
        self._drop([*self._open])

    def build_progress(self) -> dict[str, Any]:
        """Return what it asks, for `progress.json`."""
        question, mask = self.current, self._attempt.log.mask
        if question is None:
            return {}
        return {"question": {
            "id": self._name_of(question), "what": safe_line(mask(str(question.get("what") or "")), 300),
            "about": safe_line(mask(str(question.get("about") or "")), ABOUT_CHARACTERS),
            "where": str(self._attempt.job["worktree"]), "since": self._asked_at,
        }}  # fmt: skip

    def _name_of(self, question: dict[str, Any]) -> str:
        """The name of its answer's file: another attempt may ask a question with the same id."""
        return f"{self._attempt.job['attempt']}-{_UNSAFE.sub('_', str(question.get('id')))[:80]}"

    def _ask(self) -> None:
        attempt = self._attempt
        self._since, self._asked_at = time.monotonic(), iso(time.time())
        attempt.clocks.hold(HOLD)
        if attempt.phase == "agent":
            attempt.set_phase(PHASE)
        attempt.notify_engine(SupervisorMessage.ASKS)

    def _drop(self, gone: list[dict[str, Any]]) -> None:
        if not gone:
            return
        asked = self.current in gone
        self._open = [question for question in self._open if question not in gone]
        if self._open and asked:
            self._ask()
        elif not self._open:
            self._attempt.clocks.release(HOLD)
            if self._attempt.phase == PHASE:
                self._attempt.set_phase("agent")
            self._attempt.notify_engine(SupervisorMessage.ASKS)

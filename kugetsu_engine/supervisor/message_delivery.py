"""Gives the operator's messages to the agent of an attempt, and keeps what became of each.

A message is a file that a command has made. It is noted as sent before it is sent, so that whoever continues after a crash
knows that the agent may have it.
"""

import select
import time
from collections.abc import Mapping
from typing import Any, Protocol

from ..domain.message_states import ABILITY, Message, Record, format_log_lines
from ..domain.text.times import iso
from ..paths import StatePaths
from ..state import message_files as stored
from .attempt import Attempt
from .drivers import load_driver
from .parts import Part
from .questions import Questions

SOON_S = 0.1
"""How long after new output it is read, while the agent can be spoken to."""
SHOWN = 5
"""Newest messages in `progress.json`."""
SHOWN_CHARACTERS = 400


class Talk(Protocol):
    """What a driver's `talk` offers, see `agents.talk.Talk`."""

    def make_ids(self, seed: str) -> dict[str, str]: ...
    def write_message(self, text: str, ids: dict[str, str]) -> bytes: ...
    def write_answer(self, question: dict[str, Any], decision: str, text: str) -> bytes: ...
    def write_interrupt(self) -> bytes: ...


class TalkEvent(Protocol):
    """What a driver's reader says, see `agents.talk.TalkEvent`."""

    kind: str
    id: str
    question: Mapping[str, Any]


class MessageDelivery(Part):
    """The messages of one attempt."""

    def __init__(self, attempt: Attempt) -> None:
        job = attempt.job
        self.attempt = attempt
        self.paths = StatePaths(str(job["state_dir"]))
        self.task_id = str(job["task_id"])
        self.able = "messages" in job
        """Whether the engine that made the job knows of messages."""
        self.records: dict[str, Record] = {name: dict(record) for name, record in (job.get("messages") or {}).items()}
        self.waiting: dict[int, Message] = {}
        self.turn = 1
        self._again = {int(name) for name, record in self.records.items() if record.get("state") == "sent"}
        """Messages that an earlier attempt may have sent into the same conversation."""
        self._talk: Talk | None = None
        self._questions = Questions(attempt)
        self._idle = False
        self._read_at = 0.0
        self._shown: dict[int, Message] = {}

    @property
    def due(self) -> float | None:  # type: ignore[override]
        """Soon after new output of an agent that can be spoken to, as that may say that it is idle."""
        if self._talk is None or self.attempt.last_output <= self._read_at:
            return None
        return time.monotonic() - (self.attempt.clocks.now() - self.attempt.last_output) + SOON_S

    def build_record(self) -> dict[str, Any]:
        """Say that this supervisor delivers messages, and when."""
        if not self.able:
            return {}
        return {"can": [ABILITY], "talk": "live" if self.attempt.job.get("talk") else "follow-up"}

    def before_agent(self) -> None:
        """Keep which messages the prompt has, before the agent gets it."""
        if self.records:
            stored.write_records(self.attempt.files.messages, self.records, durable=True)
        self._open_talk()

    def _open_talk(self) -> None:
        name = self.attempt.job.get("talk")
        self._talk = load_driver(name).talk if name else None
        self._idle = False

    def watch(self, poller: "select.poll") -> None:
        """Have the agent's input written when it has room."""
        self.attempt.agent_input.watch(poller)

    def handle_ready(self, fd: int) -> None:
        """Go on writing the agent's input."""
        self.attempt.agent_input.handle_ready(fd)

    def tick(self, now: float) -> None:
        """Look for new messages, and give them to an agent that takes them."""
        if not self.able:
            return
        self._read_at = self.attempt.last_output
        if self._talk is not None:
            self.attempt.reader.read_new()
            for event in self.attempt.reader.drain_talk():
                self._handle_event(event)
        self.find_new()
        if self._talk is not None and self.attempt.stop_reason is None:
            while (answered := self._questions.find_answer(now)) is not None:
                self.attempt.agent_input.write(self._talk.write_answer(*answered))
            if self._questions.current is None:  # what is said meanwhile waits for the answer
                self._send_waiting(self._talk)
                self._close_if_done()

    def find_new(self) -> None:
        """Read the messages that were written since the last time."""
        for number in stored.list_numbers(self.paths, self.task_id):
            if number in self.waiting or (str(number) in self.records and number not in self._again):
                continue
            message = stored.read_message(self.paths, self.task_id, number)
            if message is not None:
                self.waiting[number] = message

    def list_waiting(self) -> list[Message]:
        """List the messages that the agent does not have, oldest first, after another look."""
        self.find_new()
        return [self.waiting[number] for number in sorted(self.waiting)]

    def note_follow_up(self, messages: list[Message], turn: int) -> None:
        """Keep, durably, that a follow-up turn is given these messages.

        Raises:
            OSError: it could not be written.
        """
        self.turn = turn
        now = iso(time.time())
        for message in messages:
            self.records[str(message.number)] = {"state": "follow_up", "sent_at": now, "turn": turn, "at": message.at}
        stored.write_records(self.attempt.files.messages, self.records, durable=True)
        for message in messages:
            self.waiting.pop(message.number, None)
            self._again.discard(message.number)
            self._log(message)
        self._open_talk()

    def settle_turn(self, why: str = "") -> None:
        """Keep what became of the messages of a turn that has ended: answered, or the reason why not."""
        self.attempt.observe(self._read_rest)
        self._questions.close()
        now, changed = iso(time.time()), False
        for name, record in self.records.items():
            state = record.get("state")
            if why and state == "follow_up":
                record |= {"state": "not_delivered", "why": why}
            elif not why and state in ("read", "follow_up"):
                record |= {"state": "answered", "answered_at": now}
            elif not why and state == "sent":  # it never said that it has it
                self._again.add(int(name))
                continue
            else:
                continue
            changed = True
        if changed:
            self.attempt.observe(self._save, False)

    def _read_rest(self) -> None:
        for event in self.attempt.reader.drain_talk():
            self._handle_event(event)

    def build_progress(self) -> dict[str, Any]:
        """Say what became of the newest messages, and which turn it is."""
        if not self.able:
            return {}
        numbers = sorted({*map(int, self.records), *self.waiting})
        fields: dict[str, Any] = {**({"turn": self.turn} if self.turn > 1 else {}), **self._questions.build_progress()}
        if numbers:
            fields["messages"] = [self._describe(number) for number in numbers[-SHOWN:]]
            fields["messages_waiting"] = len(self.waiting)
        return fields

    def _describe(self, number: int) -> dict[str, Any]:
        message = self.waiting.get(number) or self._shown.get(number)
        if message is None:
            message = stored.read_message(self.paths, self.task_id, number) or Message(number, "", "")
        self._shown[number] = message
        text = self.attempt.log.mask(message.text.strip())[:SHOWN_CHARACTERS]
        record = self.records.get(str(number), {}) if number not in self.waiting else {}
        return {"number": number, "text": text, "at": message.at, "record": record}

    def _handle_event(self, event: TalkEvent) -> None:
        now = iso(time.time())
        if event.kind == "read":
            self._idle = False
            for record in self.records.values():
                if record.get("state") == "sent" and (record.get("ids") or {}).get("id") == event.id:
                    record |= {"state": "read", "read_at": now, "step": self.attempt.reader.steps}
                    self._save(durable=False)
        elif event.kind == "question":
            self._questions.add(dict(event.question))
        elif event.kind == "withdrawn":
            self._questions.withdraw(event.id)
        elif event.kind == "idle":
            self._idle = True
            asked = [record for record in self.records.values() if record.get("state") in ("read", "follow_up")]
            for record in asked:
                record |= {"state": "answered", "answered_at": now}
            if asked:
                self._save(durable=False)

    def _send_waiting(self, talk: Talk) -> None:
        for number in sorted(self.waiting):
            if not self.attempt.agent_input.is_open:
                return
            message, earlier = self.waiting[number], self.records.get(str(number), {})
            ids = earlier.get("ids") or talk.make_ids(f"{self.task_id}:{number}:{message.at}")
            before = dict(self.records)
            self.records[str(number)] = {"state": "sent", "sent_at": iso(time.time()), "ids": ids, "at": message.at}
            try:
                stored.write_records(self.attempt.files.messages, self.records, durable=True)
            except OSError:
                self.records = before  # the next second tries again
                return
            self._idle = False
            del self.waiting[number]
            self._again.discard(number)
            self._shown[number] = message
            self._log(message)
            self.attempt.agent_input.write(talk.write_message(message.text, ids))

    def _close_if_done(self) -> None:
        """End the input of an agent that has nothing left to do, so that it ends."""
        unread = any(record.get("state") == "sent" for record in self.records.values())
        if self._idle and not unread and not self.waiting:
            self.attempt.agent_input.close_when_written()

    def _log(self, message: Message) -> None:
        text = self.attempt.log.mask(format_log_lines(message.text))
        self.attempt.log.write(text.encode("utf-8", "replace"), "ours")

    def _save(self, durable: bool) -> None:
        stored.write_records(self.attempt.files.messages, self.records, durable)

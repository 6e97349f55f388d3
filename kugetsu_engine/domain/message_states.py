"""The operator's messages to the agent of a task, and what became of each. Standard library only: supervisors load it.

A message waits until the agent reads it: at its next step, if its program takes messages while it works, else in a follow-up
turn when it has ended, or with the prompt of the next attempt.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeGuard

from .new_task import format_bare_id, format_id
from .states import ACTIVE, PENDING
from .text.quantities import format_count, format_span
from .text.times import epoch

MAX_BYTES = 64 << 10
"""A message is at most 64 KiB of UTF-8."""
MAX_WAITING = 100
"""So many messages of a task may wait; more are refused."""
ABILITY = "messages"
"""In `run.json` the supervisor says with this word that it delivers messages."""

State = Literal["waiting", "sent", "read", "answered", "prompt", "follow_up", "not_delivered"]
STATES: tuple[State, ...] = ("waiting", "sent", "read", "answered", "prompt", "follow_up", "not_delivered")
KNOWN: frozenset[str] = frozenset({"read", "answered", "prompt"})
"""States of a message that the agent's conversation has."""
Record = dict[str, Any]
"""What is stored about a message in an attempt: its state, with the time of each."""


class Message(NamedTuple):
    """One message of the operator."""

    number: int
    text: str
    at: str
    """When it was written, ISO 8601 UTC."""
    record: Record = {}
    """What the newest attempt that has it says; empty while none has."""
    attempt: int = 0
    """The number of that attempt."""

    @property
    def state(self) -> State:
        """Where it is."""
        state = self.record.get("state")
        return state if _is_state(state) else "waiting"

    @property
    def delivered(self) -> bool:
        """Whether the agent has it."""
        return self.state in KNOWN


class Situation(NamedTuple):
    """What the state of a message is said for."""

    task_state: str
    agent: str = "the agent"
    live: bool = False
    """Whether the running attempt gives messages while its agent works."""
    able: bool = True
    """Whether its supervisor delivers messages at all; those of earlier versions do not."""
    late: Mapping[str, Any] = {}
    """What the engine did with messages that could not be delivered, by number."""


def describe_message(message: Message, now: Situation) -> str:
    """Describe where a message is, in a few words."""
    record = message.record
    if message.state == "answered":
        return f"answered{_after(message, 'answered_at')}"
    if message.state == "read":
        step = record.get("step")
        return f"read{_after(message, 'read_at')}" + (f" (step {step})" if isinstance(step, int) and step > 0 else "")
    if message.state == "prompt":
        return f"given with the prompt of attempt {record.get('attempt') or message.attempt}"
    if (late := now.late.get(str(message.number))) is not None:
        task = str(late.get("task") or "")
        return f"given to {format_id(task)}, which continues its session" if task else f"not delivered: {late.get('why')}"
    if now.task_state in ACTIVE:
        return _describe_waiting(message, now)
    if now.task_state == PENDING:
        return "will be given when it starts" if not message.attempt else "will be given with its next attempt"
    return f"not delivered: {record.get('why') or 'the task ended'}"


def read_shown_message(document: Mapping[str, Any]) -> Message:
    """Read a message as `progress.json` has it; what is not valid is left out."""
    number, text, at, record = (document.get(name) for name in ("number", "text", "at", "record"))
    return Message(
        number if isinstance(number, int) else 0, text if isinstance(text, str) else "", at if isinstance(at, str) else "",
        record if isinstance(record, dict) else {},
    )  # fmt: skip


def _describe_waiting(message: Message, now: Situation) -> str:
    if message.state == "sent":
        return "given, not read yet"
    if message.state == "follow_up":
        return "being answered in a follow-up"
    if not now.able:
        return "will be given in a new task when it ends (its supervisor is of an earlier version)"
    if message.state == "not_delivered" and message.record.get("why"):
        return f"not delivered: {message.record['why']}"
    return "waits for its next step" if now.live else f"will be given when it ends ({now.agent} takes none meanwhile)"


def _after(message: Message, name: str) -> str:
    then, written = epoch(message.record.get(name)), epoch(message.at)
    return f" after {format_span(max(then - written, 0.0))}" if then is not None and written is not None else ""


def _is_state(value: object) -> TypeGuard[State]:
    return value in STATES


def format_log_lines(text: str) -> str:
    """Format a message as the log has it: `> you: ` before the first line, the others indented."""
    return "".join(f"{'> you: ' if not index else '>      '}{line}\n" for index, line in enumerate(text.strip().splitlines()))


def format_section(messages: Iterable[Message]) -> str:
    """Format messages for the prompt of an attempt that starts a conversation."""
    texts = [message.text.strip() for message in messages]
    if not texts:
        return ""
    return (
        "\n\n## Messages from the operator\n\nWritten while the task waited or ran, oldest first.\n\n"
        + "\n\n".join(texts)
        + "\n"
    )


def format_continuation(messages: Iterable[Message]) -> str:
    """Format messages as the next prompt of a conversation: the words of the operator alone."""
    return "\n\n".join(message.text.strip() for message in messages)


def describe_count(count: int) -> str:
    """`2 messages wait`."""
    return f"{format_count(count, 'message')} {'waits' if count == 1 else 'wait'}"


def describe_refusal(task_id: str, state: str, issue_ref: str) -> tuple[str, str]:
    """Return why an ended task takes no message, and what to do instead."""
    return (
        f"{format_id(task_id)} has ended ({state}): no agent would read it",
        f"kugetsu continue {issue_ref} TEXT goes on with its session, kugetsu retry {format_bare_id(task_id)} tries it again",
    )

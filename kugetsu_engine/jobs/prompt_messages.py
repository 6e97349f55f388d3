"""Which of the operator's messages are given with the prompt of an attempt."""

from typing import NamedTuple

from ..domain.message_states import Message, Record, format_continuation, format_section
from ..domain.session import WantedSession
from ..domain.task import Task
from ..paths import StatePaths
from ..state import message_files as stored
from ..storage.tail import FileTail

LOG_END = 8 << 20
"""Bytes at the end of a log that are searched for a message that the agent repeated."""


class PromptMessages(NamedTuple):
    """The messages of a prompt."""

    words: str = ""
    """What is added to the prompt."""
    records: dict[str, Record] = {}
    """What the supervisor must know of all messages, by number."""


def choose_messages(paths: StatePaths, task: Task, session: WantedSession, *, live: bool) -> PromptMessages:
    """Choose the messages of a prompt.

    A conversation that goes on gets those that it does not have; a new one gets all. A message that was sent, but perhaps not
    read, is sent again with its ids if the agent can be spoken to.
    """
    messages = stored.load_messages(paths, task.id, task.attempt - 1)
    last = task.last_attempt
    goes_on = session.mode == "continue" and last is not None and last.session_id == session.session_id
    chosen: list[Message] = []
    records: dict[str, Record] = {}
    for message in messages:
        record = message.record
        if goes_on and message.state == "sent" and _was_repeated(paths, task.id, message):
            record = {**record, "state": "read"}
        if goes_on and (record.get("state") in ("read", "answered", "prompt") or (record.get("state") == "sent" and live)):
            records[str(message.number)] = record
        else:
            chosen.append(message)
    prompt = {"state": "prompt", "attempt": task.attempt, "sent_at": task.notified_at}
    records |= {str(message.number): {**prompt, "at": message.at} for message in chosen}
    words = f"\n\nThe operator wrote meanwhile:\n\n{format_continuation(chosen)}\n" if goes_on else format_section(chosen)
    return PromptMessages(words if chosen else "", records)


def _was_repeated(paths: StatePaths, task_id: str, message: Message) -> bool:
    """Whether the agent's log has the message's id: its supervisor died before it noted that."""
    name = str((message.record.get("ids") or {}).get("id") or "")
    log = FileTail(paths.log(task_id, message.attempt))
    try:
        _, size = log.check_growth(0)
        return bool(name) and name.encode() in log.read(LOG_END, max(size - LOG_END, 0))
    except OSError:
        return False
    finally:
        log.close()

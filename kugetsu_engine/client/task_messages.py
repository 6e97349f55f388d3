"""The operator's messages to agents, as commands and console write and show them."""

from typing import Any

from ..config.settings import Settings
from ..domain.message_states import ABILITY, Message, Situation, describe_message, describe_refusal
from ..domain.new_task import format_bare_id
from ..domain.states import ACTIVE
from ..domain.task import Task
from ..errors import Conflict, KugetsuError, UsageError
from ..paths import StatePaths
from ..state import message_files as stored
from ..state import runs, tasks


def say(paths: StatePaths, settings: Settings, task_id: str, text: str, now: float) -> tuple[int, str]:
    """Write a message to the agent of a task; returns its number and where it is, in words.

    Raises:
        KugetsuError: the task has ended, or the message is not valid; nothing was written.
    """
    task = tasks.find_task(paths, task_id)
    if task.ended:
        raise Conflict(*describe_refusal(task.id, task.state, task.issue_ref))
    try:
        number = stored.add_message(paths, task.id, text, now, task.attempt)
    except OSError as error:
        raise KugetsuError(f"the message was not written: {error.strerror}", f"check the disk of {paths.root}") from None
    message = stored.read_message(paths, task.id, number) or Message(number, text, "")
    return number, describe_message(message, find_situation(paths, settings, task))


def find_situation(paths: StatePaths, settings: Settings, task: Task) -> Situation:
    """Find out what the state of a task's messages depends on."""
    record = runs.read_record(paths, task.id, task.attempt) if task.state in ACTIVE else None
    known = record is not None and record.token == task.token
    return Situation(
        task.state, task.agent or settings.agent, live=known and record is not None and record.talk == "live",
        able=not known or (record is not None and ABILITY in record.can), late=stored.read_late(paths, task.id),
    )  # fmt: skip


def list_documents(paths: StatePaths, settings: Settings, task: Task) -> list[dict[str, Any]]:
    """List the messages of a task as JSON, oldest first."""
    messages = stored.load_messages(paths, task.id, task.attempt)
    now = find_situation(paths, settings, task) if messages else None
    return [
        {
            "number": message.number, "text": message.text, "at": message.at, "state": message.state,
            "status": describe_message(message, now), "task": (now.late.get(str(message.number)) or {}).get("task"),
        }
        for message in messages if now is not None
    ]  # fmt: skip


DECISIONS = {"yes": "once", "once": "once", "always": "always", "no": "no"}


def answer(paths: StatePaths, task_id: str, decision: str, text: str, now: float) -> str:
    """Answer the question of a task's agent; returns what was answered, in a line.

    Raises:
        KugetsuError: it asks nothing, or is answered already.
    """
    task = tasks.find_task(paths, task_id)
    progress = runs.read_progress(paths, task.id, task.attempt) if task.state in ACTIVE else None
    question = progress.question if progress is not None else None
    if question is None:
        raise Conflict(f"{task.shown} asks nothing now", f"kugetsu say {format_bare_id(task.id)} TEXT writes to its agent")
    if decision not in DECISIONS:
        raise UsageError(f"{decision[:40]!r} is not an answer", "use yes, always or no")
    try:
        stored.add_answer(paths, task.id, question.get("id", ""), DECISIONS[decision], text, now)
    except OSError as error:
        raise KugetsuError(f"the answer was not written: {error.strerror}", f"check the disk of {paths.root}") from None
    return f"{task.shown} {decision}: {question.get('what', '')} {question.get('about', '')}".rstrip()

"""Keeps the messages about each issue for its next agent: the operator's when an attempt starts, then the agent's last one.

If writing fails, the message is lost and nothing else happens.
"""

import msgspec

from ..domain import refs
from ..domain.task import Task
from ..errors import BadFile, KugetsuError
from ..state import contexts
from ..state.contexts import Context, Message
from ..storage.quarantine import Quarantine
from .engine_context import EngineContext
from .finish_attempt import FinishedAttempt


class ConversationLog:
    """Keeps the context of each issue."""

    def __init__(self, context: EngineContext, *, quarantine: Quarantine) -> None:
        self._context = context
        self._paths = context.paths
        self._quarantine = quarantine

    def note_request(self, task: Task) -> None:
        """Add the task's message when an attempt starts; only once, however many attempts there are."""
        context = self._load(task.issue_ref)
        own = [entry for entry in context.conversation_history if entry.role == "user" and entry.task == task.id]
        if own and own[-1].content[:1000] == task.message[:1000]:
            return
        self._add(context, task, "user", task.message)

    def note_result(self, finished: FinishedAttempt) -> None:
        """Add the agent's last message and how the attempt ended."""
        task, attempt = finished.task, finished.attempt
        context = self._load(task.issue_ref)
        end = ("note", task.id, attempt.number)
        if any((entry.role, entry.task, entry.attempt) == end for entry in context.conversation_history):
            return  # added before a crash
        if text := (finished.result.last_text or "").strip():
            context = self._add(context, task, "assistant", text)
        how = f"{attempt.outcome}: {attempt.reason}" if attempt.reason else attempt.outcome
        delivered = f"; {attempt.delivered}" if attempt.delivered is not None else ""
        self._add(context, task, "note", f"{task.shown} attempt {attempt.number}: {how}{delivered}")

    def _load(self, issue_ref: str) -> Context:
        try:
            context = contexts.load_context(self._paths, issue_ref)
        except BadFile as error:
            self._quarantine.set_aside(contexts.context_path(self._paths, issue_ref), error.message)
            return Context(issue_ref)
        same = refs.key_of(refs.normalize_reference(context.issue_ref)) == refs.key_of(issue_ref)
        return msgspec.structs.replace(context, issue_ref=issue_ref) if same else Context(issue_ref)

    def _add(self, context: Context, task: Task, role: contexts.Role, text: str) -> Context:
        message = Message(role, text, self._context.now(), task.id, task.attempt)
        context = contexts.add_message(context, message, _branch(task.issue_ref))
        try:
            contexts.save_context(self._paths, context)
        except OSError:
            return context
        return context


def _branch(issue_ref: str) -> str | None:
    try:
        return refs.parse_reference(issue_ref).branch
    except KugetsuError:
        return None

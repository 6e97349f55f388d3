"""What was said about each issue, entered by the engine: the operator's message when an attempt starts, and what came of it.

It helps the next agent, so a disk that refuses loses a message and stops nothing.
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
        """An attempt starts: what the operator wants, once however often it is tried."""
        context = self._load(task.issue_ref)
        if any(said.role == "user" and said.task == task.id for said in context.conversation_history):
            last = next(said for said in reversed(context.conversation_history) if said.role == "user" and said.task == task.id)
            if last.content[:1000] == task.message[:1000]:
                return
        self._add(context, task, "user", task.message)

    def note_result(self, finished: FinishedAttempt) -> None:
        """An attempt has ended: the agent's last words, and how it ended."""
        task, attempt = finished.task, finished.attempt
        context = self._load(task.issue_ref)
        if any(said.role == "note" and (said.task, said.attempt) == (task.id, attempt.number)
               for said in context.conversation_history):  # fmt: skip
            return  # entered before a crash
        words = (finished.result.last_text or "").strip()
        if words:
            context = self._add(context, task, "assistant", words)
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
        said = Message(role, text, self._context.now(), task.id, task.attempt)
        context = contexts.add_message(context, said, _branch(task.issue_ref))
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

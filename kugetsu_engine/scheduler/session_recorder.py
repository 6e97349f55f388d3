"""Keeps the sessions that agents report, for the next attempt at the same issue."""

from ..domain.task import Task
from ..jobs import session_choice
from .engine_context import EngineContext
from .finish_attempt import FinishedAttempt


class SessionRecorder:
    """Writes the sessions of issues."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context

    def keep_session(self, task: Task, session_id: str) -> None:
        """Keep the session of an attempt. If writing fails, the result of the attempt has it again."""
        server = self._context.settings.current.default_server
        try:
            session_choice.keep_session(self._context.paths, task, session_id, server, self._context.now())
        except OSError:
            return

    def note_result(self, finished: FinishedAttempt) -> None:
        """Keep the session of a finished attempt, or forget one that the agent no longer has."""
        task, attempt = finished.task, finished.attempt
        if attempt.session_id is not None:
            self.keep_session(task, attempt.session_id)
        elif attempt.failure == "session":
            server = self._context.settings.current.default_server
            session_choice.forget_session(self._context.paths, task, server, self._context.now())

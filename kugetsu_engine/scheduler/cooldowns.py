"""What a finished attempt says about its provider and its host: whether they are asked again now, or rest for a while."""

from ..domain import failures
from ..domain.decisions import scheduling
from ..domain.task import Attempt, Base, Notice, Task
from ..domain.text.quantities import format_upcoming
from ..domain.text.times import epoch
from ..jobs.work_folders import list_own_repositories
from .engine_context import EngineContext
from .finish_attempt import FinishedAttempt
from .provider_backoff import ProviderBackoff


class Cooldowns:
    """Begins and ends cooldowns by what attempts ran into. The task changes later, so that a crash forgets nothing."""

    def __init__(self, context: EngineContext, *, backoff: ProviderBackoff) -> None:
        self._context = context
        self._backoff = backoff

    def note_result(self, finished: FinishedAttempt) -> None:
        """An attempt has ended."""
        self._note_limit(finished)
        self._note_host(finished.task, finished.attempt)

    def note_agent_start(self, task: Task, base: Base | None) -> None:
        """An agent has started. A host that said itself where the work starts does answer; a clone on disk says nothing."""
        if base is not None and base.fetched and self._backoff.list_unreachable_hosts():
            host = self._host_of(task)
            if host is not None:
                self._backoff.record_host_answer(host)

    def _host_of(self, task: Task) -> str | None:
        return scheduling.find_clone_host(task, list_own_repositories(self._context.settings.current))

    def _note_host(self, task: Task, attempt: Attempt) -> None:
        """Let a host rest that did not answer when the task's worktree was made."""
        host = self._host_of(task)
        if host is None or not failures.was_unreachable(attempt.outcome, attempt.failure):
            self.note_agent_start(task, attempt.base)
            return
        rest = self._backoff.record_host_failure(host, attempt.reason or "", epoch(attempt.started_at))
        if rest is not None:
            until = format_upcoming(rest.until, self._context.clock())
            text = f"{host} does not answer ({attempt.reason}); tasks that need a clone from it wait, next try {until}"
            self._warn("engine_network", text, attempt.failure)

    def _note_limit(self, finished: FinishedAttempt) -> None:
        """Let the provider rest that refused an attempt."""
        settings, attempt, failure = self._context.settings.current, finished.attempt, finished.attempt.failure
        agent = finished.task.agent or settings.agent
        if attempt.outcome == "ok":
            self._backoff.record_success(agent)
        if failure is None or finished.result.agent_pid is None or not failures.get_policy(failure).pause:
            return
        rest = self._backoff.record_limit(
            agent, failure, attempt.reason or "", epoch(attempt.started_at), epoch(attempt.ended_at),
            epoch(finished.result.resets_at), settings.rate_limit_delay, settings.rate_limit_delay_max,
        )  # fmt: skip
        if rest is not None:
            what, until = failures.describe_failure(failure), format_upcoming(rest.until, self._context.clock())
            text = f"{rest.provider}: {what}; its tasks wait until {until}, or: kugetsu resume --agent {agent}"
            self._warn("engine_rate_limit", text, failure)

    def _warn(self, kind: str, text: str, failure: str | None) -> None:
        self._context.notify(Notice(self._context.now(), kind, text, "warning", failure=failure))

"""Starts and ends cooldowns of providers and hosts, from what finished attempts ran into."""

from ..domain import failures
from ..domain.decisions import waiting_reasons
from ..domain.task import Attempt, Base, Notice, Task
from ..domain.text.quantities import format_upcoming
from ..domain.text.times import epoch
from ..jobs.work_folders import list_own_repositories
from .engine_context import EngineContext
from .finish_attempt import FinishedAttempt
from .provider_backoff import ProviderBackoff


class Cooldowns:
    """Updates the backoff before the task of a finished attempt changes, so that a crash loses nothing."""

    def __init__(self, context: EngineContext, *, backoff: ProviderBackoff) -> None:
        self._context = context
        self._backoff = backoff

    def note_result(self, finished: FinishedAttempt) -> None:
        """Update the cooldowns of provider and host after an attempt."""
        self._note_limit(finished)
        self._note_host(finished.task, finished.attempt)

    def note_agent_start(self, task: Task, base: Base | None) -> None:
        """End the cooldown of a host that was reached for the starting commit. A clone on disk proves nothing."""
        if base is not None and base.fetched and self._backoff.list_unreachable_hosts():
            host = self._host_of(task)
            if host is not None:
                self._backoff.record_host_answer(host)

    def _host_of(self, task: Task) -> str | None:
        return waiting_reasons.find_clone_host(task, list_own_repositories(self._context.settings.current))

    def _note_host(self, task: Task, attempt: Attempt) -> None:
        """Start a cooldown of a host that did not answer while the worktree was made."""
        host = self._host_of(task)
        if host is None or not failures.was_unreachable(attempt.outcome, attempt.failure):
            self.note_agent_start(task, attempt.base)
            return
        cooldown = self._backoff.record_host_failure(host, attempt.reason or "", epoch(attempt.started_at))
        if cooldown is not None:
            until = format_upcoming(cooldown.until, self._context.clock())
            text = f"{host} does not answer ({attempt.reason}); tasks that need a clone from it wait, next try {until}"
            self._warn("engine_network", text, attempt.failure)

    def _note_limit(self, finished: FinishedAttempt) -> None:
        """Start a cooldown of a provider that refused an attempt."""
        settings, attempt, failure = self._context.settings.current, finished.attempt, finished.attempt.failure
        agent = finished.task.agent or settings.agent
        if attempt.outcome == "ok":
            self._backoff.record_success(agent)
        if failure is None or finished.result.agent_pid is None or not failures.get_policy(failure).pause:
            return
        cooldown = self._backoff.record_limit(
            agent, failure, attempt.reason or "", epoch(attempt.started_at), epoch(attempt.ended_at),
            epoch(finished.result.resets_at), settings.rate_limit_delay, settings.rate_limit_delay_max,
        )  # fmt: skip
        if cooldown is not None:
            what, until = failures.describe_failure(failure), format_upcoming(cooldown.until, self._context.clock())
            text = f"{cooldown.provider}: {what}; its tasks wait until {until}, or: kugetsu resume --agent {agent}"
            self._warn("engine_rate_limit", text, failure)

    def _warn(self, kind: str, text: str, failure: str | None) -> None:
        self._context.notify(Notice(self._context.now(), kind, text, "warning", failure=failure))

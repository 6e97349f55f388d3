"""Measures what the agent delivered: records the branch and worktree before it starts, and compares when it has ended."""

from typing import Any

from ..errors import GitError, GitNotStarted, RepositoryError
from ..git import baseline, delivery
from ..git.baseline import Baseline
from ..git.new_worktree import FreshCheckout
from . import forge_questions, outcome
from .agent_log import LogFile


class DeliveryRecord:
    """The delivery of one attempt."""

    def __init__(self, job: dict[str, Any], log: LogFile) -> None:
        self._job = job
        self._log = log
        self._start: Baseline | None = None
        self._fault = "the agent was not started"

    @property
    def branch_before(self) -> str | None:
        """Commit of the issue's branch before the agent started; None if not known."""
        return self._start.commit if self._start is not None else None

    def record_baseline(self, fresh: FreshCheckout | None) -> None:
        """Record the branch and the worktree right before the agent starts.

        Args:
            fresh: what is known of a worktree that is as git has made it.

        Raises:
            GitNotStarted: the machine cannot start git now.
        """
        job = self._job
        try:
            repository, branch = str(job["repository"] or job["clone_dir"]), str(job["branch"])
            self._start = baseline.record_baseline(repository, str(job["worktree"]), branch, job["base_branch"], fresh)
        except GitNotStarted:
            raise
        except (GitError, RepositoryError, OSError, ValueError) as error:  # the agent may be there to repair it
            self._fault = f"the worktree could not be read before the agent started: {error}"
            return
        current = self._start.checkout.branch
        if current != branch:
            self._log.note(
                f"the worktree is on {current or 'no branch'}, not on {branch}: only commits on {branch} count as delivered"
            )

    def finish(self, result: dict[str, Any]) -> dict[str, Any]:
        """Add the delivery to the result of an agent that ran, and judge it by that."""
        delivered, fault = (None, self._fault)
        if self._start is not None:
            delivered, fault = delivery.measure_delivery(self._start, self._job.get("task_began"))  # type: ignore[assignment]
        if delivered is not None:
            if self._job.get("task_dirty"):  # from an earlier attempt of the task
                delivered["task_dirty"] = delivered["dirty_before"]
            delivered = forge_questions.add_pull_request(self._job, delivered)
        measured = {"delivered": delivered, "not_measured": fault, "branch_before": self.branch_before}
        return outcome.judge_delivery(self._job, result | measured)

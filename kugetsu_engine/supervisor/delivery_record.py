"""What a supervisor does to know what its agent delivered: it looks before the agent starts and again when it has ended."""

from typing import Any

from ..errors import GitError, GitNotStarted, RepositoryError
from ..git import baseline, delivery
from ..git.baseline import Baseline
from . import forge_questions, outcome
from .agent_log import LogFile


class DeliveryRecord:
    """The measure of one attempt."""

    def __init__(self, job: dict[str, Any], log: LogFile) -> None:
        self._job = job
        self._log = log
        self._start: Baseline | None = None
        self._unknown = "the attempt did not begin"

    @property
    def branch_before(self) -> str | None:
        """Commit of the issue's branch when the attempt began; None where that is not known."""
        return self._start.commit if self._start is not None else None

    def record_baseline(self) -> None:
        """Look at the branch and the worktree right before the agent starts.

        Raises:
            GitNotStarted: the machine has no room for git now.
        """
        job = self._job
        try:
            repository, branch = str(job["repository"] or job["clone_dir"]), str(job["branch"])
            self._start = baseline.record_baseline(repository, str(job["worktree"]), branch, job["base_branch"])
        except GitNotStarted:
            raise
        except (GitError, RepositoryError, OSError, ValueError) as error:  # the agent may be there to put it right
            self._unknown = f"git could not tell how the worktree was when the attempt began: {error}"
            return
        on = self._start.checkout.branch
        if on != branch:
            self._log.note(
                f"the worktree is on {on or 'no branch'}, not on {branch}: only commits on {branch} count as delivered"
            )

    def finish(self, result: dict[str, Any]) -> dict[str, Any]:
        """Add to the result of an agent that ran what it delivered, and judge it by that."""
        found, unknown = (None, self._unknown)
        if self._start is not None:
            found, unknown = delivery.measure_delivery(self._start, self._job.get("task_began"))  # type: ignore[assignment]
        if found is not None:
            if self._job.get("task_dirty"):  # an earlier attempt of the task left them
                found["task_dirty"] = found["dirty_before"]
            found = forge_questions.add_pull_request(self._job, found)
        measured = {"delivered": found, "not_measured": unknown, "branch_before": self.branch_before}
        return outcome.judge_delivery(self._job, result | measured)

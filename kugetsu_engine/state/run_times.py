"""How long attempts took: `run-times.json`, written after each successful attempt."""

import msgspec

from ..domain.decisions.duration_model import RunTimes, learn_from_tasks
from ..domain.refs import repository_of
from ..domain.task import Task
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_files
from . import tasks

LEARNED_FROM = 200
"""The newest ended tasks that run times are learned from when there is no file yet."""


class RunTimesFile:
    """The run times known to one engine; the file is read when first needed."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._known: RunTimes | None = None

    def known(self, default_agent: str) -> RunTimes:
        """All run times."""
        if self._known is None:
            self._known = load_run_times(self._paths)
        if self._known is None:
            try:
                self._known = learn_from_tasks(list(tasks.read_folder(self._paths.done, newest=LEARNED_FROM)), default_agent)
            except OSError:  # costs only the estimate
                return RunTimes()
            if self._known.runs:
                self._save(self._known)
        return self._known

    def median_s(self, default_agent: str) -> float | None:
        """The median duration of the last successful attempts, in seconds."""
        overall = self.known(default_agent).overall
        return overall.seconds if overall is not None else None

    def learn(self, task: Task, agent: str, seconds: float) -> None:
        """Add a successful attempt."""
        self._known = self.known(agent).learn(repository_of(task.issue_ref), agent, seconds)
        self._save(self._known)

    def _save(self, known: RunTimes) -> None:
        """Store the run times; a failed write costs only the estimate."""
        try:
            files.replace(self._paths.run_times, msgspec.json.encode(known), durable=False)
        except OSError:
            return


def load_run_times(paths: StatePaths) -> RunTimes | None:
    """Load the run times; None if the file is missing or cannot be read."""
    try:
        return json_files.read(paths.run_times, RunTimes)
    except (FileNotFoundError, BadFile):
        return None

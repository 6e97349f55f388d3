"""The engine's memory of how long attempts took: `run-times.json`, written when one has ended well."""

import msgspec

from ..domain.decisions.duration_model import RunTimes, learn_from_tasks
from ..domain.refs import repository_of
from ..domain.task import Task
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_files
from . import tasks

LEARNED_FROM = 200
"""Ended tasks, the newest, that are looked at once where there is no such file yet."""


class RunTimesFile:
    """What one engine knows of run times; the file is read when it is first needed."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._known: RunTimes | None = None

    def known(self, default_agent: str) -> RunTimes:
        """Everything that was learned."""
        if self._known is None:
            self._known = load_run_times(self._paths)
        if self._known is None:
            try:
                self._known = learn_from_tasks(list(tasks.read_folder(self._paths.done, newest=LEARNED_FROM)), default_agent)
            except OSError:  # without them there is no estimate, and no more is lost
                return RunTimes()
            if self._known.runs:
                self._save(self._known)
        return self._known

    def median_s(self, default_agent: str) -> float | None:
        """Median duration of the last attempts that went well, in seconds."""
        overall = self.known(default_agent).overall
        return overall.seconds if overall is not None else None

    def learn(self, task: Task, agent: str, seconds: float) -> None:
        """Take in an attempt that went well."""
        self._known = self.known(agent).learn(repository_of(task.issue_ref), agent, seconds)
        self._save(self._known)

    def _save(self, known: RunTimes) -> None:
        """Keep it; a disk that refuses costs an estimate, nothing else."""
        try:
            files.replace(self._paths.run_times, msgspec.json.encode(known), durable=False)
        except OSError:
            return


def load_run_times(paths: StatePaths) -> RunTimes | None:
    """Read what was learned; None when there is nothing that can be read, as it is learned anew then."""
    try:
        return json_files.read(paths.run_times, RunTimes)
    except (FileNotFoundError, BadFile):
        return None

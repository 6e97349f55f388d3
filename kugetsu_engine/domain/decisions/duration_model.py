"""How long attempts take, learned from successful ones; the basis of all estimates."""

from collections.abc import Sequence
from functools import cached_property
from math import isfinite
from typing import Literal

import msgspec

from ..refs import repository_of
from ..task import Task

KEPT = 20
"""Run times kept per repository and agent; older ones say little about the next."""
MOST_PAIRS = 200
"""Pairs of repository and agent that are kept; the least recently used goes first."""

Ground = Literal["repository", "agent", "all"]


class PairTimes(msgspec.Struct, frozen=True):
    """The last run times of one agent in one repository."""

    repository: str
    agent: str
    seconds: tuple[float, ...] = ()
    """Oldest first."""


class Expected(msgspec.Struct, frozen=True):
    """How long an attempt is expected to take."""

    seconds: float
    runs: int
    """The number of attempts behind the estimate."""
    ground: Ground
    """Learned from this agent in this repository, from this agent anywhere, or from any agent."""


class RunTimes(msgspec.Struct, frozen=True, dict=True):
    """All known run times; the most recently used pair is last."""

    schema: int = 1
    runs: tuple[PairTimes, ...] = ()

    def learn(self, repository: str, agent: str, seconds: float) -> "RunTimes":
        """Return the run times with one more attempt added."""
        if not (isfinite(seconds) and seconds > 0):
            return self
        known = self._pairs.get((repository, agent), PairTimes(repository, agent))
        known = msgspec.structs.replace(known, seconds=(*known.seconds, seconds)[-KEPT:])
        others = tuple(one for one in self.runs if (one.repository, one.agent) != (repository, agent))
        return RunTimes(self.schema, (*others, known)[-MOST_PAIRS:])

    def estimate(self, repository: str, agent: str) -> Expected | None:
        """Estimate how long an attempt takes, by the median of the most similar ones; None when nothing is known."""
        known = self._pairs.get((repository, agent))
        if known is not None and known.seconds:
            return self._of("repository", known.seconds)
        return self._by_agent.get(agent) or self.overall

    @cached_property
    def overall(self) -> Expected | None:
        """The median of all run times; None when nothing is known."""
        return self._of("all", [seconds for one in self.runs for seconds in one.seconds])

    @cached_property
    def _pairs(self) -> dict[tuple[str, str], PairTimes]:
        return {(one.repository, one.agent): one for one in self.runs}

    @cached_property
    def _by_agent(self) -> dict[str, Expected]:
        together: dict[str, list[float]] = {}
        for one in self.runs:
            together.setdefault(one.agent, []).extend(one.seconds)
        return {agent: found for agent, times in together.items() if (found := self._of("agent", times)) is not None}

    @staticmethod
    def _of(ground: Ground, times: Sequence[float]) -> Expected | None:
        sound = [seconds for seconds in times if isfinite(seconds) and seconds > 0]
        return Expected(_median(sound), len(sound), ground) if sound else None


def _median(numbers: Sequence[float]) -> float:
    """The median. Loading the module `statistics` would take a tenth of the time of `queue list`."""
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def learn_from_tasks(tasks: Sequence[Task], default_agent: str) -> RunTimes:
    """Learn run times from ended tasks, given newest first."""
    known = RunTimes()
    for task in reversed(tasks):
        for attempt in task.attempts:
            if attempt.outcome == "ok" and attempt.worked_s is not None:
                known = known.learn(repository_of(task.issue_ref), task.agent or default_agent, attempt.worked_s)
    return known

"""How much memory attempts need, learned from the peaks of earlier ones; the basis of the reservation before a start."""

from collections.abc import Sequence
from functools import cached_property

import msgspec

KEPT = 20
"""Peaks kept per repository and agent."""
MOST_PAIRS = 200
"""Pairs of repository and agent that are kept; the least recently used goes first."""
UNKNOWN = 1 << 30
"""What an agent is expected to need of which nothing is known."""
ENDED_SHARE = 1.25
"""An attempt that was ended for memory needs more than it had: its peak counts so many times."""


class PairPeaks(msgspec.Struct, frozen=True):
    """The last peaks of one agent in one repository."""

    repository: str
    agent: str
    peaks: tuple[int, ...] = ()
    """In bytes, oldest first."""


class MemoryPeaks(msgspec.Struct, frozen=True, dict=True):
    """All known peaks; the most recently used pair is last."""

    schema: int = 1
    uses: tuple[PairPeaks, ...] = ()

    def learn(self, repository: str, agent: str, peak: int) -> "MemoryPeaks":
        """Return the peaks with one more attempt added."""
        if peak <= 0:
            return self
        pair = repository, agent
        before = next((one.peaks for one in self.uses if (one.repository, one.agent) == pair), ())
        others = tuple(one for one in self.uses if (one.repository, one.agent) != pair)
        return MemoryPeaks(self.schema, (*others, PairPeaks(*pair, (*before, peak)[-KEPT:]))[-MOST_PAIRS:])

    def expect(self, repository: str, agent: str) -> int:
        """Return what nine of ten attempts of an agent in a repository stay below; elsewhere if there is nothing better."""
        return self._by_pair.get((repository, agent)) or self._by_agent.get(agent) or UNKNOWN

    @cached_property
    def _by_pair(self) -> dict[tuple[str, str], int]:
        return {(one.repository, one.agent): _find_percentile(one.peaks) for one in self.uses}

    @cached_property
    def _by_agent(self) -> dict[str, int]:
        together: dict[str, list[int]] = {}
        for one in self.uses:
            together.setdefault(one.agent, []).extend(one.peaks)
        return {agent: _find_percentile(peaks) for agent, peaks in together.items()}


def _find_percentile(peaks: Sequence[int]) -> int:
    """The 90th percentile of those that make sense; 0 if there is none."""
    sound = sorted(peak for peak in peaks if peak > 0)
    return sound[int(0.9 * (len(sound) - 1))] if sound else 0

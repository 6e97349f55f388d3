"""How much memory attempts took at most: `memory-peaks.json`, written when an attempt has ended."""

import msgspec

from ..domain.decisions.memory_model import MemoryPeaks
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files, json_files


class MemoryPeaksFile:
    """The peaks known to one engine; the file is read when first needed."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._known: MemoryPeaks | None = None

    @property
    def known(self) -> MemoryPeaks:
        """All peaks."""
        if self._known is None:
            self._known = load_memory_peaks(self._paths)
        return self._known

    def learn(self, repository: str, agent: str, peak: int) -> None:
        """Add an attempt; a failed write costs only the estimate."""
        self._known = self.known.learn(repository, agent, peak)
        try:
            files.replace(self._paths.memory_peaks, msgspec.json.encode(self._known), durable=False)
        except OSError:
            return


def load_memory_peaks(paths: StatePaths) -> MemoryPeaks:
    """Load the peaks; none if the file is missing or cannot be read."""
    try:
        return json_files.read(paths.memory_peaks, MemoryPeaks)
    except (FileNotFoundError, BadFile):
        return MemoryPeaks()

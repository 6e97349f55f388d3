"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How often, and how long; `quick` only shows that everything works."""

    quick: bool = False

    def pick(self, full: int, quick: int) -> int:
        """A number for a full run, or for a quick one."""
        return quick if self.quick else full

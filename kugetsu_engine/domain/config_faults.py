"""What is wrong in the settings, and what must not start because of it.

A setting that cannot be read must never loosen anything: a limit that is misspelt is not "no limit". So a fault names what it
stops, and the decisions about starts ask `Gaps`.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from . import refs

VERBS = ("is ", "has ", "does ")
"""A text that begins with one goes on with the name of its setting."""
LIKE = 0.7
"""How alike two names must be for one to be taken for a misspelling of the other; 1 is the same."""


class Stop(msgspec.Struct, frozen=True):
    """What does not start because of a fault."""

    kind: Literal["everything", "agent", "repository", "host"]
    name: str = ""


EVERYTHING = (Stop("everything"),)
NOTHING: tuple[Stop, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong in the settings."""

    source: str
    """`config.toml`, `config (v0.2)` or `environment`."""
    setting: str
    """As whoever wrote it would say it: `budget_per_task`, `[agents.claude] max_steps`, `$KUGETSU_AGENT`; empty: the file."""
    text: str
    """What is wrong, and what would be right."""
    stops: tuple[Stop, ...] = NOTHING
    meanwhile: str = ""
    """What holds as long as it is so, where it stops nothing."""
    line: int | None = None
    missing: str = ""
    """A folder that has to be there; the fault is gone as soon as it is."""
    unread: bool = False
    """Whether all of `config.toml` could not be read, so that nobody knows what it sets."""

    @property
    def summary(self) -> str:
        """The setting and what is wrong with it."""
        colon = "" if self.text.startswith(VERBS) else ":"
        return f"{self.setting}{colon} {self.text}" if self.setting else self.text

    def __str__(self) -> str:
        where = f"{self.source}, line {self.line}" if self.line is not None else self.source
        said = f"{where}: {self.summary}" if self.setting else self.text
        then = self._consequence()
        return f"{said}; {then}" if then else said

    def _consequence(self) -> str:
        if not self.stops:
            return self.meanwhile
        if self.stops == EVERYTHING:
            return "until this is corrected nothing starts"
        named = " or ".join(f"{'repository' if one.kind == 'repository' else one.kind} {one.name}" for one in self.stops)
        return f"until this is corrected no task of {named} starts"


class Gaps(msgspec.Struct, frozen=True):
    """Which settings are not whole, so that what depends on them must not start; each with what is wrong."""

    everything: str = ""
    agents: dict[str, str] = {}
    repositories: dict[str, str] = {}
    """By their key, see `refs.parse_repository_key`."""
    hosts: dict[str, str] = {}

    @classmethod
    def from_faults(cls, faults: Iterable[Fault]) -> "Gaps":
        """What a number of faults stop; of several about one thing the first is told."""
        found: dict[str, dict[str, str]] = {"everything": {}, "agent": {}, "repository": {}, "host": {}}
        for fault in faults:
            for stop in fault.stops:
                found[stop.kind].setdefault(stop.name, f"settings: {fault.summary}")
        return cls(found["everything"].get("", ""), found["agent"], found["repository"], found["host"])

    def merge(self, other: "Gaps") -> "Gaps":
        """These and others."""
        return Gaps(
            self.everything or other.everything, {**other.agents, **self.agents},
            {**other.repositories, **self.repositories}, {**other.hosts, **self.hosts},
        )  # fmt: skip

    def reason(self, agent: str, issue_ref: str) -> str:
        """Why a task of this agent and issue must not start; empty when nothing about it is in doubt."""
        if self.everything or agent in self.agents:
            return self.everything or self.agents[agent]
        if not self.repositories and not self.hosts:
            return ""
        repository = refs.repository_of(issue_ref)
        return self.repositories.get(repository) or self.hosts.get(repository.partition("/")[0], "")


def find_nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a wrong one is most like, if one is alike at all."""
    import difflib  # only whoever made a mistake waits for it

    lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), lower, 1, LIKE)
    return lower[found[0]] if found else None


def suggest_name(name: str, known: Iterable[str]) -> str:
    """`, did you mean "max_steps"?`, or nothing where nothing is alike."""
    found = find_nearest(name, known)
    return f", did you mean {found}?" if found is not None else ""

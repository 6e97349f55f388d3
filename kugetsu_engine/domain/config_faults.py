"""Faults in the settings, and what must not start because of them.

An unreadable setting must never loosen anything: a misspelt limit does not mean "no limit". So a fault says what it stops,
and scheduling checks `Gaps`.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from . import refs

VERBS = ("is ", "has ", "does ")
"""A fault's text that begins with one of these continues a sentence about its setting."""
LIKE = 0.7
"""How similar two names must be for one to be taken as a misspelling of the other; 1 is equal."""


class Stop(msgspec.Struct, frozen=True):
    """What does not start because of a fault."""

    kind: Literal["everything", "agent", "repository", "host"]
    name: str = ""


EVERYTHING = (Stop("everything"),)
NOTHING: tuple[Stop, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """One fault in the settings."""

    source: str
    """`config.toml`, `config (v0.2)` or `environment`."""
    setting: str
    """As written there: `budget_per_task`, `[agents.claude] max_steps`, `$KUGETSU_AGENT`; empty: the whole file."""
    text: str
    """What is wrong and what would be right."""
    stops: tuple[Stop, ...] = NOTHING
    meanwhile: str = ""
    """What applies until it is corrected, if it stops nothing."""
    line: int | None = None
    missing: str = ""
    """A folder that does not exist; the fault ends when it does."""
    unread: bool = False
    """Whether `config.toml` as a whole could not be read, so that its settings are unknown."""

    @property
    def summary(self) -> str:
        """The setting and its fault, without source and consequence."""
        colon = "" if self.text.startswith(VERBS) else ":"
        return f"{self.setting}{colon} {self.text}" if self.setting else self.text

    def __str__(self) -> str:
        where = f"{self.source}, line {self.line}" if self.line is not None else self.source
        text = f"{where}: {self.summary}" if self.setting else self.text
        consequence = self._consequence()
        return f"{text}; {consequence}" if consequence else text

    def _consequence(self) -> str:
        if not self.stops:
            return self.meanwhile
        if self.stops == EVERYTHING:
            return "until this is corrected nothing starts"
        named = " or ".join(f"{stop.kind} {stop.name}" for stop in self.stops)
        return f"until this is corrected no task of {named} starts"


class Gaps(msgspec.Struct, frozen=True):
    """Settings that are missing or invalid, each with its fault; tasks that depend on them must not start."""

    everything: str = ""
    agents: dict[str, str] = {}
    repositories: dict[str, str] = {}
    """By repository key, see `refs.parse_repository_key`."""
    hosts: dict[str, str] = {}

    @classmethod
    def from_faults(cls, faults: Iterable[Fault]) -> "Gaps":
        """The gaps that faults cause; of several faults about the same thing the first counts."""
        gaps: dict[str, dict[str, str]] = {"everything": {}, "agent": {}, "repository": {}, "host": {}}
        for fault in faults:
            for stop in fault.stops:
                gaps[stop.kind].setdefault(stop.name, f"settings: {fault.summary}")
        return cls(gaps["everything"].get("", ""), gaps["agent"], gaps["repository"], gaps["host"])

    def merge(self, other: "Gaps") -> "Gaps":
        """Combine two sets of gaps; these come first."""
        return Gaps(
            self.everything or other.everything, {**other.agents, **self.agents},
            {**other.repositories, **self.repositories}, {**other.hosts, **self.hosts},
        )  # fmt: skip

    def reason(self, agent: str, issue_ref: str) -> str:
        """Why a task of this agent and issue must not start; empty when it may."""
        if self.everything or agent in self.agents:
            return self.everything or self.agents[agent]
        if not self.repositories and not self.hosts:
            return ""
        repository = refs.repository_of(issue_ref)
        return self.repositories.get(repository) or self.hosts.get(repository.partition("/")[0], "")


def find_nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the known name most similar to a wrong one; None when none is similar."""
    import difflib  # rarely needed

    lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), lower, 1, LIKE)
    return lower[matches[0]] if matches else None


def suggest_name(name: str, known: Iterable[str]) -> str:
    """Write `, did you mean max_steps?`; empty when no known name is similar."""
    nearest = find_nearest(name, known)
    return f", did you mean {nearest}?" if nearest is not None else ""

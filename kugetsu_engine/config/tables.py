"""Reads the tables of `config.toml` key by key; an unknown or invalid key is reported and does not affect the others."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from ..domain import agent_names, refs
from ..domain.config_faults import EVERYTHING, NOTHING, Stop, find_nearest, suggest_name
from ..domain.decisions.notification_rules import WORTHS
from ..domain.text.sizes import format_value, parse_memory_cap
from ..errors import KugetsuError, UsageError
from .agent_settings import AGENT_READERS, AgentSettings, find_agent_fault
from .sandbox_settings import SANDBOX_READERS
from .settings import ForgeSettings, NotifySettings, RepoSettings
from .value_parsers import (
    parse_choice,
    parse_command,
    parse_commands,
    parse_count,
    parse_failure_classes,
    parse_flag,
    parse_folder,
    parse_hours,
    parse_line,
    parse_texts,
)  # fmt: skip

Note = Callable[[tuple[str, ...], str, tuple[Stop, ...], str], None]
"""Receives a fault of `config.toml`: path of names, what is wrong, what it stops, and what applies meanwhile."""


NOTIFY_READERS: dict[str, Callable[[Any], Any]] = {
    "on": parse_choice(*WORTHS),
    "bell": parse_flag,
    "terminal": parse_choice("auto", "osc9", "osc777", "osc99", "off"),
    "desktop": parse_choice(True, False, "auto"),
    "command": lambda value: parse_command(value) if value != [] else [],
    "urls": parse_texts,
    "quiet_hours": parse_hours,
    "digest_after": parse_count(1, 1_000_000),
}
REPO_READERS: dict[str, Callable[[Any], Any]] = {
    "path": parse_folder, "setup": parse_commands, "teardown": parse_commands, "base_branch": parse_line,
    "memory_cap": parse_memory_cap,
    **SANDBOX_READERS,
}  # fmt: skip
FORGE_READERS: dict[str, Callable[[Any], Any]] = {
    "kind": parse_choice("github", "gitea", "forgejo", "off"),
    "api": parse_line,
}

TABLES = ("agents", "failures", "repos", "servers", "keys", "notify", "forges")
HARMLESS = frozenset({
    "retry_delay", "retry_delay_max", "rate_limit_delay", "rate_limit_delay_max", "queue_expiry", "cleanup_age", "stop_grace",
    "result_grace", "log_cap", "theme", "keys", "notify", "failures", "forges",
})  # fmt: skip
"""Settings that loosen nothing when they are invalid; an invalid one of any other stops what depends on it."""


class Tables:
    """Reads the tables of one `config.toml`."""

    def __init__(self, plain: Iterable[str], note: Note) -> None:
        """Keep what all tables need.

        Args:
            plain: the names of the settings outside of tables.
            note: receives each fault.
        """
        self._plain = frozenset(plain)
        self._report = note
        self._noted = 0

    def _note(
        self, path: tuple[str, ...], text: str, stops: tuple[Stop, ...] = NOTHING, meanwhile: str = ""
    ) -> None:  # fmt: skip
        self._noted += 1
        self._report(path, text, stops, meanwhile)

    def read(self, name: str, value: Any, default_server: str) -> Any:
        """Read one of `TABLES`."""
        if not isinstance(value, dict):
            stops = NOTHING if name in HARMLESS else EVERYTHING
            self._note(
                (name,), f"{format_value(value)} is not a table: write [{name}] and its keys below", stops, "it is ignored"
            )
            return {} if name != "notify" else NotifySettings()
        if name == "notify":
            return NotifySettings(**self._keys((name,), value, NOTIFY_READERS, NOTHING, "the default holds"))
        if name == "agents":
            return {agent: self._agent(agent, own, value) for agent, own in value.items() if self._is_agent(agent, own)}
        if name == "repos":
            entries = self._named(name, value, lambda key: refs.parse_repository_key(key, default_server))
            return {repository: self._repo(key, repository, own) for repository, (key, own) in entries.items()}
        if name == "forges":
            return {host: self._forge(key, host, own) for host, (key, own) in self._named(name, value, refs.parse_host).items()}
        return self._texts(name, value)

    def _named(self, name: str, value: Mapping[str, Any], canonical: Callable[[str], str]) -> dict[str, tuple[str, Any]]:
        """The entries of a table by canonical name, each with its key as written."""
        found: dict[str, tuple[str, Any]] = {}
        kind: Literal["repository", "host"] = "repository" if name == "repos" else "host"
        for key, own in value.items():
            if key in self._plain:
                self.unknown((name, key), (), NOTHING)
                continue
            try:
                meant = canonical(key)
            except UsageError as error:
                self._note((name, key), str(error), NOTHING, "it is ignored")
                continue
            if meant in found and found[meant][1] != own:  # equal entries are not ambiguous
                self._note((name, key), f"is the same as {found[meant][0]}, which is there too", (Stop(kind, meant),))
            found[meant] = key, own
        return found

    def unknown(self, path: tuple[str, ...], known: Iterable[str], stops: tuple[Stop, ...], meanwhile: str = "") -> None:
        """Note an unknown key; it may be a known one in the wrong place."""
        name, known = path[-1], [*known]
        meant = name if name in self._plain else None if find_nearest(name, known) else find_nearest(name, self._plain)
        if len(path) > 1 and meant is not None:
            stops = stops if meant in HARMLESS else EVERYTHING
            suggestion = "" if meant == name else f", did you mean {meant}"
            self._note(path, f"no such setting here{suggestion}: settings for all go above the first [table]", stops, meanwhile)
            return
        self._note(path, f"no such setting{suggest_name(name, known)}", stops, meanwhile)

    def _keys(
        self, path: tuple[str, ...], value: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]],
        stops: tuple[Stop, ...], meanwhile: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Read the valid keys of a table, and note the others."""
        values = {}
        for key, one in value.items():
            if key not in readers:
                self.unknown((*path, key), readers, stops, meanwhile)
                continue
            try:
                values[key] = readers[key](one)
            except KugetsuError as error:
                self._note((*path, key), str(error), stops, meanwhile)
        return values

    def _is_agent(self, key: str, own: Any) -> bool:
        """Whether an entry of `[agents]` is the table of an agent."""
        if not isinstance(own, dict):
            self._note(("agents",), f"has {key} outside of the table of an agent: it belongs below [agents.NAME]", EVERYTHING)
        return isinstance(own, dict)

    def _agent(self, name: str, value: Mapping[str, Any], all_agents: Mapping[str, Any]) -> AgentSettings:
        """Read one agent; with any fault it does not start, as it might be allowed more than was meant."""
        path, before = ("agents", name), self._noted
        stops: tuple[Stop, ...] = (Stop("agent", name),)
        is_unknown = "command" not in value and "kind" not in value and name not in agent_names.KNOWN
        meant = find_nearest(name, agent_names.KNOWN) if is_unknown else None
        if meant is not None and meant not in all_agents:
            stops = (*stops, Stop("agent", meant))  # the settings meant for that agent are missing
        own = AgentSettings(**self._keys(path, value, AGENT_READERS, stops))
        if self._noted > before:
            return own
        if (fault := find_agent_fault(own)) is not None:
            self._note(path, fault, stops)
        elif is_unknown:
            suggestion = suggest_name(name, agent_names.KNOWN) or f"; those are {', '.join(agent_names.KNOWN)}"
            self._note(path, f"has no command, and is not a known agent{suggestion}", stops)
        return own

    def _repo(self, key: str, name: str, value: Any) -> RepoSettings:
        """Read one repository."""
        path, stops = ("repos", key), (Stop("repository", name),)
        if isinstance(value, str):
            value = {"path": value}
        if not isinstance(value, dict):
            self._note(path, f"{format_value(value)} is neither a path nor a table", stops)
            return RepoSettings()
        return RepoSettings(**self._keys(path, value, REPO_READERS, stops))

    def _forge(self, key: str, host: str, value: Any) -> ForgeSettings:
        """Read one forge; an invalid one is not asked."""
        path, meanwhile, before = ("forges", key), f"{host} is not asked", self._noted
        entry = {"kind": value} if isinstance(value, str) else value
        if not isinstance(entry, dict):
            self._note(path, f"{format_value(value)} is neither a kind nor a table", NOTHING, meanwhile)
            return ForgeSettings("off")
        values = self._keys(path, entry, FORGE_READERS, NOTHING, meanwhile)
        if "kind" not in entry:
            self._note(path, "has no kind: github, gitea, forgejo or off", NOTHING, meanwhile)
        return ForgeSettings(**values) if self._noted == before else ForgeSettings("off")

    def _texts(self, name: str, value: Mapping[str, Any]) -> dict[str, str]:
        """Read a table of texts: `servers`, `keys` or `failures`."""
        texts: dict[str, str] = {}
        for host, (key, one) in self._named(name, value, refs.parse_host if name == "servers" else str).items():
            stops = (Stop("host", host),) if name == "servers" else NOTHING
            try:
                texts |= parse_failure_classes({key: one}) if name == "failures" else {host: parse_line(one)}
            except KugetsuError as error:
                self._note((name, key), str(error), stops, "it is ignored")
        return texts


def format_setting_path(path: tuple[str, ...]) -> str:
    """Write the name of a setting as in the file: `[agents.claude] max_steps`, `[repos] owner/repo`."""
    if len(path) == 1:
        return path[0] if path[0] not in TABLES else f"[{path[0]}]"
    if path[0] == "agents" and len(path) == 2:
        return f"[agents.{path[1]}]"
    if len(path) == 2:
        return f"[{path[0]}] {path[1]}"
    inner = f'"{path[1]}"' if path[0] in ("repos", "forges") else path[1]
    return f"[{path[0]}.{inner}] {'.'.join(path[2:])}"


def parse_host_or_none(text: str) -> str | None:
    """Read the name of a host in canonical form; None if it is not valid."""
    try:
        return refs.parse_host(text)
    except UsageError:
        return None

"""Loads the settings: `config.toml`, the environment, and the files of a bash kugetsu (v0.2).

Later ones win: default, v0.2 `config` (shell assignments, read as data), `config.toml`, environment variables. What cannot be
read is reported as a fault. It never stops the engine, and it never loosens anything: unless the default or the previous
value is certainly as strict as the intended one, what depends on the setting does not start.
"""

import os
import stat
import time
from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from ..domain import agent_names, refs
from ..domain.config_faults import EVERYTHING, NOTHING, Fault, Gaps, Stop, find_nearest, suggest_name
from ..domain.text import shell_assignments as assignments
from ..domain.text.safe_text import safe_line
from ..domain.text.sizes import parse_memory_cap, parse_size
from ..errors import BadFile, KugetsuError
from ..paths import CONFIG, StatePaths
from ..storage import files
from . import env_files
from .agent_settings import AgentSettings as AgentSettings
from .sandbox_settings import SANDBOX_READERS
from .settings import ForgeSettings as ForgeSettings
from .settings import MemoryCapBy, Settings, Shed
from .settings import NotifySettings as NotifySettings
from .settings import RepoSettings as RepoSettings
from .tables import HARMLESS, TABLES, Tables, format_setting_path, parse_host_or_none
from .value_parsers import (
    parse_ceiling,
    parse_choice,
    parse_count,
    parse_flag,
    parse_floor,
    parse_line,
    parse_names,
    parse_or_never,
    parse_positive_seconds,
    parse_prompt_kind,
    parse_seconds,
)  # fmt: skip

TOML, VARIABLES = CONFIG, "environment"
OTHER_VARIABLES = frozenset({
    "KUGETSU_DIR", "KUGETSU_DEMO_SPEED", "KUGETSU_TASK", "KUGETSU_TASK_ID", "KUGETSU_ATTEMPT", "KUGETSU_ISSUE_REF",
    "KUGETSU_WORKTREE", "KUGETSU_BRANCH", "KUGETSU_VERBOSITY", "KUGETSU_TEMP_DIR",
})  # fmt: skip
"""Variables that are not settings."""
WRITING_S = 2.0
"""For so many seconds a `config.toml` that became empty or disappeared is assumed to be just being written."""
MOST_FAULTS = 30
"""Faults of one `config.toml` that are reported."""


READERS: dict[str, Callable[[Any], Any]] = {
    "max_concurrent_agents": parse_count(1, 1000),
    "max_attempts": parse_count(1, 100),
    "retry_delay": parse_seconds,
    "retry_delay_max": parse_seconds,
    "rate_limit_delay": parse_seconds,
    "rate_limit_delay_max": parse_seconds,
    "task_timeout": parse_positive_seconds,
    "prepare_timeout": parse_positive_seconds,
    "stall_after": parse_seconds,
    "stall_kills": parse_flag,
    "require_delivery": parse_flag,
    "issue_text": parse_flag,
    "queue_expiry": parse_or_never(parse_seconds),
    "cleanup_age": parse_or_never(parse_seconds),
    "budget_per_task": parse_ceiling(1_000_000),
    "budget_per_day": parse_ceiling(1_000_000),
    "stop_grace": parse_seconds,
    "result_grace": parse_seconds,
    "questions": parse_choice("refuse", "ask"),
    "question_wait": parse_seconds,
    "agent": parse_line,
    "prompt_template": parse_prompt_kind,
    "log_cap": parse_size,
    "memory_cap": parse_memory_cap,
    "memory_cap_by": parse_choice(*get_args(MemoryCapBy)),
    "max_processes": parse_count(0, 1_000_000),
    "reserve_memory": parse_flag,
    "shed": parse_choice(*get_args(Shed)),
    "base_branch": parse_line,
    "default_server": lambda value: refs.parse_host(parse_line(value)),
    "pass_env": parse_names,
    "min_free_memory": parse_floor,
    "min_free_disk": parse_floor,
    "max_load_per_core": parse_ceiling(1000),
    "max_memory_pressure": parse_ceiling(100),
    "max_cpu_pressure": parse_ceiling(100),
    "max_io_pressure": parse_ceiling(100),
    "theme": parse_line,
    **SANDBOX_READERS,
}
"""The parser of each plain setting, for TOML, environment and the v0.2 file alike."""

WHILE_WRONG: dict[str, tuple[Any, str]] = {
    "queue_expiry": (None, "nothing expires until this is corrected"),
    "cleanup_age": (None, "nothing is cleaned up until this is corrected"),
    "default_server": ("", ""),
}
"""Settings whose default is not safe: the value that applies while they are invalid, and its description."""


OLD_NAMES: dict[str, tuple[str, Callable[[str], str]]] = {
    "MAX_CONCURRENT_AGENTS": ("max_concurrent_agents", str),
    "TASK_TIMEOUT_HOURS": ("task_timeout", lambda hours: f"{hours}h"),
    "QUEUE_CLEANUP_AGE_DAYS": ("cleanup_age", lambda days: f"{days}d"),
    "KUGETSU_BASE_BRANCH": ("base_branch", str),
    "DEFAULT_GIT_SERVER": ("default_server", str),
}
"""The names of the bash kugetsu: today's setting, and how its value is made from the old one."""


OLD_SERVERS = "GIT_SERVERS"
"""The bash kugetsu's table that is `[servers]` today."""


def load_settings(paths: StatePaths, environ: Mapping[str, str], last: Settings | None = None) -> tuple[Settings, list[Fault]]:
    """Load the settings; returns them and their faults. What must not start because of faults is in `gaps`.

    Args:
        last: the settings in effect. They stay if `config.toml` cannot be read at all, and so does a single plain value that
            is invalid. Without valid ones, as at a start, an invalid value stops what depends on it.
    """
    settings, faults = _read(paths, environ, last)
    return _with_env_files(settings, paths), faults


def _with_env_files(settings: Settings, paths: StatePaths) -> Settings:
    """Add what must not start because an env file cannot be read."""
    gaps = Gaps.from_faults(env_files.find_env_faults(paths))
    return msgspec.structs.replace(settings, gaps=settings.gaps.merge(gaps)) if gaps != Gaps() else settings


def _read(paths: StatePaths, environ: Mapping[str, str], last: Settings | None) -> tuple[Settings, list[Fault]]:
    reading = _Reading(last)
    assignments, old_servers = reading.shell_config(paths.shell_config)
    for name, value in assignments.items():
        if name in OLD_NAMES:
            reading.read_value(OLD_NAMES[name][0], OLD_NAMES[name][1](value), "config (v0.2)", name)
    reading.config_toml(paths.config)
    reading.variables(environ)
    reading.tables(old_servers)
    return reading.settings()


class _Reading:
    """The settings read so far."""

    def __init__(self, last: Settings | None) -> None:
        self._last = last
        self._last_is_whole = last is not None and not last.gaps.everything
        """Whether all plain settings in effect are valid, so that they may stay while new ones are not."""
        self._values: dict[str, Any] = {}
        self._from: dict[str, tuple[str, str]] = {}
        """The source of each setting, and its name there."""
        self._faults: list[Fault] = []
        self._text = ""
        self._document: dict[str, Any] | None = {}

    def read_value(self, name: str, value: Any, source: str, called: str = "") -> None:
        """Read the value of a plain setting; a valid one takes precedence over an earlier invalid one."""
        called = called or name
        earlier, self._from[name] = self._from.get(name), (source, called)
        try:
            self._values[name] = READERS[name](value)
        except (KugetsuError, OverflowError) as error:
            # A value that is switched off, such as no budget, must not stay: the new one was meant to be stricter.
            holds = self._last_is_whole and name not in {*HARMLESS, *SANDBOX_READERS} and bool(getattr(self._last, name))
            in_force = getattr(self._last or Settings(), name), "the value before it holds"
            self._values[name], meanwhile = in_force if holds else WHILE_WRONG.get(name, in_force)
            stops = NOTHING if holds or name in HARMLESS else EVERYTHING
            text = str(error) if value != "" else "is empty: unset it, or give it a value"
            if name == "agent" and isinstance(value, dict):
                text = f"is the name of an agent; did you mean [agents.{next(iter(value), 'NAME')}]?"
            line = self._line((name,)) if source == TOML else None
            self._faults.append(Fault(source, called, text, stops, meanwhile, line))
        else:
            self._faults = [
                msgspec.structs.replace(one, stops=NOTHING, meanwhile=f"{source} wins over it")
                if (one.source, one.setting) == earlier else one
                for one in self._faults
            ]  # fmt: skip

    def config_toml(self, path: str) -> None:
        """Read `config.toml` and its keys outside of tables."""
        document = self._document = self._toml(path)
        if document is None:
            held = (*READERS, *TABLES)
            self._values |= {name: getattr(self._last, name) for name in held} if self._last else {"default_server": ""}
            return
        for name, value in document.items():
            if name in READERS:
                self.read_value(name, value, TOML)

    def tables(self, old_servers: dict[str, str]) -> None:
        """Read the tables; last, as names in `[repos]` may leave out the default server."""
        tables = Tables(READERS, self._note)
        server = self._values.get("default_server", Settings().default_server)
        for name, value in (self._document or {}).items():
            if name in TABLES:
                self._values[name] = tables.read(name, value, server)
                if name == "failures" and self._last is not None and len(self._values[name]) < len(value):
                    self._values[name] = self._last.failures | self._values[name]  # keep the pattern that is being edited
            elif name not in READERS:
                every = (*READERS, *TABLES)
                tables.unknown((name,), every, NOTHING if find_nearest(name, every) in HARMLESS else EVERYTHING)
        older = {known: url for host, url in old_servers.items() if (known := parse_host_or_none(host)) is not None}
        self._values["servers"] = Settings().servers | older | self._values.get("servers", {})

    def variables(self, environ: Mapping[str, str]) -> None:
        """Read the variables, the bash kugetsu's first."""
        for name, (setting, old_value) in OLD_NAMES.items():
            if environ.get(name):  # the bash kugetsu ignored an empty one
                self.read_value(setting, old_value(environ[name]), VARIABLES, f"${name}")
        known = {name.upper(): name for name in READERS}
        for variable, value in environ.items():
            if not variable.startswith("KUGETSU_") or variable in OLD_NAMES:
                continue
            name = variable.removeprefix("KUGETSU_")  # with the prefix, all names would be similar
            if name in known:
                self.read_value(known[name], value, VARIABLES, f"${variable}")
            elif variable not in OTHER_VARIABLES and not variable.startswith("KUGETSU_TOKEN_"):
                meant = find_nearest(name, known)
                if meant is not None:
                    stops = NOTHING if known[meant] in HARMLESS else EVERYTHING
                    text = f"no such variable, did you mean KUGETSU_{meant}?"
                    self._faults.append(Fault(VARIABLES, f"${variable}", text, stops))

    def settings(self) -> tuple[Settings, list[Fault]]:
        """Return the settings and all faults."""
        found = msgspec.structs.replace(Settings(), **self._values)
        if found.agent not in {*agent_names.KNOWN, *found.agents}:
            source, called = self._from.get("agent", (TOML, "agent"))
            suggestion = suggest_name(found.agent, {*agent_names.KNOWN, *found.agents})
            line = self._line(("agent",)) if source == TOML else None
            text = f"unknown agent {found.agent!r}{suggestion}"
            self._faults.append(Fault(source, called, text, (Stop("agent", found.agent),), line=line))
        for name, own in found.repos.items():
            if own.path is not None and not os.path.isdir(folder := os.path.expanduser(own.path)):
                stop, line = Stop("repository", name), self._line(("repos", name))
                self._faults.append(Fault(TOML, f"[repos] {name}", f"{folder} does not exist", (stop,), "", line, folder))
        self._faults.sort(key=lambda fault: (not fault.stops, fault.line or 0))
        gaps = Gaps.from_faults(self._faults)
        if self._last is not None and self._from.get("") is not None:
            gaps = self._last.gaps.merge(gaps)  # the file could not be read, so its earlier gaps remain
        return msgspec.structs.replace(found, gaps=gaps), self._faults

    def shell_config(self, path: str) -> tuple[dict[str, str], dict[str, str]]:
        """Read the assignments of a v0.2 file, and its table of servers."""
        try:
            read = assignments.parse_assignments(files.read(path, 1 << 20).decode("utf-8", "replace"))
            return read.values, read.tables.get(OLD_SERVERS, {})
        except FileNotFoundError:
            return {}, {}
        except BadFile as error:
            stops, text = NOTHING if self._last else EVERYTHING, f"config (v0.2) cannot be read: {error}"
            self._faults.append(Fault("config (v0.2)", "", text, stops, "the last good settings apply"))
            if self._last is None:
                return {}, {}
            self._values |= {name: getattr(self._last, name) for name, _ in OLD_NAMES.values()}
            return {}, dict(self._last.servers)

    def _toml(self, path: str) -> dict[str, Any] | None:
        if not os.path.lexists(path):
            return {}
        import tomllib  # few commands need it

        try:
            self._text = files.read(path, 1 << 20).decode("utf-8-sig").replace("\r\n", "\n")
            return tomllib.loads(self._text)
        except FileNotFoundError:
            return {}
        except (BadFile, ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, a number of 5,000 digits
            stops = EVERYTHING if self._last is None else NOTHING
            self._from[""] = (TOML, "")
            text = f"{TOML} cannot be read ({_describe_error(error)})"
            self._faults.append(Fault(TOML, "", text, stops, "the last good settings apply", unread=True))
            return None

    def _note(self, path: tuple[str, ...], text: str, stops: tuple[Stop, ...], meanwhile: str) -> None:
        if len(self._faults) < MOST_FAULTS:
            setting, line = safe_line(format_setting_path(path), 120).strip() or "a key without a name", self._line(path)
            self._faults.append(Fault(TOML, setting, safe_line(text, 300), stops, meanwhile, line))
        elif len(self._faults) == MOST_FAULTS:
            self._faults.append(Fault(TOML, "", f"{TOML}: more than {MOST_FAULTS} things are wrong", EVERYTHING))

    def _line(self, path: tuple[str, ...]) -> int | None:
        from .line_numbers import find_line

        where = find_line(self._text, path) if self._text else None
        return self._line(path[:-1]) if where is None and len(path) > 1 and self._text else where


def _describe_error(error: Exception) -> str:
    """Describe why a file is not valid TOML, with the position first."""
    import tomllib

    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if not isinstance(error, ValueError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if not isinstance(error, tomllib.TOMLDecodeError):
        return "a number in it has too many digits"
    text, _, place = str(error).removesuffix(")").rpartition(" (at ")
    return f"{place}: {text[:1].lower()}{text[1:]}" if text else str(error)


class SettingsSource:
    """The current settings, read again when their files change."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str]) -> None:
        self._paths = paths
        self._environ = environ
        self._seen: object = None
        self.faults: list[Fault] = []
        self.current = Settings()
        self._good: Settings | None = None
        """The last settings from a readable or missing `config.toml`; None before the first."""
        self._length = 0
        """The size of `config.toml` when it was read."""
        self._gone_since: float | None = None
        """When it was first seen empty or missing after that, by the monotonic clock."""
        self.refresh()

    @property
    def problems(self) -> list[str]:
        """The faults as sentences."""
        return [str(fault) for fault in self.faults]

    def default_server(self) -> str:
        """The host of references without one; empty while the setting is invalid."""
        return self.current.default_server

    def limit(self) -> int:
        """The setting `max_concurrent_agents`, which `kugetsu limit` overrides."""
        return self.current.max_concurrent_agents

    def refresh(self) -> bool:
        """Read the files again if they changed; returns whether settings or faults changed."""
        env = [f"{self._paths.env}/{name}" for name in env_files.NAMES]
        watched = [files.read_signature(path) for path in (self._paths.config, self._paths.shell_config, *env)]
        seen = [*watched, *(os.path.isdir(fault.missing) for fault in self.faults if fault.missing)]
        whole = self._good is self.current  # else a permission may have changed, which signatures do not show
        if (seen == self._seen and whole) or self._is_being_written():
            return False
        before = self.current, self.faults
        self._length = _length_of(self._paths.config)
        settings, self.faults = _read(self._paths, self._environ, self._good)
        self.current = _with_env_files(settings, self._paths)
        self._seen = [*watched, *(False for fault in self.faults if fault.missing)]
        if not any(fault.unread for fault in self.faults):
            self._good = settings
        return before != (self.current, self.faults)

    def mark_stale(self) -> None:
        """Make the next `refresh` read the files again, as one turned out to be different."""
        self._seen = None

    def _is_being_written(self) -> bool:
        """Whether the file was emptied or removed a moment ago, as editors do before writing; that must not lift limits."""
        if not self._length or _length_of(self._paths.config):
            self._gone_since = None
            return False
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
        return now - self._gone_since < WRITING_S


def _length_of(path: str) -> int:
    """The size of a file; 1 for anything else that exists, so that it does not count as empty."""
    try:
        status = os.stat(path)
    except OSError:
        return int(os.path.islink(path))
    return status.st_size if stat.S_ISREG(status.st_mode) else 1

"""Settings: `config.toml`, the environment, and what a bash kugetsu (v0.2) left behind.

Later ones win: default, v0.2 `config` (shell assignments, read as data), `config.toml`, environment variables. A value that
cannot be read keeps the one before it and is told as a problem; it never stops the engine.
"""

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from .agent_settings import AgentSettings as AgentSettings
from .agent_settings import fault_of_agent
from .domain import assignments, refs
from .domain.failures import fault_of
from .domain.host import Floors
from .domain.policy import Timing
from .domain.times import duration
from .domain.worth import are_hours
from .errors import BadFile, ConfigError, KugetsuError, UsageError
from .paths import StatePaths
from .setting_values import ceiling, count, flag, floor, line_of_text, list_of_names, or_never, prompt_kind, size
from .store import files


class NotifySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[notify]`: how an operator is told who does not look."""

    on: Literal["needs_you", "ended", "all"] = "needs_you"
    bell: bool = True
    """The console rings the bell of its terminal."""
    terminal: Literal["auto", "osc9", "osc777", "osc99", "off"] = "auto"
    """The console asks its terminal for a notification of the desktop it stands on, also over ssh and through tmux."""
    desktop: bool | Literal["auto"] = False
    """The engine calls notify-send, or osascript; `auto`: where there is a desktop."""
    command: list[str] = []
    """argv of a program; `{title}`, `{text}`, `{id}`, `{ref}` and `{kind}` are filled in, JSON is on its input."""
    urls: list[str] = []
    """Addresses of apprise."""
    quiet_hours: str | None = None
    digest_after: Annotated[int, msgspec.Meta(ge=1)] = 5
    """More than so many within a minute become one."""

    @property
    def outward(self) -> bool:
        """Whether the engine has anything to send with."""
        return bool(self.command or self.urls or self.desktop)


class RepoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `[repos]`; a path alone may stand for it."""

    path: str | None = None
    """A local repository; None: a clone is made."""
    setup: list[list[str]] = []
    """argv of each command to run in a worktree before its agent."""
    teardown: list[list[str]] = []
    """argv of each command to run there afterwards."""
    base_branch: str | None = None


class ForgeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `[forges]`; its kind alone may stand for it."""

    kind: Literal["github", "gitea", "forgejo", "off"]
    """`off`: never asked, though there is a token."""
    api: str | None = None
    """Address of its API, where it is not the usual one."""


class Settings(msgspec.Struct, frozen=True):
    """All settings, checked. Lengths of time are seconds, sizes bytes."""

    max_concurrent_agents: int = 3
    max_attempts: int = 3
    retry_delay: float = 5.0
    retry_delay_max: float = 600.0
    rate_limit_delay: float = 30.0
    """First rest of a provider that has reached a limit and does not say until when."""
    rate_limit_delay_max: float = 3600.0
    task_timeout: float = 3600.0
    stall_after: float = 600.0
    """0: never looked for."""
    stall_kills: bool = False
    require_delivery: bool = False
    """Whether an attempt that changed nothing has failed, though its agent says that all is well."""
    issue_text: bool = False
    """Whether an issue's title and body, as its forge has them, are added to the prompt."""
    queue_expiry: float | None = 86400.0
    """None: waiting tasks never expire."""
    cleanup_age: float | None = 7 * 86400.0
    """None: ended tasks are kept for ever."""
    budget_per_task: float = 0.0
    """What the attempts of a task may cost together, as far as agents tell; 0: does not matter."""
    budget_per_day: float = 0.0
    """The same for all that end on one day."""
    stop_grace: float = 10.0
    agent: str = "opencode"
    prompt_template: str | None = None
    """`dev`: the message with rules, context and the pull request; `plain`: the message alone. None: as fits the agent."""
    log_cap: int = 256 << 20
    base_branch: str | None = None
    """Branch that new work starts from; None: the remote's head."""
    default_server: str = "github.com"
    pass_env: list[str] = []
    """Names of the operator's variables an agent gets, beside the usual ones."""
    min_free_memory: int | None = None
    """None: kugetsu chooses, 0: does not matter; so for `min_free_disk`. See `domain.host`."""
    min_free_disk: int | None = None
    max_load_per_core: float = 8.0
    """0: does not matter; so for the pressures, in percent of time."""
    max_memory_pressure: float = 20.0
    max_cpu_pressure: float = 0.0
    max_io_pressure: float = 0.0
    theme: str | None = None
    notify: NotifySettings = NotifySettings()
    agents: dict[str, AgentSettings] = {}
    failures: dict[str, str] = {}
    """The same as of one agent, for all."""
    repos: dict[str, RepoSettings] = {}
    """What is known of repositories, by `host/owner/repo`."""
    forges: dict[str, ForgeSettings] = {}
    """Forges that may be asked, by host; see `forges.hosts`."""
    servers: dict[str, str] = msgspec.field(default_factory=lambda: {"github.com": "https://github.com"})
    """Address to clone from, by host; `/owner/repo` is added."""
    keys: dict[str, str] = {}
    """Keys of the console by action id."""

    @property
    def timing(self) -> Timing:
        """The part that the decisions about retries and expiry need."""
        return Timing(self.max_attempts, self.retry_delay, self.retry_delay_max, self.queue_expiry, self.budget_per_task)

    @property
    def floors(self) -> Floors:
        """The part that the start gate on the host needs."""
        return Floors(
            self.min_free_memory, self.min_free_disk, self.max_load_per_core, self.max_memory_pressure, self.max_cpu_pressure,
            self.max_io_pressure,
        )  # fmt: skip


READERS: dict[str, Callable[[Any], Any]] = {
    "max_concurrent_agents": count(1, 1000),
    "max_attempts": count(1, 100),
    "retry_delay": duration,
    "retry_delay_max": duration,
    "rate_limit_delay": duration,
    "rate_limit_delay_max": duration,
    "task_timeout": duration,
    "stall_after": duration,
    "stall_kills": flag,
    "require_delivery": flag,
    "issue_text": flag,
    "queue_expiry": or_never(duration),
    "cleanup_age": or_never(duration),
    "budget_per_task": ceiling(1_000_000),
    "budget_per_day": ceiling(1_000_000),
    "stop_grace": duration,
    "agent": line_of_text,
    "prompt_template": prompt_kind,
    "log_cap": size,
    "base_branch": line_of_text,
    "default_server": lambda value: refs.host_name(line_of_text(value)),
    "pass_env": list_of_names,
    "min_free_memory": floor,
    "min_free_disk": floor,
    "max_load_per_core": ceiling(1000),
    "max_memory_pressure": ceiling(100),
    "max_cpu_pressure": ceiling(100),
    "max_io_pressure": ceiling(100),
    "theme": line_of_text,
}
"""For each plain setting how its value is read; the same for TOML, environment and the v0.2 file."""

TABLES: dict[str, Any] = {
    "agents": dict[str, AgentSettings], "failures": dict[str, str], "repos": dict[str, RepoSettings], "servers": dict[str, str],
    "keys": dict[str, str], "notify": NotifySettings, "forges": dict[str, ForgeSettings],
}  # fmt: skip


def _table(name: str, value: Any) -> Any:
    if name == "agents" and isinstance(value, dict):
        return {agent: _agent(agent, own) for agent, own in value.items()}
    if name == "forges" and isinstance(value, dict):
        value = {host: {"kind": entry} if isinstance(entry, str) else entry for host, entry in value.items()}
    found = msgspec.convert(_repos(value) if name == "repos" else value, TABLES[name])
    if name == "notify" and found.quiet_hours is not None and not are_hours(found.quiet_hours):
        raise UsageError(f"quiet_hours: {found.quiet_hours!r} is no span of the day", "write it like 22:00-07:00")
    for own in found.values() if name == "agents" else ():
        if own.prompt_template is not None:
            prompt_kind(own.prompt_template)
    if name == "failures" and (fault := fault_of(found)) is not None:
        raise UsageError(fault)
    return found


def _agent(name: str, value: Any) -> AgentSettings:
    try:
        own = msgspec.convert(value, AgentSettings)
    except msgspec.ValidationError as error:
        raise UsageError(f"[agents.{name}] {error}") from None
    fault = fault_of(own.failures) or fault_of_agent(own)
    if fault is not None:
        raise UsageError(f"[agents.{name}] {fault}")
    return own


def _repos(value: Any) -> Any:
    """`[repos]` with each entry as a table, each of its commands as a list of lists."""
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {name: {"path": entry} if isinstance(entry, str) else entry for name, entry in value.items()}
    for entry in (entry for entry in found.values() if isinstance(entry, dict)):
        for key in ("setup", "teardown"):
            commands: Any = entry.get(key, [])
            if isinstance(commands, list) and commands and all(isinstance(word, str) for word in commands):
                commands = entry[key] = [commands]
            if not isinstance(commands, list) or not all(isinstance(one, list) and one and one[0] for one in commands):
                raise UsageError(f"{key} is no list of arguments", 'write ["npm", "ci"], or several: [["npm", "ci"], ["make"]]')
    return found


OLD_NAMES: dict[str, tuple[str, Callable[[str], str]]] = {
    "MAX_CONCURRENT_AGENTS": ("max_concurrent_agents", str),
    "TASK_TIMEOUT_HOURS": ("task_timeout", lambda hours: f"{hours}h"),
    "QUEUE_CLEANUP_AGE_DAYS": ("cleanup_age", lambda days: f"{days}d"),
    "KUGETSU_BASE_BRANCH": ("base_branch", str),
    "DEFAULT_GIT_SERVER": ("default_server", str),
}
"""The names of the bash kugetsu: the setting of today, and its value from the old one."""


OLD_SERVERS = "GIT_SERVERS"
"""The table of the bash kugetsu that is `[servers]` today."""

UNREAD = "config.toml cannot be read"
"""How the problem begins that leaves all of the file unknown."""


def load(paths: StatePaths, environ: Mapping[str, str], last: Settings | None = None) -> tuple[Settings, list[str]]:
    """Read the settings; returns them and a sentence for each one that could not be read.

    Args:
        last: the settings in force; a value that cannot be read stays as it is there.
    """
    defaults, problems = Settings(), []
    values: dict[str, Any] = {}

    def take(name: str, value: Any, source: str) -> None:
        try:
            values[name] = READERS[name](value) if name in READERS else _table(name, value)
        except (KugetsuError, msgspec.ValidationError, OverflowError) as error:
            values[name] = getattr(last or defaults, name)
            kept = values[name]
            what = error.message if isinstance(error, KugetsuError) else str(error)
            problems.append(f"{source}: {name}: {what}; keeping {kept!r}" if name in READERS else f"{source}: {name}: {what}")

    assignments, old_servers = _shell_assignments(paths.shell_config, problems)
    for name, value in assignments.items():
        if name in OLD_NAMES:
            take(OLD_NAMES[name][0], OLD_NAMES[name][1](value), "config (v0.2)")
    document = _toml(paths.config, problems)
    if document is None:
        values |= {name: getattr(last, name) for name in (*READERS, *TABLES)} if last else {}
    for name, value in (document or {}).items():
        if name in READERS or name in TABLES:
            take(name, value, "config.toml")
        else:
            problems.append(f"config.toml: {name} is no setting")
    for name, (setting, old_value) in OLD_NAMES.items():
        if name in environ:
            take(setting, old_value(environ[name]), f"${name}")
    for name in READERS:
        if (variable := f"KUGETSU_{name.upper()}") in environ and variable not in OLD_NAMES:
            take(name, environ[variable], f"${variable}")
    values["servers"] = old_servers | values.get("servers", {})
    _name_canonically(values, values.get("default_server", defaults.default_server), problems)
    values["servers"] = defaults.servers | values["servers"]
    return msgspec.structs.replace(defaults, **values), problems


def _name_canonically(values: dict[str, Any], default_server: str, problems: list[str]) -> None:
    """Write hosts and repositories that are keys as references write them; a key that can match nothing is told."""
    readers: dict[str, Callable[[str], str]] = {
        "servers": refs.host_name, "forges": refs.host_name, "repos": lambda key: refs.repository_key(key, default_server),
    }  # fmt: skip
    for table, read in readers.items():
        found: dict[str, Any] = {}
        for key, value in values.get(table, {}).items():
            try:
                name = read(key)
            except UsageError as error:
                problems.append(f"config.toml: [{table}] {error.message}: {error.hint}")
                continue
            if name in found:
                problems.append(f"config.toml: [{table}] {key!r} is there twice, as {name}; the last one counts")
            found[name] = value
        if table in values:
            values[table] = found


def load_strictly(paths: StatePaths, environ: Mapping[str, str]) -> Settings:
    """Read the settings for one command.

    Raises:
        ConfigError: one of them cannot be read.
    """
    settings, problems = load(paths, environ)
    if problems:
        raise ConfigError(problems[0], f"mend {paths.config}")
    return settings


class SettingsSource:
    """Settings that are read again when their files change."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str]) -> None:
        self._paths = paths
        self._environ = environ
        self._seen: object = None
        self.problems: list[str] = []
        self.current = Settings()
        self.usable = False
        """Whether `config.toml` has been read, or is not there. The defaults are no stand-in for a file that says otherwise."""
        self._unread = False
        self.refresh()

    def default_server(self) -> str:
        """The host of references that name none; empty while the settings cannot be read."""
        return self.current.default_server if self.usable else ""

    def limit(self) -> int:
        """The setting that a limit set by hand overrides."""
        return self.current.max_concurrent_agents

    def refresh(self) -> bool:
        """Read the files again if they changed; whether anything is different now."""
        seen = [files.identity(path) for path in (self._paths.config, self._paths.shell_config)]
        if seen == self._seen and not self._unread:
            return False
        before, last = (self.current, self.problems), self.current if self.usable else None
        self._seen = seen
        self.current, self.problems = load(self._paths, self._environ, last)
        self._unread = any(problem.startswith(UNREAD) for problem in self.problems)
        self.usable = self.usable or not self._unread
        return before != (self.current, self.problems)


def _toml(path: str, problems: list[str]) -> dict[str, Any] | None:
    if not os.path.lexists(path):
        return {}
    import tomllib  # few commands need it

    try:
        return tomllib.loads(files.read(path, 1 << 20).decode("utf-8-sig").replace("\r\n", "\n"))
    except FileNotFoundError:
        return {}
    except (BadFile, ValueError, RecursionError) as error:  # ValueError: TOML, UTF-8, a number of 5,000 digits
        problems.append(f"{UNREAD} ({error}); keeping the last good settings, without any nothing starts")
        return None


def _shell_assignments(path: str, problems: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The assignments of a v0.2 file, and its table of servers."""
    try:
        read = assignments.read(files.read(path, 1 << 20).decode("utf-8", "replace"))
        return read.values, read.tables.get(OLD_SERVERS, {})
    except FileNotFoundError:
        return {}, {}
    except BadFile as error:
        problems.append(f"config (v0.2): {error}")
        return {}, {}

"""The records of all settings."""

from typing import Literal

import msgspec

from ..domain import agent_names
from ..domain.config_faults import Gaps
from ..domain.decisions.notification_rules import Worth
from ..domain.decisions.resources import Floors
from ..domain.decisions.scheduling import Timing
from .agent_settings import AgentSettings
from .sandbox_settings import SandboxSettings

AUTO = -1
"""A memory limit that follows from the machine's memory."""
MemoryCapBy = Literal["auto", "cgroup", "watch"]
Shed = Literal["freeze", "off"]


class NotifySettings(msgspec.Struct, frozen=True):
    """`[notify]`: how notifications reach an operator who is not at the console."""

    on: Worth = "needs_you"
    bell: bool = True
    """Whether the console rings its terminal's bell."""
    terminal: Literal["auto", "osc9", "osc777", "osc99", "off"] = "auto"
    """How the console asks its terminal for a desktop notification, also over ssh and through tmux."""
    desktop: bool | Literal["auto"] = False
    """Whether the engine calls notify-send or osascript; `auto`: if there is a desktop."""
    command: list[str] = []
    """argv of a program; `{title}`, `{text}`, `{id}`, `{ref}` and `{kind}` are filled in, and it gets JSON on its input."""
    urls: list[str] = []
    """Addresses for apprise."""
    quiet_hours: str | None = None
    digest_after: int = 5
    """More notifications than this within a minute become one."""

    @property
    def outward(self) -> bool:
        """Whether the engine has anything to send with."""
        return bool(self.command or self.urls or self.desktop)


class RepoSettings(SandboxSettings, frozen=True):
    """One entry of `[repos]`, which may also be just a path."""

    path: str | None = None
    """A local repository; None: a clone is made."""
    setup: list[list[str]] = []
    """argv of each command to run in a worktree before its agent."""
    teardown: list[list[str]] = []
    """argv of each command to run there afterwards."""
    base_branch: str | None = None
    memory_cap: int | None = None
    """Like `Settings.memory_cap`; None: not set here."""


class ForgeSettings(msgspec.Struct, frozen=True):
    """One entry of `[forges]`, which may also be just a kind."""

    kind: Literal["github", "gitea", "forgejo", "off"]
    """`off`: never asked, even with a token."""
    api: str | None = None
    """Address of its API, if it is not the usual one."""


class Settings(Floors, frozen=True):
    """All settings, validated. Durations are in seconds, sizes in bytes."""

    max_concurrent_agents: int = 3
    max_attempts: int = 3
    retry_delay: float = 5.0
    retry_delay_max: float = 600.0
    rate_limit_delay: float = 30.0
    """First cooldown of a provider that has reached a limit without saying when it resets."""
    rate_limit_delay_max: float = 3600.0
    task_timeout: float = 3600.0
    prepare_timeout: float = 1800.0
    """Time limit for all git operations on remotes of an attempt."""
    stall_after: float = 600.0
    """0: stalls are not detected."""
    stall_kills: bool = False
    require_delivery: bool = False
    """Whether an attempt that changed nothing has failed, even if its agent reports success."""
    issue_text: bool = False
    """Whether the issue's title and body are requested from the forge and added to the prompt."""
    queue_expiry: float | None = 86400.0
    """None: waiting tasks never expire."""
    cleanup_age: float | None = 7 * 86400.0
    """None: ended tasks are kept for ever."""
    budget_per_task: float = 0.0
    """What the attempts of a task may cost together, as reported by agents; 0: no limit."""
    budget_per_day: float = 0.0
    """The same for all attempts that end on one day."""
    stop_grace: float = 10.0
    result_grace: float = 30.0
    """How long an agent's process may stay silent after it has reported its result."""
    questions: Literal["refuse", "ask"] = "refuse"
    """Whether an agent that can be spoken to asks the operator for permissions; else they are refused at once."""
    question_wait: float = 1800.0
    """How long a question waits; then it is refused, with words."""
    agent: str = agent_names.DEFAULT
    prompt_template: str | None = None
    """`dev`: the message with rules, context and the pull request; `plain`: only the message. None: depends on the agent."""
    log_cap: int = 256 << 20
    memory_cap: int = AUTO
    """Bytes that all processes of an attempt may use together; 0: no limit."""
    memory_cap_by: MemoryCapBy = "auto"
    max_processes: int = 4096
    """Of one attempt, where the kernel enforces its memory limit."""
    reserve_memory: bool = True
    """Whether an agent starts only if the memory that earlier attempts like it needed is not promised to others."""
    shed: Shed = "freeze"
    """What is done with the youngest agent when the machine's memory runs out; `off`: nothing."""
    base_branch: str | None = None
    """Branch that new work starts from; None: the remote's head."""
    default_server: str = "github.com"
    pass_env: list[str] = []
    """Names of further variables of the operator that agents get, besides the usual ones."""
    sandbox: bool = False
    """Whether attempts run in a sandbox. This and the following as in `SandboxSettings`."""
    sandbox_home: str = "read-only"
    sandbox_write: list[str] = []
    sandbox_read: list[str] = []
    sandbox_hide: list[str] = []
    sandbox_refs: str = "branch"
    sandbox_net: str | list[str] = "on"
    theme: str | None = None
    notify: NotifySettings = NotifySettings()
    agents: dict[str, AgentSettings] = {}
    failures: dict[str, str] = {}
    """Like `AgentSettings.failures`, for all agents."""
    repos: dict[str, RepoSettings] = {}
    """Repositories by `host/owner/repo`."""
    forges: dict[str, ForgeSettings] = {}
    """Forges by host, see `forges.hosts`."""
    servers: dict[str, str] = msgspec.field(default_factory=lambda: {"github.com": "https://github.com"})
    """Addresses to clone from by host; `/owner/repo` is added."""
    keys: dict[str, str] = {}
    """Keys of the console by action id."""
    gaps: Gaps = Gaps()
    """Missing or invalid settings; what depends on them must not start."""

    @property
    def timing(self) -> Timing:
        """The settings that decisions about retries and expiry use."""
        return Timing(self.max_attempts, self.retry_delay, self.retry_delay_max, self.queue_expiry, self.budget_per_task)

    @property
    def floors(self) -> Floors:
        """The limits on the machine's resources."""
        return Floors(*(getattr(self, name) for name in Floors.__struct_fields__))

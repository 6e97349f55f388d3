"""The settings, as the rest of the program reads them."""

from typing import Literal

import msgspec

from ..domain import agent_names
from ..domain.config_faults import Gaps
from ..domain.decisions.notification_rules import Worth
from ..domain.decisions.resources import Floors
from ..domain.decisions.scheduling import Timing
from .agent_settings import AgentSettings


class NotifySettings(msgspec.Struct, frozen=True):
    """`[notify]`: how an operator is told who does not look."""

    on: Worth = "needs_you"
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
    digest_after: int = 5
    """More than so many within a minute become one."""

    @property
    def outward(self) -> bool:
        """Whether the engine has anything to send with."""
        return bool(self.command or self.urls or self.desktop)


class RepoSettings(msgspec.Struct, frozen=True):
    """One entry of `[repos]`; a path alone may stand for it."""

    path: str | None = None
    """A local repository; None: a clone is made."""
    setup: list[list[str]] = []
    """argv of each command to run in a worktree before its agent."""
    teardown: list[list[str]] = []
    """argv of each command to run there afterwards."""
    base_branch: str | None = None


class ForgeSettings(msgspec.Struct, frozen=True):
    """One entry of `[forges]`; its kind alone may stand for it."""

    kind: Literal["github", "gitea", "forgejo", "off"]
    """`off`: never asked, though there is a token."""
    api: str | None = None
    """Address of its API, where it is not the usual one."""


class Settings(Floors, frozen=True):
    """All settings, checked. Lengths of time are seconds, sizes bytes."""

    max_concurrent_agents: int = 3
    max_attempts: int = 3
    retry_delay: float = 5.0
    retry_delay_max: float = 600.0
    rate_limit_delay: float = 30.0
    """First rest of a provider that has reached a limit and does not say until when."""
    rate_limit_delay_max: float = 3600.0
    task_timeout: float = 3600.0
    prepare_timeout: float = 1800.0
    """Of an attempt's clone and of its questions to a remote, together."""
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
    result_grace: float = 30.0
    """How long an agent's process may stay silent after it has told its result."""
    agent: str = agent_names.DEFAULT
    prompt_template: str | None = None
    """`dev`: the message with rules, context and the pull request; `plain`: the message alone. None: as fits the agent."""
    log_cap: int = 256 << 20
    base_branch: str | None = None
    """Branch that new work starts from; None: the remote's head."""
    default_server: str = "github.com"
    pass_env: list[str] = []
    """Names of the operator's variables an agent gets, beside the usual ones."""
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
    gaps: Gaps = Gaps()
    """What of them is not whole, so that what depends on it must not start."""

    @property
    def timing(self) -> Timing:
        """The part that the decisions about retries and expiry need."""
        return Timing(self.max_attempts, self.retry_delay, self.retry_delay_max, self.queue_expiry, self.budget_per_task)

    @property
    def floors(self) -> Floors:
        """The part that the start gate on the host needs."""
        return Floors(*(getattr(self, name) for name in Floors.__struct_fields__))

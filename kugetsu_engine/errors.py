"""The errors of kugetsu, one tree.

KugetsuError                what went wrong and what to do; `exit_code` for the command line
├── UsageError          64  invalid arguments of a command, or an invalid value
├── ConfigError         64  a setting cannot be read or is invalid
├── ReadOnlyError        1  the client was opened read-only
├── NoSuchTask           4  no task has that id
├── Conflict             3  already done, or not allowed in the task's state
├── EngineHeld           3  another process runs the engine of this state directory
├── QueueFull            2  the limit of open tasks is reached
├── StateDirError        1  the state directory cannot be used
├── BadFile              1  a state file cannot be read
│   └── TransientReadError  the system could not read it this time; the file may be fine
├── ForgeError           1  a forge did not answer a request
├── TryLater             2  nothing was done, for a temporary reason such as full slots
├── NoAnswer             1  the engine did not answer a request in time
└── AttemptFailed        1  an attempt cannot continue; `failure` names the class
    ├── RepositoryError     the task has no usable repository
    ├── GitError            git failed; carries git's own message
    │   ├── GitTimeout      git did not end in time
    │   └── GitNotStarted   the machine could not start git
    ├── GitBusy             git has been busy in the repository for another attempt for long
    ├── BadPrompt           the agent cannot be given the prompt in the configured way
    ├── SandboxFailed       the sandbox that it must run in cannot be made
    └── SetupFailed         a repository's setup command failed

This module imports nothing, so that every command may use it.
"""


class KugetsuError(Exception):
    """An error for the operator: one sentence, and a hint that says what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class UsageError(KugetsuError):
    """Invalid arguments of a command, or an invalid value."""

    exit_code = 64


class ConfigError(KugetsuError):
    """A setting cannot be read or is invalid."""

    exit_code = 64


class ReadOnlyError(KugetsuError):
    """A change was asked for where nothing may be changed."""


class NoSuchTask(KugetsuError):
    """No task has that id."""

    exit_code = 4


class Conflict(KugetsuError):
    """Already done, or not allowed in the task's state."""

    exit_code = 3


class TryLater(KugetsuError):
    """Nothing was done, for a temporary reason: all slots are in use, the queue is paused, the issue has an agent."""

    exit_code = 2


class EngineHeld(KugetsuError):
    """Another process runs the engine of this state directory."""

    exit_code = 3


class QueueFull(KugetsuError):
    """The limit of open tasks is reached; try again when some have ended."""

    exit_code = 2


class StateDirError(KugetsuError):
    """The state directory cannot be used: it is not ours, not private, or its file system has no locks."""


class BadFile(KugetsuError):
    """A state file cannot be read; it stays where it is or is moved to `queue/corrupt/`."""


class TransientReadError(BadFile):
    """The system could not read the file this time: no descriptors left, or a disk error. The file may be fine."""


class NoAnswer(KugetsuError):
    """The engine did not answer a request in time; the request is kept on disk and will be applied."""


class ForgeError(KugetsuError):
    """A forge did not answer a request."""

    def __init__(
        self, message: str, hint: str = "", *, until: float | None = None, unreachable: bool = False, missing: bool = False
    ) -> None:
        """Keep what a caller decides by.

        Args:
            until: when the forge may be asked again, in seconds since 1970, if it said so.
            unreachable: the cause may be the network, or the forge as a whole.
            missing: the forge does not know the requested thing.
        """
        super().__init__(message, hint)
        self.until = until
        self.unreachable = unreachable
        self.missing = missing


class AttemptFailed(KugetsuError):
    """An attempt cannot continue. `failure` is its class, see `domain.failures`."""

    failure = "unknown"


class RepositoryError(AttemptFailed):
    """The task has no usable repository."""

    failure = "repository"


class GitError(AttemptFailed):
    """git failed. The message contains git's own message."""

    failure = "git"


class GitBusy(AttemptFailed):
    """git has been busy in the repository for another attempt for long, so the slot is better used elsewhere."""

    failure = "git_busy"

    def __init__(self, holder: str) -> None:
        """`holder`: what uses the repository; empty if unknown."""
        super().__init__(f"git is busy in the repository for {holder or 'something else'}")
        self.holder = holder


class BadPrompt(AttemptFailed):
    """The agent cannot be given the prompt in the configured way."""

    failure = "config"


class SetupFailed(AttemptFailed):
    """A repository's setup command failed."""

    failure = "setup"


class SandboxFailed(AttemptFailed):
    """The sandbox that an attempt must run in cannot be made."""

    failure = "sandbox"

    def __init__(self, why: str) -> None:
        super().__init__(f"its sandbox could not be made: {why}")
        self.why = why


class GitTimeout(GitError):
    """git did not end in time; if it asked a remote, the network is taken to be the cause."""

    def __init__(self, verb: str, timeout_s: float) -> None:
        super().__init__(f"git {verb} did not end within {timeout_s:.0f} s")
        self.failure = "network" if verb in ("clone", "fetch", "ls-remote") else "git"


class GitNotStarted(GitError):
    """The machine could not start git: no memory, processes or descriptors left."""

"""The errors of kugetsu, one tree.

KugetsuError                what went wrong and what to do; `exit_code` for the command line
├── UsageError          64  the words of a command or a setting are wrong
├── ConfigError         64  `config.toml` or a variable cannot be read
├── ReadOnlyError        1  the client was opened to read only
├── NoSuchTask           4  no task of that id
├── AlreadySo            3  the task is in that state already, or the state forbids the wish
├── EngineHeld           3  another process runs the engine of this state directory
├── QueueFull            2  as many tasks are open as kugetsu takes
├── StateDirError        1  the state directory cannot be used
├── BadFile              1  a state file cannot be read
│   └── NotNow              the system refused this time; the file may be a good one
├── ForgeError           1  a forge did not answer what was asked
├── TryLater             2  at the limit, or something else that passes; nothing was done
├── NoAnswer             1  the engine did not answer a request in time
└── AttemptFailed        1  an attempt cannot go on; `failure` names the class
    ├── RepositoryError     no repository for the task, or it is not one
    ├── GitError            git refused; carries git's own words
    │   └── GitTimeout      it did not end in time
    ├── GitBusy             git works in the repository for another attempt, and has for long
    ├── BadPrompt           the prompt cannot be given in the way the agent wants it
    └── SetupFailed         a repository's setup command failed

This module imports nothing, so that every command may use it.
"""


class KugetsuError(Exception):
    """Something an operator can understand: one sentence, and a hint that says what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class UsageError(KugetsuError):
    """The words of a command are wrong."""

    exit_code = 64


class ConfigError(KugetsuError):
    """A setting cannot be read or makes no sense."""

    exit_code = 64


class ReadOnlyError(KugetsuError):
    """A change was asked for where nothing may be changed."""


class NoSuchTask(KugetsuError):
    """There is no task of that id."""

    exit_code = 4


class Conflict(KugetsuError):
    """The wish is fulfilled already, or the task's state forbids it."""

    exit_code = 3


class TryLater(KugetsuError):
    """Nothing was done, for a reason that passes: all slots are taken, the queue is paused, the issue has an agent."""

    exit_code = 2


class EngineHeld(KugetsuError):
    """Another process runs the engine of this state directory."""

    exit_code = 3


class QueueFull(KugetsuError):
    """As many tasks are open as kugetsu takes; try again when some have ended."""

    exit_code = 2


class StateDirError(KugetsuError):
    """The state directory cannot be used: not ours, not private, or its file system has no locks."""


class BadFile(KugetsuError):
    """A state file cannot be read; the bytes stay where they are or go to `queue/corrupt/`."""


class TransientReadError(BadFile):
    """The system refused to read at this moment: no descriptors left, a fault of the disk. The file may be a good one."""


class NoAnswer(KugetsuError):
    """The engine did not answer a request in time; the request stays on disk and will be applied."""


class ForgeError(KugetsuError):
    """A forge did not answer what was asked."""

    def __init__(
        self, message: str, hint: str = "", *, until: float | None = None, unreachable: bool = False, missing: bool = False
    ) -> None:
        """Say what happened.

        Args:
            until: when it may be asked again, in seconds since 1970, where it told.
            unreachable: whether it may be the network, or the forge as a whole.
            missing: whether it knows nothing of what was asked for.
        """
        super().__init__(message, hint)
        self.until = until
        self.unreachable = unreachable
        self.missing = missing


class AttemptFailed(KugetsuError):
    """An attempt cannot go on. `failure` is its class, see `domain.failures`."""

    failure = "unknown"


class RepositoryError(AttemptFailed):
    """There is no repository for the task, or what is there is not one."""

    failure = "repository"


class GitError(AttemptFailed):
    """git refused. The message carries git's own words."""

    failure = "git"


class GitBusy(AttemptFailed):
    """git works in the repository for someone else, and has for long: the slot is of more use elsewhere."""

    failure = "git_busy"

    def __init__(self, holder: str) -> None:
        """Say who has the repository; an empty `holder` is one that left no note of itself."""
        super().__init__(f"git is busy for {holder or 'something else'} in its repository")
        self.holder = holder


class BadPrompt(AttemptFailed):
    """The prompt cannot be given in the way the agent wants it."""

    failure = "config"


class SetupFailed(AttemptFailed):
    """A command that prepares the worktree failed."""

    failure = "setup"


class GitTimeout(GitError):
    """git did not end in time; where it asked a remote, that is taken for the network's fault."""

    def __init__(self, verb: str, timeout_s: float) -> None:
        """Say what did not end, and within which time."""
        super().__init__(f"git {verb} did not end within {timeout_s:.0f} s")
        self.failure = "network" if verb in ("clone", "fetch", "ls-remote") else "git"


class GitNotStarted(GitError):
    """git could not even be started: the machine has no room for it now."""

"""What the engine must know to run an agent."""

from typing import Any

import msgspec

from ..domain.session import NEW, WantedSession
from .failure_patterns import COMMON, Patterns


class Invocation(msgspec.Struct, frozen=True):
    """The facts of one attempt that a command line may name."""

    issue_ref: str
    worktree: str = ""
    branch: str = ""
    prompt_file: str = ""
    state_dir: str = ""
    session: WantedSession = NEW
    new_id: str = ""
    """A UUID for a session of the attempt's own, for programs that let us choose it."""
    slots: int = 1
    """How many agents may run at once."""

    @property
    def session_id(self) -> str | None:
        """The session it will work in, for programs that let us choose it."""
        return self.session.session_id if self.session.mode == "continue" else self.new_id


class LaunchSpec(msgspec.Struct, frozen=True):
    """One way to run an agent program; cwd = worktree."""

    argv: list[str]
    env: dict[str, str] = {}
    unset: list[str] = []
    """Variables of the operator and of the env files that it does not get."""
    prompt_on_stdin: bool = True
    """False: its input is empty, and its command line says where the prompt is."""
    output: str = "pump"
    """`pump`: the supervisor copies the output; `file`: the agent writes to the log itself, for one that loses what a pipe
    does not take."""
    errors_apart: bool = False
    """Whether its standard error is none of its events. Only with `pump`: two pipes do not keep the order of what is printed at
    the same moment, so a program that only prints has one."""
    reader: str | None = None
    """Driver, one of `supervisor.drivers`, whose `reader(options)` is an `events.Reader`: for an agent that tells more than its
    exit code."""
    reader_options: dict[str, Any] = {}
    prepare: str | None = None
    """Driver with `prepare(job) -> changes of the job`, run by the supervisor in the worktree before the agent; it may take
    seconds, and raise `AttemptFailed`."""
    resumes_itself: bool = False
    """Whether `prepare` chooses the prompt for a session that knows the task already."""
    after: str | None = None
    """Driver with `after(job)`, run by the supervisor when the agent is gone, for what it had done elsewhere."""
    program: str | None = None
    """The agent's program, where it is not the first word of `argv`."""
    max_steps: int | None = None
    max_tokens: int | None = None
    patterns: Patterns = COMMON
    """What the last lines of its log mean when it failed."""

"""What the engine must know to run an agent: the facts of an attempt, and how the agent is launched for it."""

from typing import Any

import msgspec

from ..domain.session import NEW, WantedSession
from .failure_patterns import Patterns


class Invocation(msgspec.Struct, frozen=True):
    """The facts of one attempt that a command line may need."""

    issue_ref: str
    worktree: str = ""
    branch: str = ""
    prompt_file: str = ""
    state_dir: str = ""
    session: WantedSession = NEW
    new_id: str = ""
    """A UUID for a new session, for programs that let us choose it."""
    slots: int = 1
    """How many agents may run at once, and would share a server."""
    boxed: bool = False
    """Whether it runs in a sandbox of its own."""

    @property
    def session_id(self) -> str | None:
        """The session it will work in, for programs that let us choose it."""
        return self.session.session_id if self.session.mode == "continue" else self.new_id


class LaunchSpec(msgspec.Struct, frozen=True):
    """How to run an agent program, in its worktree."""

    argv: list[str]
    env: dict[str, str] = {}
    unset: list[str] = []
    """Variables that are removed from its environment."""
    prompt_on_stdin: bool = True
    """If false, its input is empty and its command line names the prompt's file."""
    output: str = "pump"
    """`pump`: the supervisor copies the output. `file`: the agent writes to the log itself, if it loses output that a pipe does
    not take at once."""
    errors_apart: bool = False
    """Whether standard error is read separately, as it has no events. Only with `pump`. Two pipes do not keep the order of
    output, so a program that prints plain text has one."""
    reader: str | None = None
    """Driver, one of `supervisor.drivers`, whose `reader(options)` is a `stream_events.Reader`; None for plain text."""
    reader_options: dict[str, Any] = {}
    prepare: str | None = None
    """Driver with `prepare(job) -> changes of the job`, which the supervisor runs in the worktree before the agent. It may take
    seconds, and raise `AttemptFailed`."""
    resumes_itself: bool = False
    """Whether `prepare` chooses the prompt for a resumed session, which knows the task already."""
    after: str | None = None
    """Driver with `after(job)`, which the supervisor runs after the agent has ended, to stop its work in other processes."""
    program: str | None = None
    """The agent's program, if it is not the first word of `argv`."""
    max_steps: int | None = None
    max_tokens: int | None = None
    talk: str | None = None
    """Driver with `talk`, if the program reads its input while it works; see `agents.talk`."""
    files: list[str] = []
    """Files outside of the worktree that it writes."""
    patterns: Patterns = ()
    """Patterns of its own messages, for the last lines of its log when it failed."""

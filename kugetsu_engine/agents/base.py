"""What the engine must know to run an agent."""

from typing import Any

import msgspec

from .patterns import COMMON, Patterns


class Drive(msgspec.Struct, frozen=True):
    """One way to run an agent program; prompt on stdin, cwd = worktree."""

    argv: list[str]
    env: dict[str, str] = {}
    output: str = "pump"
    """`pump`: the supervisor copies the output; `file`: the agent writes to the log itself, for one that loses what a pipe
    does not take."""
    reader: str | None = None
    """Module with `reader(options) -> events.Reader`, for an agent that tells more than its exit code. Standard
    library only, as the next one."""
    reader_options: dict[str, Any] = {}
    prepare: str | None = None
    """Module with `prepare(job) -> changes of the job`, run by the supervisor in the worktree before the agent; it may take
    seconds, and raise `AttemptFailed`."""
    max_steps: int | None = None
    max_tokens: int | None = None
    patterns: Patterns = COMMON
    """What the last lines of its log mean when it failed."""

"""What the engine must know to run an agent."""

import msgspec

from .patterns import COMMON, Patterns


class Drive(msgspec.Struct, frozen=True):
    """One way to run an agent program; prompt on stdin, cwd = worktree."""

    argv: list[str]
    env: dict[str, str] = {}
    output: str = "pump"
    """`pump`: the supervisor copies the output; `file`: the agent writes to the log itself, for one that loses what a pipe
    does not take."""
    judge: str | None = None
    """Module with `judge(log, exit_code)`, for an agent whose exit code does not tell the whole truth."""
    patterns: Patterns = COMMON
    """What the last lines of its log mean when it failed."""

"""The settings of one agent, `[agents.<name>]`, and what can be wrong with them."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from ..domain.agent_names import KNOWN
from ..domain.text import json_paths
from ..domain.text.command_template import PromptBy
from ..domain.text.command_template import find_fault as fault_of_argv
from .parsers import (
    parse_choice,
    parse_command,
    parse_count,
    parse_failure_classes,
    parse_flag,
    parse_line,
    parse_names,
    parse_prompt_kind,
    parse_seconds,
    parse_size,
    parse_table,
    parse_texts,
    parse_variables,
)  # fmt: skip

Mode = Literal["process", "server", "auto"]


class AgentSettings(msgspec.Struct, frozen=True):
    """One `[agents.<name>]`."""

    command: list[str] | None = None
    """argv of any program, with placeholders, see `domain.argv_template`; its directory is the worktree."""
    resume: list[str] | None = None
    """argv that goes on with a session of it."""
    fork: list[str] | None = None
    """argv that begins a copy of a session."""
    prompt: PromptBy = "stdin"
    kind: str | None = None
    """A known agent that this one is, with settings of its own."""
    program: str | None = None
    """Another binary for a known agent."""
    args: list[str] = []
    """Further arguments for a known agent."""
    model: str | None = None
    mode: Mode = "process"
    """opencode: one process per attempt, or all on one shared server; `auto`: the server where more than one may run."""
    server_memory: int = 2 << 30
    """The shared server is replaced when it holds more bytes."""
    server_idle: float = 300.0
    """The shared server ends when nobody has used it for so many seconds."""
    env: dict[str, str] = {}
    unset: list[str] = []
    """Variables that it does not get, though the operator or the env files have them."""
    stream: dict[str, Any] | None = None
    """Where things stand in the JSON that it prints, see `domain.event_paths`."""
    session_bound_to_directory: bool = True
    """Whether a session only works in the worktree it was begun in, so that it cannot be forked into another."""
    failures: dict[str, str] = {}
    """Classes of failure by a regular expression that a line at the end of its log matches."""
    max_steps: int | None = None
    """Turns of the model after which an attempt is ended as endless, where the agent tells them; None: the driver's own."""
    max_tokens: int | None = None
    attach: list[str] | None = None
    """argv of its own screen, for a person who takes over; `{session}` is the session's id."""
    prompt_template: str | None = None
    """`dev` or `plain`; None: as `prompt_template` of all."""


AGENT_READERS: dict[str, Callable[[Any], Any]] = {
    "command": parse_command,
    "resume": parse_texts,
    "fork": parse_texts,
    "prompt": parse_choice(*get_args(PromptBy)),
    "kind": parse_choice(*KNOWN),
    "program": parse_line,
    "args": parse_texts,
    "model": parse_line,
    "mode": parse_choice(*get_args(Mode)),
    "server_memory": parse_size,
    "server_idle": parse_seconds,
    "env": parse_variables,
    "unset": parse_names,
    "stream": parse_table,
    "session_bound_to_directory": parse_flag,
    "failures": parse_failure_classes,
    "max_steps": parse_count(0, 2**53 - 1),
    "max_tokens": parse_count(0, 2**53 - 1),
    "attach": parse_command,
    "prompt_template": parse_prompt_kind,
}
"""For each key of the table how its value is read."""


def find_agent_fault(own: AgentSettings) -> str | None:
    """What is wrong with an agent's command lines and its stream, in a sentence; None when nothing is."""
    if own.command is None:
        moved = None if own.prompt == "stdin" else own.prompt
        only = (("resume", own.resume), ("fork", own.fork), ("stream", own.stream), ("prompt", moved))
        odd = next((name for name, value in only if value is not None), None)
        return f"has {odd}, but no command" if odd else None
    if own.kind is not None:
        return "has both a command and a kind"
    chosen = json_paths.chooses_id(own.stream)
    for name, words in (("command", own.command), ("resume", own.resume), ("fork", own.fork)):
        if not words:
            continue  # an empty one is refused when it is to run
        new, model = name == "command", own.model is not None
        fault = fault_of_argv(words, prompt=own.prompt, model=model, chosen_id=chosen, new=new)
        if fault is not None:
            return f"{name} {fault}"
    try:
        stream = json_paths.compile_stream(own.stream or {})
    except ValueError as error:
        return f"stream: {error}"
    if (own.resume or own.fork) and not json_paths.has_session_id(own.stream):
        return "has a command for sessions, but its stream does not say where their id stands"
    if own.fork and own.session_bound_to_directory:
        return "has a fork, but session_bound_to_directory is not false: each issue has a directory of its own"
    if own.max_steps is not None and "step" not in stream:
        return "has max_steps, but its stream does not say what a step is"
    if own.max_tokens is not None and "tokens" not in stream:
        return "has max_tokens, but its stream does not say where they stand"
    return None

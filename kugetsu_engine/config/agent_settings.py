"""The settings of one agent, `[agents.<name>]`, and their validation."""

from collections.abc import Callable
from typing import Any, Literal, get_args

from ..domain.agent_names import KNOWN
from ..domain.text import json_paths
from ..domain.text.command_template import PromptBy
from ..domain.text.command_template import find_fault as fault_of_argv
from ..domain.text.sizes import parse_memory_cap, parse_size
from .sandbox_settings import SANDBOX_READERS, SandboxSettings
from .value_parsers import (
    parse_choice,
    parse_command,
    parse_count,
    parse_failure_classes,
    parse_flag,
    parse_line,
    parse_names,
    parse_prompt_kind,
    parse_seconds,
    parse_table,
    parse_texts,
    parse_variables,
)  # fmt: skip

Mode = Literal["process", "private", "server", "auto"]
Messages = Literal["live", "follow-up"]
Questions = Literal["refuse", "ask"]


class AgentSettings(SandboxSettings, frozen=True):
    """One `[agents.<name>]`."""

    command: list[str] | None = None
    """argv of any program, with placeholders, see `domain.text.command_template`; runs in the worktree."""
    resume: list[str] | None = None
    """argv that continues a session."""
    fork: list[str] | None = None
    """argv that starts a copy of a session."""
    prompt: PromptBy = "stdin"
    kind: str | None = None
    """The known agent that this table configures under another name."""
    program: str | None = None
    """Another binary for a known agent."""
    args: list[str] = []
    """Further arguments for a known agent."""
    model: str | None = None
    mode: Mode = "auto"
    """opencode: one process per attempt, a server of its own that can be spoken to, or one shared server for all; `auto`: the
    shared server if two or more attempts would share it."""
    messages: Messages = "live"
    """When it gets the operator's messages: while it works, if its program can be spoken to; or when it has ended."""
    questions: Questions | None = None
    """Whether it asks the operator for permissions, if it can be spoken to; None: the setting `questions`."""
    server_memory: int = 2 << 30
    """The shared server is replaced when it uses more bytes."""
    server_idle: float = 300.0
    """The shared server ends after so many seconds without use."""
    env: dict[str, str] = {}
    unset: list[str] = []
    """Variables that are not passed on, even if the operator or the env files set them."""
    stream: dict[str, Any] | None = None
    """Where values are in the JSON that it prints, see `domain.text.json_paths`."""
    session_bound_to_directory: bool = True
    """Whether a session only works in the worktree where it started, so that it cannot be forked into another."""
    failures: dict[str, str] = {}
    """Classes of failure, by a regular expression for lines at the end of its log."""
    max_steps: int | None = None
    """Model turns after which an attempt is ended as endless, if the agent reports them; None: the driver's default."""
    max_tokens: int | None = None
    attach: list[str] | None = None
    """argv of its interactive program for a manual session; `{session}` is the session's id."""
    memory_cap: int | None = None
    """Like `Settings.memory_cap`; None: not set here."""
    prompt_template: str | None = None
    """`dev` or `plain`; None: the setting `prompt_template`."""


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
    "messages": parse_choice(*get_args(Messages)),
    "questions": parse_choice(*get_args(Questions)),
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
    "memory_cap": parse_memory_cap,
    "prompt_template": parse_prompt_kind,
    **SANDBOX_READERS,
}
"""The parser of each key."""


def find_agent_fault(own: AgentSettings) -> str | None:
    """Find what is wrong with an agent's command lines and stream, in a sentence; None when they are valid."""
    if own.sandbox and own.mode == "server":
        return 'has a sandbox and mode = "server": one server for all attempts cannot be in the sandbox of each'
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
            continue  # an empty one is rejected when it is run
        new, model = name == "command", own.model is not None
        fault = fault_of_argv(words, prompt=own.prompt, model=model, chosen_id=chosen, new=new)
        if fault is not None:
            return f"{name} {fault}"
    try:
        stream = json_paths.compile_stream(own.stream or {})
    except ValueError as error:
        return f"stream: {error}"
    if (own.resume or own.fork) and not json_paths.has_session_id(own.stream):
        return "has a command for sessions, but its stream does not say where their id is"
    if own.fork and own.session_bound_to_directory:
        return "has a fork, but session_bound_to_directory is not false: each issue has a directory of its own"
    if own.max_steps is not None and "step" not in stream:
        return "has max_steps, but its stream does not say what a step is"
    if own.max_tokens is not None and "tokens" not in stream:
        return "has max_tokens, but its stream does not say where tokens are"
    return None

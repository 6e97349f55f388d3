"""Maps the name of an agent to how it is launched, and to what it can do."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..config.loader import AgentSettings
from ..config.settings import Settings
from ..domain.decisions.waiting_reasons import Cooldown
from ..domain.session import NEW, WantedSession
from ..domain.text.command_template import SESSION_MARK
from ..errors import ConfigError
from . import aider, claude, codex, custom, demo_agent, gemini
from .failure_patterns import COMMON
from .launch_spec import Invocation, LaunchSpec
from .opencode import process_mode, server_mode


def build_launch_spec(name: str, settings: Settings, call: Invocation | str) -> LaunchSpec:
    """Return how to run the agent of that name.

    Args:
        call: the facts of the attempt; the issue's reference alone if nothing is run.

    Raises:
        ConfigError: there is no such agent, or it does not support what is asked for.
    """
    agent = settings.agents.get(name, AgentSettings())
    call = Invocation(call) if isinstance(call, str) else call
    agent = msgspec.structs.replace(agent, questions=agent.questions or settings.questions)
    kind = find_kind(name, agent)
    if name != kind:  # only the agent named like its program can use the shared server
        call = msgspec.structs.replace(call, slots=0)
    if kind is None:
        if not agent.command:
            raise ConfigError(f"[agents.{name}] has an empty command", "set the program to run")
        spec = custom.build_launch_spec(agent, call)
    elif kind in LAUNCHERS:
        spec = LAUNCHERS[kind](agent, call)
    elif name in settings.agents:
        raise ConfigError(
            settings.gaps.agents.get(name) or f"[agents.{name}] has no command, and is not a known agent",
            "set a command, or correct the name",
        )
    else:
        raise ConfigError(
            f"unknown agent {kind!r}",
            f"use one of {', '.join(list_agent_names(settings))}, or add [agents.{name}] to config.toml",
        )
    operator_patterns = (*agent.failures.items(), *settings.failures.items())
    return msgspec.structs.replace(
        spec, env=spec.env | agent.env, unset=agent.unset, patterns=(*operator_patterns, *spec.patterns, *COMMON),
        max_steps=spec.max_steps if agent.max_steps is None else agent.max_steps or None, max_tokens=agent.max_tokens or None,
    )  # fmt: skip


def build_follow_up(name: str, settings: Settings, call: Invocation) -> dict[str, Any]:
    """Return how the agent of an attempt is run again for messages: in its session, or anew if it cannot resume one."""
    session = adapt_session(name, settings, WantedSession("continue", SESSION_MARK))
    spec = build_launch_spec(name, settings, msgspec.structs.replace(call, session=session))
    return {
        "resumes": session.mode == "continue", "argv": spec.argv, "prompt_on_stdin": spec.prompt_on_stdin,
        "reader_options": spec.reader_options, "prepare": spec.prepare, "talk": spec.talk,
    }  # fmt: skip


def is_plain(name: str, settings: Settings) -> bool:
    """Whether an agent gets only the task's message as its prompt: an operator's own command, or the demo."""
    return name == "demo" or settings.agents.get(name, AgentSettings()).command is not None


def delete_session(
    name: str, settings: Settings, session_id: str, env: Mapping[str, str], state_dir: str
) -> bool:  # fmt: skip
    """Delete a conversation, in the agent program's own store or in ours. Return False if this is not supported.

    Raises:
        AttemptFailed: the program refused, or is not installed.
    """
    agent = settings.agents.get(name, AgentSettings())
    kind = find_kind(name, agent)
    if kind == "aider":
        aider.delete_conversation(state_dir, session_id)
        return True
    if kind != "opencode":
        return False
    from .opencode import session_ids

    session_ids.delete_session(agent.program or "opencode", session_id, {**env, **agent.env})
    return True


def build_screen_command(name: str, settings: Settings, session_id: str | None, state_dir: str) -> list[str]:
    """Return the command line of an agent's own interface, for a person, to resume a session or start one.

    Raises:
        ConfigError: the agent has no known interface.
    """
    agent = settings.agents.get(name, AgentSettings())
    if agent.attach:
        return [arg.replace("{session}", session_id or "") for arg in agent.attach]
    kind = find_kind(name, agent)
    if kind is None or kind not in RESUME_ARGUMENTS:
        raise ConfigError(
            f"the agent {name} has no known interface of its own",
            f'set attach = ["program", …] in [agents.{name}], or: kugetsu shell ID',
        )
    return [agent.program or kind, *(RESUME_ARGUMENTS[kind](state_dir, session_id) if session_id else [])]


def list_agents_without_screen(settings: Settings) -> dict[str, str]:
    """Return the agents without an interface of their own, with the reason why a person cannot attach."""
    reasons = {}
    for name in list_agent_names(settings):
        try:
            build_screen_command(name, settings, None, "")
        except ConfigError as error:
            reasons[name] = error.message
    return reasons


def find_kind(name: str, agent: AgentSettings) -> str | None:
    """Return which known program an agent is; None for an operator's own command."""
    return None if agent.command is not None else agent.kind or name


def adapt_session(name: str, settings: Settings, session: WantedSession) -> WantedSession:
    """Return what an agent can do with a session: one that cannot resume an old session starts a new one.

    Raises:
        ConfigError: a fork is asked for, which the agent does not support.
    """
    agent = settings.agents.get(name, AgentSettings())
    kind = find_kind(name, agent)
    resumes = agent.resume is not None if kind is None else kind != "demo"
    forks = agent.fork is not None if kind is None else kind not in ("demo", "gemini")
    if session.mode == "fork" and not forks:
        hint = f"set `fork` in [agents.{name}]" if kind is None else "its sessions belong to their directory"
        raise ConfigError(f"{name} cannot fork a session", hint)
    return NEW if session.mode == "continue" and not resumes else session


def _opencode(agent: AgentSettings, call: Invocation) -> LaunchSpec:
    if server_mode.uses_server(agent, call):
        return server_mode.build_launch_spec(agent, call)
    if agent.mode == "private":
        return server_mode.build_private_spec(agent, call)
    argv = process_mode.build_command(agent.program or "opencode", agent.model, agent.args, call.issue_ref)
    return LaunchSpec(
        argv, process_mode.ENVIRONMENT, output="file", reader="opencode", reader_options={"directory": call.worktree},
        prepare="opencode", resumes_itself=True, max_steps=process_mode.MAX_STEPS, patterns=process_mode.FAILURES,
    )  # fmt: skip


def _claude(agent: AgentSettings, call: Invocation) -> LaunchSpec:
    return LaunchSpec(
        claude.build_command(agent, call), claude.ENVIRONMENT, errors_apart=True, reader="claude",
        reader_options={"directory": call.worktree, "session": call.session_id}, patterns=claude.FAILURES,
        talk="claude-talk" if agent.messages == "live" else None,
    )  # fmt: skip


def _codex(agent: AgentSettings, call: Invocation) -> LaunchSpec:
    options = {"directory": call.worktree, "resumed": call.session.mode != "new"}
    return LaunchSpec(
        codex.build_command(agent, call), errors_apart=True, reader="codex", reader_options=options, patterns=codex.FAILURES,
    )  # fmt: skip


def _gemini(agent: AgentSettings, call: Invocation) -> LaunchSpec:
    options = {"directory": call.worktree, "session": call.session_id}
    return LaunchSpec(
        gemini.build_command(agent, call), errors_apart=True, reader="gemini", reader_options=options, patterns=gemini.FAILURES,
    )  # fmt: skip


def _aider(agent: AgentSettings, call: Invocation) -> LaunchSpec:
    return LaunchSpec(
        aider.build_command(agent, call), prompt_on_stdin=False, reader="aider",
        reader_options={"session": call.session_id}, prepare="aider" if call.session.mode != "new" else None,
        files=aider.list_files(call),
        patterns=aider.FAILURES,
    )  # fmt: skip


def _demo(agent: AgentSettings, _call: Invocation) -> LaunchSpec:
    return LaunchSpec([sys.executable, "-I", "-S", str(demo_agent.__file__), *agent.args])


LAUNCHERS: dict[str, Callable[[AgentSettings, Invocation], LaunchSpec]] = {
    "aider": _aider, "claude": _claude, "codex": _codex,
    "demo": _demo, "gemini": _gemini, "opencode": _opencode,
}  # fmt: skip
RESUME_ARGUMENTS: dict[str, Callable[[str, str], list[str]]] = {
    "aider": aider.build_screen_arguments, "claude": lambda _, session: ["--resume", session],
    "codex": lambda _, session: ["resume", session], "gemini": lambda _, session: ["--resume", session],
    "opencode": lambda _, session: ["-s", session],
}  # fmt: skip
"""Arguments with which an agent's own interface resumes a session, from the state directory and the session's id."""


def find_provider(name: str, settings: Settings) -> str:
    """Return whose rate limits apply to an agent: its model's provider if that is known, else the agent itself."""
    agent = settings.agents.get(name, AgentSettings())
    kind = find_kind(name, agent) or name
    if kind in ("opencode", "aider") and agent.model and "/" in agent.model:
        return agent.model.partition("/")[0]
    return kind


def map_cooldowns_to_agents(by_provider: Mapping[str, Cooldown], settings: Settings) -> dict[str, Cooldown]:
    """Return the cooldowns of providers by the name of each agent that must wait."""
    if not by_provider:
        return {}
    agents = {name: find_provider(name, settings) for name in {*list_agent_names(settings), *by_provider}}
    return {name: by_provider[provider] for name, provider in agents.items() if provider in by_provider}


def list_agent_names(settings: Settings) -> list[str]:
    """Return the names of all agents."""
    return sorted({*LAUNCHERS, *settings.agents})

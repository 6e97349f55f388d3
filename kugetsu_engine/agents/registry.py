"""From the name of an agent to the way it is driven."""

import sys
from collections.abc import Callable, Mapping

import msgspec

from ..config.loader import AgentSettings
from ..config.settings import Settings
from ..domain.decisions.scheduling import Cooldown
from ..domain.session import NEW, WantedSession
from ..errors import ConfigError
from . import aider, claude, codex, custom, demo_agent, gemini
from .failure_patterns import COMMON
from .launch_spec import Invocation, LaunchSpec
from .opencode import process_mode, server_mode


def build_launch_spec(name: str, settings: Settings, call: Invocation | str) -> LaunchSpec:
    """Return how to run the agent of that name.

    Args:
        call: the facts of the attempt; the issue's reference alone where nothing is to be run.

    Raises:
        ConfigError: there is none, or it cannot do what is asked of it.
    """
    own = settings.agents.get(name, AgentSettings())
    call = Invocation(call) if isinstance(call, str) else call
    kind = find_kind(name, own)
    if name != kind:  # only the agent that is called like its program has a server to share
        call = msgspec.structs.replace(call, slots=0)
    if kind is None:
        if not own.command:
            raise ConfigError(f"[agents.{name}] has an empty command", "give it a program")
        found = custom.build_launch_spec(own, call)
    elif kind in LAUNCHERS:
        found = LAUNCHERS[kind](own, call)
    elif name in settings.agents:
        raise ConfigError(
            settings.gaps.agents.get(name) or f"[agents.{name}] has no command, and is not a known agent", "correct it"
        )
    else:
        raise ConfigError(
            f"there is no agent {kind!r}",
            f"use one of {', '.join(list_agent_names(settings))}, or add [agents.{name}] to config.toml",
        )
    told_by_operator = (*own.failures.items(), *settings.failures.items())
    return msgspec.structs.replace(
        found, env=found.env | own.env, unset=own.unset, patterns=(*told_by_operator, *found.patterns),
        max_steps=found.max_steps if own.max_steps is None else own.max_steps or None, max_tokens=own.max_tokens or None,
    )  # fmt: skip


def is_plain(name: str, settings: Settings) -> bool:
    """Whether an agent gets the task's message and nothing else: a command of the operator's own, and the demo."""
    return name == "demo" or settings.agents.get(name, AgentSettings()).command is not None


def delete_session(
    name: str, settings: Settings, session_id: str, directory: str, env: Mapping[str, str], state_dir: str
) -> bool:  # fmt: skip
    """Delete a conversation, in the agent program's own store or in ours; False where nobody knows how.

    Raises:
        AttemptFailed: the program refused, or is not there.
    """
    own = settings.agents.get(name, AgentSettings())
    kind = find_kind(name, own)
    if kind == "aider":
        aider.delete_conversation(state_dir, session_id)
        return True
    if kind != "opencode":
        return False
    from .opencode import session_ids

    session_ids.delete_session(own.program or "opencode", session_id, directory, {**env, **own.env})
    return True


def build_screen_command(name: str, settings: Settings, session_id: str | None, state_dir: str) -> list[str]:
    """The command line of an agent's own screen, for a person: it goes on with a session, or begins one.

    Raises:
        ConfigError: none is known.
    """
    own = settings.agents.get(name, AgentSettings())
    if own.attach:
        return [word.replace("{session}", session_id or "") for word in own.attach]
    kind = find_kind(name, own)
    if kind not in SCREENS:
        raise ConfigError(
            f"no screen of its own is known of the agent {name}",
            f'set attach = ["program", …] in [agents.{name}], or: kugetsu shell ID',
        )
    return SCREENS[kind](own, session_id, state_dir)


def list_agents_without_screen(settings: Settings) -> dict[str, str]:
    """Why a person cannot go on with an agent's session, by the name of each agent that has no screen of its own."""
    found = {}
    for name in list_agent_names(settings):
        try:
            build_screen_command(name, settings, None, "")
        except ConfigError as error:
            found[name] = error.message
    return found


def find_kind(name: str, own: AgentSettings) -> str | None:
    """The known program that an agent is; None for one of a command of the operator's own."""
    return None if own.command is not None else own.kind or name


def adapt_session(name: str, settings: Settings, session: WantedSession) -> WantedSession:
    """What an agent can do of what is wanted with a session: one that cannot go on with an old one begins a new one.

    Raises:
        ConfigError: a copy of a session is wanted, which cannot be replaced by a new one.
    """
    own = settings.agents.get(name, AgentSettings())
    kind = find_kind(name, own)
    resumes = own.resume is not None if kind is None else kind != "demo"
    forks = own.fork is not None if kind is None else kind not in ("demo", "gemini")
    if session.mode == "fork" and not forks:
        hint = "give its table a `fork`" if kind is None else "its sessions belong to their directory"
        raise ConfigError(f"{name} cannot fork a session", hint)
    return NEW if session.mode == "continue" and not resumes else session


def _opencode(own: AgentSettings, call: Invocation) -> LaunchSpec:
    if server_mode.uses_server(own, call):
        found = server_mode.build_launch_spec(own, call)
        return msgspec.structs.replace(found, patterns=(*server_mode.FAILURES, *process_mode.FAILURES, *COMMON))
    argv = process_mode.build_command(own.program or "opencode", own.model, own.args, call.issue_ref)
    return LaunchSpec(
        argv, process_mode.ENVIRONMENT, output="file", reader="opencode", reader_options={"directory": call.worktree},
        prepare="opencode", resumes_itself=True,
        max_steps=process_mode.MAX_STEPS, patterns=(*process_mode.FAILURES, *COMMON),
    )  # fmt: skip


def _claude(own: AgentSettings, call: Invocation) -> LaunchSpec:
    return LaunchSpec(
        claude.build_command(own, call), claude.ENVIRONMENT, errors_apart=True, reader="claude",
        reader_options={"directory": call.worktree, "session": call.session_id}, patterns=(*claude.FAILURES, *COMMON),
    )  # fmt: skip


def _codex(own: AgentSettings, call: Invocation) -> LaunchSpec:
    options = {"directory": call.worktree, "resumed": call.session.mode != "new"}
    return LaunchSpec(
        codex.build_command(own, call), errors_apart=True, reader="codex", reader_options=options,
        patterns=(*codex.FAILURES, *COMMON),
    )  # fmt: skip


def _gemini(own: AgentSettings, call: Invocation) -> LaunchSpec:
    options = {"directory": call.worktree, "session": call.session_id}
    return LaunchSpec(
        gemini.build_command(own, call), errors_apart=True, reader="gemini", reader_options=options,
        patterns=(*gemini.FAILURES, *COMMON),
    )  # fmt: skip


def _aider(own: AgentSettings, call: Invocation) -> LaunchSpec:
    return LaunchSpec(
        aider.build_command(own, call), prompt_on_stdin=False, reader="aider",
        reader_options={"session": call.session_id}, prepare="aider" if call.session.mode != "new" else None,
        patterns=(*aider.FAILURES, *COMMON),
    )  # fmt: skip


def _demo(own: AgentSettings, _call: Invocation) -> LaunchSpec:
    return LaunchSpec([sys.executable, "-I", "-S", str(demo_agent.__file__), *own.args])


LAUNCHERS: dict[str, Callable[[AgentSettings, Invocation], LaunchSpec]] = {
    "aider": _aider, "claude": _claude, "codex": _codex, "demo": _demo, "gemini": _gemini, "opencode": _opencode,
}  # fmt: skip
SCREENS: dict[str, Callable[[AgentSettings, str | None, str], list[str]]] = {
    "aider": aider.build_screen_command, "claude": claude.build_screen_command, "codex": codex.build_screen_command,
    "gemini": gemini.build_screen_command, "opencode": process_mode.build_screen_command,
}  # fmt: skip
"""Their own screens: settings, session or None, state directory."""


def find_provider(name: str, settings: Settings) -> str:
    """Whose limits an agent runs into: the provider of its model where that is known, else the agent itself."""
    own = settings.agents.get(name, AgentSettings())
    kind = find_kind(name, own) or name
    if kind in ("opencode", "aider") and own.model and "/" in own.model:
        return own.model.partition("/")[0]
    return kind


def map_cooldowns_to_agents(by_provider: Mapping[str, Cooldown], settings: Settings) -> dict[str, Cooldown]:
    """The rests of providers by the name of the agent that must wait."""
    if not by_provider:
        return {}
    agents = {name: find_provider(name, settings) for name in {*list_agent_names(settings), *by_provider}}
    return {name: by_provider[whose] for name, whose in agents.items() if whose in by_provider}


def list_agent_names(settings: Settings) -> list[str]:
    """Every agent that can be asked for."""
    return sorted({*LAUNCHERS, *settings.agents})

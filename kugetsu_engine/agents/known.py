"""From the name of an agent to the way it is driven."""

import sys
from collections.abc import Mapping

import msgspec

from ..config import AgentSettings, Settings
from ..domain.policy import Rest
from ..domain.session import NEW, Wanted
from ..errors import ConfigError
from . import demo, opencode
from .base import Drive
from .patterns import COMMON

KNOWN = ("demo", "opencode")
"""Agents that need no `command`."""


def drive(name: str, settings: Settings, issue_ref: str, worktree: str = "", session: Wanted = NEW) -> Drive:
    """Return how to run the agent of that name.

    Args:
        session: what it is to do with a session of its own.

    Raises:
        ConfigError: there is none.
    """
    own = settings.agents.get(name, AgentSettings())
    if own.command:
        found = Drive([*own.command, *own.args])
    elif own.command is not None:
        raise ConfigError(f"[agents.{name}] has an empty command", "give it a program")
    elif name == "opencode":
        argv = opencode.command(own.program or "opencode", own.model, own.args, issue_ref)
        found = Drive(
            argv, opencode.ENVIRONMENT, "file", opencode.__name__, {"directory": worktree},
            prepare=opencode.__name__ if session.mode != "new" else None,
            max_steps=opencode.MAX_STEPS, patterns=(*opencode.FAILURES, *COMMON),
        )  # fmt: skip
    elif name == "demo":
        found = Drive([sys.executable, "-I", "-S", str(demo.__file__), *own.args])
    else:
        raise ConfigError(
            f"there is no agent {name!r}", f"use one of {', '.join(names(settings))}, or add [agents.{name}] to config.toml"
        )
    told_by_operator = (*own.failures.items(), *settings.failures.items())
    return msgspec.structs.replace(
        found, env=found.env | own.env, patterns=(*told_by_operator, *found.patterns),
        max_steps=own.max_steps or found.max_steps, max_tokens=own.max_tokens or found.max_tokens,
    )  # fmt: skip


def is_plain(name: str, settings: Settings) -> bool:
    """Whether an agent gets the task's message and nothing else: a command of the operator's own, and the demo."""
    return name == "demo" or settings.agents.get(name, AgentSettings()).command is not None


def delete_session(name: str, settings: Settings, session_id: str, directory: str, env: Mapping[str, str]) -> bool:
    """Delete a conversation in the agent program's own store; False where the program is not known to keep any.

    Raises:
        AttemptFailed: the program refused, or is not there.
    """
    own = settings.agents.get(name, AgentSettings())
    if name != "opencode" or own.command is not None:
        return False
    from . import opencode_sessions

    opencode_sessions.delete(own.program or "opencode", session_id, directory, {**env, **own.env})
    return True


def provider(name: str, settings: Settings) -> str:
    """Whose limits an agent runs into: the provider of its model where that is known, else the agent itself."""
    own = settings.agents.get(name, AgentSettings())
    if name == "opencode" and not own.command and own.model and "/" in own.model:
        return own.model.partition("/")[0]
    return name


def rests(by_provider: Mapping[str, Rest], settings: Settings) -> dict[str, Rest]:
    """The rests of providers by the name of the agent that must wait."""
    if not by_provider:
        return {}
    agents = {name: provider(name, settings) for name in {*names(settings), *by_provider}}
    return {name: by_provider[whose] for name, whose in agents.items() if whose in by_provider}


def names(settings: Settings) -> list[str]:
    """Every agent that can be asked for."""
    return sorted({*KNOWN, *settings.agents})

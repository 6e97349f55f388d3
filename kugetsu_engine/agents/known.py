"""From the name of an agent to the way it is driven."""

import sys

from ..config import AgentSettings, Settings
from ..errors import ConfigError
from . import demo, opencode
from .base import Drive

KNOWN = ("demo", "opencode")
"""Agents that need no `command`."""


def drive(name: str, settings: Settings, issue_ref: str) -> Drive:
    """Return how to run the agent of that name.

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
        found = Drive(argv, opencode.ENVIRONMENT, output="file", judge=opencode.__name__)
    elif name == "demo":
        found = Drive([sys.executable, "-I", "-S", str(demo.__file__), *own.args])
    else:
        raise ConfigError(
            f"there is no agent {name!r}", f"use one of {', '.join(names(settings))}, or add [agents.{name}] to config.toml"
        )
    return Drive(found.argv, found.env | own.env, found.output, found.judge)


def names(settings: Settings) -> list[str]:
    """Every agent that can be asked for."""
    return sorted({*KNOWN, *settings.agents})

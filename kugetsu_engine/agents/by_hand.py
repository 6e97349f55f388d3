"""The agents' own screens, for a person: the command line that goes on with a session, or begins one."""

from ..config import AgentSettings, Settings
from ..errors import ConfigError

SCREENS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "opencode": (("-s", "{session}"), ()),
    "claude": (("--resume", "{session}"), ()),
    "codex": (("resume", "{session}"), ()),
    "gemini": (("--resume", "latest"), ()),
    "aider": (("--restore-chat-history",), ()),
}
"""For each known program the arguments that go on with a session, and those that begin one."""


def command(agent: str, settings: Settings, session_id: str | None) -> list[str]:
    """The command line of an agent's own screen.

    Raises:
        ConfigError: it has none that is known.
    """
    own = settings.agents.get(agent, AgentSettings())
    if own.attach:
        return [word.replace("{session}", session_id or "") for word in own.attach]
    if agent not in SCREENS or own.command:
        raise ConfigError(
            f"no screen of its own is known of the agent {agent}",
            f'set attach = ["program", …] in [agents.{agent}], or: kugetsu shell ID',
        )
    going_on, beginning = SCREENS[agent]
    words = going_on if session_id is not None else beginning
    return [own.program or agent, *(word.replace("{session}", session_id or "") for word in words)]

"""Finds out before a task is queued whether it could run with the current settings and programs.

Only a program of an unsupported version refuses a task. `enqueue` is called in loops, so settings are loaded only if there are
any.
"""

from __future__ import annotations

import os
import time

from ..domain import agent_names, refs
from ..domain.reserved_refs import SESSIONS
from ..errors import ConfigError
from ..paths import StatePaths
from ..storage import files

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ..config.settings import Settings

CHECK_AGAIN_S = 60.0


class Obstacle:
    """Something that keeps a task from running."""

    __slots__ = ("about", "hint", "text")

    def __init__(self, about: Literal["repo", "agent", "settings"], text: str, hint: str = "") -> None:
        self.about = about
        """Which field of the task it is about; the form has fields of these names."""
        self.text = text
        self.hint = hint
        """What to do, apart from changing that field."""


def list_obstacles(
    paths: StatePaths, environ: Mapping[str, str], issue_ref: str, agent: str | None, repo: str | None
) -> list[Obstacle]:  # fmt: skip
    """List what would keep a task from running.

    Args:
        environ: the variables of the caller; those of the engine may differ.
        issue_ref: in its full form.
        agent: None for that of the settings.
        repo: the repository it will work in; None if `[repos]` or a clone decides.
    """
    settings = load_settings_if_any(paths, environ)
    name = agent or (settings.agent if settings is not None else agent_names.DEFAULT)
    obstacles = []
    if settings is not None and (gap := settings.gaps.reason(name, issue_ref)):
        obstacles.append(Obstacle("settings", gap))
    if repo is None and issue_ref not in SESSIONS:
        obstacles += _without_repository(settings, refs.parse_reference(issue_ref))
    known = agent is not None or settings is None or not settings.gaps.everything
    if known and (program := find_missing_program(paths, environ, settings, name)) is not None:
        obstacles.append(
            Obstacle("agent", f"{program} is not installed, or not on the PATH", "kugetsu doctor agents says more")
        )
    return obstacles


def load_settings_if_any(paths: StatePaths, environ: Mapping[str, str]) -> Settings | None:
    """Load the settings; None if there are none, so that all are defaults."""
    named = any(name.startswith("KUGETSU_") and name != "KUGETSU_DIR" for name in environ)
    if not named and not any(map(os.path.lexists, (paths.config, paths.shell_config))):
        return None
    from ..config.loader import load_settings

    return load_settings(paths, environ)[0]


def find_missing_program(
    paths: StatePaths, environ: Mapping[str, str], settings: Settings | None, agent: str
) -> str | None:  # fmt: skip
    """Return the name of an agent's program if it cannot be found."""
    own = settings.agents.get(agent) if settings is not None else None
    if own is not None and own.command is not None:
        program = own.command[0] if own.command else ""
    else:
        kind = (own.kind if own is not None else None) or agent
        program = (own.program if own is not None else None) or kind
        if kind == "demo" or kind not in agent_names.KNOWN:
            return None
    if "/" in program and not program.startswith(("/", "~")):
        return None  # it is in the worktree
    if not program or _is_there(program, (own.env.get("PATH") if own is not None else None) or environ.get("PATH", os.defpath)):
        return None
    return program if not _is_there(program, _path_of_env_files(paths)) else None


class ProgramCheck:
    """Refuses tasks whose agent has an unsupported version; the result is reused for many tasks in a row."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str]) -> None:
        self._paths = paths
        self._environ = environ
        self._checked_at: dict[str | None, float] = {}
        """When the program of an agent was last checked, by the monotonic clock."""

    def refuse_wrong_program(self, agent: str | None) -> None:
        """Check the program of an agent, None for that of the settings.

        Raises:
            ConfigError: kugetsu does not support its version.
        """
        if (looked := self._checked_at.get(agent)) is not None and time.monotonic() - looked < CHECK_AGAIN_S:
            return
        settings = load_settings_if_any(self._paths, self._environ)
        name = agent or (settings.agent if settings is not None else agent_names.DEFAULT)
        if refused := explain_wrong_program(self._paths, self._environ, settings, name):
            raise ConfigError(refused)
        self._checked_at[agent] = time.monotonic()


def explain_wrong_program(
    paths: StatePaths, environ: Mapping[str, str], settings: Settings | None, agent: str
) -> str | None:  # fmt: skip
    """Explain why the version of an agent's program is not supported; None if it is, or there is no program."""
    own = settings.agents.get(agent) if settings is not None else None
    if own is not None and own.command:
        program = os.path.expanduser(own.command[0])
        if os.path.basename(program) != "opencode":
            return None
    elif ((own.kind if own is not None else None) or agent) == "opencode":
        program = os.path.expanduser((own.program if own is not None else None) or "opencode")
    else:
        return None
    path = (own.env.get("PATH") if own is not None else None) or _path_of_env_files(paths) or environ.get("PATH", os.defpath)
    places = [""] if "/" in program else path.split(os.pathsep)
    executable = next((place for place in (os.path.join(place, program) for place in places) if _is_there(place, "")), None)
    if executable is None:
        return None
    from ..agents import program_versions

    return program_versions.describe_refusal(
        "opencode", program_versions.read_version("opencode", executable, environ, paths.root, ask=True, limit_s=5.0)
    )


def _without_repository(settings: Settings | None, ref: refs.IssueRef) -> list[Obstacle]:
    """List what is missing to find the repository of a task that names none."""
    own = settings.repos.get(ref.repository_key) if settings is not None else None
    if own is not None and own.path is not None:
        return []
    if ref.is_local:
        return [Obstacle("repo", f"no repository is known for {ref}", f"add {ref.repository} to [repos] in config.toml")]
    if ref.host != "github.com" and (settings is None or ref.host not in settings.servers):
        return [Obstacle("repo", f"no address is known for {ref.host}", "add it to [servers] in config.toml")]
    return []


def _path_of_env_files(paths: StatePaths) -> str:
    if not files.list_names(paths.env):
        return ""  # there are none, and `enqueue` loads nothing to read them
    from ..config import env_files

    return env_files.read_readable_env(paths).get("PATH", "")


def _is_there(program: str, path: str) -> bool:
    """Like `shutil.which`, which takes too long to import for `enqueue`."""
    program = os.path.expanduser(program)
    places = [""] if "/" in program else path.split(os.pathsep)
    return any(os.access(path := os.path.join(place, program), os.X_OK) and not os.path.isdir(path) for place in places)

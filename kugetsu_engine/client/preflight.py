"""What can be known of a task before it waits: that it could not run as things stand.

It is asked by `enqueue`, which is called in loops, so it loads settings only where there are any. Nothing is refused for it but
a program of a version that can never be driven.
"""

from __future__ import annotations

import os
import time

from ..domain import agent_names, refs
from ..domain.reserved_refs import SESSIONS
from ..errors import ConfigError
from ..paths import StatePaths

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ..config.settings import Settings

CHECK_AGAIN_S = 60.0


class Obstacle:
    """Something that keeps a task from running as things stand."""

    __slots__ = ("about", "hint", "text")

    def __init__(self, about: Literal["repo", "agent", "settings"], text: str, hint: str = "") -> None:
        self.about = about
        """What of the task it is about; the form has fields of these names."""
        self.text = text
        self.hint = hint
        """What to do apart from giving the task another value."""


def list_obstacles(
    paths: StatePaths, environ: Mapping[str, str], issue_ref: str, agent: str | None, repo: str | None
) -> list[Obstacle]:  # fmt: skip
    """What would keep a task from running.

    Args:
        environ: the variables of whoever asks; the engine's own may be others.
        issue_ref: in its whole form.
        agent: None for the one of the settings.
        repo: the repository it will work in; None where `[repos]` or a clone decides.
    """
    settings = load_settings_if_any(paths, environ)
    name = agent or (settings.agent if settings is not None else agent_names.DEFAULT)
    found = []
    if settings is not None and (gap := settings.gaps.reason(name, issue_ref)):
        found.append(Obstacle("settings", gap))
    if repo is None and issue_ref not in SESSIONS:
        found += _without_repository(settings, refs.parse_reference(issue_ref))
    known = agent is not None or settings is None or not settings.gaps.everything
    if known and (program := find_missing_program(paths, environ, settings, name)) is not None:
        found.append(Obstacle("agent", f"{program} is not installed, or not on the PATH", "kugetsu doctor agents says more"))
    return found


def load_settings_if_any(paths: StatePaths, environ: Mapping[str, str]) -> Settings | None:
    """The settings; None where all of them are the defaults, which is known without reading them."""
    named = any(name.startswith("KUGETSU_") and name != "KUGETSU_DIR" for name in environ)
    if not named and not any(map(os.path.lexists, (paths.config, paths.shell_config))):
        return None
    from ..config.loader import load_settings

    return load_settings(paths, environ)[0]


def find_missing_program(
    paths: StatePaths, environ: Mapping[str, str], settings: Settings | None, agent: str
) -> str | None:  # fmt: skip
    """The program that an agent is, if it is nowhere to be found."""
    own = settings.agents.get(agent) if settings is not None else None
    if own is not None and own.command is not None:
        program = own.command[0] if own.command else ""
    else:
        kind = (own.kind if own is not None else None) or agent
        program = (own.program if own is not None else None) or kind
        if kind == "demo" or kind not in agent_names.KNOWN:
            return None
    if "/" in program and not program.startswith(("/", "~")):
        return None  # one of the worktree's own
    if not program or _is_there(program, (own.env.get("PATH") if own is not None else None) or environ.get("PATH", os.defpath)):
        return None
    return program if not _is_there(program, _path_of_env_files(paths)) else None


class ProgramCheck:
    """Refuses tasks for a program that can never be driven. Many tasks in a row are one look."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str]) -> None:
        self._paths = paths
        self._environ = environ
        self._checked_at: dict[str | None, float] = {}
        """When the program of an agent was last found to be a right one, by the monotonic clock."""

    def refuse_wrong_program(self, agent: str | None) -> None:
        """Look at the program of an agent, None for the one of the settings.

        Raises:
            ConfigError: it is a version that kugetsu cannot drive.
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
    """Why the program that an agent is can never be driven; None where it can, or is not there."""
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
    found = next((place for place in (os.path.join(place, program) for place in places) if _is_there(place, "")), None)
    if found is None:
        return None
    from ..agents import program_versions

    return program_versions.describe_refusal(
        "opencode", program_versions.read_version("opencode", found, environ, paths.root, ask=True, limit_s=5.0)
    )


def _without_repository(settings: Settings | None, ref: refs.IssueRef) -> list[Obstacle]:
    """Whether nothing says where a task without a repository of its own works."""
    own = settings.repos.get(ref.repository_key) if settings is not None else None
    if own is not None and own.path is not None:
        return []
    if ref.is_local:
        return [Obstacle("repo", f"no repository is known for {ref}", f"add {ref.repository} to [repos] in config.toml")]
    if ref.host != "github.com" and (settings is None or ref.host not in settings.servers):
        return [Obstacle("repo", f"no address is known for {ref.host}", "add it to [servers] in config.toml")]
    return []


def _path_of_env_files(paths: StatePaths) -> str:
    from ..config import env_files

    return env_files.read_readable_env(paths).get("PATH", "")


def _is_there(program: str, path: str) -> bool:
    """As `shutil.which`, whose loading takes a tenth of a whole `enqueue`."""
    program = os.path.expanduser(program)
    places = [""] if "/" in program else path.split(os.pathsep)
    return any(os.access(found := os.path.join(place, program), os.X_OK) and not os.path.isdir(found) for place in places)

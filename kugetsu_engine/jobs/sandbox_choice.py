"""Decides whether an attempt runs in a sandbox, and what that allows: by the settings for all, its agent, its repository."""

from collections.abc import Mapping
from typing import Any

from ..agents import program_folders
from ..config.agent_settings import AgentSettings
from ..config.settings import RepoSettings, Settings
from ..domain import refs
from ..domain.reserved_refs import SESSIONS
from ..errors import UsageError
from ..process.sandbox_probe import remember_probe

PROBE_S = 2.0
"""Once per engine; where none can be made, each attempt finds out why."""


def is_boxed(settings: Settings, agent: str, issue_ref: str) -> bool:
    """Whether attempts of an agent on an issue run in a sandbox. Those of kugetsu's own sessions, which use kugetsu, do not."""
    if issue_ref in SESSIONS:
        return False
    for own in _list_levels(settings, agent, issue_ref):
        if own.sandbox is not None:
            return own.sandbox
    return settings.sandbox


def choose_sandbox(
    settings: Settings, agent: str, kind: str | None, issue_ref: str, environ: Mapping[str, str], files: list[str]
) -> dict[str, Any] | None:  # fmt: skip
    """Return what the sandbox of an attempt allows, for its job; None if it runs in none.

    The repository's word counts before the agent's, and that before the one for all; lists are added up.

    Args:
        kind: the known program that the agent is.
        environ: the agent's environment.
        files: further files that it writes.
    """
    if not is_boxed(settings, agent, issue_ref):
        return None
    levels = [settings, *reversed(_list_levels(settings, agent, issue_ref))]
    folders = program_folders.find_folders(kind, environ) if kind else program_folders.ProgramFolders(())
    net: str | list[str] = "on"
    for level in levels:
        own = level.sandbox_net
        if own is not None:
            net = [*net, *own] if isinstance(net, list) and isinstance(own, list) else own
    return {
        "home_empty": _last([level.sandbox_home for level in levels], "read-only") == "empty",
        "refs": _last([level.sandbox_refs for level in levels], "branch"), "net": net,
        "write": [place for level in levels for place in level.sandbox_write],
        "read": [place for level in levels for place in level.sandbox_read],
        "hide": [place for level in levels for place in level.sandbox_hide], "files": files,
        "own_proc": remember_probe(dict(environ), net == "on", PROBE_S),
        "folders": {
            "written": folders.written, "read": folders.read, "files": folders.files,
            "fixed": folders.fixed,
            "others": program_folders.list_other_folders(kind, environ),
        },
    }  # fmt: skip


def _list_levels(settings: Settings, agent: str, issue_ref: str) -> list[RepoSettings | AgentSettings]:
    """What the repository and the agent say, the stronger first."""
    try:
        repository = refs.parse_reference(issue_ref, settings.default_server).repository_key
    except UsageError:
        repository = ""
    return [settings.repos.get(repository) or RepoSettings(), settings.agents.get(agent) or AgentSettings()]


def _last(values: list[str | None], usual: str) -> str:
    return next((value for value in reversed(values) if value is not None), usual)

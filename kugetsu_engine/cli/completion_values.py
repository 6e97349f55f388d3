"""Values of arguments for completion: ids, references, agents, servers. A shell asks for them at each press of tab."""

import json
from collections.abc import Callable

from ..domain import agent_names
from ..paths import JSON, StatePaths, find_state_dir
from ..storage.files import list_documents

MOST = 200
"""How many tasks are offered: open ones and ended ones, each the newest first."""


def list_ids(environ: dict[str, str]) -> list[str]:
    """List the numbers of tasks: open ones, then ended ones."""
    paths = StatePaths(find_state_dir(environ))
    return [*_numbers(paths.items), *_numbers(paths.done)]


def list_references(environ: dict[str, str]) -> list[str]:
    """List the issues of tasks, and the repositories of `[repos]` followed by `#`."""
    paths = StatePaths(find_state_dir(environ))
    known: dict[str, None] = {}
    for folder in (paths.items, paths.done):
        for number in _numbers(folder):
            try:
                with open(f"{folder}/q_{number}{JSON}", encoding="utf-8") as file:
                    known[str(json.load(file)["issue_ref"])] = None
            except (OSError, ValueError, LookupError, TypeError, RecursionError):
                continue
    return [*known, *(f"{repository}#" for repository in _table(paths, "repos"))]


def list_agents(environ: dict[str, str]) -> list[str]:
    """List every agent."""
    return sorted({*agent_names.KNOWN, *_table(StatePaths(find_state_dir(environ)), "agents")})


def list_servers(environ: dict[str, str]) -> list[str]:
    """List the servers that clones come from."""
    return sorted({"github.com", *_table(StatePaths(find_state_dir(environ)), "servers")})


KINDS: dict[str, Callable[[dict[str, str]], list[str]]] = {
    "ids": list_ids, "references": list_references, "agents": list_agents, "servers": list_servers,
}  # fmt: skip


def _numbers(folder: str) -> list[str]:
    names = (name[2:] for name in list_documents(folder) if name.startswith("q_"))
    return [str(number) for number in sorted((int(name) for name in names if name.isdecimal()), reverse=True)[:MOST]]


def _table(paths: StatePaths, name: str) -> list[str]:
    """The keys of a table of `config.toml`, read without the checks, which are too slow for completion."""
    import tomllib

    try:
        with open(paths.config, "rb") as file:
            table = tomllib.load(file).get(name)
    except (OSError, ValueError, RecursionError):
        return []
    return [key for key in table if key.isprintable() and " " not in key] if isinstance(table, dict) else []

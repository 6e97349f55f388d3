"""What words of a command line may stand for right now: ids, references, agents. A shell asks at each press of its tab key."""

import json
from collections.abc import Callable

from ..domain import agent_names
from ..paths import JSON, StatePaths, find_state_dir
from ..storage.files import list_documents

MOST = 200
"""Tasks that are offered, the newest of each kind first."""


def ids(environ: dict[str, str]) -> list[str]:
    """Numbers of tasks: the open ones, then those that ended lately."""
    paths = StatePaths(find_state_dir(environ))
    return [*_numbers(paths.items), *_numbers(paths.done)]


def references(environ: dict[str, str]) -> list[str]:
    """Issues that tasks are about, and the repositories of `[repos]` that a number would make an issue of."""
    paths = StatePaths(find_state_dir(environ))
    found: dict[str, None] = {}
    for folder in (paths.items, paths.done):
        for number in _numbers(folder):
            try:
                with open(f"{folder}/q_{number}{JSON}", encoding="utf-8") as file:
                    found[str(json.load(file)["issue_ref"])] = None
            except (OSError, ValueError, LookupError, TypeError, RecursionError):
                continue
    return [*found, *(f"{repository}#" for repository in _table(paths, "repos"))]


def agents(environ: dict[str, str]) -> list[str]:
    """Every agent that can be asked for."""
    return sorted({*agent_names.KNOWN, *_table(StatePaths(find_state_dir(environ)), "agents")})


def servers(environ: dict[str, str]) -> list[str]:
    """The hosts that clones come from."""
    return sorted({"github.com", *_table(StatePaths(find_state_dir(environ)), "servers")})


KINDS: dict[str, Callable[[dict[str, str]], list[str]]] = {
    "ids": ids, "references": references, "agents": agents, "servers": servers,
}  # fmt: skip


def _numbers(folder: str) -> list[str]:
    names = (name[2:] for name in list_documents(folder) if name.startswith("q_"))
    return [str(number) for number in sorted((int(name) for name in names if name.isdecimal()), reverse=True)[:MOST]]


def _table(paths: StatePaths, name: str) -> list[str]:
    """The keys of a table of `config.toml`, read without the checks, which take longer than a person waits for a tab."""
    import tomllib

    try:
        with open(paths.config, "rb") as file:
            table = tomllib.load(file).get(name)
    except (OSError, ValueError, RecursionError):
        return []
    return [key for key in table if key.isprintable() and " " not in key] if isinstance(table, dict) else []

"""`kugetsu server list|add|remove|default|get`: the forges that clones come from, in `config.toml`."""

import os
import re
from collections.abc import Callable
from typing import Any

from ...config import loader
from ...config.settings import Settings
from ...domain import refs
from ...domain.text.safe_text import safe_line
from ...errors import Conflict, KugetsuError, UsageError
from ...paths import StatePaths
from ...storage import files
from ..context import state_paths
from ..grammar import parser_of, parts_of
from ..parser import VerbParser

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_URL = re.compile(r"(https?|ssh|git)://[^\s'\"]+|[\w.-]+@[\w.-]+:[^\s'\"]*|[~/][^\s'\"]*")


def main(verb: str, words: list[str]) -> int:
    """Show or change the servers."""
    action = words[0] if words else "list"
    if action in ("-h", "--help"):
        VerbParser(verb, "list, add NAME URL, remove NAME, default [NAME] or get [NAME].").print_help()
        return 0
    if action not in parts_of(verb):
        raise UsageError(f"kugetsu server has no {action[:40]!r}", "list, add, remove, default or get")
    given = parser_of(f"server {action}").parse_args(words[1:])
    here = state_paths()
    known = loader.load_settings(here, os.environ)[0]
    if action == "list":
        return _list(known, given.json)
    if action == "add":
        return _add(here, known, refs.parse_host(given.name), given.url)
    name = refs.parse_host(given.name) if given.name else None
    if name is not None and name not in known.servers:
        raise KugetsuError(
            f"no server {name!r} is known", "kugetsu server list shows them, kugetsu server add NAME URL adds one"
        )
    if action == "remove":
        return _remove(here, known, str(name))
    if action == "get" or name is None:
        chosen = name or known.default_server
        print(safe_line(known.servers.get(chosen, "") if action == "get" else chosen))
        return 0
    return _set_default(here, known, name)


def _list(known: Settings, as_json: bool) -> int:
    if as_json:
        from ..output import print_json

        print_json([{"name": n, "url": u, "default": n == known.default_server} for n, u in sorted(known.servers.items())])
        return 0
    for name, url in sorted(known.servers.items()):
        print(safe_line(f"{'*' if name == known.default_server else ' '} {name}  {url}"))
    return 0


def _add(here: StatePaths, known: Settings, name: str, url: str) -> int:
    if not _NAME.fullmatch(name) or name == "local":
        raise UsageError(f"{name[:60]!r} is no name of a server", "write its host, as in git.example.org")
    if not _URL.fullmatch(url):
        raise UsageError(f"{url[:100]!r} is no address", "write https://git.example.org, ssh://git@host or a folder")
    if re.search(r"://[^/@]*:[^/@]*@", url):
        raise UsageError("the address holds a password", "keep it in env/default.env or in git's credential helper")
    if known.servers.get(name) == url:
        raise Conflict(f"{name} has that address already")
    _edit(here, lambda document, set_in: _set_address(document, set_in, name, url))
    print(safe_line(f"{name}: {url}"))
    return 0


def _remove(here: StatePaths, known: Settings, name: str) -> int:
    if name == known.default_server:
        raise Conflict(f"{name} is the default server", "choose another one first: kugetsu server default NAME")
    if name in Settings().servers and known.servers[name] == Settings().servers[name]:
        raise Conflict(f"{name} is built in", "it does no harm; kugetsu server add gives it another address")
    _edit(here, lambda document, set_in: _set_address(document, set_in, name, None))
    print(safe_line(f"{name} is forgotten; clones in repositories/ stay"))
    return 0


def _set_default(here: StatePaths, known: Settings, name: str) -> int:
    if name == known.default_server:
        raise Conflict(f"{name} is the default server already")

    def change(document: dict[str, object], _set_in: Callable[..., None]) -> None:
        document["default_server"] = name

    _edit(here, change)
    print(safe_line(f"owner/repo#N is one of {name} now"))
    return 0


def _set_address(document: dict[str, Any], set_in: Callable[..., None], name: str, url: str | None) -> None:
    """Write an address, or with None remove it, whatever spelling of the host the file has."""
    for key in [key for key in document.get("servers", {}) if _is(key, name)]:
        set_in(document, "servers", key, None)
    if url is not None:
        set_in(document, "servers", name, url)


def _is(key: str, name: str) -> bool:
    try:
        return refs.parse_host(key) == name
    except UsageError:
        return False


def _edit(here: StatePaths, change: Callable[..., None]) -> None:
    from ...config import toml_editor  # loads a library that nothing else needs

    files.create_folders(here.folders())
    toml_editor.edit_config(here, lambda document: change(document, toml_editor.set_in_table))

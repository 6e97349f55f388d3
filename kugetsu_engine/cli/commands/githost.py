"""`kugetsu githost list|add|remove|default|get`: the hosts that repositories are cloned from, in `config.toml`."""

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
from ..context import make_paths
from ..parser import make_parser, split_part

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_URL = re.compile(r"(https?|ssh|git)://[^\s'\"]+|[\w.-]+@[\w.-]+:[^\s'\"]*|[~/][^\s'\"]*")


def main(verb: str, argv: list[str]) -> int:
    """Show or change the git hosts."""
    part, rest = split_part(verb, argv, "list")
    args = make_parser(f"githost {part}").parse_args(rest)
    here = make_paths()
    known = loader.load_settings(here, os.environ)[0]
    if part == "list":
        return _list(known, args.json)
    if part == "add":
        return _add(here, known, refs.parse_host(args.name), args.url)
    name = refs.parse_host(args.name) if args.name else None
    if name is not None and name not in known.servers:
        raise KugetsuError(f"unknown git host {name!r}", "kugetsu githost add NAME URL adds it; kugetsu githost list lists all")
    if part == "remove":
        return _remove(here, known, str(name))
    if part == "get" or name is None:
        chosen = name or known.default_server
        print(safe_line(known.servers.get(chosen, "") if part == "get" else chosen))
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
        raise UsageError(f"{name[:60]!r} is not a valid host name", "write its host, as in git.example.org")
    if not _URL.fullmatch(url):
        raise UsageError(f"{url[:100]!r} is not a valid address", "write https://git.example.org, ssh://git@host or a folder")
    if re.search(r"://[^/@]*:[^/@]*@", url):
        raise UsageError("the address contains a password", "keep it in env/default.env or in git's credential helper")
    if known.servers.get(name) == url:
        raise Conflict(f"{name} already has that address")
    _edit(here, lambda document, set_in: _set_address(document, set_in, name, url))
    print(safe_line(f"{name}: {url}"))
    return 0


def _remove(here: StatePaths, known: Settings, name: str) -> int:
    if name == known.default_server:
        raise Conflict(f"{name} is the default host", "set another one first: kugetsu githost default NAME")
    if name in Settings().servers and known.servers[name] == Settings().servers[name]:
        raise Conflict(f"{name} is built in and cannot be removed", "kugetsu githost add changes its address")
    _edit(here, lambda document, set_in: _set_address(document, set_in, name, None))
    print(safe_line(f"removed {name}; clones in repositories/ are kept"))
    return 0


def _set_default(here: StatePaths, known: Settings, name: str) -> int:
    if name == known.default_server:
        raise Conflict(f"{name} is already the default host")

    def change(document: dict[str, object], _set_in: Callable[..., None]) -> None:
        document["default_server"] = name

    _edit(here, change)
    print(safe_line(f"owner/repo#N is now on {name}"))
    return 0


def _set_address(document: dict[str, Any], set_in: Callable[..., None], name: str, url: str | None) -> None:
    """Write an address, or with None remove it, however the file spells the host."""
    for key in [key for key in document.get("servers", {}) if _is_host(key, name)]:
        set_in(document, "servers", key, None)
    if url is not None:
        set_in(document, "servers", name, url)


def _is_host(key: str, name: str) -> bool:
    try:
        return refs.parse_host(key) == name
    except UsageError:
        return False


def _edit(here: StatePaths, change: Callable[..., None]) -> None:
    from ...config import toml_editor  # loads a library that nothing else needs

    files.create_folders(here.folders())
    toml_editor.edit_config(here, lambda document: change(document, toml_editor.set_in_table))

"""The settings of the sandbox, which are the same above all tables, for an agent and for a repository."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from ..domain.text.sizes import format_value
from ..errors import UsageError
from .value_parsers import parse_line

_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")
MAX_HOSTS = 500


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent or a repository says about the sandbox; None: what holds above it."""

    sandbox: bool | None = None
    """Whether an attempt runs in a sandbox."""
    sandbox_home: str | None = None
    """`read-only`, or `empty`: only what PATH and the agent need."""
    sandbox_write: list[str] = []
    """Further places that may be written."""
    sandbox_read: list[str] = []
    """Further places that may be read, though they would be hidden."""
    sandbox_hide: list[str] = []
    """Further places that are not there."""
    sandbox_refs: str | None = None
    """`branch`: only the folder of the own branch is written in the repository's refs; `all`: also tags and stashes."""
    sandbox_net: str | list[str] | None = None
    """`on`, `off`, or the hosts that may be reached."""


def parse_switch(value: Any) -> bool:
    """Read `on` or `off`."""
    known = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
    if str(value).lower() not in known:
        raise UsageError(f"{format_value(value)} is neither on nor off", 'write sandbox = "on"')
    return known[str(value).lower()]


def _parse_word(*known: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in known:
            raise UsageError(f"{format_value(value)} is not one of {', '.join(known)}")
        return str(value)

    return read


def parse_places(value: Any) -> list[str]:
    """Read paths that begin with `/`, `~/` or `$NAME`; from a list, or a text with commas."""
    places = [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value
    if not isinstance(places, list) or not all(isinstance(one, str) for one in places):
        raise UsageError(f"{format_value(value)} is not a list of paths", 'write it like ["~/.cache/pip"]')
    for place in places:
        if "\0" in parse_line(place) or not re.match(r"/|~(/|$)|\$[A-Za-z_]\w*(/|$)", place):
            raise UsageError(f"{place!r:.60} is a relative path", "begin it with /, ~/ or $NAME")
        if place.rstrip("/") in ("", "~") or ".." in place.split("/"):
            raise UsageError(f"{place!r:.60} is everything, or leads upwards", "name single folders or files")
    return list(places)


def parse_network(value: Any) -> str | list[str]:
    """Read `on`, `off`, or a list of hosts such as `example.org`, `*.example.org` and `example.org:443`."""
    if value in ("on", "off"):
        return str(value)
    hosts = [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value
    if not isinstance(hosts, list) or len(hosts) > MAX_HOSTS or not all(isinstance(one, str) for one in hosts):
        raise UsageError(f"{format_value(value)} is neither on, off nor a list of hosts", 'write it like ["api.example.org"]')
    if isinstance(value, str) and not all("." in host or ":" in host for host in hosts):  # a wrong word, no host
        raise UsageError(f"{format_value(value)} is neither on, off nor a list of hosts", 'write it like ["api.example.org"]')
    for host in hosts:
        if not _HOST.fullmatch(host.lower()) or int((re.search(r":(\d+)$", host) or ["", "1"])[1]) not in range(1, 65536):
            raise UsageError(f"{host!r:.80} is not a host", 'write it like "example.org", "*.example.org" or "example.org:443"')
    return [host.lower() for host in hosts]


SANDBOX_READERS: dict[str, Callable[[Any], Any]] = {
    "sandbox": parse_switch,
    "sandbox_home": _parse_word("read-only", "empty"),
    "sandbox_write": parse_places,
    "sandbox_read": parse_places,
    "sandbox_hide": parse_places,
    "sandbox_refs": _parse_word("branch", "all"),
    "sandbox_net": parse_network,
}
"""The parser of each key."""

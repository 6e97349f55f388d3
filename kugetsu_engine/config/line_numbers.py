"""In which line of a TOML file a setting is: found with the parser itself, as no library for reading TOML tells it."""

import tomllib
from collections.abc import Sequence
from typing import Any

MAX_LOOKS = 400
"""Times that a part of the file is parsed before the line is given up."""


def find_line(text: str, path: Sequence[str]) -> int | None:
    """The number of the line that first says something of a key or table; None where that cannot be found out.

    Args:
        path: the names down to it, such as `("agents", "claude", "model")`.
    """
    lines = text.split("\n")
    looks = 0
    for start, line in enumerate(lines):
        if path[-1] not in line or _has(lines[:start], path) is not False:
            continue
        for end in range(start + 1, len(lines) + 1):  # a value may go over several lines
            found = _has(lines[:end], path)
            if found:
                return start + 1
            looks += 1
            if found is False or looks > MAX_LOOKS:
                break
        if looks > MAX_LOOKS:
            break
    return None


def _has(lines: list[str], path: Sequence[str]) -> bool | None:
    """Whether the beginning of a file has a key; None where that beginning alone is no TOML."""
    try:
        found: Any = tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return None
    for name in path:
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    return True

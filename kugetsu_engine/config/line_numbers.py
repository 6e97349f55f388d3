"""Finds the line of a setting in a TOML file, by parsing parts of it, as no TOML parser reports lines of keys."""

import tomllib
from collections.abc import Sequence
from typing import Any

MAX_PARSED = 400
"""How often a part of the file is parsed before giving up."""


def find_line(text: str, path: Sequence[str]) -> int | None:
    """Find the number of the first line about a key or table; None if it cannot be found.

    Args:
        path: the names of the tables and the key, such as `("agents", "claude", "model")`.
    """
    lines = text.split("\n")
    parsed = 0
    for start, line in enumerate(lines):
        if path[-1] not in line or _has(lines[:start], path) is not False:
            continue
        for end in range(start + 1, len(lines) + 1):  # a value may take several lines
            has_key = _has(lines[:end], path)
            if has_key:
                return start + 1
            parsed += 1
            if has_key is False or parsed > MAX_PARSED:
                break
        if parsed > MAX_PARSED:
            break
    return None


def _has(lines: list[str], path: Sequence[str]) -> bool | None:
    """Whether these first lines of a file contain a key; None if they alone are not valid TOML."""
    try:
        table: Any = tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return None
    for name in path:
        if not isinstance(table, dict) or name not in table:
            return False
        table = table[name]
    return True

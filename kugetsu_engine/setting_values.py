"""How the values of settings are read: each returns the value, or raises `UsageError` with what would be one."""

import re
from collections.abc import Callable
from typing import Any

from .errors import UsageError

SIZE_UNITS = {"kib": 1 << 10, "kb": 10**3, "mib": 1 << 20, "mb": 10**6, "gib": 1 << 30, "gb": 10**9, "b": 1}
LARGEST = 1 << 60
"""No disk is that large; so that a size is a number of 64 bits, also in the job of a supervisor."""


def size(value: Any) -> int:
    """Read `1048576` or `"256MiB"` as bytes."""
    text = str(value).strip().lower()
    unit = next((unit for unit in SIZE_UNITS if text.endswith(unit)), "")
    number = text.removesuffix(unit).strip()
    if isinstance(value, bool) or not _is_whole(number) or (found := int(number) * SIZE_UNITS.get(unit, 1)) >= LARGEST:
        raise UsageError(f"{value!r:.60} is no size", "write it like 256MiB")
    return found


def count(low: int, high: int) -> Callable[[Any], int]:
    """A whole number in these bounds."""

    def read(value: Any) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not _is_whole(text) or not low <= (found := int(text)) <= high:
            raise UsageError(f"{value!r:.60} is no number from {low} to {high}")
        return found

    return read


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number, of so few digits that reading it takes no time."""
    return text.isascii() and text.isdigit() and len(text) <= 20


def or_never(read: Callable[[Any], float]) -> Callable[[Any], float | None]:
    """The same, or "never"."""
    return lambda value: None if value == "never" else read(value)


def floor(value: Any) -> int | None:
    """A size, "auto" or "off"."""
    return None if value == "auto" else 0 if value == "off" else size(value)


def ceiling(most: float) -> Callable[[Any], float]:
    """A number up to `most`, or "off"."""

    def read(value: Any) -> float:
        text = "0" if value == "off" else str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or float(text) > most:
            raise UsageError(f"{value!r} is no number from 0 to {most:g}", 'or "off"')
        return float(text)

    return read


def flag(value: Any) -> bool:
    """true or false."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if str(value).lower() not in known:
        raise UsageError(f"{value!r} is neither true nor false")
    return known[str(value).lower()]


def line_of_text(value: Any) -> str:
    """Text without control characters."""
    if not isinstance(value, str) or not value.strip() or any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in value):
        raise UsageError(f"{value!r} is no line of text")
    return value


def prompt_kind(value: Any) -> str:
    """Read `dev` or `plain`."""
    if value not in ("dev", "plain"):
        raise UsageError(f"{value!r} is no kind of prompt", "dev or plain")
    return str(value)


def list_of_names(value: Any) -> list[str]:
    """Names, also as one text with commas."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{value!r} is no list of names")
    return [name.strip() for name in names if name.strip()]

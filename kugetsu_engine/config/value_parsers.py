"""Parsers of values in the settings: each returns the value, or raises `UsageError` with a hint."""

import re
from collections.abc import Callable
from typing import Any

from ..domain.config_faults import suggest_name
from ..domain.decisions.notification_rules import is_time_range
from ..domain.failures import find_pattern_fault
from ..domain.text.sizes import format_value, is_whole, parse_size
from ..domain.text.times import parse_duration, parse_time_limit
from ..errors import UsageError


def parse_seconds(value: Any) -> float:
    """Read `90`, `"10m"` or `"1h30m"` as seconds."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{format_value(value)} is not a valid duration", "write it like 90s, 10m, 1h30m or 2d")
    return parse_duration(value)


def parse_positive_seconds(value: Any) -> float:
    """Read a duration greater than 0."""
    return parse_time_limit(parse_seconds(value))


def parse_count(low: int, high: int) -> Callable[[Any], int]:
    """Make a parser of whole numbers within bounds."""

    def read(value: Any) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not is_whole(text) or not low <= (found := int(text)) <= high:
            raise UsageError(f"{format_value(value)} is not a number from {low} to {high}")
        return found

    return read


def parse_or_never(read: Callable[[Any], float]) -> Callable[[Any], float | None]:
    """Make a parser that also accepts "never"."""
    return lambda value: None if value == "never" else read(value)


def parse_floor(value: Any) -> int | None:
    """Read a size, "auto" or "off"."""
    return None if value == "auto" else 0 if value == "off" else parse_size(value)


def parse_ceiling(most: float) -> Callable[[Any], float]:
    """Make a parser of numbers up to `most`, or "off"."""

    def read(value: Any) -> float:
        text = "0" if value == "off" else str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or float(text) > most:
            point = f"write {text.replace(',', '.')}" if re.fullmatch("[0-9]+,[0-9]+", text) else 'write a number, or "off"'
            raise UsageError(f"{format_value(value)} is not a number from 0 to {most:.0f}", point)
        return float(text)

    return read


def parse_flag(value: Any) -> bool:
    """Read true or false."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if str(value).lower() not in known:
        raise UsageError(f"{format_value(value)} is neither true nor false")
    return known[str(value).lower()]


def parse_line(value: Any) -> str:
    """Read a text without control characters."""
    if not isinstance(value, str) or not value.strip() or any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in value):
        raise UsageError(f"{format_value(value)} is not a line of text")
    return value


def parse_prompt_kind(value: Any) -> str:
    """Read `dev` or `plain`."""
    if value not in ("dev", "plain"):
        raise UsageError(f"{format_value(value)} is not a kind of prompt", "dev or plain")
    return str(value)


def parse_names(value: Any) -> list[str]:
    """Read names of variables, from a list or a text with commas."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{format_value(value)} is not a list of names")
    names = [name.strip() for name in names if name.strip()]
    for name in names:
        if not _is_variable(name) or "*" in name or "$" in name:  # it would match nothing
            raise UsageError(f"{name!r:.60} is not the name of a variable", 'write it like ["ONE", "TWO"]')
    return names


def _is_variable(name: str) -> bool:
    """Whether a variable may have this name."""
    return bool(name) and not any(character in "=\0" or character.isspace() for character in name)


def parse_choice(*known: Any) -> Callable[[Any], Any]:
    """Make a parser of one of these values."""
    choices = ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in known)

    def read(value: Any) -> Any:
        if any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in known):
            return value
        meant = suggest_name(str(value), [one for one in known if isinstance(one, str)])
        raise UsageError(f"{format_value(value)} is not one of {choices}{meant}")

    return read


def parse_texts(value: Any) -> list[str]:
    """Read a list of texts, which may be empty."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError("is not a list of texts", 'write it like ["one", "two"]')
    for word in value:
        _without_nul(word)
    return value


def parse_command(value: Any) -> list[str]:
    """Read the words of a command, as a list: no shell splits them."""
    if isinstance(value, str) and value.strip():
        raise UsageError("is one text; a command is a list of words", 'write it like ["npm", "ci"]')
    if not parse_texts(value) or not value[0].strip():
        raise UsageError("does not name a program", 'write it like ["npm", "ci"]')
    return parse_texts(value)


def parse_commands(value: Any) -> list[list[str]]:
    """Read several command lines, or a single one."""
    if isinstance(value, list) and not value:
        return []
    if isinstance(value, list) and all(isinstance(one, list) for one in value):
        return [parse_command(one) for one in value]
    return [parse_command(value)]


def parse_text_table(value: Any) -> dict[str, str]:
    """Read a table whose values are texts."""
    if not isinstance(value, dict):
        raise UsageError("is not a table", 'write it like { NAME = "value" }')
    for name, one in value.items():
        if not isinstance(one, str):
            raise UsageError(f"{name} is not text", f'write {name} = "…", with quotation marks')  # it may be a secret
    return value


def parse_variables(value: Any) -> dict[str, str]:
    """Read variables and their values."""
    values = parse_text_table(value)
    for name, one in values.items():
        if not _is_variable(name):
            raise UsageError(f"{name!r:.60} is not the name of a variable")
        _without_nul(one)
    return values


def _without_nul(text: str) -> None:
    if "\0" in text:
        raise UsageError("has a NUL character")  # without the text, which may be a secret


def parse_table(value: Any) -> dict[str, Any]:
    """Read a table."""
    if not isinstance(value, dict):
        raise UsageError(f"{format_value(value)} is not a table")
    return value


def parse_folder(value: Any) -> str:
    """Read an absolute path, or one that starts with `~`."""
    path = parse_line(value)
    if not path.startswith(("/", "~")):
        raise UsageError(f"{path!r:.60} is a relative path, and an engine may run anywhere", "begin it with / or ~/")
    return path


def parse_failure_classes(value: Any) -> dict[str, str]:
    """Read classes of failure by regular expression."""
    classes = parse_text_table(value)
    if (fault := find_pattern_fault(classes)) is not None:
        raise UsageError(fault)
    return classes


def parse_hours(value: Any) -> str:
    """Read a time range within a day."""
    if not isinstance(value, str) or not is_time_range(value):
        raise UsageError(f"{format_value(value)} is not a time range", "write it like 22:00-07:00")
    return value

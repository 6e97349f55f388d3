"""Reads sizes as people write them."""

from typing import Any

from ...errors import UsageError

SIZE_UNITS = {
    "kib": 1 << 10, "kb": 10**3, "mib": 1 << 20, "mb": 10**6, "gib": 1 << 30, "gb": 10**9, "tib": 1 << 40, "b": 1,
}  # fmt: skip
LARGEST = 1 << 60
"""Larger than any disk, and keeps sizes within 64 bits."""
SMALLEST_CAP = 64 << 20


def format_value(value: Any) -> str:
    """Write a value as in TOML, not as in Python."""
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value!r:.60}" if isinstance(value, (str, int, float)) else str(value)


def is_whole(text: str) -> bool:
    """Whether a text is a whole number that is not too long."""
    return text.isascii() and text.isdigit() and len(text) <= 20


def parse_size(value: Any) -> int:
    """Read `1048576` or `"256MiB"` as bytes."""
    text = str(value).strip().lower()
    unit = next((unit for unit in SIZE_UNITS if text.endswith(unit)), "")
    number = text.removesuffix(unit).strip()
    if isinstance(value, bool) or not is_whole(number) or (size := int(number) * SIZE_UNITS.get(unit, 1)) >= LARGEST:
        raise UsageError(f"{format_value(value)} is not a size", "write it like 256MiB")
    return size


def parse_memory_cap(value: Any) -> int:
    """Read a memory limit: a size, "auto" (-1) or "off" (0)."""
    if value in ("auto", "off"):
        return -1 if value == "auto" else 0
    size = parse_size(value)
    if 0 < size < SMALLEST_CAP:
        raise UsageError(f"{format_value(value)} is less memory than any agent needs", 'write it like 4GiB, or "off"')
    return size


def format_memory_cap(cap: int) -> str:
    """Write a memory limit so that `parse_memory_cap` reads the same."""
    if cap <= 0:
        return "auto" if cap else "off"
    unit = next((unit for unit in ("gib", "mib", "kib") if cap % SIZE_UNITS[unit] == 0), "b")
    return f"{cap // SIZE_UNITS[unit]}{unit[0].upper()}{unit[1:-1]}B" if unit != "b" else str(cap)

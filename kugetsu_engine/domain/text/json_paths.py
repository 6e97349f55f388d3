"""Paths to values in an agent's JSON events, as written in `[agents.NAME.stream]`. Standard library only.

A *place* is a path (`"part.text"` or `["part", "text"]`), a table `{at = path, when = condition}`, or a list of such tables. In
a path, a number is a list index and `*` is each element. A *condition* is a table of paths, each with the required value or
list of allowed values; `"*"` means anything but null and false. Both are checked once and kept as plain lists for JSON.
"""

from collections.abc import Iterator
from typing import Any

Keys = list[str]
Condition = list[tuple[Keys, list[Any]]]
"""Paths with their allowed values; all of them must match."""

PLACES = ("session", "text", "thinking", "tool", "input", "result", "error", "tokens", "cost")
CONDITIONS = ("step", "failed_when", "finished_when")
CHOSEN = "uuid"
"""`session = "uuid"`: kugetsu chooses the id and passes it as `{session}` in the command."""
_SCALARS = (str, int, float, bool)


def compile_stream(stream: dict[str, Any]) -> dict[str, Any]:
    """Check a stream's table and return the form that readers use.

    Raises:
        ValueError: it is not valid.
    """
    compiled: dict[str, Any] = {}
    for name, value in stream.items():
        try:
            if name == "session" and value == CHOSEN:
                continue
            if name in PLACES:
                compiled[name] = [_place(one) for one in _several(value)]
            elif name in CONDITIONS:
                compiled[name] = [_condition(one) for one in (value if isinstance(value, list) else [value])]
            elif name == "deltas":
                if not isinstance(value, bool):
                    raise ValueError("must be true or false")
                compiled[name] = value
            else:
                raise ValueError(f"is not a key of a stream: use {', '.join((*PLACES, *CONDITIONS, 'deltas'))}")
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return compiled


def chooses_id(stream: dict[str, Any] | None) -> bool:
    """Whether kugetsu chooses the ids of the program's sessions."""
    return stream is not None and stream.get("session") == CHOSEN


def has_session_id(stream: dict[str, Any] | None) -> bool:
    """Whether the id of the session becomes known, no matter who chooses it."""
    return stream is not None and "session" in stream


def find_values(event: Any, keys: Keys) -> Iterator[Any]:
    """Find the values at a path of an event; none if the path does not exist."""
    if not keys:
        yield event
    elif isinstance(event, dict):
        if keys[0] in event:
            yield from find_values(event[keys[0]], keys[1:])
        elif keys[0] == "*":
            for value in event.values():
                yield from find_values(value, keys[1:])
    elif isinstance(event, list):
        if keys[0] == "*":
            for value in event:
                yield from find_values(value, keys[1:])
        elif keys[0].isdecimal() and int(keys[0]) < len(event):
            yield from find_values(event[int(keys[0])], keys[1:])


def condition_holds(event: Any, condition: Condition) -> bool:
    """Whether a condition is true of an event."""
    return all(any(_is(value, wanted) for value in find_values(event, keys) for wanted in values) for keys, values in condition)


def _is(value: Any, wanted: Any) -> bool:
    if wanted == "*":
        return value is not None and value is not False
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]


def _place(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"at": _keys(value), "when": [], "total": False}
    unknown = value.keys() - {"at", "when", "total"}
    if unknown or "at" not in value:
        raise ValueError("has a table with other keys than `at`, `when` and `total`" if unknown else "has a table without `at`")
    if not isinstance(value.get("total", False), bool):
        raise ValueError("has a `total` that is neither true nor false")
    return {"at": _keys(value["at"]), "when": _condition(value.get("when", {})), "total": value.get("total", False)}


def _keys(value: Any) -> Keys:
    keys = value.split(".") if isinstance(value, str) else value
    if not isinstance(keys, list) or not keys or not all(isinstance(key, (str, int)) and str(key) for key in keys):
        raise ValueError(f'is not a valid path: {value!r}; write it like "part.text" or ["part", "text"]')
    return [str(key) for key in keys]


def _condition(value: Any, above: tuple[str, ...] = ()) -> Condition:
    """Read a condition; inner tables are longer paths, as TOML makes them of `part.reason = "stop"`."""
    if not isinstance(value, dict):
        raise ValueError(f'is not a valid condition: {value!r}; write it like {{ type = "error" }}')
    condition: Condition = []
    for name, wanted in value.items():
        keys = (*above, *name.split("."))
        if isinstance(wanted, dict):
            condition += _condition(wanted, keys)
            continue
        values = wanted if isinstance(wanted, list) else [wanted]
        if not values or not all(isinstance(one, _SCALARS) for one in values):
            raise ValueError(f"compares {'.'.join(keys)} with {wanted!r}, which is not a text, number, true or false")
        condition.append((list(keys), values))
    return condition

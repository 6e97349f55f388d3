"""A stand-in for msgspec in the standard library, for commands that only read and start often; see `fast_start`.

Loading msgspec takes three times as long as starting Python. This module gives the same records from the same classes, so
that no field is defined twice, and is sure of what it does or raises `Unsure`: then the command starts again with msgspec.
So it knows only plain files, as Kugetsu itself writes them, and neither writes any nor says what is wrong with one.
"""

import json as _json
from types import GenericAlias, NoneType, SimpleNamespace, UnionType

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Builder = Callable[[Any], Any] | None

INT_LIMIT = 1 << 63


class Unsure(BaseException):
    """msgspec is needed. No `Exception`, so that nobody takes it for a fault of a file."""


class ValidationError(ValueError):
    """Never raised: what is not plain needs msgspec."""


DecodeError = ValidationError


class _Field:
    """A default that is made for each record."""

    def __init__(self, make: "Callable[[], Any]") -> None:
        self.make = make


def field(*, default_factory: "Callable[[], Any]") -> "Any":
    """Give a field of a record a default that is made for each."""
    return _Field(default_factory)


_OPTIONS = frozenset({"frozen", "gc", "dict", "kw_only", "omit_defaults"})
"""What classes ask for that changes nothing in how they are read."""


class _RecordType(type):
    """Makes the class of a record from its annotations."""

    def __new__(mcs, name: str, bases: "tuple[type, ...]", space: "dict[str, Any]", **options: bool) -> "Any":
        if not _OPTIONS.issuperset(options):
            raise Unsure(f"{name} has options that only msgspec knows")
        own = space.get("__annotations__", {})
        defaults = {key: space.pop(key) for key in own if key in space}
        made: Any = super().__new__(mcs, name, bases, space)
        made._types, made._defaults = dict(getattr(made, "_types", {})), dict(getattr(made, "_defaults", {}))
        made._types |= own
        made._defaults |= defaults
        made._fresh = tuple(key for key, value in made._defaults.items() if isinstance(value, _Field))
        made._plans = {}
        made.__struct_fields__ = tuple(made._types)
        return made

    def __init__(cls, name: str, bases: "tuple[type, ...]", space: "dict[str, Any]", **_options: bool) -> None:
        super().__init__(name, bases, space)


class Struct(metaclass=_RecordType):
    """A record."""

    def __init__(self, *values: object, **named: object) -> None:
        fields = self.__dict__
        fields.update(self._defaults)  # type: ignore[attr-defined]
        fields.update(zip(self.__struct_fields__, values, strict=False))  # type: ignore[attr-defined]
        fields.update(named)
        for key in self._fresh:  # type: ignore[attr-defined]
            if isinstance(fields[key], _Field):
                fields[key] = fields[key].make()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash((type(self), *_values(self)))


def _values(record: "Any") -> "list[Any]":
    return [getattr(record, name) for name in record.__struct_fields__]


def _asdict(record: "Any") -> "dict[str, Any]":
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _replace(record: "Any", **changes: object) -> "Any":
    return type(record)(**(_asdict(record) | changes))


# reading


def _load(data: bytes) -> "Any":
    try:
        text = data.decode()
        document = _json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Unsure from None
    if "\\ud" in text or "\\uD" in text:  # half a character
        raise Unsure
    keys = len(document) if text.count("{") == 1 and type(document) is dict else _count_keys(document)
    if text.count('":') - text.count('\\":') != keys:  # perhaps one is there twice
        raise Unsure
    return document


def _refuse(_text: str) -> None:
    raise Unsure


def _count_keys(document: "Any") -> int:
    count = 0
    if type(document) is dict:
        count = len(document)
        for value in document.values():
            if type(value) is dict or (type(value) is list and value):
                count += _count_keys(value)
    elif type(document) is list:
        for value in document:
            count += _count_keys(value)
    return count


def _build_record(kind: "Any", document: "dict[str, Any]") -> "Any":
    """Make a record; how is found once for all documents of the same keys and types."""
    shape = (*document, *map(type, document.values()))
    plan = kind._plans.get(shape)
    if plan is None:
        plan = kind._plans[shape] = _make_plan(kind, document)
    builders, unknown = plan
    record = kind.__new__(kind)
    fields = record.__dict__
    fields.update(kind._defaults)
    fields.update(document)
    for name, builder in builders:
        fields[name] = builder(fields[name])
    for name in unknown:
        del fields[name]
    for name in kind._fresh:
        if isinstance(fields[name], _Field):
            fields[name] = fields[name].make()
    return record


def _make_plan(kind: "Any", document: "dict[str, Any]") -> "tuple[list[tuple[str, Any]], list[str]]":
    builders = []
    for name, annotation in kind._types.items():
        if name not in document:
            if name not in kind._defaults:
                raise Unsure
            continue
        accepted = _accepted(annotation)
        if type(document[name]) not in accepted:
            raise Unsure
        builder = accepted[type(document[name])]
        if builder is not None:
            builders.append((name, builder))
    return builders, [name for name in document if name not in kind._types]


def _build(kind: "Any", document: "Any") -> "Any":
    accepted = _accepted(kind)
    if type(document) not in accepted:
        raise Unsure
    builder = accepted[type(document)]
    return builder(document) if builder is not None else document


_known: "dict[Any, dict[type, Builder]]" = {}


def _accepted(annotation: "Any") -> "dict[type, Builder]":
    """What JSON values a type accepts, and by type of the value how it is built; None: as it is."""
    if annotation not in _known:
        _known[annotation] = _find_accepted(annotation)
    return _known[annotation]


def _find_accepted(annotation: "Any") -> "dict[type, Builder]":
    simple: dict[Any, dict[type, Builder]] = {
        str: {str: None}, bool: {bool: None}, None: {NoneType: None}, NoneType: {NoneType: None}, int: {int: _small},
        float: {float: _finite, int: lambda number: float(_small(number))},
    }  # fmt: skip
    if annotation in simple:
        return simple[annotation]
    if isinstance(annotation, str):  # not evaluated
        raise Unsure
    form = str(getattr(annotation, "__origin__", ""))  # of `typing`, which is not loaded for this
    if isinstance(annotation, UnionType) or form == "typing.Union":
        merged: dict[type, Builder] = {}
        for part in annotation.__args__:
            accepted = _accepted(part)
            if merged.keys() & accepted.keys():
                raise Unsure
            merged |= accepted
        return merged
    if isinstance(annotation, GenericAlias):
        return _find_accepted_container(annotation)
    if isinstance(annotation, _RecordType):
        return {dict: lambda document: _build_record(annotation, document)}
    if isinstance(annotation, type) and issubclass(annotation, str) and hasattr(annotation, "__members__"):
        return {str: lambda text: _one_of(annotation, text)}
    values = getattr(annotation, "__args__", ())
    if form == "typing.Literal" and all(type(value) is str for value in values):
        known = {value: value for value in values}
        return {str: lambda text: known[text] if text in known else _refuse(text)}
    raise Unsure


def _find_accepted_container(annotation: GenericAlias) -> "dict[type, Builder]":
    origin, parts = annotation.__origin__, annotation.__args__
    if origin is dict and parts[0] is str:
        accepted = _accepted(parts[1])
        return {dict: lambda document: dict(zip(document, _build_all(accepted, document.values()), strict=True))}
    if origin is list or origin is frozenset or (origin is tuple and parts[1:] == (...,)):
        accepted, make = _accepted(parts[0]), origin
        return {list: lambda values: make(_build_all(accepted, values)) if values else make()}
    raise Unsure


def _build_all(accepted: "dict[type, Builder]", values: "Any") -> "list[Any]":
    built = []
    for value in values:
        if type(value) not in accepted:
            raise Unsure
        builder = accepted[type(value)]
        built.append(builder(value) if builder is not None else value)
    return built


def _small(number: int) -> int:
    if not -INT_LIMIT <= number < INT_LIMIT:
        raise Unsure
    return number


def _finite(number: float) -> float:
    if number - number != 0.0:
        raise Unsure
    return number


def _one_of(kind: "Any", text: str) -> "Any":
    try:
        return kind(text)
    except ValueError:
        raise Unsure from None


# what modules call


def convert(document: "Any", type: "Any") -> "Any":  # noqa: A002
    """Make a record of a document."""
    return _build(type, document)


def to_builtins(_record: object) -> "Any":
    """Only msgspec writes documents."""
    raise Unsure


class _Encoder:
    """Encodes nothing: readers only ask whether it would be possible, and what was built here is."""

    def encode(self, _document: object) -> None:
        """Say nothing against it."""


class _Decoder:
    def __init__(self, kind: "Any") -> None:
        self._kind = kind

    def decode(self, data: bytes) -> "Any":
        """Read a document."""
        return _build(self._kind, _load(data))


def _decode(data: bytes, type: "Any" = None) -> "Any":  # noqa: A002
    return _load(data) if type is None else _build(type, _load(data))


json = SimpleNamespace(Decoder=_Decoder, Encoder=_Encoder, decode=_decode, encode=_Encoder().encode)
structs = SimpleNamespace(replace=_replace, asdict=_asdict)

"""A part of the fuzz, the same inputs each time."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kugetsu_engine.domain.engine_state import Control, EngineState
from kugetsu_engine.domain.job import Progress, Result, RunRecord
from kugetsu_engine.domain.request import Answer
from kugetsu_engine.domain.task import Notice, Task
from kugetsu_engine.errors import BadFile
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import json_files

from .targets import TARGETS, timed

KINDS: tuple[Any, ...] = (RunRecord, Progress, Result, Control, EngineState, Answer, Notice, Task)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_does_harm(name: str) -> None:
    """A fixed seed; `make fuzz` takes another one each time, and many more."""
    timed(name, TARGETS[name][1], seed=3)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if get_origin(hint) is list:
        return st.lists(_values(get_args(hint)[0]), max_size=3)
    if get_origin(hint) is tuple:
        return st.tuples(*map(_values, get_args(hint)))
    if hint is Any:
        return (
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.just("text") | st.lists(st.just(1.5), max_size=2)
        )
    if get_origin(hint) in (dict, Mapping):
        return st.dictionaries(*(_values(part) for part in get_args(hint)), max_size=3)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _structs(hint)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(st.characters(exclude_categories=["Cs"])), int: st.integers(-(2**63), 2**63 - 1), bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False), type(None): st.none(),
    }  # fmt: skip
    if hint in simple:
        return simple[hint]
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        return st.one_of([_values(part) for part in get_args(hint)])
    return st.sampled_from(get_args(hint))  # a Literal


@cache
def _structs(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a record, which may hold others of its own kind."""
    return st.deferred(lambda: st.builds(kind, **{name: _values(hint) for name, hint in get_type_hints(kind).items()}))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_written_reads_back_the_same(kind: Any) -> None:
    """`load(dump(x)) == x` for every kind of document and any values of its fields."""

    @settings(max_examples=60, derandomize=True, deadline=None, database=None)
    @given(_structs(kind))
    def same(document: Any) -> None:
        assert json_files.decode(msgspec.json.encode(document), kind, "a file") == document

    same()


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_document_or_a_bad_file(data: bytes) -> None:
    """`load(any bytes)` returns or raises `BadFile`, nothing else."""
    for kind in KINDS:
        try:
            json_files.decode(data, kind, "a file")
        except BadFile:
            continue
    try:
        tasks.decode_task(data, "q_1")
    except BadFile:
        return

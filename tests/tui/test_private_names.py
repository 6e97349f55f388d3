"""Names of Textual that are private to it: the console uses those of decisions 18 and 20 and no other."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import kugetsu_tui

PACKAGE = Path(kugetsu_tui.__file__).parent
ALLOWED = {"KugetsuApp._driver", "KugetsuApp._exception", "KugetsuApp._fatal_error"}


def _private_names(tree: ast.AST) -> set[str]:
    """Private attributes of `self` and private methods."""
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    methods = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in attributes | methods if name.startswith("_") and not name.startswith("__")}


@cache
def _classes_of_module(name: str) -> dict[str, set[str]]:
    tree = ast.parse(inspect.getsource(importlib.import_module(name)))
    return {node.name: _private_names(node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _of_class(made: type) -> set[str]:
    return _classes_of_module(made.__module__).get(made.__name__, set())


def _classes() -> Iterator[type]:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "main.py":
            module = importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
            yield from (one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__)


def test_no_class_of_the_console_uses_a_private_name_of_its_base_in_textual() -> None:
    """Neither reads nor overrides one; a name that Textual changes would break the console without a word."""
    used = set()
    for made in _classes():
        bases = [base for base in made.__mro__ if base.__module__.startswith("textual.")]
        if bases:
            used |= {f"{made.__name__}.{name}" for name in _of_class(made) & set().union(*map(_of_class, bases))}
    assert used == ALLOWED


def test_nothing_private_is_reached_through_another_object() -> None:
    """Such as `app._bindings` or `reader._clock`; `_replace` and `_asdict` of named tuples are public."""
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in ("_replace", "_asdict", "_exit")
        and ast.unparse(node.value) not in ("self", "cls", "super()")
    ]
    assert found == []

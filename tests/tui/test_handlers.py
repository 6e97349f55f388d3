"""Textual finds handlers and styles by name: a renamed message or widget must not leave its own behind, unused."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

from textual.dom import DOMNode
from textual.message import Message

import kugetsu_tui
from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.backend import messages


def every_subclass(cls: type) -> Iterator[type]:
    """Those of the console and of what it loads."""
    for module in pkgutil.walk_packages(kugetsu_tui.__path__, "kugetsu_tui."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    waiting: list[type] = [cls]
    known: set[type] = set()
    while waiting:
        subclasses: list[type] = waiting.pop().__subclasses__()
        for subclass in subclasses:
            if subclass not in known:
                known.add(subclass)
                waiting.append(subclass)
                yield subclass


def own_nodes() -> list[type[DOMNode]]:
    """The console's own app, screens and widgets."""
    return [node for node in every_subclass(DOMNode) if node.__module__.startswith("kugetsu_tui")]


def test_the_app_handles_every_message_of_the_backend() -> None:
    """By a method of the name that Textual looks for."""
    sent = [one for one in vars(messages).values() if isinstance(one, type) and issubclass(one, Message) and one is not Message]
    assert len(sent) > 5
    assert [one.__name__ for one in sent if not hasattr(KugetsuApp, one.handler_name)] == []


def test_every_handler_has_its_message() -> None:
    """None is left of a message that has another name now."""
    known = {message.handler_name for message in every_subclass(Message)} | {"on_event"}  # type: ignore[attr-defined]
    handlers = {f"{node.__name__}.{name}": name for node in own_nodes() for name in vars(node) if re.match(r"_?on_[a-z]", name)}
    assert len(handlers) > 20
    assert [place for place, name in handlers.items() if name.lstrip("_") not in known] == []


def test_default_styles_are_about_their_widget() -> None:
    """Their selector is the name of the class."""
    styles = {node.__name__: node.DEFAULT_CSS for node in own_nodes() if "DEFAULT_CSS" in vars(node)}
    assert len(styles) > 8
    assert [name for name, css in styles.items() if not css.strip().startswith(f"{name} {{")] == []

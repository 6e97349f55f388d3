"""Tokens of terminal input; other input is dropped."""

from typing import NamedTuple


class Key(NamedTuple):
    """A pressed key."""

    base: str
    """Its name, such as `up` or `f1`, or its character."""
    character: str | None = None
    """The text it types, if any."""
    modifiers: tuple[str, ...] = ()
    """`alt`, `ctrl`, `shift` and the like, in alphabetical order."""


class Paste(NamedTuple):
    """Pasted text, safe, with line feeds."""

    text: str


class Mouse(NamedTuple):
    """A mouse report."""

    code: int
    """Button and modifiers as in xterm's SGR encoding."""
    x: int
    """Column, from 0."""
    y: int
    """Line, from 0."""
    down: bool


class Focus(NamedTuple):
    """The terminal window got or lost the focus."""

    inside: bool


class Resized(NamedTuple):
    """The terminal was resized; the kernel knows the size."""


class SynchronizedOutput(NamedTuple):
    """The terminal supports synchronized output (mode 2026)."""


Token = Key | Paste | Mouse | Focus | Resized | SynchronizedOutput

ESCAPE = Key("escape", "\x1b")

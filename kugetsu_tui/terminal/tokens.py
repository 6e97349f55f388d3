"""What a terminal can say that the console listens to; everything else it sends is dropped."""

from typing import NamedTuple


class Key(NamedTuple):
    """A key that was pressed."""

    base: str
    """Its name as in `up` or `f1`, or the one character on it."""
    character: str | None = None
    """What it types, if it types anything."""
    modifiers: tuple[str, ...] = ()
    """`alt`, `ctrl`, `shift` and the like, in alphabetical order."""


class Paste(NamedTuple):
    """A text that was pasted, harmless, with line feeds."""

    text: str


class Mouse(NamedTuple):
    """What a mouse did."""

    code: int
    """Button and modifiers as in xterm's SGR reports."""
    x: int
    """Column, from 0."""
    y: int
    """Line, from 0."""
    down: bool


class Focus(NamedTuple):
    """The terminal's window was entered, or left."""

    inside: bool


class Resized(NamedTuple):
    """The terminal has another size; which one is to be asked of the kernel."""


class SynchronizedOutput(NamedTuple):
    """The terminal can be told to show a frame only when it is complete."""


Token = Key | Paste | Mouse | Focus | Resized | SynchronizedOutput

ESCAPE = Key("escape", "\x1b")

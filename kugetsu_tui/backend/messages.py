"""Messages from the backend to the app, named by what happened."""

from dataclasses import dataclass

from textual.message import Message

from kugetsu_engine.domain.request import Undo

from ..viewmodels.console_state import ConsoleState


@dataclass
class StateChanged(Message):
    """The state directory was read again; only the newest one counts."""

    state: ConsoleState

    def can_replace(self, message: Message) -> bool:
        """A newer state replaces an older one."""
        return isinstance(message, StateChanged)


@dataclass
class ReadFailed(Message):
    """The state directory could not be read; what is on the screen is old."""

    text: str


@dataclass
class Answered(Message):
    """An act was answered, in one line."""

    text: str
    good: bool
    undo: tuple[Undo, ...] = ()
    """What undoes its parts, in the order in which they were done."""


@dataclass
class EngineFailed(Message):
    """The engine in this process failed and is being restarted."""

    text: str


@dataclass
class AttentionCalled(Message):
    """Something happened that the operator wants to be called for, in one line."""

    text: str


@dataclass
class Returned(Message):
    """What happened since the operator was last here, in one line."""

    text: str
    tone: str


@dataclass
class EngineTaken(Message):
    """The engine of another process ended, and this console runs it now."""

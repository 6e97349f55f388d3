"""Textual's events for terminal tokens."""

from collections.abc import Callable

from textual import events, messages
from textual.keys import _character_to_key  # bindings are named by it, and keys must have the same names
from textual.message import Message

from .tokens import Focus, Key, Mouse, Paste, Resized, Token

WHEEL, MOVED = 64, 32
_WHEEL = (events.MouseScrollUp, events.MouseScrollDown, events.MouseScrollLeft, events.MouseScrollRight)


class EventMaker:
    """Posts tokens as Textual's events."""

    def __init__(self, post: Callable[[Message], object], resized: Callable[[], object]) -> None:
        self._post = post
        self._resized = resized
        self._x = self._y = 0

    def __call__(self, token: Token) -> None:
        """Post one token."""
        if isinstance(token, Key):
            self._post(events.Key(format_key_name(token), token.character))
        elif isinstance(token, Paste):
            self._post(events.Paste(token.text))
        elif isinstance(token, Mouse):
            self._post(self._mouse(token))
        elif isinstance(token, Focus):
            self._post(events.AppFocus() if token.inside else events.AppBlur())
        elif isinstance(token, Resized):
            self._resized()
        else:
            self._post(messages.TerminalSupportsSynchronizedOutput())

    def _mouse(self, token: Mouse) -> events.MouseEvent:
        kind: type[events.MouseEvent]
        if token.code & WHEEL:
            kind, button = _WHEEL[token.code & 3], 0
        else:
            button = (token.code + 1) & 3
            kind = events.MouseDown if token.down else events.MouseUp
            if token.code & MOVED or button == 0:
                kind = events.MouseMove
        moved_x, moved_y, self._x, self._y = token.x - self._x, token.y - self._y, token.x, token.y
        return kind(
            None, token.x, token.y, moved_x, moved_y, button, bool(token.code & 4), bool(token.code & 8), bool(token.code & 16),
            screen_x=token.x, screen_y=token.y,
        )  # fmt: skip


def format_key_name(key: Key) -> str:
    """A key's name in bindings."""
    base = key.base
    if len(base) == 1 and not base.isalnum():
        base = _character_to_key(base)
    return "+".join((*key.modifiers, base))

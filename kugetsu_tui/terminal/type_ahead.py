"""Type-ahead: keys typed faster than the screen follows; a key that leaves a field is handled after the text before it."""

import asyncio
import contextlib

from textual.widget import Widget

LIMIT_S = 1.0
"""Upper limit for opening a screen or delivering keys."""


async def wait_for_typed_text(field: Widget | None) -> None:
    """Wait until a field has received the keys on their way to it.

    The app handles the next key while widgets still process earlier ones. A key that uses the whole text of a field
    waits here first, and later keys go to whatever it opens.
    """
    if field is not None:
        await _wait_until_idle(field)


async def wait_until_open(screen: Widget) -> None:
    """Wait until a pushed screen is mounted and focused, so that the next keys go to it."""
    if not screen.is_mounted:
        await _wait_until_idle(screen)


async def _wait_until_idle(widget: Widget) -> None:
    idle = asyncio.Event()
    if widget.call_later(idle.set):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(idle.wait(), LIMIT_S)

"""Keys that are typed faster than the screen follows: a key that leaves a field comes after all that was typed into it."""

import asyncio
import contextlib

from textual.widget import Widget

LIMIT_S = 1.0
"""Nothing takes so long to open, or for its letters."""


async def wait_for_typed_text(field: Widget | None) -> None:
    """Wait until a field has the letters that are on their way to it.

    The app looks at the next key while its widgets still work on the ones before. So it waits here, before a key that is about
    the whole text of a field, and the keys after it meet whatever that one led to.
    """
    if field is not None:
        await _caught_up(field)


async def wait_until_open(screen: Widget) -> None:
    """Wait until a screen that was just pushed has its parts and its focus: the next keys are for them."""
    if not screen.is_mounted:
        await _caught_up(screen)


async def _caught_up(widget: Widget) -> None:
    done = asyncio.Event()
    if widget.call_later(done.set):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), LIMIT_S)

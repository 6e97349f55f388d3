"""Scroll bars of Textual's own widgets for a terminal that has nothing beyond ASCII."""

from textual.scrollbar import ScrollBar, ScrollBarRender


class AsciiBars(ScrollBarRender):
    """A bar whose ends are whole cells: the parts of a cell are characters that are not there."""

    VERTICAL_BARS = [" "] * len(ScrollBarRender.VERTICAL_BARS)
    HORIZONTAL_BARS = [" "] * len(ScrollBarRender.HORIZONTAL_BARS)


def choose_scroll_bars(ascii_only: bool) -> None:
    """Draw all scroll bars with or without characters beyond ASCII."""
    ScrollBar.renderer = AsciiBars if ascii_only else ScrollBarRender

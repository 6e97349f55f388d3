"""Scroll bars of Textual's widgets for terminals limited to ASCII."""

from textual.scrollbar import ScrollBar, ScrollBarRender


class AsciiBars(ScrollBarRender):
    """A scroll bar that ends at whole cells, as partial blocks are not ASCII."""

    VERTICAL_BARS = [" "] * len(ScrollBarRender.VERTICAL_BARS)
    HORIZONTAL_BARS = [" "] * len(ScrollBarRender.HORIZONTAL_BARS)


def choose_scroll_bars(ascii_only: bool) -> None:
    """Draw all scroll bars with or without characters beyond ASCII."""
    ScrollBar.renderer = AsciiBars if ascii_only else ScrollBarRender

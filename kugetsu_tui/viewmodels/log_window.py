"""The part of a log that is loaded for a view."""

from typing import NamedTuple

from kugetsu_engine.domain.text.terminal_line import Colour

from ..formatting.cells import SafeText

WINDOW = 400
"""Lines loaded at once; a few screens."""
SCAN_LINES = 400_000
"""Lines searched for the next error; about a second."""


class LogPart(NamedTuple):
    """Some lines of a log, and the total."""

    total: int
    size: int
    start: int
    lines: tuple[SafeText, ...]
    times: tuple[str, ...] = ()
    """When each line was written, empty if unknown; no entries if times are off."""
    colours: tuple[tuple[Colour, ...], ...] = ()
    """The colours of each line; no entries if no line has any."""
    streams: bool = False
    """Whether the log exists in two forms: raw and readable."""

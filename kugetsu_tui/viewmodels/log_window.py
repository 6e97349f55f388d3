"""The part of a log that a view shows."""

from typing import NamedTuple

from kugetsu_engine.domain.text.terminal_line import Colour

from ..formatting.cells import SafeText

WINDOW = 400
"""Lines that are handed out at once; a few screens."""


SCAN_LINES = 400_000
"""Lines that are looked at for the next error; about a second."""


class LogPart(NamedTuple):
    """Some lines of a log, and how many there are."""

    total: int
    size: int
    start: int
    lines: tuple[SafeText, ...]
    times: tuple[str, ...] = ()
    """When each was written, empty where that is not known; none at all where they are not asked for."""
    colours: tuple[tuple[Colour, ...], ...] = ()
    """The colours of each; none at all where no line has any."""
    streams: bool = False
    """Whether the log is there in two forms: as the agent printed it, and readable."""

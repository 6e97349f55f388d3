"""What operators set for the whole queue, as it is kept in `queue/control.json`."""

from ..domain.engine_state import Control
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import json_files

UNREADABLE = Control(paused=True)


def read_control(paths: StatePaths) -> Control:
    """Read the file; one that is missing says nothing.

    Raises:
        BadFile: it cannot be read.
    """
    try:
        control = json_files.read(paths.control, Control)
    except FileNotFoundError:
        return Control()
    if control.limit is not None and not 1 <= control.limit <= 1000:
        raise BadFile(f"{paths.control} holds a limit out of range")
    return control


def load_control(paths: StatePaths) -> Control:
    """Like `read`; one that is broken says paused."""
    try:
        return read_control(paths)
    except BadFile:
        return UNREADABLE


def effective_limit(control: Control, configured: int) -> int:
    """The limit in force: the one set by hand, as long as the setting is still what it was then."""
    by_hand = control.limit is not None and control.limit_over == configured
    return control.limit if by_hand and control.limit is not None else configured

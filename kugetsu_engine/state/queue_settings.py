"""The operator's controls of the whole queue, in `queue/control.json`."""

from ..domain.engine_state import Control
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import json_files

UNREADABLE = Control(paused=True)


def read_control(paths: StatePaths) -> Control:
    """Read the controls; the defaults if the file is missing.

    Raises:
        BadFile: it cannot be read.
    """
    try:
        control = json_files.read(paths.control, Control)
    except FileNotFoundError:
        return Control()
    if control.limit is not None and not 1 <= control.limit <= 1000:
        raise BadFile(f"{paths.control} contains a limit out of range")
    return control


def load_control(paths: StatePaths) -> Control:
    """Like `read_control`; paused if the file cannot be read."""
    try:
        return read_control(paths)
    except BadFile:
        return UNREADABLE


def effective_limit(control: Control, configured: int) -> int:
    """The limit in effect: the operator's, as long as the setting it overrides has not changed."""
    by_hand = control.limit is not None and control.limit_over == configured
    return control.limit if by_hand and control.limit is not None else configured

"""Where a command works, and the person it tells. Apart from `words`, as the shortest `enqueue` needs no parser."""

from __future__ import annotations

import os
import sys

from ..paths import StatePaths, state_dir_from

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from ..operator import Operator


def operator() -> Operator:
    """The operator of this command's state directory."""
    from ..operator import Operator

    return Operator(state_dir_from(os.environ))


def paths() -> StatePaths:
    """The state directory of this command."""
    return StatePaths(state_dir_from(os.environ))


def note(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    from ..domain.safe_text import safe_line

    sys.stderr.write(f"{safe_line(text)}\n")

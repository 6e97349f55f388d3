"""Reading the words of a command."""

from __future__ import annotations

import argparse
import os
import sys

from ..errors import UsageError
from ..operator import Operator
from ..paths import StatePaths, state_dir_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class _Help(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal for its width loads a module that costs a tenth of a whole command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class Words(argparse.ArgumentParser):
    """A parser whose complaint is one line and exit code 64."""

    def __init__(self, verb: str, about: str) -> None:
        super().__init__(prog=f"kugetsu {verb}", description=about, allow_abbrev=False, formatter_class=_Help)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help")

    def json_flag(self) -> None:
        """Accept `--json`."""
        self.add_argument("--json", action="store_true", help="print one JSON document")


def operator() -> Operator:
    """The operator of this command's state directory."""
    return Operator(state_dir_from(os.environ))


def paths() -> StatePaths:
    """The state directory of this command."""
    return StatePaths(state_dir_from(os.environ))


def note(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    from ..domain.safe_text import safe_line

    sys.stderr.write(f"{safe_line(text)}\n")

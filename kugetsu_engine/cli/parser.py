"""Reading the words of a command."""

from __future__ import annotations

import argparse

from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class _Help(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal for its width loads a module that costs a tenth of a whole command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class VerbParser(argparse.ArgumentParser):
    """A parser whose complaint is one line and exit code 64."""

    def __init__(self, verb: str, about: str, add_help: bool = True) -> None:
        super().__init__(
            prog=f"kugetsu {verb}", description=about, allow_abbrev=False, formatter_class=_Help, add_help=add_help
        )
        self.hint = f"{self.prog} --help"
        """What a complaint says that helps."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "), self.hint)

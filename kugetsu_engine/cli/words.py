"""Reading the words of a command."""

from __future__ import annotations

import argparse

from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, NoReturn


class _Help(argparse.HelpFormatter):
    """Of a fixed width: asking the terminal for its width loads a module that costs a tenth of a whole command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class Words(argparse.ArgumentParser):
    """A parser whose complaint is one line and exit code 64."""

    reading: ClassVar[Callable[[Words], NoReturn] | None] = None
    """Where it is set, the parsers themselves are asked for, not what they make of words: called in place of reading any."""

    def __init__(self, verb: str, about: str, add_help: bool = True) -> None:
        super().__init__(
            prog=f"kugetsu {verb}", description=about, allow_abbrev=False, formatter_class=_Help, add_help=add_help
        )

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read words, unless only the parser is asked for."""
        if Words.reading is not None:
            Words.reading(self)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help")

    def json_flag(self) -> None:
        """Accept `--json`."""
        self.add_argument("--json", action="store_true", help="print one JSON document")

"""Parsing the arguments of a verb."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from .arguments import add_arguments
from .verbs import VERBS, describe_verb, list_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from .arguments import Argument


class _Help(argparse.HelpFormatter):
    """A fixed width: asking the terminal for its width loads a module that costs a tenth of a whole command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class VerbParser(argparse.ArgumentParser):
    """A parser whose error is one line and exit code 64."""

    def __init__(self, verb: str, about: str, add_help: bool = True) -> None:
        super().__init__(
            prog=f"kugetsu {verb}", description=about, allow_abbrev=False, formatter_class=_Help, add_help=add_help
        )
        self.hint = f"{self.prog} --help"
        """The hint of an error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "), self.hint)


def make_parser(verb: str) -> VerbParser:
    """Make the parser of a verb, or of a verb and its part, such as `queue list`."""
    parser = VerbParser(verb, VERBS[verb].about)
    add_arguments(parser, VERBS[verb].arguments)
    return parser


def make_console_parser(verb: str, arguments: Sequence[Argument], hint: str) -> VerbParser:
    """Make the parser of a verb of the console: without `--help`, with a hint of its own."""
    parser = VerbParser(verb, "", add_help=False)
    parser.hint = hint
    add_arguments(parser, arguments, console=True)
    return parser


def split_part(verb: str, argv: list[str], default: str = "") -> tuple[str, list[str]]:
    """Split the part of a verb, such as `list` of `queue list`, from the arguments after it.

    Args:
        default: the part where none is named.

    Raises:
        UsageError: there is no such part.
        SystemExit: help was asked for and has been printed.
    """
    parts = list_parts(verb)
    if argv[:1] in (["-h"], ["--help"]):
        print(f"usage: kugetsu {verb} {{{','.join(parts)}}} ...\n")
        for part in parts:
            print(f"  {part:8} {describe_verb(f'{verb} {part}')}")
        print(f"\nkugetsu help {verb} {parts[0]} says more about {parts[0]}.")
        raise SystemExit(0)
    if default and (not argv or argv[0].startswith("-")):
        return default, argv
    names = f"{', '.join(parts[:-1])} or {parts[-1]}"
    if not argv:
        raise UsageError(f"{verb} needs one of {names}", f"kugetsu {verb} --help")
    if argv[0] not in parts:
        from ..domain.config_faults import find_nearest

        nearest = find_nearest(argv[0], parts)
        raise UsageError(f"{verb} has no {argv[0][:40]!r}", f"did you mean {nearest}?" if nearest else f"use {names}")
    return argv[0], argv[1:]

"""`kugetsu completion bash|zsh|fish|…`: prints a script for the shell, made from the table of verbs."""

import argparse
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import shtab

from ...errors import KugetsuError, UsageError
from ...storage import files
from .. import completion_values
from ..arguments import add_arguments, list_shells
from ..parser import VerbParser, make_parser
from ..verbs import MODULES, VERBS, describe_verb, list_parts

DYNAMIC = {
    **dict.fromkeys(("id", "before", "after", "what"), "ids"),
    "issue_ref": "references",
    "agent": "agents",
    "name": "servers",
}
"""Arguments whose values depend on the state directory: `kugetsu completion KIND` prints them."""
SHTABS_EVAL = "$zsh_eval_context[-1] == eval"
"""shtab's script recognizes `eval` by this, but not `source`."""
FILES = {"file": shtab.FILE, "folder": shtab.DIRECTORY, "repo": shtab.DIRECTORY}


def main(verb: str, argv: list[str]) -> int:
    """Print a completion script, or the values of one kind for such a script to offer."""
    if argv[:1] and argv[0] in completion_values.KINDS:
        print("\n".join(completion_values.KINDS[argv[0]](dict(os.environ))))
        return 0
    args = make_parser(verb).parse_args(argv)
    shell = args.shell or os.path.basename(os.environ.get("SHELL", ""))
    if shell not in list_shells():
        raise UsageError("the shell is not known from $SHELL", "name it: kugetsu completion bash")
    script = make_script(shell)
    if not args.install:
        print(script)
        return 0
    place = find_place(shell, os.environ)
    write_script(place.path, script)
    print(f"{place.path}: written. {place.then}")
    return 0


class Place(NamedTuple):
    """Where the completions of a shell are installed."""

    path: str
    then: str
    """What to do for them to be loaded."""


def make_script(shell: str) -> str:
    """Make the completion script of a shell."""
    return shtab.complete(make_completion_parser(), shell=shell).replace(SHTABS_EVAL, "$zsh_eval_context[-1] == (eval|file)")


def find_place(shell: str, environ: Mapping[str, str]) -> Place:
    """Find the user's own folder from which a shell loads completions.

    Raises:
        UsageError: the shell has none.
    """
    home = os.path.expanduser("~")
    data = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    settings = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    if shell == "bash":
        return Place(f"{data}/bash-completion/completions/kugetsu", "It is loaded in new shells that have bash-completion.")
    if shell == "fish":
        return Place(f"{settings}/fish/completions/kugetsu.fish", "It is loaded in new shells.")
    if shell == "zsh":
        folder = f"{data}/zsh/site-functions"
        return Place(f"{folder}/_kugetsu", f"Put this line into ~/.zshrc before compinit: fpath=({folder} $fpath)")
    raise UsageError(f"completions of {shell} cannot be installed", f"print them with kugetsu completion {shell}")


def write_script(path: str, script: str) -> None:
    """Write a completion script.

    Raises:
        KugetsuError: it cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.replace(path, script.encode(), durable=False)
        os.chmod(path, 0o644)
    except OSError as error:
        raise KugetsuError(f"{path} cannot be written: {error.strerror}", "print it without --install") from None


def make_completion_parser() -> VerbParser:
    """Make one parser of all verbs, for shtab."""
    parser = VerbParser("", "")
    parser.prog = "kugetsu"
    _add_arguments(parser, "--headless")
    parser.add_argument("--headless", action="store_true", help="the engine without a screen")
    parser.add_argument("--read-only", action="store_true", help="a console that changes nothing")
    verbs = parser.add_subparsers(dest="verb", parser_class=argparse.ArgumentParser)
    for verb in sorted(MODULES.keys() - {"--headless"}):
        if not (parts := list_parts(verb)):
            _add(verbs, verb, verb)
            continue
        subparsers = verbs.add_parser(verb, help=", ".join(parts)).add_subparsers(dest="part")
        for part in parts:
            _add(subparsers, part, f"{verb} {part}")
    return parser


def _add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, verb: str) -> None:
    _add_arguments(verbs.add_parser(name, help=describe_verb(verb)), verb)


def _add_arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the arguments of a verb, and how a shell asks for their values."""
    add_arguments(parser, VERBS[verb].arguments)
    for action in parser._actions:
        if (kind := DYNAMIC.get(action.dest)) is not None and action.nargs != 0 and not action.choices:
            action.complete = _complete_by_command(kind)  # type: ignore[attr-defined]
        elif action.dest in FILES:
            action.complete = FILES[action.dest]  # type: ignore[attr-defined]


def _complete_by_command(kind: str) -> dict[str, Any]:
    """How each shell asks for the values of one kind."""
    command = f"kugetsu completion {kind} 2>/dev/null"
    completer: dict[str, Any] = shtab.cmd(command)
    # zsh would read the # of a reference as a pattern.
    zsh = f'_kugetsu_{kind}() {{ compadd -- ${{(f)"$({command})"}} }}'
    return completer | {"zsh": f"_kugetsu_{kind}", "preamble": completer["preamble"] | {"zsh": zsh}}

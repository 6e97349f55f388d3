"""`kugetsu completion bash|zsh|fish|…`: prints a script for the shell, made from the very parsers of the verbs."""

import argparse
import os
from typing import Any

import shtab

from ...client.verbs import VERB_HELP
from .. import completion_values, grammar
from ..main import GROUPS
from ..parser import VerbParser

DYNAMIC = {
    **dict.fromkeys(("id", "before", "after", "what"), "ids"),
    "issue_ref": "references",
    "agent": "agents",
    "name": "servers",
}
"""Arguments whose values depend on the state directory, and what `kugetsu completion` prints for them."""
SHTABS_EVAL = "$zsh_eval_context[-1] == eval"
"""How shtab's script asks whether it is loaded by hand; `source`, unlike `eval`, it takes for a call."""
FILES = {"file": shtab.FILE, "folder": shtab.DIRECTORY, "repo": shtab.DIRECTORY}


def main(verb: str, words: list[str]) -> int:
    """Print completions, or what is known of one kind of word for such a script to offer."""
    if words[:1] and words[0] in completion_values.KINDS:
        print("\n".join(completion_values.KINDS[words[0]](dict(os.environ))))
        return 0
    parser = VerbParser(verb, VERB_HELP[verb])
    _add_arguments(parser, verb)
    shell = parser.parse_args(words).shell
    print(shtab.complete(build_completion_parser(), shell=shell).replace(SHTABS_EVAL, "$zsh_eval_context[-1] == (eval|file)"))
    return 0


def build_completion_parser() -> VerbParser:
    """One parser of all verbs, each with the options, and the words, of its own."""
    parser = VerbParser("", "")
    parser.prog = "kugetsu"
    _add_arguments(parser, "--headless")
    parser.add_argument("--headless", action="store_true", help="the engine without a screen")
    parser.add_argument("--read-only", action="store_true", help="a console that changes nothing")
    verbs = parser.add_subparsers(dest="verb", parser_class=argparse.ArgumentParser)
    for verb in sorted(GROUPS.keys() - {"--headless"}):
        if not (words := grammar.parts_of(verb)):
            _add(verbs, verb, verb)
            continue
        parts = verbs.add_parser(verb, help=", ".join(words)).add_subparsers(dest="part")
        for part in words:
            _add(parts, part, f"{verb} {part}")
    return parser


def _add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, verb: str) -> None:
    about = VERB_HELP[verb].partition(". ")[0].removesuffix(".")
    _add_arguments(verbs.add_parser(name, help=about), verb)


def _add_arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add what a verb takes, and how a shell asks for what it may be."""
    grammar.add_arguments(parser, grammar.GRAMMAR[verb])
    for action in parser._actions:
        if (kind := DYNAMIC.get(action.dest)) is not None and action.nargs != 0 and not action.choices:
            action.complete = _asked_for(kind)  # type: ignore[attr-defined]
        elif action.dest == "shell":
            action.choices = shtab.SUPPORTED_SHELLS
        elif action.dest in FILES:
            action.complete = FILES[action.dest]  # type: ignore[attr-defined]


def _asked_for(kind: str) -> dict[str, Any]:
    """How each shell asks for the words of one kind."""
    command = f"kugetsu completion {kind} 2>/dev/null"
    found: dict[str, Any] = shtab.cmd(command)
    # zsh would take the # of a reference for a pattern.
    asking = f'_kugetsu_{kind}() {{ compadd -- ${{(f)"$({command})"}} }}'
    return found | {"zsh": f"_kugetsu_{kind}", "preamble": found["preamble"] | {"zsh": asking}}

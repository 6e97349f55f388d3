"""`kugetsu completion bash|zsh|fish|…`: prints a script for the shell, made from the very parsers of the verbs."""

import argparse
import os
from importlib import import_module
from typing import Any, NoReturn

import shtab

from . import GROUPS, candidates
from .words import Words

PARTS = {
    "queue": ("list", "stats", "clear", "enqueue"), "notify": ("list", "clear", "mute", "unmute", "test"),
    "server": ("list", "add", "remove", "default", "get"), "queue-daemon": ("start", "stop", "restart", "status", "logs"),
}  # fmt: skip
"""Verbs that go on with a word of their own, and these words."""
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
    if words[:1] and words[0] in candidates.KINDS:
        print("\n".join(candidates.KINDS[words[0]](dict(os.environ))))
        return 0
    parser = Words(verb, 'Print completions: eval "$(kugetsu completion bash)", or for fish: kugetsu completion fish | source')
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    shell = parser.parse_args(words).shell
    print(shtab.complete(whole(), shell=shell).replace(SHTABS_EVAL, "$zsh_eval_context[-1] == (eval|file)"))
    return 0


def whole() -> Words:
    """One parser of all verbs, each with the options, and the words, of its own."""
    parser = _Plain(parents=[parser_of("--headless", ["--"])], add_help=False)
    parser.prog = "kugetsu"
    parser.add_argument("--headless", action="store_true", help="the engine without a screen")
    parser.add_argument("--read-only", action="store_true", help="a console that changes nothing")
    verbs = parser.add_subparsers(dest="verb", parser_class=_Plain)
    for verb in sorted(GROUPS.keys() - {"--headless"}):
        if verb not in PARTS:
            _add(verbs, verb, [])
            continue
        parts = verbs.add_parser(verb, help=", ".join(PARTS[verb])).add_subparsers(dest="part", parser_class=_Plain)
        for part in PARTS[verb]:
            _add(parts, part, [part], verb)
    return parser


class _Plain(Words):
    def __init__(self, add_help: bool = True, **given: object) -> None:
        super().__init__(str(given.get("prog", "")).removeprefix("kugetsu "), "", add_help)
        for parent in given.get("parents", []):  # type: ignore[attr-defined]
            self._add_container_actions(parent)


class _Found(BaseException):
    """Carries a parser out of the verb that made it; not an `Exception`, as that is what verbs may hold back."""

    def __init__(self, parser: Words) -> None:
        self.parser = parser


def _add(verbs: "argparse._SubParsersAction[_Plain]", name: str, words: list[str], verb: str = "") -> None:
    parser = parser_of(verb or name, words)
    about = (parser.description or "").partition(". ")[0].removesuffix(".")
    verbs.add_parser(name, help=about, parents=[parser], add_help=False)  # type: ignore[list-item]


def parser_of(verb: str, words: list[str]) -> Words:
    """The parser a verb reads its words with."""

    def found(parser: Words) -> NoReturn:
        raise _Found(parser)

    Words.reading = found
    try:
        import_module(f".{GROUPS[verb]}", __package__).main(verb, words or ["--"])
    except _Found as error:
        parser = error.parser
    else:
        raise AssertionError(f"{verb} reads its words without a parser")
    finally:
        Words.reading = None
    for action in parser._actions:
        if (kind := DYNAMIC.get(action.dest)) is not None and action.nargs != 0 and not action.choices:
            action.complete = _asked_for(kind)  # type: ignore[attr-defined]
        elif action.dest in FILES:
            action.complete = FILES[action.dest]  # type: ignore[attr-defined]
    return parser


def _asked_for(kind: str) -> dict[str, Any]:
    """How each shell asks for the words of one kind."""
    command = f"kugetsu completion {kind} 2>/dev/null"
    found: dict[str, Any] = shtab.cmd(command)
    # zsh would take the # of a reference for a pattern.
    asking = f'_kugetsu_{kind}() {{ compadd -- ${{(f)"$({command})"}} }}'
    return found | {"zsh": f"_kugetsu_{kind}", "preamble": found["preamble"] | {"zsh": asking}}

"""`kugetsu completion bash|zsh|tcsh`: prints a script for the shell."""

import shtab

from . import CONSOLE_WORDS, GROUPS
from .words import Words


def main(verb: str, words: list[str]) -> int:
    """Print completions."""
    parser = Words(verb, 'Print completions: eval "$(kugetsu completion bash)"')
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    shell = parser.parse_args(words).shell
    whole = Words("", "kugetsu")
    whole.prog = "kugetsu"
    for word in CONSOLE_WORDS | {"--headless"}:
        whole.add_argument(word, action="store_true")
    verbs = whole.add_subparsers(dest="verb", parser_class=_Plain)
    for name in sorted(GROUPS.keys() - {"--headless"}):
        verbs.add_parser(name)
    print(shtab.complete(whole, shell=shell))
    return 0


class _Plain(Words):
    def __init__(self, **given: object) -> None:
        super().__init__(str(given.get("prog", "")).removeprefix("kugetsu "), "")

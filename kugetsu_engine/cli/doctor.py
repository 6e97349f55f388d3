"""`kugetsu doctor`: is everything as it must be, what is wrong in words, and with `--fix` mending it."""

import os
from typing import Any

import msgspec

from ..config import SettingsSource
from ..doctor import Fact, Finding, check, gather, look_around, mend
from ..domain.safe_text import safe_line
from .here import paths
from .output import print_json
from .words import Words


def main(verb: str, words: list[str]) -> int:
    """Look, tell, and mend where asked; 0 when healthy, 1 with findings."""
    parser = Words(verb, "Check the state directory and what kugetsu needs. Reads only, unless --fix is given.")
    parser.add_argument("--verify", action="store_true", help="the state directory only, not the surroundings")
    parser.add_argument("--fix", action="store_true", help="mend what can be mended; nothing of yours is deleted")
    parser.json_flag()
    given = parser.parse_args(words)
    facts, found = _look(given.verify)
    done: list[str] = []
    if given.fix and any(finding.remedy for finding in found):
        done = mend(paths(), os.environ, found)
        facts, found = _look(given.verify)
    if given.json:
        print_json({"healthy": not found, "facts": _plain(facts), "findings": _plain(found), "done": done})
    else:
        _print(facts, found, done)
    return 1 if found else 0


def _look(only_state_dir: bool) -> tuple[list[Fact], list[Finding]]:
    here = paths()
    facts, found = ([], []) if only_state_dir else look_around(here, os.environ)
    if os.path.isdir(here.root):
        found = found + check(gather(here, SettingsSource(here, os.environ).current))
    return facts, found


def _plain(records: list[Fact] | list[Finding]) -> Any:
    return msgspec.to_builtins(records)


def _print(facts: list[Fact], found: list[Finding], done: list[str]) -> None:
    room = max((len(fact.name) for fact in facts), default=0)
    for fact in facts:
        print(f"{'✓' if fact.ok else '✗'} {safe_line(fact.name):{room}}  {safe_line(fact.text)}")
    for text in done:
        print(f"mended    {safe_line(text)}")
    for finding in found:
        rule = f" ({finding.rule})" if finding.rule else ""
        print(f"{finding.code}{rule}: {safe_line(finding.text)}")
        if finding.fix:
            print(f"    {'--fix would: ' if finding.remedy else ''}{safe_line(finding.fix)}")
    print("healthy" if not found else f"{len(found)} finding{'s' * (len(found) != 1)}")

"""`kugetsu doctor`: is everything as it must be, what is wrong in words, and with `--fix` mending it."""

import os
from typing import Any

import msgspec

from ...config.loader import SettingsSource
from ...doctor import Fact, Finding, fix_findings, gather_evidence, inspect_machine, run_checks
from ...domain.text.quantities import format_count
from ...domain.text.safe_text import safe_line
from ..context import glyph, state_paths
from ..grammar import parser_of
from ..output import print_json


def main(verb: str, words: list[str]) -> int:
    """Look, tell, and mend where asked; 0 when healthy, 1 with findings."""
    given = parser_of(verb).parse_args(words)
    if given.what == "agents":
        return _agents(given.json)
    facts, found = _look(given.verify)
    done: list[str] = []
    if given.fix and any(finding.remedy for finding in found):
        done = fix_findings(state_paths(), os.environ, found)
        facts, found = _look(given.verify)
    if given.json:
        print_json({"healthy": not found, "facts": _plain(facts), "findings": _plain(found), "done": done})
    else:
        _print(facts, found, done)
    return 1 if found else 0


def _agents(as_json: bool) -> int:
    """Tell of every agent; 1 when the one that is used by default cannot run."""
    from ...doctor.agent_programs import inspect_programs

    here = state_paths()
    settings = SettingsSource(here, os.environ).current
    found = inspect_programs(here, settings, os.environ)
    if as_json:
        print_json({"default": settings.agent, "agents": msgspec.to_builtins(found)})
    else:
        room, wide = max(len(one.name) for one in found), max(len(one.version or "–") for one in found)
        for one in found:
            sign = glyph({"yes": "good", "no": "error"}.get(one.ready, "unknown"))
            what = "; ".join(part for part in (one.path or "not installed", one.login, one.todo) if part)
            mine = " (default)" if one.name == settings.agent else ""
            print(f"{sign} {safe_line(one.name):{room}}  {safe_line(one.version or '–'):{wide}}  {safe_line(what)}{mine}")
            if one.advice:
                print(f"  {'':{room}}  {'':{wide}}  {safe_line(one.advice)}")
    return int(any(one.ready == "no" for one in found if one.name == settings.agent))


def _look(only_state_dir: bool) -> tuple[list[Fact], list[Finding]]:
    here = state_paths()
    facts, found = ([], []) if only_state_dir else inspect_machine(here, os.environ)
    if os.path.isdir(here.root):
        found = found + run_checks(gather_evidence(here, SettingsSource(here, os.environ).current))
    return facts, found


def _plain(records: list[Fact] | list[Finding]) -> Any:
    return msgspec.to_builtins(records)


def _print(facts: list[Fact], found: list[Finding], done: list[str]) -> None:
    room = max((len(fact.name) for fact in facts), default=0)
    for fact in facts:
        print(f"{glyph('good' if fact.ok else 'error')} {safe_line(fact.name):{room}}  {safe_line(fact.text)}")
    for text in done:
        print(f"mended    {safe_line(text)}")
    for finding in found:
        rule = f" ({finding.rule})" if finding.rule else ""
        print(f"{finding.code}{rule}: {safe_line(finding.text)}")
        if finding.fix:
            print(f"    {'--fix would: ' if finding.remedy else ''}{safe_line(finding.fix)}")
    print("healthy" if not found else format_count(len(found), "finding"))

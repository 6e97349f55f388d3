"""`kugetsu doctor`: finds what is wrong, and with `--fix` repairs it."""

import os
from typing import Any

import msgspec

from ...config.loader import SettingsSource
from ...doctor import Fact, Finding, fix_findings, gather_evidence, inspect_machine, run_checks
from ...domain.text.quantities import format_count
from ...domain.text.safe_text import safe_line
from ..context import choose_glyph, make_paths
from ..output import print_json
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Check, and repair if asked; 0 when healthy, 1 with findings."""
    args = make_parser(verb).parse_args(argv)
    if args.what == "agents":
        return _agents(args.json)
    facts, found = _inspect(args.verify)
    done: list[str] = []
    if args.fix and any(finding.remedy for finding in found):
        done = fix_findings(make_paths(), os.environ, found)
        facts, found = _inspect(args.verify)
    if args.json:
        print_json({"healthy": not found, "facts": _plain(facts), "findings": _plain(found), "done": done})
    else:
        _print(facts, found, done)
    return 1 if found else 0


def _agents(as_json: bool) -> int:
    """Print every agent; 1 when the default one cannot run."""
    from ...doctor.agent_programs import inspect_programs

    here = make_paths()
    settings = SettingsSource(here, os.environ).current
    programs = inspect_programs(here, settings, os.environ)
    if as_json:
        print_json({"default": settings.agent, "agents": msgspec.to_builtins(programs)})
    else:
        room, wide = max(len(program.name) for program in programs), max(len(program.version or "–") for program in programs)
        for program in programs:
            sign = choose_glyph({"yes": "good", "no": "error"}.get(program.ready, "unknown"))
            text = "; ".join(part for part in (program.path or "not installed", program.login, program.todo) if part)
            mine = " (default)" if program.name == settings.agent else ""
            print(
                f"{sign} {safe_line(program.name):{room}}  {safe_line(program.version or '–'):{wide}}  {safe_line(text)}{mine}"
            )
            if program.advice:
                print(f"  {'':{room}}  {'':{wide}}  {safe_line(program.advice)}")
    return int(any(program.ready == "no" for program in programs if program.name == settings.agent))


def _inspect(only_state_dir: bool) -> tuple[list[Fact], list[Finding]]:
    here = make_paths()
    facts, found = ([], []) if only_state_dir else inspect_machine(here, os.environ)
    if os.path.isdir(here.root):
        found = found + run_checks(gather_evidence(here, SettingsSource(here, os.environ).current))
    return facts, found


def _plain(records: list[Fact] | list[Finding]) -> Any:
    return msgspec.to_builtins(records)


def _print(facts: list[Fact], found: list[Finding], done: list[str]) -> None:
    room = max((len(fact.name) for fact in facts), default=0)
    for fact in facts:
        print(f"{choose_glyph('good' if fact.ok else 'error')} {safe_line(fact.name):{room}}  {safe_line(fact.text)}")
    for text in done:
        print(f"fixed     {safe_line(text)}")
    for finding in found:
        rule = f" ({finding.rule})" if finding.rule else ""
        print(f"{finding.code}{rule}: {safe_line(finding.text)}")
        if finding.fix:
            print(f"    {'--fix would: ' if finding.remedy else ''}{safe_line(finding.fix)}")
    print("healthy" if not found else format_count(len(found), "finding"))

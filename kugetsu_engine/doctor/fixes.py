"""Repairs of findings, by the engine's own code while the engine's lock is held.

Only kugetsu's own files are deleted. A task's file is set aside with the reason, never removed.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence

from ..domain.text.quantities import choose_form, format_count
from ..domain.text.times import iso
from ..engine.composition import open_engine
from ..engine.loop import Engine
from ..errors import EngineHeld
from ..paths import StatePaths
from ..queue.cleanup import finish_removals, remove_litter
from ..scheduler import orphans
from ..storage import files
from .findings import Finding, Remedy


def fix_findings(paths: StatePaths, environ: Mapping[str, str], found: Sequence[Finding]) -> list[str]:
    """Repair what can be repaired; returns one line for each repair.

    Raises:
        KugetsuError: the state directory cannot be used.
    """
    remedies = {finding.remedy for finding in found if finding.remedy is not None}
    done: list[str] = []
    if "modes" in remedies:
        open_to_others = [finding.path for finding in found if finding.remedy == "modes" and finding.path]
        done += [f"made {path} private" for path in open_to_others if files.make_private(path) is not None]
    if not remedies - {"modes"}:
        return done
    try:
        engine = open_engine(paths, environ, "command")
    except EngineHeld as held:
        return [*done, *_fix_beside_engine(paths, remedies, held)]
    try:
        for remedy, act in STEPS:
            if remedy in remedies:
                done += act(engine, [finding for finding in found if finding.remedy == remedy])
    finally:
        engine.close()
    return done


def _fix_beside_engine(paths: StatePaths, remedies: set[Remedy], held: EngineHeld) -> list[str]:
    """An engine is running and owns the state; fix only what it does not own."""
    done: list[str] = []
    if "leftovers" in remedies and (ended := orphans.end_orphans(paths, orphans.find_orphans(paths))):
        done.append(_ended(ended))
    if remedies - {"leftovers", "modes"}:
        done.append(f"the rest is left to the engine: {held.message}")
    return done


def _set_aside(engine: Engine, found: Sequence[Finding]) -> list[str]:
    done = []
    for finding in found:
        if finding.path and os.path.lexists(engine.paths.ended(finding.task or "")):
            aside = files.set_aside(finding.path, engine.paths.corrupt, finding.text, iso(time.time()))
            done += [f"set aside as {aside}"] if aside else []
    return done


def _file(engine: Engine, found: Sequence[Finding]) -> list[str]:
    engine.store.rescan()  # opening the store has filed ended tasks already
    return [f"filed {finding.task}" for finding in found if os.path.lexists(engine.paths.ended(finding.task or ""))]


def _settle(engine: Engine, _found: Sequence[Finding]) -> list[str]:
    found = engine.attempts.recover_attempts().text
    return [f"recorded how attempts ended: {found}"] if found else []


def _apply_requests(engine: Engine, found: Sequence[Finding]) -> list[str]:
    engine.apply_requests()
    return [f"applied: {finding.text}" for finding in found]


def _end_leftovers(engine: Engine, _found: Sequence[Finding]) -> list[str]:
    ended = engine.reaper.end_orphans()
    return [_ended(ended)] if ended else []


def _tidy(engine: Engine, found: Sequence[Finding]) -> list[str]:
    removed = [finding.path for finding in found if finding.path is not None and remove_litter(finding.path)]
    finished = finish_removals(engine.paths)
    done = [f"removed {path}" for path in removed]
    return done + ([f"finished {format_count(finished, 'removal')}"] if finished else [])


def _ended(count: int) -> str:
    whose = choose_form(count, "its attempt", "their attempts")
    return f"ended {format_count(count, 'process', 'processes')} that outlived {whose}"


STEPS: tuple[tuple[Remedy, Callable[[Engine, Sequence[Finding]], list[str]]], ...] = (
    ("aside", _set_aside), ("file", _file), ("settle", _settle), ("requests", _apply_requests),
    ("leftovers", _end_leftovers), ("tidy", _tidy),
)  # fmt: skip
"""The order of repairs."""

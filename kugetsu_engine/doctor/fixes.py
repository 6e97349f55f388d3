"""Mending what was found, by the engine's own code and with the engine's lock held for a moment.

Nothing is deleted that is not kugetsu's own: a task's file is set aside with the reason, never removed.
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
    """Do what the findings say can be done; returns what was done, in sentences.

    Raises:
        KugetsuError: the state directory cannot be used.
    """
    wanted = {finding.remedy for finding in found if finding.remedy is not None}
    done: list[str] = []
    if "modes" in wanted:
        open_to_others = [finding.path for finding in found if finding.remedy == "modes" and finding.path]
        done += [f"made {path} private" for path in open_to_others if files.make_private(path) is not None]
    if not wanted - {"modes"}:
        return done
    try:
        engine = open_engine(paths, environ, "command")
    except EngineHeld as held:
        return [*done, *_beside_an_engine(paths, wanted, held)]
    try:
        for remedy, act in STEPS:
            if remedy in wanted:
                done += act(engine, [finding for finding in found if finding.remedy == remedy])
    finally:
        engine.close()
    return done


def _beside_an_engine(paths: StatePaths, wanted: set[Remedy], held: EngineHeld) -> list[str]:
    """An engine runs and has the books; what is no book of its own can be mended all the same."""
    done: list[str] = []
    if "leftovers" in wanted and (ended := orphans.end_orphans(paths, orphans.find_orphans(paths))):
        done.append(_ended(ended))
    if wanted - {"leftovers", "modes"}:
        done.append(f"the rest was left to the engine: {held.message}")
    return done


def _set_aside(engine: Engine, found: Sequence[Finding]) -> list[str]:
    done = []
    for finding in found:
        if finding.path and os.path.lexists(engine.paths.ended(finding.task or "")):
            aside = files.set_aside(finding.path, engine.paths.corrupt, finding.text, iso(time.time()))
            done += [f"set aside as {aside}"] if aside else []
    return done


def _file(engine: Engine, found: Sequence[Finding]) -> list[str]:
    engine.store.rescan()  # opening the books has filed what has ended already
    return [f"filed {finding.task}" for finding in found if os.path.lexists(engine.paths.ended(finding.task or ""))]


def _settle(engine: Engine, _found: Sequence[Finding]) -> list[str]:
    found = engine.attempts.recover_attempts().text
    return [f"entered how attempts ended: {found}"] if found else []


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
"""What is done, in this order."""

"""What has quick tests of its own elsewhere, as loops of the long tier: the model, the fuzz, and the planted bugs."""

import os

from tests.fuzz.__main__ import harm
from tests.fuzz.targets import TARGETS
from tests.model.__main__ import play
from tests.planted.__main__ import try_all
from tests.planted.bugs import BUGS

from .ground import Amount, Ground, Report

STEPS = 100


def histories_hold(ground: Ground, amount: Amount) -> Report:
    """Random histories of the engine's core, with fake processes and clocks: I1 to I9 hold after each step."""
    count = amount.number(5000)
    return Report(count, play(count, STEPS, ground.seed, os.cpu_count() or 1), f"of {STEPS} steps")


def no_input_does_harm(ground: Ground, amount: Amount) -> Report:
    """Broken files, references, texts, messages and command lines, at random: refused or kept, never a crash."""
    report = Report(told=f"{len(TARGETS)} targets")
    for name, (_, _, many) in TARGETS.items():
        count = amount.number(many)
        report.tries += count
        _, what = harm(name, count, ground.seed)
        report.violations += [f"{name}: {what}"] if what else []
    return report


def tests_can_fail(ground: Ground, amount: Amount) -> Report:
    """Known bugs, planted one at a time in a copy of the tree: tests notice each."""
    bugs = amount.pick(BUGS)
    missed = try_all(bugs)
    return Report(len(bugs), missed, f"{len(bugs) - len(missed)} caught")

"""Process trees of many kinds are frozen: an oracle that finds their processes by a mark sees nobody move."""

import json
import subprocess
import sys
from pathlib import Path

from .freeze_tree import KINDS
from .ground import Amount, Ground, Report

PROGRAM = Path(__file__).with_name("freeze_tree.py")
AT_A_TIME = 10
"""Freezes of one tree."""


def trees_freeze(ground: Ground, amount: Amount) -> Report:
    """Six kinds of trees that start processes all the time are frozen, watched and thawed: nobody escapes, all go on."""
    wanted, kinds = amount.number(300), list(KINDS)
    per_tree = min(AT_A_TIME, max(wanted // len(kinds), 1))
    report = Report()
    took: list[float] = []
    while report.tries < wanted:
        kind = kinds[report.tries // per_tree % len(kinds)]
        tag = f"freeze-{ground.random.getrandbits(64):x}"
        done = subprocess.run(
            [sys.executable, str(PROGRAM), kind, tag, str(per_tree)], capture_output=True, text=True, timeout=300, check=False
        )
        report.tries += per_tree
        if done.returncode:
            report.violations.append(f"{kind}: {done.stderr[-400:]}")
            continue
        seen = json.loads(done.stdout)
        took += seen["took"]
        report.violations += [f"{kind}: {what}" for what in seen["escaped"]]
        report.violations += [f"{kind}: {seen['asleep']} times nobody went on"] if seen["asleep"] else []
        report.violations += [f"{kind}: {seen['left']} processes were left"] if seen["left"] else []
    took.sort()
    report.told = f"{took[len(took) // 2]:.1f} ms in the middle, {took[-1]:.0f} ms at most" if took else ""
    return report

"""Everything at once, for as long as one likes; and eight command lines beside an engine and a console."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .ground import Amount, Ground, Report
from .load import Load
from .mischief import Mischief
from .steady import Steadiness

SHORT = (2.0, 4, (0.1, 0.4), 0.1)
LONG = (5.0, 40, (1.0, 5.0), 1.0)
"""Tasks that come to each engine in a second; how many may wait; seconds between faults, from and to; and between samples."""


def everything_at_once(ground: Ground, amount: Amount) -> Report:
    """Two engines under load, random faults each 1 to 5 s, one of them spared what ends an engine: its figures stay flat."""
    seconds = amount.number(1800)
    per_s, backlog, pause, sample_s = LONG if seconds >= 60 else SHORT
    report = Report()
    with contextlib.ExitStack() as fleets:
        loads = [Load(fleets.enter_context(ground.fleet()), seed, per_s, backlog) for seed in ground.seeds(2)]
        mischief = [Mischief(load, seed, load is loads[0]) for load, seed in zip(loads, ground.seeds(2), strict=True)]
        with loads[0], loads[1]:
            engine = loads[1].engine
            assert engine is not None
            with Steadiness(engine.pid, sample_s) as steady, ThreadPoolExecutor() as pool:
                list(pool.map(lambda one: _strike(one, seconds, pause), mischief))
            for load in loads:
                load.hush()
            for load in loads:
                load.end()
            if loads[1].engines == 1:
                steady.rest()
        for load in loads:
            report.violations += load.verdict()
    if loads[1].engines != 1:
        report.violations.append(f"the engine that was to live throughout was started {loads[1].engines} times")
    report.violations += steady.faults()
    acknowledged = sum(len(load.acknowledged) for load in loads)
    report.tries = sum(one.count for one in mischief)
    report.told = (
        f"faults in {seconds} s, {acknowledged} tasks ({acknowledged / seconds:.1f} a second), "
        f"{loads[0].engines - 1} ends of the engine; the other: {steady.told}"
    )
    return report


def _strike(mischief: Mischief, seconds: float, pause: tuple[float, float]) -> None:
    """Do one thing after another for a while."""
    end = time.monotonic() + seconds
    never = threading.Event()
    while not never.wait(mischief.random.uniform(*pause)) and time.monotonic() < end:
        mischief.strike()
        mischief.mend()

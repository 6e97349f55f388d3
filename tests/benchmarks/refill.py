"""From one agent's last act to the first act of the one that takes its slot; and draining a queue of trivial tasks."""

from .ground import Ground
from .measure import median, quantile
from .options import Options
from .peers import Runner, available
from .report import Goal, Table, ratio

PAUSE_MS = 150
"""An agent of the refill measurement is busy for 150 to 299 ms, a real one for minutes: slots do not compete for processors."""


def refill(options: Options) -> list[Table]:
    """Slot refill with one, three and ten slots, with a fresh worktree for each task and without."""
    tables = []
    for limit in (1, 3, 10):
        for worktree in (True, False):
            tables.append(_refill(options, limit, worktree))
    return tables


def _refill(options: Options, limit: int, worktree: bool) -> Table:
    runners, reasons = available(limit)
    count = limit + options.pick(10 * limit, 3)
    gaps, lost = _gaps(runners, options.pick(2, 1), count, limit, worktree)
    what = "a fresh worktree each" if worktree else "no fresh worktree"
    slots = "one slot" if limit == 1 else f"{limit} slots"
    table = Table("refill", f"Slot refill, {slots}, {what} (ms)", ("queue", "median", "p90", "longest", "refills", "lost"))
    for name, values in gaps.items():
        table.add(name, median(values), quantile(values, 0.9), max(values), len(values), lost[name])
    own = median(gaps["kugetsu"])
    if worktree:
        for name in gaps.keys() - {"kugetsu", "xargs -P"}:
            table.goals.append(Goal(f"refill, kugetsu / {name}, fresh worktree, {slots}", 1.0, ratio(own, median(gaps[name]))))
    elif "huey" in gaps:
        table.goals.append(Goal(f"refill, kugetsu / huey, no fresh worktree, {slots}", 2.0, ratio(own, median(gaps["huey"]))))
    table.goals.sort(key=lambda goal: goal.what)
    table.notes += [
        f"agents are busy for {PAUSE_MS} to {PAUSE_MS + 149} ms; a start takes the slot that has been free for longest",
        *reasons,
    ]
    if not worktree:
        table.notes.append("kugetsu works in the worktree that an earlier task of the issue made; peers in a plain folder")
    return table


def _gaps(
    runners: dict[str, Runner], rounds: int, count: int, limit: int, worktree: bool
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """The refills of each queue in ms, and how many of its tasks were lost."""
    gaps: dict[str, list[float]] = {name: [] for name in runners}
    lost = dict.fromkeys(runners, 0)
    for _ in range(rounds):
        for name, run in runners.items():
            ground = Ground(f"refill-{name.split()[0]}", PAUSE_MS)
            run(ground, count, limit, worktree)
            stamps = ground.stamps(count)
            gaps[name] += stamps.refills()
            lost[name] += stamps.lost
    return gaps, lost


def drain(options: Options) -> list[Table]:
    """Tasks a second, from the first start to the last end, of tasks that do nothing."""
    count, rounds = options.pick(100, 20), options.pick(2, 1)
    table = Table(
        "drain", f"Draining {count} trivial tasks (tasks/s)", ("queue", "slots", "fresh worktree each", "without", "lost")
    )
    for limit in (1, 3):
        runners, reasons = available(limit)
        found: dict[tuple[str, bool], list[float]] = {(name, tree): [] for name in runners for tree in (True, False)}
        lost = dict.fromkeys(runners, 0)
        for _ in range(rounds):
            for (name, worktree), speeds in found.items():
                ground = Ground(f"drain-{name.split()[0]}")
                runners[name](ground, count, limit, worktree)
                stamps = ground.stamps(count)
                speeds.append(stamps.per_second)
                lost[name] += stamps.lost
        for name in runners:
            table.add(name, limit, median(found[name, True]), median(found[name, False]), lost[name])
        for name, most in (("rq", 1 / 3), ("huey", 2.0)):
            share = ratio(median(found.get((name, False), [])), median(found["kugetsu", False]))
            what = f"tasks/s of {name} / kugetsu, no fresh worktree, {'one slot' if limit == 1 else f'{limit} slots'}"
            table.goals.append(Goal(what, most, share, why_not=f"no {name}"))
        table.notes += [reason for reason in reasons if reason not in table.notes]
    table.notes.append("lost: tasks of all rounds whose agent never ran, as git refused to add several worktrees at once")
    table.notes.append("slots refill all at once here and share the processors with git, agents and the queue itself")
    return [table]

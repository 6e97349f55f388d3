"""`kugetsu usage`: tokens and cost, by day and repository."""

import os
import time

from ...domain.text.quantities import format_money
from ...domain.text.times import parse_duration
from ...domain.usage_sums import UsageSum, day_of
from ...scheduler.budget import sum_by_day_and_repository
from ..context import make_paths
from ..output import print_json, print_table
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Print tokens and cost, the newest day first, with the sum of each day."""
    args = make_parser(verb).parse_args(argv)
    here = make_paths()
    sums = (
        sum_by_day_and_repository(here, day_of(time.time() - parse_duration(args.since))) if os.path.isdir(here.items) else {}
    )
    days: dict[str, UsageSum] = {}
    for (day, _), one in sums.items():
        total = days.setdefault(day, UsageSum())
        total.attempts, total.tokens, total.cost = (
            total.attempts + one.attempts, total.tokens + one.tokens, total.cost + one.cost,
        )  # fmt: skip
    ordered = sorted(sums.items(), key=lambda item: (item[0][0], item[1].cost, item[1].tokens), reverse=True)
    if args.json:
        rows = [{"day": day, "repository": repository, **_figures(one)} for (day, repository), one in ordered]
        print_json({"days": [{"day": day, **_figures(days[day])} for day in sorted(days, reverse=True)], "repositories": rows})
        return 0
    table = []
    for day in sorted(days, reverse=True):
        table.append([day, "all", *_cells(days[day])])
        table += [["", repository, *_cells(one)] for (of, repository), one in ordered if of == day]
    print_table(["DAY", "REPOSITORY", "ATTEMPTS", "TOKENS", "COST"], table, 1)
    return 0


def _figures(one: UsageSum) -> dict[str, object]:
    return {"attempts": one.attempts, "tokens": one.tokens, "cost": round(one.cost, 6)}


def _cells(one: UsageSum) -> list[str]:
    return [str(one.attempts), f"{one.tokens:,}", format_money(one.cost)]

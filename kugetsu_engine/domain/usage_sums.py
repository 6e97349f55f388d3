"""Sums of what agents consumed. Days are local days."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from .task import Attempt, Usage
from .text.quantities import format_money
from .text.times import epoch


class UsageSum(msgspec.Struct):
    """The sum of what attempts consumed."""

    attempts: int = 0
    tokens: int = 0
    cost: float = 0.0

    def add(self, attempt: Attempt) -> None:
        """Add an attempt; if its agent reports nothing, only the number of attempts grows."""
        self.attempts += 1
        if attempt.usage is not None:
            self.tokens += attempt.usage.tokens or 0
            self.cost += attempt.usage.cost or 0.0


def day_of(seconds: float) -> str:
    """The local day of a moment, `2026-11-21`."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d")


def ended_on(attempt: Attempt) -> str | None:
    """The local day on which an attempt ended."""
    ended = epoch(attempt.ended_at)
    return day_of(ended) if ended is not None else None


def sum_cost(attempts: Iterable[Attempt], before: int = 0) -> float:
    """Add up the cost of the attempts after number `before`."""
    return sum(one.usage.cost or 0.0 for one in attempts if one.usage is not None and one.number > before)


def sum_usage(attempts: Iterable[Attempt]) -> Usage:
    """Add up what attempts consumed; None for what none of them reported."""
    usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
    tokens = [usage.tokens for usage in usages if usage.tokens is not None]
    costs = [usage.cost for usage in usages if usage.cost is not None]
    return Usage(sum(tokens) if tokens else None, sum(costs) if costs else None)


def format_usage(usage: Usage) -> str:
    """Write `3,030 tokens, cost 0.0031`; unknown parts are left out."""
    tokens = f"{usage.tokens:,} tokens" if usage.tokens is not None else ""
    return ", ".join(part for part in (tokens, f"cost {format_money(usage.cost)}" if usage.cost else "") if part)

"""What agents consumed, added up. Days are those of the operator's own calendar."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from .task import Attempt, Usage
from .text.quantities import format_money
from .text.times import epoch


class UsageSum(msgspec.Struct):
    """Attempts and what they consumed."""

    attempts: int = 0
    tokens: int = 0
    cost: float = 0.0

    def add(self, attempt: Attempt) -> None:
        """Count one more; one whose agent tells nothing counts as an attempt only."""
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
    """What attempts cost together, those after number `before`."""
    return sum(one.usage.cost or 0.0 for one in attempts if one.usage is not None and one.number > before)


def sum_usage(attempts: Iterable[Attempt]) -> Usage:
    """What attempts consumed together; None for what none of them told."""
    told = [one.usage for one in attempts if one.usage is not None]
    tokens = [one.tokens for one in told if one.tokens is not None]
    costs = [one.cost for one in told if one.cost is not None]
    return Usage(sum(tokens) if tokens else None, sum(costs) if costs else None)


def format_usage(usage: Usage) -> str:
    """`3,030 tokens, cost 0.0031`; what is not known is left out."""
    tokens = f"{usage.tokens:,} tokens" if usage.tokens is not None else ""
    return ", ".join(part for part in (tokens, f"cost {format_money(usage.cost)}" if usage.cost else "") if part)

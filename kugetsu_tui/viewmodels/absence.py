"""What happened while the operator was away, in one line."""

from kugetsu_engine.domain.text.quantities import choose_form, format_moment
from kugetsu_engine.domain.text.times import epoch

from .console_state import ConsoleState
from .rows import Cell

AWAY_S = 10 * 60.0
"""Shorter absences are not reported."""


def format_absence(console: ConsoleState, last_seen: float | None) -> Cell | None:
    """`since 22:10: 7 done, 2 failed, 1 needs you`; None when nothing happened, or too little time has passed.

    Args:
        last_seen: when the operator was last here, in seconds since 1970.
    """
    snapshot = console.snapshot
    if last_seen is None or snapshot.taken_at - last_seen < AWAY_S:
        return None
    ended = [task for task in snapshot.done if (epoch(task.completed_at) or 0.0) > last_seen]
    more = "+" if ended and len(ended) == len(snapshot.done) < snapshot.done_count else ""
    counts = [(sum(task.state == state for task in ended), word) for state, word in
              (("completed", "done"), ("error", "failed"), ("cancelled", "cancelled"), ("expired", "expired"))]  # fmt: skip
    parts = [f"{count}{more} {word}" for count, word in counts if count]
    needing = len(snapshot.needs)
    if needing:
        parts.append(f"{needing} {choose_form(needing, 'needs', 'need')} you")
    if not parts:
        return None
    return (f"since {format_moment(last_seen, snapshot.taken_at)}: {', '.join(parts)}", "warning" if needing else "text")

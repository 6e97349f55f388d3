"""Which of the things that need the operator comes next."""

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.decisions.notification_rules import Need

from ..formatting.cells import clean


def find_next_need(snapshot: Snapshot, visited: set[Need]) -> tuple[Need, str] | None:
    """The next thing to go to and its text; None if nothing needs the operator.

    Args:
        visited: things visited already, changed in place; when all are visited, it starts over.
    """
    needs = snapshot.needs
    visited &= set(needs)
    if len(visited) == len(needs):
        visited.clear()
    need = next((need for need in needs if need not in visited), None)
    if need is None:
        return None
    visited.add(need)
    place = f"{len(visited)} of {len(needs)}: " if len(needs) > 1 else ""
    return need, clean(f"{place}{need.text}", 600)

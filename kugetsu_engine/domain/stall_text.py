"""Texts about silent and stalled agents, the same everywhere.

`silent`: it prints nothing. `stalled`: for `stall_after` it has shown no activity: no output, no processor time, no changed
file.
"""

from collections.abc import Collection

from .new_task import format_id
from .text.quantities import choose_form, format_span

SHOWN_S = 60.0
"""Silence is shown from this many seconds on."""


def format_evidence(evidence: str, silent_s: float | None) -> str:
    """Write the evidence of a stall with its duration: `no output, 0.0 s CPU, no file changed for 12 min`."""
    return evidence if silent_s is None else f"{evidence} for {format_span(silent_s)}"


def format_caveat(stalled: Collection[str]) -> str:
    """Write the warning that a forecast needs while agents are stalled."""
    names, many = " ".join(map(format_id, stalled)), len(stalled)
    is_stalled, continues = choose_form(many, "is", "are"), choose_form(many, "it continues", "they continue")
    return f"{names} {is_stalled} stalled: the times hold only if {continues}"

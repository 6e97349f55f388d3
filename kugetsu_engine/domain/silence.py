"""How long an agent has been silent, in the same words and with the same figure wherever it is told.

`silent`: it prints nothing. `stalled`: for `stall_after` it has shown no sign of life at all: no output, no processor time, no
changed file.
"""

from collections.abc import Collection

from .new_task import format_id
from .text.quantities import choose_form, format_span

SHOWN_S = 60.0
"""An agent that has been silent for less is only working."""


def format_evidence(evidence: str, silent_s: float | None) -> str:
    """What speaks for a stall, with the time: `no output, 0.0 s CPU, no file changed for 12 min`."""
    return evidence if silent_s is None else f"{evidence} for {format_span(silent_s)}"


def format_caveat(stalled: Collection[str]) -> str:
    """What must be said of a plan while the agents of some tasks are stalled."""
    names, many = " ".join(map(format_id, stalled)), len(stalled)
    return (
        f"{names} {choose_form(many, 'is', 'are')} stalled: the times hold only if {choose_form(many, 'it goes', 'they go')} on"
    )

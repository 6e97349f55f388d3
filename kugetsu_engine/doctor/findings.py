"""The findings of the doctor."""

from typing import Literal

import msgspec

Remedy = Literal["settle", "leftovers", "requests", "aside", "file", "tidy", "modes"]
"""What `--fix` can do; see `fixes`."""


class Finding(msgspec.Struct, frozen=True):
    """One problem."""

    code: str
    """Stable, for scripts."""
    text: str
    """What is wrong, in a sentence."""
    rule: str = ""
    """The broken invariant, `I1` to `I12`; empty if it is none of them."""
    path: str | None = None
    task: str | None = None
    fix: str = ""
    """What `--fix` would do, or what a person can do."""
    remedy: Remedy | None = None
    """How `--fix` does it; None if only a person can."""

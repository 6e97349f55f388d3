"""What the doctor finds."""

from typing import Literal

import msgspec

Remedy = Literal["settle", "leftovers", "requests", "aside", "file", "tidy", "modes"]
"""What `--fix` can do; see `mending`."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it must be."""

    code: str
    """Stable, for scripts."""
    text: str
    """What is wrong, in a sentence."""
    rule: str = ""
    """The invariant that is broken, `I1` to `I12`; empty where it is none of them."""
    path: str | None = None
    task: str | None = None
    fix: str = ""
    """What `--fix` would do, or what you can do."""
    remedy: Remedy | None = None
    """How `--fix` does it; None where only a person can."""

"""Where an attempt's work started, in words. Standard library only, as a supervisor says it in its log."""

from collections.abc import Mapping
from typing import Any

SHORT = 10
"""Letters of a commit's name that are shown."""


def base_words(base: Mapping[str, Any]) -> str:
    """A record of `git.base` in a sentence without its end: `origin/main, commit 1a2b3c4d5e (2 h old, fetched)`.

    Args:
        base: the fields of `git.base.Base`, or of `domain.task.Base`.
    """
    facts = [f"{age(float(base['age_s']))} old"] if base.get("age_s") is not None else []
    if base.get("kept"):
        facts.append("where its worktree began earlier")
    elif base.get("fetched"):
        facts.append(f"as {base['remote']} has it now")
    elif base.get("unfetched"):
        facts.append(f"not fetched: {base['unfetched']}")
    words = f"{base['ref']}, commit {str(base['commit'])[:SHORT]}" + (f" ({', '.join(facts)})" if facts else "")
    return f"{words}; {base['note']}" if base.get("note") else words


def age(seconds: float) -> str:
    """A length of time in its largest unit: `3 d`."""
    for unit, length in (("y", 31_557_600), ("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"

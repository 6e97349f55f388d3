"""Where an attempt's work started, in words. Standard library only, as a supervisor says it in its log."""

from collections.abc import Mapping
from typing import Any

from .text.quantities import format_span

SHORT = 10
"""Letters of a commit's name that are shown."""


def describe_start_point(base: Mapping[str, Any]) -> str:
    """A record of `git.base` in a sentence without its end: `origin/main, commit 1a2b3c4d5e (2 h old, fetched)`.

    Args:
        base: the fields of `git.base.Base`, or of `domain.task.Base`.
    """
    facts = [f"{format_span(float(base['age_s']), coarse=True)} old"] if base.get("age_s") is not None else []
    if base.get("kept"):
        facts.append("where its worktree began earlier")
    elif base.get("fetched"):
        facts.append(f"as {base['remote']} has it now")
    elif base.get("unfetched"):
        facts.append(f"not fetched: {base['unfetched']}")
    words = f"{base['ref']}, commit {str(base['commit'])[:SHORT]}" + (f" ({', '.join(facts)})" if facts else "")
    return f"{words}; {base['note']}" if base.get("note") else words

"""The text about an attempt's starting point. Standard library only, as supervisors write it into the log."""

from collections.abc import Mapping
from typing import Any

from .text.quantities import format_span

SHORT = 10
"""Characters of a commit hash that are shown."""


def describe_start_point(base: Mapping[str, Any]) -> str:
    """Describe a starting point: `origin/main, commit 1a2b3c4d5e (2 h old, as origin has it now)`.

    Args:
        base: the fields of `git.base.Base`, or of `domain.task.Base`.
    """
    facts = [f"{format_span(float(base['age_s']), coarse=True)} old"] if base.get("age_s") is not None else []
    if base.get("kept"):
        facts.append("where its worktree started earlier")
    elif base.get("fetched"):
        facts.append(f"as {base['remote']} has it now")
    elif base.get("unfetched"):
        facts.append(f"not fetched: {base['unfetched']}")
    text = f"{base['ref']}, commit {str(base['commit'])[:SHORT]}" + (f" ({', '.join(facts)})" if facts else "")
    return f"{text}; {base['note']}" if base.get("note") else text

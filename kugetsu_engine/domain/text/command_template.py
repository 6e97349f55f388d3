"""Command lines with named placeholders: a list of words, each of which stays one word.

`{dir}` is replaced and `{{dir}}` gives `{dir}`. Other braces stay as they are, so that JSON and shell code need no escapes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

PLACEHOLDERS: dict[str, str] = {
    "dir": "the worktree",
    "title": "a title for the session: the issue's reference",
    "issue": "the issue's reference in its long form",
    "branch": "the branch of the issue",
    "model": "`model` of the agent's table",
    "session": "the session to resume or fork; in `command`, the id chosen for the attempt",
    "new_session": "the id chosen for the attempt's own session",
    "prompt": 'the whole prompt, with `prompt = "argv"`',
    "prompt_file": "a file with the prompt",
}
"""The placeholders and their meaning."""
PROMPT = "\0prompt\0"
"""Marks the prompt's place in a job's command line; filled in at the start, as the issue's text may still be added."""
SESSION_MARK = "\0session\0"
"""In the command line of a follow-up, the place of the session's id, which only the supervisor knows."""
PromptBy = Literal["stdin", "file", "argv"]
_HOLE = re.compile(r"\{\{([a-z_]+)\}\}|\{([a-z_]+)\}")


def list_placeholders(words: Sequence[str]) -> set[str]:
    """List the placeholders in a command line, known or not."""
    return {match[2] for word in words for match in _HOLE.finditer(word) if match[2]}


def fill_template(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Replace the placeholders in a command line; placeholders inside values are not replaced."""
    return [_HOLE.sub(lambda match: f"{{{match[1]}}}" if match[1] else values[match[2]], word) for word in words]


def find_fault(words: Sequence[str], *, prompt: PromptBy, model: bool, chosen_id: bool, new: bool) -> str | None:
    """Find what is wrong with a command line, in a sentence; None when it is valid.

    Args:
        prompt: how the agent gets the prompt.
        model: whether the agent has a model.
        chosen_id: whether kugetsu chooses the ids of its sessions.
        new: whether it starts a new session, whose id may not be known yet.
    """
    if not words or not words[0].strip():
        return "names no program"
    holes = list_placeholders(words)
    unknown = sorted(holes - PLACEHOLDERS.keys())
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        return f"unknown placeholder {{{unknown[0]}}}: use {known}, or {{{{{unknown[0]}}}}} for these very characters"
    if "model" in holes and not model:
        return "names {model}, but there is no model"
    if "prompt" in holes and prompt != "argv":
        return 'names {prompt}, which needs prompt = "argv"'
    if prompt == "argv" and "prompt" not in holes:
        return 'has no {prompt}, though prompt = "argv"'
    if prompt == "file" and "prompt_file" not in holes:
        return 'has no {prompt_file}, though prompt = "file"'
    if (not chosen_id and "new_session" in holes) or (new and not chosen_id and "session" in holes):
        return 'names a session that is not known yet: set session = "uuid" in its stream to have its id chosen'
    if not new and "session" not in holes:
        return "does not name the {session} it is about"
    return None

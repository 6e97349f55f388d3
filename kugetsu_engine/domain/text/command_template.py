"""Command lines with named placeholders, as an operator writes them: a list of words, each of which stays one word.

`{dir}` is replaced, `{{dir}}` gives `{dir}`, and every brace that is not around a single lower-case word stands for itself, so
JSON and shell programs need no care.
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
    "session": "the session to resume or to fork; in `command`, the one that was chosen for the attempt",
    "new_session": "the id that was chosen for the attempt's own session",
    "prompt": 'the whole prompt, with `prompt = "argv"`',
    "prompt_file": "a file with the prompt",
}
"""What a command line may name, and what stands there then."""
PROMPT = "\0prompt\0"
"""Stands for the prompt in the command line of a job until the agent starts, as the issue's text may still be added to it."""
PromptBy = Literal["stdin", "file", "argv"]
_HOLE = re.compile(r"\{\{([a-z_]+)\}\}|\{([a-z_]+)\}")


def list_placeholders(words: Sequence[str]) -> set[str]:
    """The placeholders of a command line, known or not."""
    return {found[2] for word in words for found in _HOLE.finditer(word) if found[2]}


def fill_template(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The command line with the values in place; what stands in a value is never looked at again."""
    return [_HOLE.sub(lambda found: f"{{{found[1]}}}" if found[1] else values[found[2]], word) for word in words]


def find_fault(words: Sequence[str], *, prompt: PromptBy, model: bool, chosen_id: bool, new: bool) -> str | None:
    """What is wrong with a command line, in a sentence; None when nothing is.

    Args:
        prompt: how the prompt is to arrive.
        model: whether the agent has a model.
        chosen_id: whether ids of sessions are chosen for it.
        new: whether it begins a session, so that there is none to name yet.
    """
    if not words or not words[0].strip():
        return "names no program"
    holes = list_placeholders(words)
    unknown = sorted(holes - PLACEHOLDERS.keys())
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        return f"there is no placeholder {{{unknown[0]}}}: use {known}, or {{{{{unknown[0]}}}}} for these very characters"
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

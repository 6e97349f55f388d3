"""Describes tool calls in one line. A supervisor loads this module, so standard library only."""

import json
from typing import Any

SUBJECT_KEYS = (
    "command", "cmd", "file_path", "filePath", "notebook_path", "absolute_path", "path", "dir_path", "pattern", "query", "url",
    "skill", "name", "title", "description", "prompt",
)  # fmt: skip
"""Names of the input that says best what a call does; the first one present counts."""
LIMIT = 2000


def describe_call(name: str, inputs: Any, directory: str = "") -> str:
    """Return a tool's name and its most telling input.

    Args:
        directory: the worktree, which is cut off paths.
    """
    about = next((inputs[key] for key in SUBJECT_KEYS if inputs.get(key)), "") if isinstance(inputs, dict) else inputs
    if isinstance(about, list):
        about = " ".join(str(part) for part in about)
    text = about if isinstance(about, str) else ""
    return f"{name} {shorten_path(text, directory)[:LIMIT]}".strip()


def describe_exactly(inputs: Any) -> str:
    """Return the most telling input of a tool unshortened, or else all of them."""
    about = next((inputs[key] for key in SUBJECT_KEYS if inputs.get(key)), inputs) if isinstance(inputs, dict) else inputs
    return about if isinstance(about, str) else json.dumps(about, ensure_ascii=False, default=str)


def shorten_path(path: str, directory: str) -> str:
    """Cut the worktree off a path in it."""
    return path.removeprefix(f"{directory}/") if directory else path


def describe_outcome(content: Any) -> str:
    """Return the text of a tool's result, which is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for block in content if isinstance(block, dict) and isinstance(text := block.get("text"), str))
    return ""

"""What a call of a tool is about, in a line. Supervisors load this: standard library only."""

from typing import Any

SUBJECT_KEYS = (
    "command", "cmd", "file_path", "filePath", "notebook_path", "absolute_path", "path", "dir_path", "pattern", "query", "url",
    "skill", "name", "title", "description", "prompt",
)  # fmt: skip
"""Names of the one input that says what a tool is about; the first that is there counts."""
LIMIT = 2000


def describe_call(name: str, given: Any, directory: str = "") -> str:
    """A tool and what it is asked for.

    Args:
        directory: the worktree, in front of which paths are shortened.
    """
    about = next((given[key] for key in SUBJECT_KEYS if given.get(key)), "") if isinstance(given, dict) else given
    if isinstance(about, list):
        about = " ".join(str(word) for word in about)
    text = about if isinstance(about, str) else ""
    if directory and text.startswith(f"{directory}/"):
        text = text[len(directory) + 1 :]
    return f"{name} {text[:LIMIT]}".strip()


def describe_outcome(content: Any) -> str:
    """The text of a tool's result: a string, or blocks of which the ones with a text count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for block in content if isinstance(block, dict) and isinstance(text := block.get("text"), str))
    return ""

"""The operator's template of the prompt: its fields and its validation."""

from string import Template

from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files

FIELDS = {
    "task": "the message of the task",
    "issue_ref": "the issue, as host/owner/repo#N",
    "issue": "title and text of the issue, if `issue_text` is set and its forge has them",
    "worktree": "the directory the agent works in",
    "branch": "its branch",
    "rules": "the rules for every agent",
    "context": "the last 20 messages about this issue; empty for the first",
    "pull_request": "what to do about the pull request",
    "attempt": "for a later attempt: how the one before ended",
}
"""The fields that a template may use."""


RULES = """\
## Rules

* Work in this worktree only. Never touch another branch, another worktree or another project.
* Read what is there before you change it: the code, the commits on this branch, the issue with all its comments.
* Stop when something fails that you cannot fix, and say what and why. Do not do something else instead.
* Never wait for an answer, never open an editor, never run anything that does not end.
* Commit what you did, in small steps with messages that say why. Leave nothing uncommitted.
* Never print or commit a key, a token or a password.
"""


def load_template(paths: StatePaths) -> tuple[str | None, str]:
    """Load the operator's template, None if there is no valid one, and its fault."""
    try:
        text = files.read(paths.prompt, 1 << 20).decode("utf-8-sig")
    except FileNotFoundError:
        return None, ""
    except (BadFile, UnicodeDecodeError) as error:
        return None, f"prompt.md cannot be read ({error}); the built-in prompt is used"
    return (None, fault) if (fault := _fault(text)) else (text, "")


def _fault(text: str) -> str:
    template = Template(text)
    names = [
        match["named"] or match["braced"] for match in template.pattern.finditer(text) if match["named"] or match["braced"]
    ]
    if unknown := sorted(set(names) - FIELDS.keys()):
        return f"prompt.md: unknown field ${unknown[0]} (known: {', '.join(FIELDS)}); the built-in prompt is used"
    if "task" not in names:
        return "prompt.md does not contain $task, so the message would be missing; the built-in prompt is used"
    try:
        template.substitute(dict.fromkeys(FIELDS, ""))
    except ValueError as error:
        return f"prompt.md: {error}; write $$ for a dollar sign; the built-in prompt is used"
    return ""


class PromptFile:
    """The fault of the operator's template, checked again when it changes."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._seen: object = ()
        self.problem = ""

    def refresh(self) -> None:
        """Read the file again if it changed."""
        seen = files.read_signature(self._paths.prompt)
        if seen != self._seen:
            self._seen = seen
            self.problem = load_template(self._paths)[1]

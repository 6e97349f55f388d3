"""A slot in the operator's own hands: someone goes on with an agent's session in its worktree."""

import msgspec

from .new_task import format_id
from .refs import key_of


class ManualSession(msgspec.Struct, frozen=True):
    """Who works on an issue by hand, and since when."""

    task_id: str
    issue_ref: str
    since: str
    pid: int = 0
    """Of the program that holds the slot, for display only."""

    @property
    def issue_key(self) -> str:
        """The same for all tasks of one issue, however each writes it."""
        return key_of(self.issue_ref)

    @property
    def shown(self) -> str:
        """The task it began with, as operators read it: `#41`."""
        return format_id(self.task_id)

"""A manual session: a person continues an agent's session in its worktree, and uses a slot."""

import msgspec

from .new_task import format_id
from .refs import key_of


class ManualSession(msgspec.Struct, frozen=True):
    """A person working on an issue by hand."""

    task_id: str
    issue_ref: str
    since: str
    pid: int = 0
    """Process of the program that holds the slot, for display only."""

    @property
    def issue_key(self) -> str:
        """The issue's key, see `refs.key_of`."""
        return key_of(self.issue_ref)

    @property
    def shown(self) -> str:
        """The id of the task whose session it continues, as operators read it: `#41`."""
        return format_id(self.task_id)

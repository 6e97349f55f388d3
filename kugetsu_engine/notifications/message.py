"""A notification on its way out of the machine."""

import msgspec


class Message(msgspec.Struct, frozen=True):
    """What leaves the machine's terminal: one notification, or a digest of many."""

    title: str
    text: str
    kind: str
    """The type of the notification, or `digest`."""
    id: str | None = None
    issue_ref: str | None = None
    count: int = 1
    """Notifications in it."""
    urgent: bool = False
    """Whether a person should look at it."""

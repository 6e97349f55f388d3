"""The message that a channel sends."""

import msgspec


class Message(msgspec.Struct, frozen=True):
    """One notification, or a digest of many."""

    title: str
    text: str
    kind: str
    """The type of the notification, or `digest`."""
    id: str | None = None
    issue_ref: str | None = None
    count: int = 1
    """How many notifications it contains."""
    urgent: bool = False
    """Whether it needs a person's attention."""

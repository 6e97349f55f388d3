"""The session of an issue: its record, and which session an attempt uses."""

from typing import Literal

import msgspec

SCHEMA = 1
BASE = "base"
"""Slug of the base session, which new ones are forked from."""

Mode = Literal["new", "continue", "fork"]


class Session(msgspec.Struct, frozen=True):
    """`sessions/<slug>.json`. Unknown fields are kept in the file."""

    slug: str
    issue_ref: str = ""
    """Empty for a session that belongs to no issue."""
    agent: str | None = None
    """Name of the agent; None in files of the bash kugetsu, which knew only opencode."""
    session_id: str | None = None
    worktree: str | None = None
    """The session's directory; programs such as opencode work there, wherever they are started."""
    branch: str | None = None
    pr_url: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    schema: int = SCHEMA


class WantedSession(msgspec.Struct, frozen=True):
    """The session that an attempt should use."""

    mode: Mode = "new"
    session_id: str | None = None
    """The session to continue or fork; None for a new one."""


NEW = WantedSession()

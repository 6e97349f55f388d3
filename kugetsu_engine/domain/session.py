"""The conversation of an agent program about an issue: what is kept of it, and what an attempt is to do with it."""

from typing import Literal

import msgspec

SCHEMA = 1
BASE = "base"
"""Slugs of the sessions that belong to no issue: what new ones are forked from, and the project manager's."""

Mode = Literal["new", "continue", "fork"]


class Session(msgspec.Struct, frozen=True):
    """`sessions/<slug>.json`. Fields that this version does not know are kept in the file."""

    slug: str
    issue_ref: str = ""
    """Empty for those that belong to no issue."""
    agent: str | None = None
    """Name of the agent whose session it is; None in a file of the bash kugetsu, which knew opencode alone."""
    session_id: str | None = None
    worktree: str | None = None
    """The directory it belongs to; programs such as opencode work there, wherever they are started."""
    branch: str | None = None
    pr_url: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    schema: int = SCHEMA


class WantedSession(msgspec.Struct, frozen=True):
    """What an attempt is to do with a session."""

    mode: Mode = "new"
    session_id: str | None = None
    """The one to continue, or to fork; None for a new one."""


NEW = WantedSession()

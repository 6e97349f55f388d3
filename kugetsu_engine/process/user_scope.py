"""Starts a process in a systemd scope of the user's own, whose cgroup it may divide. Standard library only.

Without lingering, systemd ends all of a user's scopes at the last logout, while a plain process in tmux lives on. So a scope is
only used where agents outlive a logout anyway.
"""

import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .machine_memory import read_text

LINGER = "/var/lib/systemd/linger"


class ScopeChoice(NamedTuple):
    """How a process is started."""

    prefix: list[str]
    """Goes in front of its command line; empty: it is started plainly."""
    why: str = ""
    """Why there is no scope."""
    cure: str = ""
    """What would change that."""


def choose_scope(
    environ: Mapping[str, str], unit: str, *, user: str | None = None, linger: str | None = None,
    membership: str = "/proc/self/cgroup", find_program: Callable[..., str | None] = shutil.which,
) -> ScopeChoice:  # fmt: skip
    """Choose how to start a process so that attempts can get cgroups of their own.

    Args:
        unit: name of the scope, unique.
        user: name of this user.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if not runtime or not os.path.exists(f"{runtime}/systemd/private"):
        return ScopeChoice([], "no systemd user session is there", "start kugetsu in a login session of systemd")
    program = find_program("systemd-run", path=environ.get("PATH"))
    if program is None:
        return ScopeChoice([], "systemd-run is not on the PATH", "install systemd")
    below_manager = f"/user@{os.getuid()}.service/" in read_text(membership)
    if not below_manager and not os.path.exists(f"{linger or LINGER}/{user or _find_user()}"):
        return ScopeChoice([], "lingering is off, so a scope would end with your login", "loginctl enable-linger")
    return ScopeChoice([
        program, "--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", "-p", "OOMPolicy=continue",
        f"--unit={unit}", "--",
    ])  # fmt: skip


def _find_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())

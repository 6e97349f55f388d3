"""The settings that apply to a repository, kept as long as the files they come from are unchanged."""

import os
from typing import NamedTuple

from . import ref_files
from .command import git

_LEGACY = ("remotes", "branches")
"""Folders of git in which remotes could be named before there were settings for them."""

Signature = tuple[tuple[int, int, int] | None, ...]


class Settings(NamedTuple):
    """All settings of a repository in the plain format, the strongest last."""

    git_dir: str
    """git's folder that all worktrees share."""
    entries: tuple[tuple[str, str], ...]
    """Names, as git writes them, and values."""
    legacy_remotes: bool
    signature: Signature | None
    """Size and time of the files they come from; None: they come from others too, or depend on more than files."""

    def is_current(self) -> bool:
        """Whether the same settings apply to every worktree of the repository now, as far as files can tell."""
        return self.signature is not None and self.signature == _sign(self.git_dir)

    def has(self, *names: str) -> bool:
        """Whether one of some settings is set, to whatever value."""
        return any(name in names for name, _ in self.entries)


def read_settings(repository: str) -> Settings:
    """Ask git for the settings of a main repository. Listing them runs no program.

    Raises:
        AskGit: it is not in the plain format, see `ref_files`.
        GitError: git failed.
    """
    git_dir = ref_files.find_plain_git_dir(repository)
    signature: Signature | None = _sign(git_dir)
    entries = parse_settings(git(repository, "config", "--list", "-z"))
    if any(name.startswith(("include.", "includeif.")) for name, _ in entries):
        signature = None
    legacy = any(os.path.isdir(f"{git_dir}/{name}") and os.listdir(f"{git_dir}/{name}") for name in _LEGACY)
    return Settings(git_dir, tuple(entries), legacy, signature)


def parse_settings(output: str) -> list[tuple[str, str]]:
    """Parse what `git config --list -z` prints."""
    return [(name, value) for name, _, value in (entry.partition("\n") for entry in output.split("\0")) if name]


def _sign(git_dir: str) -> Signature:
    home = os.path.expanduser("~")
    own = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    paths = (f"{git_dir}/config", f"{git_dir}/config.worktree", f"{home}/.gitconfig", f"{own}/git/config", "/etc/gitconfig")
    return tuple(map(_sign_file, paths))


def _sign_file(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

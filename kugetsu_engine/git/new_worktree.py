"""Makes a worktree on a new branch with one call of git, which fills it and makes the branch.

`git worktree add` starts three more processes for the same files in git's folder. Where anything is unusual, it is used.
"""

import os
import re
import time
from typing import NamedTuple

from ..storage import files
from .command import NETWORK_TIMEOUT_S, git, git_succeeds
from .git_settings import Settings
from .ref_files import AskGit

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CONVERTING = (
    "core.autocrlf", "core.eol", "core.safecrlf", "core.attributesfile", "core.ignorecase", "core.precomposeunicode",
    "core.symlinks", "core.splitindex",
)  # fmt: skip
"""Settings under which a file may differ from its commit as soon as it is checked out."""
ATTRIBUTES = b".gitattributes"
STAYS_CLEAN_S = 2.0
"""So soon after it was made nobody has changed a new worktree, unless a command of ours did."""


class FreshCheckout(NamedTuple):
    """What is known of a worktree that was just made, so that git need not be asked."""

    settings: Settings
    clean: bool
    """Whether git takes all its files for unchanged."""
    made_at: float
    """Monotonic time."""

    @property
    def surely_clean(self) -> bool:
        """Whether it still has no change."""
        return self.clean and time.monotonic() - self.made_at < STAYS_CLEAN_S


def add_half_made(settings: Settings, worktree: str, commit: str) -> str:
    """Write git's files of a worktree that has no file and no branch yet; return git's own folder of it.

    The folder itself is made last, so a crash leaves either no worktree, or one that git knows.

    Raises:
        AskGit: `git worktree add` must do it.
        OSError: a file cannot be written.
    """
    name, folder = os.path.basename(worktree), f"{settings.git_dir}/worktrees"
    if settings.has("core.sparsecheckout") or _NAME.fullmatch(name) is None or name.endswith(".lock"):
        raise AskGit(worktree)
    place = f"{os.path.realpath(os.path.dirname(worktree))}/{name}"
    if not place.isprintable():
        raise AskGit(worktree)
    if _is_registered(folder, place):  # a crash left its record, or someone deleted its folder
        git_succeeds(settings.git_dir, "worktree", "remove", "--force", "--", worktree)
        if _is_registered(folder, place):
            raise AskGit(worktree)
    os.makedirs(folder, exist_ok=True)
    admin_dir = _make_folder(f"{os.path.realpath(folder)}/{name}")
    for file, text in (("commondir", "../.."), ("HEAD", commit), ("gitdir", f"{place}/.git")):
        _write(f"{admin_dir}/{file}", text)
    return admin_dir


def link_folder(admin_dir: str, worktree: str) -> None:
    """Make the folder of a half-made worktree."""
    os.mkdir(worktree)
    files.replace(f"{worktree}/.git", os.fsencode(f"gitdir: {admin_dir}\n"), durable=False)


def fill(worktree: str, branch: str, commit: str) -> None:
    """Make the branch of a half-made worktree, and its files.

    Raises:
        GitError: git failed, or the branch exists.
    """
    git(
        worktree, "checkout", "--quiet", "--force", "--no-track", "-b", branch, commit, "--", remote=True,
        timeout_s=NETWORK_TIMEOUT_S,
    )  # fmt: skip


def is_surely_clean(settings: Settings, admin_dir: str) -> bool:
    """Whether git takes every file that it has just checked out for unchanged: nothing converts what it writes."""
    home = os.path.expanduser("~")
    own = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    others = (f"{settings.git_dir}/info/attributes", f"{own}/git/attributes", "/etc/gitattributes")
    if settings.has(*_CONVERTING) or ("core.filemode", "false") in settings.entries or any(map(os.path.lexists, others)):
        return False
    try:
        with open(f"{admin_dir}/index", "rb") as file:
            index = file.read()
    except OSError:
        return False
    # A later version shortens the names.
    return index[:4] == b"DIRC" and int.from_bytes(index[4:8], "big") in (2, 3) and ATTRIBUTES not in index


def _is_registered(folder: str, place: str) -> bool:
    """Whether git knows a worktree at a place, which may be gone."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return False
    except OSError:
        raise AskGit(folder) from None
    for name in names:
        try:
            with open(f"{folder}/{name}/gitdir", "rb") as file:
                if os.fsdecode(file.read(8192).strip()) == f"{place}/.git":
                    return True
        except OSError:
            continue
    return False


def _make_folder(path: str) -> str:
    for number in range(1000):
        try:
            os.mkdir(folder := f"{path}{number or ''}")
            return folder
        except FileExistsError:
            continue
    raise AskGit(path)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        files.write_all(fd, os.fsencode(f"{text}\n"))
    finally:
        os.close(fd)

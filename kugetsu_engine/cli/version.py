"""The version that `kugetsu --version` prints, with the commit where that is known."""

import os

from .. import __version__

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMMIT_FILE = os.path.join(PACKAGE, "commit.txt")
"""Written when a wheel or an sdist is built, see `.ci/build_commit.py`."""
DIGITS = 10


def describe_version() -> str:
    """Return the version, and the commit of the build or of the checkout it runs from: `0.1.0 (commit 0123456789)`."""
    commit = read_built_commit() or read_checkout_commit(os.path.dirname(PACKAGE))
    return f"{__version__} (commit {commit[:DIGITS]})" if commit else __version__


def read_built_commit() -> str | None:
    """Return the commit that the installed package was built from; None if it was not built from a repository."""
    try:
        with open(COMMIT_FILE, encoding="ascii") as file:
            return file.read(64).strip() or None
    except (OSError, ValueError):
        return None


def read_checkout_commit(folder: str) -> str | None:
    """Return the commit that is checked out in a folder; None if the folder is not the root of a working tree."""
    if not os.path.lexists(f"{folder}/.git"):
        return None
    from ..errors import GitError
    from ..git.command import git

    try:
        return git(folder, "rev-parse", "--verify", "HEAD").strip() or None
    except (GitError, OSError):
        return None

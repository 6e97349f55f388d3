"""The remotes of a repository: what git says they are, and which of them an issue belongs to."""

import re

from ..domain import refs
from ..errors import GitError, UsageError
from .command import git
from .repositories import ask_git

_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_PORT = re.compile(r":\d+/")
_SCP = re.compile(r"[^/]+:.")
"""`git@host:owner/repo`: a colon before the first slash."""
_PREFERRED = ("origin", "upstream")


def list_remotes(repository: str) -> dict[str, str]:
    """The addresses of its remotes by name, without passwords, and as git's `insteadOf` has them.

    Raises:
        RepositoryError: it is no repository.
    """
    found: dict[str, str] = {}
    for line in ask_git(repository, "remote", "--verbose").split("\n"):
        name, _, rest = line.partition("\t")
        address, marked, _ = rest.rpartition(" (fetch)")
        if marked:
            found.setdefault(name, _LOGIN.sub("", address))
    return found


def remote_of_issue(repository: str, known: dict[str, str], issue_repository: str) -> list[str]:
    """The remotes that are the repository of an issue: as it is written in the settings, or as `insteadOf` has it."""
    fitting = {name for name, address in known.items() if belongs_to(address, issue_repository)}
    fitting |= {name for name, address in _written(repository)[0] if name in known and belongs_to(address, issue_repository)}
    return [name for name in known if name in fitting]


def may_hold(repository: str, issue_repository: str) -> bool:
    """Whether a repository can be the one of an issue: a remote of it says so, or none says otherwise.

    Raises:
        RepositoryError: it is no repository.
    """
    written, rewritten = _written(repository)
    addresses = [address for _, address in written]
    if rewritten and not any(belongs_to(address, issue_repository) for address in addresses):
        addresses += list_remotes(repository).values()
    named = [address for address in addresses if key_of(address) is not None]
    return not named or any(belongs_to(address, issue_repository) for address in named)


def _written(repository: str) -> tuple[list[tuple[str, str]], bool]:
    """Names and addresses of the remotes as the settings have them, and whether some `insteadOf` may rewrite them."""
    try:
        told = git(repository, "config", "-z", "--get-regexp", r"^(remote\..*\.url|url\..*\.insteadof)$")
    except GitError:
        return [], False  # nothing is set
    entries = [entry.partition("\n") for entry in told.split("\0") if entry]
    remotes = [(name[len("remote.") : -len(".url")], address) for name, _, address in entries if name.startswith("remote.")]
    return remotes, len(remotes) < len(entries)


def choose_remote(
    repository: str, known: dict[str, str], base_branch: str | None, issue_repository: str | None
) -> tuple[str | None, str | None]:
    """The remote that work starts from, and the name of the base there; None where there is no remote, or nothing is named.

    In this order: the one that the base names, the one whose address is the issue's repository, `origin`, `upstream`, the
    one that the branch checked out belongs to, the first.
    """
    name = base_branch.removeprefix("refs/remotes/") if base_branch else None
    if name is not None:
        for remote in sorted(known, key=len, reverse=True):
            if name.startswith(f"{remote}/"):
                return remote, name.removeprefix(f"{remote}/")
        name = base_branch
    fitting = remote_of_issue(repository, known, issue_repository) if issue_repository and len(known) > 1 else []
    preferred = [remote for remote in _PREFERRED if remote in known]
    # Two remotes may be the issue's, by ssh and by https.
    candidates = [*(one for one in preferred if one in fitting), *fitting, *preferred]
    if not candidates and len(known) > 1:
        candidates = [one for one in (_of_head(repository),) if one in known]
    return next(iter([*candidates, *known]), None), name


def belongs_to(address: str, issue_repository: str) -> bool:
    """Whether an address is that of the repository of an issue, `host/owner/repo`.

    A port of the web server is no part of an address for ssh, so it counts only where both have one.
    """
    key, wanted = key_of(address), refs.key_of(issue_repository)
    return key is not None and (key == wanted or (":" not in key and key == _PORT.sub("/", wanted, count=1)))


def key_of(address: str) -> str | None:
    """The key of the repository that a remote's address is about, as `domain.refs` has it; None for a folder or the like."""
    if "://" not in address and _SCP.match(address) is None:
        return None
    try:
        return refs.parse_repository_key(address)
    except UsageError:
        return None


def _of_head(repository: str) -> str:
    """The remote of the branch that is checked out; empty where there is none."""
    try:
        branch = git(repository, "symbolic-ref", "--quiet", "--short", "HEAD").strip()
        return git(repository, "config", "--get", f"branch.{branch}.remote").strip()
    except GitError:
        return ""

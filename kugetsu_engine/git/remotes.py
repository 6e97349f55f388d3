"""The remotes of a repository: their addresses, and which of them belongs to an issue."""

import re

from ..domain import refs
from ..errors import GitError, RepositoryError, UsageError
from .command import git
from .git_settings import Settings
from .repositories import ask_git

_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_PORT = re.compile(r":\d+/")
_SCP = re.compile(r"[^/]+:.")
"""`git@host:owner/repo`: a colon before the first slash."""
_PREFERRED = ("origin", "upstream")


def list_remotes(repository: str) -> dict[str, str]:
    """Return the addresses of the remotes by name, without passwords and after git's `insteadOf`.

    Raises:
        RepositoryError: it is not a repository.
    """
    addresses: dict[str, str] = {}
    for line in ask_git(repository, "remote", "--verbose").split("\n"):
        name, _, rest = line.partition("\t")
        address, marker, _ = rest.rpartition(" (fetch)")
        if marker:
            addresses.setdefault(name, _LOGIN.sub("", address))
    return addresses


def read_remotes(settings: Settings) -> dict[str, str] | None:
    """Return the same from a repository's settings; None if only git can say it, as an address is rewritten."""
    if any(name.startswith("url.") for name, _ in settings.entries) or settings.legacy_remotes:
        return None
    named: set[str] = set()
    addresses: dict[str, str] = {}
    for name, value in settings.entries:
        remote, _, key = name.removeprefix("remote.").rpartition(".")
        if not name.startswith("remote.") or not remote:
            continue
        named.add(remote)
        if key == "url":
            addresses.setdefault(remote, _LOGIN.sub("", value))
    return dict(sorted(addresses.items())) if named == addresses.keys() and all(addresses.values()) else None


def can_be_issue_repository(repository: str, issue_repository: str) -> bool:
    """Whether a local repository may be the one of an issue: one of its remotes is, or no remote names another repository."""
    configured, rewritten = _read_configured(repository)
    addresses = [address for _, address in configured]
    if rewritten and not any(_is_address_of(address, issue_repository) for address in addresses):
        try:
            addresses += list_remotes(repository).values()
        except RepositoryError:
            return False
    named = [address for address in addresses if _read_address_key(address) is not None]
    return not named or any(_is_address_of(address, issue_repository) for address in named)


def _list_issue_remotes(repository: str, addresses: dict[str, str], issue_repository: str) -> list[str]:
    """The remotes that are the repository of an issue, before or after `insteadOf`."""
    pairs = [*addresses.items(), *_read_configured(repository)[0]]
    matching = {name for name, address in pairs if _is_address_of(address, issue_repository)}
    return [name for name in addresses if name in matching]


def _read_configured(repository: str) -> tuple[list[tuple[str, str]], bool]:
    """Names and addresses of the remotes as written in git's settings, and whether an `insteadOf` may rewrite them."""
    try:
        output = git(repository, "config", "-z", "--get-regexp", r"^(remote\..*\.url|url\..*\.insteadof)$")
    except GitError:
        return [], False  # none is set
    entries = [entry.partition("\n") for entry in output.split("\0") if entry]
    remotes = [(name[len("remote.") : -len(".url")], address) for name, _, address in entries if name.startswith("remote.")]
    return remotes, len(remotes) < len(entries)


def choose_remote(
    repository: str, addresses: dict[str, str], base_branch: str | None, issue_repository: str | None
) -> tuple[str | None, str | None]:
    """Return the remote that work starts from and the name of the base there; None for no remote, and for no base named.

    The first that exists of: the remote in the name of the base, the one whose address is the issue's repository, `origin`,
    `upstream`, the one of the current branch, the first.
    """
    if base_branch is not None:
        name = base_branch.removeprefix("refs/remotes/")
        for remote in sorted(addresses, key=len, reverse=True):
            if name.startswith(f"{remote}/"):
                return remote, name.removeprefix(f"{remote}/")
    matching = _list_issue_remotes(repository, addresses, issue_repository) if issue_repository and len(addresses) > 1 else []
    preferred = [remote for remote in _PREFERRED if remote in addresses]
    # Two remotes may be the issue's, one by ssh and one by https.
    candidates = [*(remote for remote in preferred if remote in matching), *matching, *preferred]
    if not candidates and len(addresses) > 1 and (current := _read_current_remote(repository)) in addresses:
        candidates = [current]
    return next(iter([*candidates, *addresses]), None), base_branch or None


def _is_address_of(address: str, issue_repository: str) -> bool:
    """Whether a remote's address is that of an issue's repository, `host/owner/repo`.

    The port of a web server does not apply to ssh, so ports are compared only if both have one.
    """
    key, expected = _read_address_key(address), refs.key_of(issue_repository)
    return key is not None and (key == expected or (":" not in key and key == _PORT.sub("/", expected, count=1)))


def _read_address_key(address: str) -> str | None:
    """Return the repository key of a remote's address, as in `domain.refs`; None for a folder."""
    if "://" not in address and _SCP.match(address) is None:
        return None
    try:
        return refs.parse_repository_key(address)
    except UsageError:
        return None


def _read_current_remote(repository: str) -> str:
    """The remote of the branch that is checked out; empty if there is none."""
    try:
        branch = git(repository, "symbolic-ref", "--quiet", "--short", "HEAD").strip()
        return git(repository, "config", "--get", f"branch.{branch}.remote").strip()
    except GitError:
        return ""

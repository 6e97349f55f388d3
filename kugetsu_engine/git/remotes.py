"""The remotes of a repository: what git says they are, and which of them an issue belongs to."""

import re

from ..errors import GitError
from .command import git
from .repositories import ask

_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_PREFERRED = ("origin", "upstream")


def of_repository(repository: str) -> dict[str, str]:
    """The addresses of its remotes by name, without passwords, and as git's `insteadOf` has them.

    Raises:
        RepositoryError: it is no repository.
    """
    found: dict[str, str] = {}
    for line in ask(repository, "remote", "--verbose").splitlines():
        name, _, rest = line.partition("\t")
        address, marked, _ = rest.rpartition(" (fetch)")
        if marked:
            found.setdefault(name, _LOGIN.sub("", address))
    return found


def chosen(
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
    fitting = [remote for remote, address in known.items() if issue_repository and belongs(address, issue_repository)]
    preferred = [remote for remote in _PREFERRED if remote in known]
    # Two remotes may be the issue's, by ssh and by https.
    candidates = [*(one for one in preferred if one in fitting), *fitting, *preferred]
    if not candidates and len(known) > 1:
        candidates = [one for one in (_of_head(repository),) if one in known]
    return next(iter([*candidates, *known]), None), name


def belongs(address: str, issue_repository: str) -> bool:
    """Whether an address is that of the repository of an issue, `host/owner/repo`."""
    return repository_of(address) == issue_repository.lower()


def repository_of(address: str) -> str:
    """`host/owner/repo` of a remote's address."""
    url = address.lower()
    path = url.partition("://")[2] or url.replace(":", "/", 1)
    path = path.rpartition("@")[2].removesuffix("/").removesuffix(".git")
    host, _, rest = path.partition("/")
    return f"{host.partition(':')[0]}/{rest}"


def _of_head(repository: str) -> str:
    """The remote of the branch that is checked out; empty where there is none."""
    try:
        branch = git(repository, "symbolic-ref", "--quiet", "--short", "HEAD").strip()
        return git(repository, "config", "--get", f"branch.{branch}.remote").strip()
    except GitError:
        return ""

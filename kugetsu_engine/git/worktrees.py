"""One worktree per issue: made once, used again by later attempts, never deleted by the engine."""

import json
import os
import re
from typing import Any

from ..errors import GitError, RepositoryError
from ..storage import files
from .command import NETWORK_TIMEOUT_S, git, git_succeeds
from .containing_repository import resolve_main_folder
from .folder_removal import restore_worktree_folder
from .gitfile import read_admin_dir, read_common_dir, read_small_file
from .repositories import ask_common_dir, resolve_commits
from .start_point import StartPoint, decide_start_point, read_commit_age

BASE_FILE = "kugetsu-base"
"""In git's own folder of a worktree: the commit it was made from, which is also the mark that kugetsu made it."""

_ELSEWHERE = re.compile(r"'(.*)' is already (?:checked out|used by worktree) at '(.*)'")


def prepare_worktree(
    repository: str, worktree: str, branch: str, base_branch: str | None, issue_repository: str | None = None,
    own: bool = False, fetch: bool = True,
) -> StartPoint:  # fmt: skip
    """Make the issue's worktree unless it is there; where its work starts. The caller holds the repository's lock.

    What is there is kept as it is, uncommitted changes too. A branch that exists is checked out. A worktree that a crash left
    half-made, which no agent has seen, is finished; one that lost its link to the repository is linked again.

    Args:
        issue_repository, own, fetch: as for `base.decide`.

    Raises:
        RepositoryError: the repository is none, or another one owns the worktree.
        GitError: git refused; nothing that this call made is left.
    """
    if os.path.lexists(worktree) or restore_worktree_folder(worktree):
        note = _same_repository(repository, worktree)
        mark = _mark(worktree)
        if mark is None and os.listdir(worktree) == [".git"]:
            mark = _mark_of(decide_start_point(repository, branch, base_branch, issue_repository, own, fetch=False))
        if mark is not None and not mark.get("ready"):
            _check_out(worktree, mark)
        return _of_mark(repository, mark, note)
    base = decide_start_point(repository, branch, base_branch, issue_repository, own, fetch)
    arguments = ["--", worktree, branch]
    if base.branch in ("new", "remote"):
        arguments = ["--no-track", "-b", branch, "--", worktree, base.start]
    elif base.branch == "moved" and not git_succeeds(repository, "branch", "--force", "--no-track", "--", branch, base.start):
        note = f"goes on with the branch {branch}, which is checked out elsewhere and lacks newer commits"
        base = base._replace(branch="kept", note=note)
    os.makedirs(os.path.dirname(worktree), 0o700, exist_ok=True)
    try:
        _add(repository, worktree, arguments)
        _check_out(worktree, _mark_of(base))
    except BaseException:
        _take_back(repository, worktree)
        if base.branch in ("new", "remote"):  # as it is, it would hold the next attempt to a base of the past
            git_succeeds(repository, "update-ref", "-d", f"refs/heads/{branch}", base.start)
        raise
    return base


def _add(repository: str, worktree: str, arguments: list[str]) -> None:
    add = ("worktree", "add", "--quiet", "--no-checkout", *arguments)
    try:
        try:
            git(repository, *add)
        except GitError:
            # Someone removed the folder of an earlier worktree by hand: git still knows it, under this very path.
            if os.path.lexists(worktree) or not git_succeeds(repository, "worktree", "remove", "--force", "--", worktree):
                raise
            git(repository, *add)
    except GitError as error:
        found = _ELSEWHERE.search(error.message)
        if found is None:
            raise
        cure = "check out another one there" if os.path.lexists(found[2]) else "that folder is gone: git worktree prune"
        raise GitError(f"the branch {found[1]} is checked out in {found[2]}; {cure}, then retry") from None


def _check_out(worktree: str, mark: dict[str, Any]) -> None:
    """Fill a new worktree; the mark says how far it got, so that a crash is seen."""
    _set_mark(worktree, mark, ready=False)
    git(worktree, "reset", "--hard", "--quiet", remote=True, timeout_s=NETWORK_TIMEOUT_S)
    _set_mark(worktree, mark, ready=True)


def _mark_of(base: StartPoint) -> dict[str, Any]:
    return {"base": base.commit, "ref": base.ref, "remote": base.remote, "address": base.address}


def _of_mark(repository: str, mark: dict[str, Any] | None, note: str | None) -> StartPoint:
    """What the mark of a worktree that was there says of its beginning."""
    if mark is None:
        head = resolve_commits(repository, "HEAD")[0] or ""
        return StartPoint(
            head, "an unknown commit", head, "kept", kept=True, note=note or "the worktree was not made by kugetsu"
        )
    commit = str(mark["base"])
    known = {name: mark[name] for name in ("remote", "address") if isinstance(mark.get(name), str)}
    return StartPoint(
        commit,
        str(mark.get("ref") or "a commit"),
        commit,
        "kept",
        read_commit_age(repository, commit),
        kept=True,
        note=note,
        **known,
    )


def read_base_commit(worktree: str) -> str | None:
    """The commit a worktree was made from; None when kugetsu did not make it."""
    mark = _mark(worktree)
    return str(mark["base"]) if mark else None


def _same_repository(repository: str, worktree: str) -> str | None:
    """Make sure that a worktree is one of a repository; a sentence where its link had to be made anew.

    Raises:
        RepositoryError: it is not.
    """
    note = None
    if not os.path.islink(worktree) and os.path.isdir(worktree) and not os.path.lexists(f"{worktree}/.git"):
        note = _link_again(repository, worktree)
    owner = read_common_dir(worktree) if not os.path.islink(worktree) else None
    if owner is None:
        raise RepositoryError(f"{worktree} is no worktree of ours: move it away, or remove it by kugetsu destroy with --force")
    if resolve_main_folder(worktree) != resolve_main_folder(repository) and owner != os.path.realpath(
        ask_common_dir(repository)
    ):
        raise RepositoryError(f"{worktree} belongs to another repository than {repository}: move one of them away")
    return note


def _link_again(repository: str, worktree: str) -> str | None:
    """Give a worktree its `.git` back, where git still knows it; files that git tracks and that are gone come back too."""
    known = git(repository, "worktree", "list", "--porcelain").split("\n")
    if f"worktree {os.path.realpath(worktree)}" not in known:
        return None
    git(repository, "worktree", "repair")
    git_succeeds(worktree, "checkout-index", "--all", "--quiet")
    return "its worktree had lost its link to the repository, and has it again"


def _take_back(repository: str, worktree: str) -> None:
    """Undo a half-made worktree."""
    git_succeeds(repository, "worktree", "remove", "--force", "--", worktree)


def _mark(worktree: str) -> dict[str, Any] | None:
    try:
        mark = json.loads(read_small_file(f"{read_admin_dir(worktree)}/{BASE_FILE}"))
    except (OSError, ValueError, RecursionError):
        return None
    # The agent can write there; what is no commit must not reach git as an option.
    return mark if isinstance(mark, dict) and re.fullmatch(r"[0-9a-f]{40,64}", str(mark.get("base"))) else None


def _set_mark(worktree: str, mark: dict[str, Any], ready: bool) -> None:
    files.replace(f"{read_admin_dir(worktree)}/{BASE_FILE}", json.dumps(mark | {"ready": ready}).encode(), durable=False)

"""Makes one worktree per issue; later attempts use it again, and the engine never deletes it."""

import json
import os
import re
import time
from typing import Any

from ..errors import GitError, RepositoryError
from ..storage import files
from . import new_worktree
from .baseline import read_checkout_state
from .command import NETWORK_TIMEOUT_S, git, git_succeeds
from .discovery import resolve_main_folder
from .folder_removal import restore_worktree_folder
from .git_settings import Settings, read_settings
from .gitfile import read_admin_dir, read_common_dir, read_small_file
from .new_worktree import FreshCheckout
from .ref_files import AskGit, read_head
from .repositories import ask_common_dir, resolve_commits
from .start_point import StartPoint, decide_start_point, read_commit_age

BASE_FILE = "kugetsu-base"
"""In git's own folder of a worktree: the commit it was made from. Its presence shows that kugetsu made the worktree."""
_CHECKED_OUT = re.compile(r"'(.*)' is already (?:checked out|used by worktree) at '(.*)'")


def prepare_worktree(
    repository: str, worktree: str, branch: str, base_branch: str | None, issue_repository: str | None = None,
    own: bool = False, fetch: bool = True,
) -> StartPoint:  # fmt: skip
    """Make the issue's worktree unless it exists, as `make_worktree`; return where its work starts."""
    return make_worktree(repository, worktree, branch, base_branch, issue_repository, own, fetch)[0]


def make_worktree(
    repository: str, worktree: str, branch: str, base_branch: str | None, issue_repository: str | None = None,
    own: bool = False, fetch: bool = True,
) -> tuple[StartPoint, FreshCheckout | None]:  # fmt: skip
    """Make the issue's worktree unless it exists; return where its work starts, and what is known of a new one.

    The caller holds the repository's lock.

    An existing worktree is kept with its uncommitted changes. One that a crash left half-made is finished; one that lost its
    link to the repository is linked again. An existing branch is checked out.

    Args:
        issue_repository, own, fetch: as for `decide_start_point`.

    Raises:
        RepositoryError: there is no repository, or the worktree belongs to another one.
        GitError: git failed; what this call made is removed.
    """
    if os.path.lexists(worktree) or restore_worktree_folder(worktree):
        note = _check_repository(repository, worktree)
        record = _read_record(worktree)
        if record is None and os.listdir(worktree) == [".git"]:
            record = _build_record(decide_start_point(repository, branch, base_branch, issue_repository, own, fetch=False))
        if record is None or record.get("ready"):
            return _start_point_of_record(repository, record, note), None
        if not _has_no_branch(worktree):
            # Where a removal was interrupted, the branch may be gone: without a commit there would be no files.
            has_commit = git_succeeds(worktree, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
            _check_out(worktree, record, *(() if has_commit else (str(record["base"]),)))
            return _start_point_of_record(repository, record, note), None
        git(repository, "worktree", "remove", "--force", "--", worktree)  # a crash left it before it had its branch
    settings = _read_settings(repository)
    base = decide_start_point(repository, branch, base_branch, issue_repository, own, fetch, settings)
    os.makedirs(os.path.dirname(worktree), 0o700, exist_ok=True)
    try:
        fresh = None
        if settings is not None and base.branch in ("new", "remote"):
            fresh = _make_new(settings, worktree, branch, base)
        if fresh is None:
            base = _make_by_git(repository, worktree, branch, base)
            _check_out(worktree, _build_record(base))
    except BaseException:
        git_succeeds(repository, "worktree", "remove", "--force", "--", worktree)
        if base.branch in ("new", "remote"):  # else the next attempt would start from an old base
            git_succeeds(repository, "update-ref", "-d", f"refs/heads/{branch}", base.start)
        raise
    return base, fresh


def move_forward(
    repository: str, worktree: str, branch: str, base_branch: str | None, issue_repository: str | None, own: bool, fetch: bool,
    made: StartPoint,
) -> StartPoint:  # fmt: skip
    """Move a worktree that was made ahead to where its work would start now; one with changes stays. Returns its start.

    The caller holds the repository's lock.

    Args:
        issue_repository, own, fetch: as for `decide_start_point`.
        made: where it started, on a new branch.

    Raises:
        GitError: git failed.
    """
    now = decide_start_point(repository, branch, base_branch, issue_repository, own, fetch)
    state = read_checkout_state(worktree) if now.commit != made.commit else None
    if state is None or now.branch != "moved" or (state.head, state.branch, state.dirty) != (made.start, branch, frozenset()):
        return made._replace(fetched=now.fetched, unfetched=now.unfetched, timed_out=now.timed_out) if fetch else made
    _check_out(worktree, _build_record(now), now.start)
    return now._replace(branch="new" if now.start == now.commit else "remote", note=None)


def is_ready(worktree: str) -> bool:
    """Whether there is a worktree of kugetsu with all its files."""
    record = _read_record(worktree)
    return record is not None and bool(record.get("ready"))


def _has_no_branch(worktree: str) -> bool:
    try:
        return read_head(read_admin_dir(worktree)).commit is not None
    except (AskGit, OSError):
        return False


def _read_settings(repository: str) -> Settings | None:
    try:
        return read_settings(repository)
    except (AskGit, GitError):
        return None


def _make_new(settings: Settings, worktree: str, branch: str, base: StartPoint) -> FreshCheckout | None:
    """Make a worktree on a new branch in the fastest way; None if the repository is too unusual for that."""
    record = _build_record(base)
    try:
        admin_dir = new_worktree.add_half_made(settings, worktree, base.start)
    except AskGit:
        return None
    _write_record_in(admin_dir, record, ready=False)
    new_worktree.link_folder(admin_dir, worktree)
    new_worktree.fill(worktree, branch, base.start)
    clean = new_worktree.is_surely_clean(settings, admin_dir)
    _write_record_in(admin_dir, record, ready=True)
    return FreshCheckout(settings, clean, time.monotonic())


def _make_by_git(repository: str, worktree: str, branch: str, base: StartPoint) -> StartPoint:
    """Make a worktree without its files; return where its work starts, which may be elsewhere than decided."""
    arguments = ["--", worktree, branch]
    if base.branch in ("new", "remote"):
        arguments = ["--no-track", "-b", branch, "--", worktree, base.start]
    elif base.branch == "moved" and not git_succeeds(repository, "branch", "--force", "--no-track", "--", branch, base.start):
        note = f"continues the branch {branch}, which is checked out elsewhere and lacks newer commits"
        base = base._replace(branch="kept", note=note)
    _add(repository, worktree, arguments)
    return base


def _add(repository: str, worktree: str, arguments: list[str]) -> None:
    add = ("worktree", "add", "--quiet", "--no-checkout", *arguments)
    try:
        try:
            git(repository, *add)
        except GitError:
            # Someone deleted the folder of an earlier worktree; git still has its record.
            if os.path.lexists(worktree) or not git_succeeds(repository, "worktree", "remove", "--force", "--", worktree):
                raise
            git(repository, *add)
    except GitError as error:
        match = _CHECKED_OUT.search(error.message)
        if match is None:
            raise
        fix = "check out another one there" if os.path.lexists(match[2]) else "that folder is gone: git worktree prune"
        raise GitError(f"the branch {match[1]} is checked out in {match[2]}; {fix}, then retry") from None


def _check_out(worktree: str, record: dict[str, Any], *commit: str) -> None:
    """Check out the files of a new worktree; `ready` in the record shows whether a crash interrupted it.

    Args:
        commit: where its branch starts, if it has no commit.
    """
    _write_record(worktree, record, ready=False)
    git(worktree, "reset", "--hard", "--quiet", *commit, remote=True, timeout_s=NETWORK_TIMEOUT_S)
    _write_record(worktree, record, ready=True)


def _build_record(base: StartPoint) -> dict[str, Any]:
    return {"base": base.commit, "ref": base.ref, "remote": base.remote, "address": base.address}


def _start_point_of_record(repository: str, record: dict[str, Any] | None, note: str | None) -> StartPoint:
    """The start point of an existing worktree."""
    if record is None:
        head = resolve_commits(repository, "HEAD")[0] or ""
        note = note or "the worktree was not made by kugetsu"
        return StartPoint(head, "an unknown commit", head, "kept", kept=True, note=note)
    commit, name = str(record["base"]), str(record.get("ref") or "a commit")
    remote = {field: record[field] for field in ("remote", "address") if isinstance(record.get(field), str)}
    return StartPoint(commit, name, commit, "kept", read_commit_age(repository, commit), kept=True, note=note, **remote)


def read_base_commit(worktree: str) -> str | None:
    """Return the commit a worktree was made from; None if kugetsu did not make it."""
    record = _read_record(worktree)
    return str(record["base"]) if record else None


def _check_repository(repository: str, worktree: str) -> str | None:
    """Make sure that a worktree belongs to a repository; return a sentence if its link had to be repaired."""
    note = None
    if not os.path.islink(worktree) and os.path.isdir(worktree) and not os.path.lexists(f"{worktree}/.git"):
        note = _repair_link(repository, worktree)
    owner = read_common_dir(worktree) if not os.path.islink(worktree) else None
    if owner is None:
        raise RepositoryError(f"{worktree} is not a worktree of kugetsu: move it away, or use kugetsu destroy with --force")
    if resolve_main_folder(worktree) != resolve_main_folder(repository) and owner != os.path.realpath(
        ask_common_dir(repository)
    ):
        raise RepositoryError(f"{worktree} belongs to another repository than {repository}: move one of them away")
    return note


def _repair_link(repository: str, worktree: str) -> str | None:
    """Restore the `.git` file of a worktree that git still has a record of, and tracked files that are missing."""
    listed = git(repository, "worktree", "list", "--porcelain").split("\n")
    if f"worktree {os.path.realpath(worktree)}" not in listed:
        return None
    git(repository, "worktree", "repair")
    git_succeeds(worktree, "checkout-index", "--all", "--quiet")
    return "the worktree had lost its link to the repository, which was restored"


def _read_record(worktree: str) -> dict[str, Any] | None:
    try:
        record = json.loads(read_small_file(f"{read_admin_dir(worktree)}/{BASE_FILE}"))
    except (OSError, ValueError, RecursionError):
        return None
    # An agent can write this file: anything but a commit id must not reach git as an option.
    return record if isinstance(record, dict) and re.fullmatch(r"[0-9a-f]{40,64}", str(record.get("base"))) else None


def _write_record(worktree: str, record: dict[str, Any], ready: bool) -> None:
    _write_record_in(read_admin_dir(worktree), record, ready)


def _write_record_in(admin_dir: str, record: dict[str, Any], ready: bool) -> None:
    files.replace(f"{admin_dir}/{BASE_FILE}", json.dumps(record | {"ready": ready}).encode(), durable=False)

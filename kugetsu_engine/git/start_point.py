"""Decides where new work starts: fetch, then choose the base.

The remote is asked once for its default branch, the named base and the issue's branch. What is missing here is fetched by
name, so no refspec, prune or tag setting of the repository applies. The remote's answer takes precedence over tracking
branches; if it cannot be asked, those are used, and `StartPoint` says so.
"""

import re
import time
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import GitError, GitTimeout, RepositoryError
from . import ref_files, remotes
from .command import ASK_TIMEOUT_S, git, git_succeeds
from .git_settings import Settings
from .repositories import ask_git, resolve_commits, resolve_heads

FETCH_TIMEOUT_S = 1800.0
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_FIELDS = "%(refname)%00%(objectname)%00%(symref)%00%(committerdate:unix)"
_USUAL = ("main", "master")
"""Default branches to try if the remote names none."""


class StartPoint(NamedTuple):
    """The commit that an attempt's work starts from, and how it was chosen."""

    commit: str
    """The base, which the work is compared with."""
    ref: str
    """Name of the base: `origin/main`, `main`, `HEAD`."""
    start: str
    """Where the issue's branch starts: the base, or the head of an existing branch of the issue."""
    branch: str
    """Origin of the issue's branch: `new`, `kept` (it existed here), `remote` (it existed on the remote) or `moved` (it existed
    here, and was moved forward to the remote's branch or the base)."""
    age_s: float | None = None
    """Age of the base when it was chosen."""
    remote: str | None = None
    address: str | None = None
    """Address of the remote, without a password."""
    fetched: bool = False
    """Whether the remote was asked when the base was chosen."""
    unfetched: str | None = None
    """Why it was not asked, or failed."""
    note: str | None = None
    """Further information, as a sentence without a full stop."""
    kept: bool = False
    """Whether the worktree existed, so that nothing was chosen now."""
    timed_out: bool = False
    """Whether the remote was asked and did not answer in time."""


class _Ref(NamedTuple):
    """A ref in the local repository; `target` is the ref it points to if it is symbolic."""

    commit: str
    target: str | None = None
    age_s: float | None = None


class _RemoteRefs(NamedTuple):
    """The refs of a remote, and what the repository had of them."""

    refs: dict[str, str]
    """Commits on the remote by full ref name; for a tag, the commit it points to."""
    default: str | None
    """The remote's default branch."""
    ages: dict[str, float]
    """Age in seconds, by commit, of commits that were here before the fetch."""
    local: dict[str, str]
    """Commits of local branches by full ref name."""


def decide_start_point(
    repository: str, branch: str, base_branch: str | None, issue_repository: str | None = None, own: bool = False,
    fetch: bool = True, settings: Settings | None = None,
) -> StartPoint:  # fmt: skip
    """Decide where the work of an issue starts, after asking the remote.

    Args:
        branch: the issue's branch.
        base_branch: a branch, a remote's branch (`upstream/main`), a tag or a commit; None: the remote's default branch, else
            the commit that is checked out.
        issue_repository: `host/owner/repo` of the issue, to choose among several remotes.
        own: whether kugetsu made the clone; its local branches are then only agents'.
        fetch: whether to ask the remote.
        settings: the repository's, if they are known.

    Raises:
        RepositoryError: it is not a repository, has no such branch, or has no commit.
    """
    base_branch = base_branch.removeprefix("refs/heads/") if base_branch else None
    addresses = _list_remotes(repository, settings)
    remote, name = remotes.choose_remote(repository, addresses, base_branch, issue_repository)
    answer, fault, timed_out = None, None, False
    if remote is not None and fetch:
        try:
            answer = _update(repository, remote, name, [branch])
        except GitError as error:
            fault, timed_out = error.message, isinstance(error, GitTimeout) and error.failure == "network"
    base = _find_base(repository, remote, answer, name, base_branch, own)
    if base is None:
        missing = f"has no branch {base_branch!r}" if base_branch else "has no commit yet"
        remote_too = f", nor has its remote {remote}" if answer is not None else ""
        raise RepositoryError(f"{repository} {missing}{remote_too}")
    ref, commit = base
    start, origin, note = _choose_branch_start(repository, remote, answer, branch, commit)
    age = answer.ages[commit] if answer is not None and commit in answer.ages else read_commit_age(repository, commit)
    return StartPoint(
        commit, ref, start, origin, age, remote, addresses[remote] if remote else None, answer is not None,
        fault or (None if remote else "the repository has no remote"), note, timed_out=timed_out,
    )  # fmt: skip


def read_start_point(
    repository: str, base_branch: str | None, issue_repository: str | None, own: bool = False, settings: Settings | None = None
) -> str | None:  # fmt: skip
    """Return the commit of the base without asking a remote; None if there is none.

    Args:
        settings: the repository's, if they are known.

    Raises:
        RepositoryError: it is not a repository.
    """
    base_branch = base_branch.removeprefix("refs/heads/") if base_branch else None
    remote, name = remotes.choose_remote(repository, _list_remotes(repository, settings), base_branch, issue_repository)
    base = _find_base(repository, remote, None, name, base_branch, own)
    return base[1] if base is not None else None


def _list_remotes(repository: str, settings: Settings | None) -> dict[str, str]:
    known = remotes.read_remotes(settings) if settings is not None else None
    return remotes.list_remotes(repository) if known is None else known


def fetch_start_point(repository: str, base_branch: str | None, branches: Iterable[str]) -> str | None:
    """Fetch the base and some branches; return why that failed, None if it did not or there is no remote.

    Raises:
        RepositoryError: it is not a repository.
    """
    remote, name = remotes.choose_remote(repository, remotes.list_remotes(repository), base_branch, None)
    if remote is None:
        return None
    try:
        _update(repository, remote, name, branches)
    except GitError as error:
        return error.message
    return None


def _update(repository: str, remote: str, name: str | None, branches: Iterable[str]) -> _RemoteRefs:
    """Ask a remote for its refs, and fetch those that are new."""
    names = sorted(set(branches))
    answer = _ask_remote(repository, remote, name, names)
    _fetch(repository, remote, answer, _choose_refs(answer, name, names), names)
    return answer


def _ask_remote(repository: str, remote: str, name: str | None, branches: list[str]) -> _RemoteRefs:
    """Ask a remote for its default branch, and for the refs that matter here."""
    names = ["HEAD", *(f"refs/heads/{head}" for head in (*branches, *((name,) if name else _USUAL)))]
    names += [f"refs/tags/{name}", f"refs/tags/{name}^{{}}"] if name else []
    names = [ref for ref in names if ref.isprintable()]
    output = git(repository, "ls-remote", "--symref", "--", remote, *names, remote=True, timeout_s=ASK_TIMEOUT_S)
    refs: dict[str, str] = {}
    default = None
    for line in output.split("\n"):
        value, _, ref = line.partition("\t")
        if value.startswith("ref: ") and ref == "HEAD":
            default = value.removeprefix("ref: ")
        elif ref in names:
            refs[ref.removesuffix("^{}")] = value  # an annotated tag has two lines; the second names the commit
    branch = default.removeprefix("refs/heads/") if default and default.startswith("refs/heads/") else None
    return _RemoteRefs(refs, branch, {}, {})


def _choose_refs(answer: _RemoteRefs, name: str | None, branches: list[str]) -> list[str]:
    """The refs to fetch: the base, and the branches of issues."""
    if answer.default is not None and "HEAD" in answer.refs:
        answer.refs.setdefault(f"refs/heads/{answer.default}", answer.refs["HEAD"])
    if name is not None:
        bases = [f"refs/heads/{name}", f"refs/tags/{name}"]
    else:
        bases = [f"refs/heads/{answer.default}" if answer.default else "HEAD", *(f"refs/heads/{usual}" for usual in _USUAL)]
    base = next((ref for ref in bases if ref in answer.refs), None)
    heads = (f"refs/heads/{branch}" for branch in branches)
    return [*([base] if base is not None else []), *(ref for ref in heads if ref in answer.refs and ref != base)]


def _fetch(repository: str, remote: str, answer: _RemoteRefs, refs: list[str], branches: list[str]) -> None:
    """Fetch the refs of a remote that the repository lacks; add to the answer what the repository had."""
    tracking = {ref: f"refs/remotes/{remote}/{ref.removeprefix('refs/heads/')}" for ref in refs if ref[:11] == "refs/heads/"}
    head, local = f"refs/remotes/{remote}/HEAD", [f"refs/heads/{branch}" for branch in branches]
    before = _read_refs(repository, [head, *tracking.values(), *local])
    answer.local.update({ref: before[ref].commit for ref in local if ref in before})
    answer.ages.update({ref.commit: ref.age_s for ref in before.values() if ref.age_s is not None})
    current = all(copy in before and before[copy].commit == answer.refs[ref] for ref, copy in tracking.items())
    others = [answer.refs[ref] for ref in refs if ref not in tracking]
    if not current or (others and None in resolve_commits(repository, *others)):
        try:
            _fetch_by_name(repository, remote, [f"+{ref}:{tracking[ref]}" if ref in tracking else ref for ref in refs])
        except GitError:
            # An old tracking branch may be in the way: `release` cannot exist beside `release/1`.
            _fetch_by_name(repository, remote, refs)
        if None in resolve_commits(repository, *(answer.refs[ref] for ref in refs)):
            raise GitError(f"{remote} changed during the fetch")
    if answer.default is not None:  # what `git remote set-head --auto` does
        target = f"refs/remotes/{remote}/{answer.default}"
        if (before[head].target if head in before else None) != target and resolve_commits(repository, target)[0] is not None:
            git_succeeds(repository, "symbolic-ref", head, target)


def _fetch_by_name(repository: str, remote: str, specs: list[str]) -> None:
    """Fetch exactly some refs. An empty refmap keeps a mirror's refspec from moving local branches as well."""
    own = (f"remote.{remote}.prune=false", f"remote.{remote}.pruneTags=false", f"remote.{remote}.tagOpt=auto")
    settings = [argument for setting in own for argument in ("-c", setting)]
    git(
        repository, *settings, "fetch", "--quiet", "--no-auto-maintenance", "--no-recurse-submodules", "--no-write-fetch-head",
        "--refmap=", "--", remote, *specs, remote=True, timeout_s=FETCH_TIMEOUT_S,
    )  # fmt: skip


def _read_refs(repository: str, names: list[str]) -> dict[str, _Ref]:
    """Some refs of the repository by their full names; those that do not exist are left out."""
    try:
        output = git(repository, "for-each-ref", f"--format={_FIELDS}", *names)
    except GitError:  # a ref whose commit is missing here; the remote may have it
        return {name: _Ref(commit) for name, commit in zip(names, resolve_commits(repository, *names), strict=True) if commit}
    rows = (line.split("\0") for line in output.split("\n") if line)
    now = time.time()
    return {
        name: _Ref(commit, target or None, round(max(now - int(when), 0.0)) if when.isdigit() else None)
        for name, commit, target, when in rows if name in names
    }  # fmt: skip


def _read_target(repository: str, name: str) -> str | None:
    """The ref that a symbolic ref points to; None if it is not symbolic."""
    try:
        return ref_files.read_target(ref_files.find_plain_git_dir(repository), name)
    except ref_files.AskGit:
        pass
    try:
        return git(repository, "symbolic-ref", "--quiet", name).strip()
    except GitError:
        return None


def _find_base(
    repository: str, remote: str | None, answer: _RemoteRefs | None, name: str | None, base_branch: str | None, own: bool
) -> tuple[str, str] | None:
    """Name and commit of the base."""
    if name is None:
        return _find_default(repository, remote, answer)
    if not name.isprintable():
        return None
    local, tag, plain = resolve_commits(
        repository, f"refs/heads/{name}", f"refs/tags/{name}", name if _COMMIT.fullmatch(name) else "refs/0"
    )
    on_remote = None
    if answer is not None:
        on_remote = answer.refs.get(f"refs/heads/{name}")
        tag = tag or answer.refs.get(f"refs/tags/{name}")
    elif remote is not None:
        on_remote = resolve_heads(repository, f"refs/remotes/{remote}/{name}")[0]
    if base_branch != name:  # the operator wrote `upstream/main`, not a local branch
        local = None
    if own and on_remote is not None:
        local = None
    if on_remote is not None and not (local is not None and local != on_remote and is_ancestor(repository, on_remote, local)):
        return f"{remote}/{name}", on_remote
    candidates = ((name, local), (name, tag), ("the named commit", plain))
    exact = resolve_commits(repository, name)[0] if name.startswith("refs/") else None
    return next(((ref, commit) for ref, commit in (*candidates, (name, exact)) if commit), None)


def _find_default(repository: str, remote: str | None, answer: _RemoteRefs | None) -> tuple[str, str] | None:
    """The remote's default branch: by its answer, else by the tracking branches; else the commit that is checked out."""
    if answer is not None and (on_remote := answer.refs.get("HEAD")):
        return f"{remote}/{answer.default or 'HEAD'}", on_remote
    if answer is not None:
        usual = next((branch for branch in _USUAL if f"refs/heads/{branch}" in answer.refs), None)
        if usual is not None:
            return f"{remote}/{usual}", answer.refs[f"refs/heads/{usual}"]
    names = [f"{remote}/{branch}" for branch in ("HEAD", *_USUAL)] if remote is not None and answer is None else []
    commits = resolve_heads(repository, *(f"refs/remotes/{name}" for name in names), "HEAD")
    name, commit = next((pair for pair in zip((*names, "HEAD"), commits, strict=True) if pair[1]), ("", None))
    if commit is None:
        return None
    target = _read_target(repository, name if name == "HEAD" else f"refs/remotes/{name}") if name.endswith("HEAD") else None
    return (target or name).removeprefix("refs/remotes/").removeprefix("refs/heads/"), commit


def _choose_branch_start(
    repository: str, remote: str | None, answer: _RemoteRefs | None, branch: str, base: str
) -> tuple[str, str, str | None]:
    """Where the issue's branch starts, its origin as in `StartPoint.branch`, and a note."""
    own = f"refs/heads/{branch}"
    if answer is not None:
        local, on_remote = answer.local.get(own), answer.refs.get(own)
    else:
        local, on_remote = resolve_heads(repository, own, f"refs/remotes/{remote}/{branch}" if remote else "refs/0")
    if on_remote is not None and is_ancestor(repository, on_remote, base):
        on_remote = None  # the base has all of it
    if local is None:
        if on_remote is None:
            return base, "new", None
        return on_remote, "remote", f"continues {remote}/{branch}, which already exists"
    if local != base and is_ancestor(repository, local, base):  # no commits of its own
        note = f"continues {remote}/{branch}" if on_remote is not None else f"the branch {branch} had no commits of its own"
        return on_remote or base, "moved", note
    if on_remote is None or on_remote == local or is_ancestor(repository, on_remote, local):
        return local, "kept", f"continues the branch {branch}"
    if is_ancestor(repository, local, on_remote):
        return on_remote, "moved", f"continues {remote}/{branch}, which is ahead of the local branch"
    return local, "kept", (
        f"continues the branch {branch}; {remote}/{branch} has other commits, so a push is refused until they are merged"
    )  # fmt: skip


def is_ancestor(repository: str, older: str, newer: str) -> bool:
    """Whether one commit is the other or an ancestor of it, as far as the repository has their history."""
    return older == newer or git_succeeds(repository, "merge-base", "--is-ancestor", older, newer)


def read_commit_age(repository: str, commit: str) -> float | None:
    """Return the age of a commit in seconds; None if the repository does not have it."""
    try:
        seconds = ref_files.read_commit_time(ref_files.find_plain_git_dir(repository), commit)
    except ref_files.AskGit:
        seconds = None
    if seconds is not None:
        return round(max(time.time() - seconds, 0.0))
    try:
        output = ask_git(repository, "rev-list", "--max-count=1", "--format=%ct", commit)
        return round(max(time.time() - int(output.splitlines()[-1]), 0.0))
    except (RepositoryError, ValueError, IndexError):
        return None

"""Where new work starts: one decision, "fetch, then base", and the record of it.

The remote is asked once for its default branch, the named base and the branch of the issue; what of it is not here yet is
fetched by those names, so that no refspec, prune or tag setting of the repository has a say. What the remote says now counts
more than what the repository remembers of it. Where it cannot be asked, what is remembered counts, and the record says so.
"""

import re
import time
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import GitError, GitTimeout, RepositoryError
from . import remotes
from .command import ASK_TIMEOUT_S, git, git_succeeds
from .repositories import ask_git, resolve_commits

FETCH_TIMEOUT_S = 1800.0
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_FIELDS = "%(refname)%00%(objectname)%00%(symref)%00%(committerdate:unix)"
_USUAL = ("main", "master")
"""Default branches to look for where nothing names one."""


class StartPoint(NamedTuple):
    """What an attempt's work starts from, and how that was found."""

    commit: str
    """What the work is measured against."""
    ref: str
    """Where that commit was found: `origin/main`, `main`, `HEAD`."""
    start: str
    """Where the issue's branch begins: the same commit, or the head of the branch that the issue has already."""
    branch: str
    """How the issue's branch came about: `new`, `kept` (it was here), `remote` (it was on the remote) or `moved` (it was here,
    and the remote or the base has all of it and more)."""
    age_s: float | None = None
    """How old the commit was at the time of the decision."""
    remote: str | None = None
    address: str | None = None
    """Of the remote, without a password."""
    fetched: bool = False
    """Whether the remote said so itself at the time of the decision."""
    unfetched: str | None = None
    """Why it did not."""
    note: str | None = None
    """What else is worth knowing, in a sentence without its end."""
    kept: bool = False
    """Whether the worktree was there already, so that nothing was decided now."""
    timed_out: bool = False
    """Whether the remote was asked and gave no answer in time."""


class _Ref(NamedTuple):
    """How a repository has a ref."""

    commit: str
    target: str | None = None
    """What it stands for, where it is a symbolic one."""
    age_s: float | None = None


class _Told(NamedTuple):
    """What a remote says it has."""

    refs: dict[str, str]
    """Commits by full name; of a tag, what it points to."""
    default: str | None
    """The branch that its HEAD names."""
    ages: dict[str, float]
    """How old commits are, in seconds; of those that were here before."""
    here: dict[str, str]
    """Commits of local branches by full name, of those that were asked for."""


def decide_start_point(
    repository: str, branch: str, base_branch: str | None, issue_repository: str | None = None, own: bool = False,
    fetch: bool = True,
) -> StartPoint:  # fmt: skip
    """Decide where the work of an issue starts, after asking the remote.

    Args:
        branch: the issue's.
        base_branch: what the operator names: a branch, one of a remote (`upstream/main`), a tag or a commit; None: the
            default branch of the remote, else what the repository has checked out.
        issue_repository: `host/owner/repo` of the issue, which tells which of several remotes it belongs to.
        own: whether kugetsu made the clone, so that its local branches are nobody's but agents'.
        fetch: whether the remote is asked.

    Raises:
        RepositoryError: it is no repository, there is no such branch, or no commit at all.
    """
    base_branch = base_branch.removeprefix("refs/heads/") if base_branch else None
    known = remotes.list_remotes(repository)
    remote, name = remotes.choose_remote(repository, known, base_branch, issue_repository)
    told, trouble, timed_out = None, None, False
    if remote is not None and fetch:
        try:
            told = _news(repository, remote, name, [branch])
        except GitError as error:
            trouble, timed_out = error.message, isinstance(error, GitTimeout) and error.failure == "network"
    found = _base(repository, remote, told, name, base_branch, own)
    if found is None:
        what = f"has no branch {base_branch!r}" if base_branch else "has no commit yet"
        also = f", nor has its remote {remote}" if told is not None else ""
        raise RepositoryError(f"{repository} {what}{also}")
    ref, commit = found
    start, how, note = _branch(repository, remote, told, branch, commit)
    age = told.ages[commit] if told is not None and commit in told.ages else read_commit_age(repository, commit)
    return StartPoint(
        commit, ref, start, how, age, remote, known[remote] if remote else None, told is not None,
        trouble or (None if remote else "the repository has no remote"), note, timed_out=timed_out,
    )  # fmt: skip


def read_start_point(repository: str, base_branch: str | None, issue_repository: str | None, own: bool = False) -> str | None:
    """The commit of the base, as far as the repository knows it now; None where there is none. No remote is asked.

    Raises:
        RepositoryError: it is no repository.
    """
    base_branch = base_branch.removeprefix("refs/heads/") if base_branch else None
    remote, name = remotes.choose_remote(repository, remotes.list_remotes(repository), base_branch, issue_repository)
    found = _base(repository, remote, None, name, base_branch, own)
    return found[1] if found is not None else None


def fetch_start_point(repository: str, base_branch: str | None, branches: Iterable[str]) -> str | None:
    """Ask the remote for news of the base and of some branches; None when that went well or there is no remote, else why not.

    Raises:
        RepositoryError: it is no repository.
    """
    remote, name = remotes.choose_remote(repository, remotes.list_remotes(repository), base_branch, None)
    if remote is None:
        return None
    try:
        _news(repository, remote, name, branches)
    except GitError as error:
        return error.message
    return None


def _news(repository: str, remote: str, name: str | None, branches: Iterable[str]) -> _Told:
    """Ask a remote, and fetch what is new of it.

    Raises:
        GitError: it did not answer, or not with what it had said.
    """
    names = sorted(set(branches))
    told = _ask_remote(repository, remote, name, names)
    _fetch(repository, remote, told, _wanted(told, name, names), names)
    return told


def _ask_remote(repository: str, remote: str, name: str | None, branches: list[str]) -> _Told:
    """Ask a remote for its default branch, and for the branches that matter here."""
    names = ["HEAD", *(f"refs/heads/{one}" for one in (*branches, *((name,) if name else _USUAL)))]
    names += [f"refs/tags/{name}", f"refs/tags/{name}^{{}}"] if name else []
    names = [one for one in names if one.isprintable()]
    said = git(repository, "ls-remote", "--symref", "--", remote, *names, remote=True, timeout_s=ASK_TIMEOUT_S)
    refs: dict[str, str] = {}
    default = None
    for line in said.split("\n"):
        value, _, ref = line.partition("\t")
        if value.startswith("ref: ") and ref == "HEAD":
            default = value.removeprefix("ref: ")
        elif ref in names:
            refs[ref.removesuffix("^{}")] = value  # a tag's own line comes before the one of what it points to
    branch = default.removeprefix("refs/heads/") if default and default.startswith("refs/heads/") else None
    return _Told(refs, branch, {}, {})


def _wanted(told: _Told, name: str | None, branches: list[str]) -> list[str]:
    """The names of what is to be fetched: the base, and the branches of issues."""
    if told.default is not None and "HEAD" in told.refs:
        told.refs.setdefault(f"refs/heads/{told.default}", told.refs["HEAD"])
    if name is not None:
        bases = [f"refs/heads/{name}", f"refs/tags/{name}"]
    else:
        bases = [f"refs/heads/{told.default}" if told.default else "HEAD", *(f"refs/heads/{one}" for one in _USUAL)]
    base = next((one for one in bases if one in told.refs), None)
    wanted = [base] if base is not None else []
    return [*wanted, *(ref for one in branches if (ref := f"refs/heads/{one}") in told.refs and ref != base)]


def _fetch(repository: str, remote: str, told: _Told, wanted: list[str], branches: list[str]) -> None:
    """Fetch what a remote was found to have and the repository lacks; keep how the repository has it.

    Raises:
        GitError: git refused, or the remote has something else by now.
    """
    tracking = {one: f"refs/remotes/{remote}/{one.removeprefix('refs/heads/')}" for one in wanted if one[:11] == "refs/heads/"}
    head, local = f"refs/remotes/{remote}/HEAD", [f"refs/heads/{one}" for one in branches]
    had = _refs(repository, [head, *tracking.values(), *local])
    told.here.update({one: had[one].commit for one in local if one in had})
    told.ages.update({one.commit: one.age_s for one in had.values() if one.age_s is not None})
    current = all(place in had and had[place].commit == told.refs[one] for one, place in tracking.items())
    others = [told.refs[one] for one in wanted if one not in tracking]
    if not current or (others and None in resolve_commits(repository, *others)):
        try:
            _fetch_by_name(repository, remote, [f"+{one}:{tracking[one]}" if one in tracking else one for one in wanted])
        except GitError:
            # What the repository remembers of the remote may stand in the way: `release` where `release/1` is to be kept.
            _fetch_by_name(repository, remote, wanted)
        if None in resolve_commits(repository, *(told.refs[one] for one in wanted)):
            raise GitError(f"{remote} changed while it was asked")
    if told.default is not None:  # what `git remote set-head --auto` does
        target = f"refs/remotes/{remote}/{told.default}"
        if (had[head].target if head in had else None) != target and resolve_commits(repository, target)[0] is not None:
            git_succeeds(repository, "symbolic-ref", head, target)


def _fetch_by_name(repository: str, remote: str, specs: list[str]) -> None:
    """Fetch exactly some names. An empty refmap keeps the refspec of a mirror from moving local branches by the way."""
    own = (f"remote.{remote}.prune=false", f"remote.{remote}.pruneTags=false", f"remote.{remote}.tagOpt=auto")
    settings = [word for setting in own for word in ("-c", setting)]
    git(
        repository, *settings, "fetch", "--quiet", "--no-auto-maintenance", "--no-recurse-submodules", "--no-write-fetch-head",
        "--refmap=", "--", remote, *specs, remote=True, timeout_s=FETCH_TIMEOUT_S,
    )  # fmt: skip


def _refs(repository: str, names: list[str]) -> dict[str, _Ref]:
    """How a repository has some refs, by their full names; what it does not have is not in it."""
    try:
        said = git(repository, "for-each-ref", f"--format={_FIELDS}", *names)
    except GitError:  # a ref whose commit is missing, which the remote may have
        return {name: _Ref(commit) for name, commit in zip(names, resolve_commits(repository, *names), strict=True) if commit}
    found = (line.split("\0") for line in said.split("\n") if line)
    now = time.time()
    return {
        name: _Ref(commit, target or None, round(max(now - int(when), 0.0)) if when.isdigit() else None)
        for name, commit, target, when in found if name in names
    }  # fmt: skip


def _target(repository: str, name: str) -> str | None:
    """The name that a symbolic one stands for; None where there is none."""
    try:
        return git(repository, "symbolic-ref", "--quiet", name).strip()
    except GitError:
        return None


def _base(
    repository: str, remote: str | None, told: _Told | None, name: str | None, base_branch: str | None, own: bool
) -> tuple[str, str] | None:
    """Name and commit of the base."""
    if name is None:
        return _default(repository, remote, told)
    if not name.isprintable():
        return None
    local, tag, plain = resolve_commits(
        repository, f"refs/heads/{name}", f"refs/tags/{name}", name if _COMMIT.fullmatch(name) else "refs/0"
    )
    there = None
    if told is not None:
        there = told.refs.get(f"refs/heads/{name}")
        tag = tag or told.refs.get(f"refs/tags/{name}")
    elif remote is not None:
        there = resolve_commits(repository, f"refs/remotes/{remote}/{name}")[0]
    if base_branch != name:  # the operator wrote `upstream/main`, and means no local branch
        local = None
    if own and there is not None:
        local = None
    if there is not None and not (local is not None and local != there and is_ancestor(repository, there, local)):
        return f"{remote}/{name}", there
    found = ((name, local), (name, tag), ("the commit that was named", plain))
    exact = resolve_commits(repository, name)[0] if name.startswith("refs/") else None
    return next(((ref, commit) for ref, commit in (*found, (name, exact)) if commit), None)


def _default(repository: str, remote: str | None, told: _Told | None) -> tuple[str, str] | None:
    """The default branch of the remote as it says now, else as it was; else what the repository has checked out."""
    if told is not None and (there := told.refs.get("HEAD")):
        return f"{remote}/{told.default or 'HEAD'}", there
    if told is not None:
        usual = next((one for one in _USUAL if f"refs/heads/{one}" in told.refs), None)
        if usual is not None:
            return f"{remote}/{usual}", told.refs[f"refs/heads/{usual}"]
    names = [f"{remote}/{one}" for one in ("HEAD", *_USUAL)] if remote is not None and told is None else []
    found = resolve_commits(repository, *(f"refs/remotes/{one}" for one in names), "HEAD")
    name, commit = next((pair for pair in zip((*names, "HEAD"), found, strict=True) if pair[1]), ("", None))
    if commit is None:
        return None
    target = _target(repository, name if name == "HEAD" else f"refs/remotes/{name}") if name.endswith("HEAD") else None
    return (target or name).removeprefix("refs/remotes/").removeprefix("refs/heads/"), commit


def _branch(repository: str, remote: str | None, told: _Told | None, branch: str, base: str) -> tuple[str, str, str | None]:
    """Where the issue's branch starts, how it comes about, and what is worth knowing about that."""
    own = f"refs/heads/{branch}"
    if told is not None:
        here, there = told.here.get(own), told.refs.get(own)
    else:
        here, there = resolve_commits(repository, own, f"refs/remotes/{remote}/{branch}" if remote else "refs/0")
    if there is not None and is_ancestor(repository, there, base):
        there = None  # all of it has arrived: nothing to go on with
    if here is None:
        if there is None:
            return base, "new", None
        return there, "remote", f"goes on with {remote}/{branch}, which is there already"
    if here != base and is_ancestor(repository, here, base):  # nothing of its own: it would only be old
        note = f"goes on with {remote}/{branch}" if there is not None else f"the branch {branch} had nothing that is not there"
        return there or base, "moved", note
    if there is None or there == here or is_ancestor(repository, there, here):
        return here, "kept", f"goes on with the branch {branch}"
    if is_ancestor(repository, here, there):
        return there, "moved", f"goes on with {remote}/{branch}, which has more than the branch here"
    return here, "kept", (
        f"goes on with the branch {branch}; {remote}/{branch} has other commits, so a push is refused until they are merged"
    )  # fmt: skip


def is_ancestor(repository: str, older: str, newer: str) -> bool:
    """Whether one commit is the other or came before it, as far as the repository has their past."""
    return older == newer or git_succeeds(repository, "merge-base", "--is-ancestor", older, newer)


def read_commit_age(repository: str, commit: str) -> float | None:
    """How old a commit is, in seconds; None where the repository does not have it."""
    try:
        said = ask_git(repository, "rev-list", "--max-count=1", "--format=%ct", commit)
        return round(max(time.time() - int(said.splitlines()[-1]), 0.0))
    except (RepositoryError, ValueError, IndexError):
        return None

"""Measures what an attempt delivered: new commits on the issue's branch, uncommitted changes, and commits elsewhere.

What cannot be measured is reported as such and never counts as a delivery.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import AttemptFailed, GitError
from . import ref_files
from .baseline import Baseline, CheckoutState, read_checkout_state
from .command import git
from .gitfile import read_common_dir
from .remotes import read_remotes
from .worktrees import read_base_commit

Measured = tuple[dict[str, Any] | None, str | None]
"""The numbers, None if there are none; and what could not be measured and why, None if all was."""
NUMBERS = (
    "commits", "files", "insertions", "deletions", "dirty", "dirty_before", "brought", "removed", "elsewhere", "task_commits",
    "total",
)  # fmt: skip
NUMSTAT = ("--numstat", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
MAX_REFLOG_BYTES = 1 << 20
MAX_ELSEWHERE = 1000
_ENTRY = re.compile(r"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [^\t]*\t(.*)")
_NOT_CREATED = re.compile(
    r"\((start|finish|abort)\)|^(checkout|reset|clone|[Bb]ranch)\b|^(pull|merge|rebase|cherry-pick)[^:]*: [Ff]ast-forward$"
)
"""Reflog messages of moves to a commit that existed before."""


class Reflog(NamedTuple):
    """A worktree's HEAD reflog."""

    made: frozenset[str] = frozenset()
    """Commits created in the worktree during the attempt."""
    ever_made: frozenset[str] = frozenset()
    """Commits created in it at any time."""
    kept: bool = False
    """Whether there is a reflog."""
    left: tuple[str, ...] = ()
    """Commits from which HEAD was switched to another branch during the attempt, newest first."""


def measure_delivery(baseline: Baseline, task_began: str | None = None) -> Measured:
    """Measure what has changed since an attempt began.

    Args:
        task_began: commit of the branch when the task's first attempt began, if this is a later attempt.

    Returns: `commits`, `files`, `insertions`, `deletions`: new commits on the branch; `dirty`: files changed and not committed;
    `dirty_before`: uncommitted files that did not change; `brought`: commits that a merge or a rebase brought in; `removed`:
    commits that are no longer on the branch; `elsewhere`, `elsewhere_on`: new commits that are not on the branch;
    `task_commits`: new commits of all attempts of the task; `total`: commits of the branch over its base; `unpushed`: how many
    of them no remote has, as far as is known.
    """
    missing = _find_worktree_fault(baseline)
    checkout, refs = None, None
    try:
        refs = _read_refs(baseline)
    except GitError as error:
        missing = missing or error.message
    if missing is None:
        try:
            checkout = read_checkout_state(baseline.worktree, baseline.settings)
        except GitError as error:
            missing = error.message
    if refs is None:
        return None, missing
    try:
        numbers = _measure_branch(baseline, checkout, task_began, refs)
    except (AttemptFailed, ValueError) as error:
        return None, missing or str(error)
    if checkout is None:
        if not numbers["commits"]:
            return None, f"{missing}, and {baseline.branch} has no new commit"
        return numbers, f"uncommitted files: {missing}"
    changed = checkout.dirty - baseline.checkout.dirty
    return numbers | {"dirty": len(changed), "dirty_before": len(checkout.dirty) - len(changed)}, None


def _find_worktree_fault(baseline: Baseline) -> str | None:
    """Why the worktree cannot be read; None if it can. Runs nothing in it."""
    if not os.path.isdir(baseline.worktree):
        return "the worktree is gone"
    if read_common_dir(baseline.worktree) != baseline.common_dir:
        return "the folder in the worktree's place belongs to another repository"
    return None


def _measure_branch(
    baseline: Baseline, checkout: CheckoutState | None, task_began: str | None, refs: Mapping[str, str]
) -> dict[str, Any]:  # fmt: skip
    """The numbers that come from the repository, which has the branch even if the worktree is gone."""
    own = f"refs/heads/{baseline.branch}"
    end = refs.get(own)
    numbers: dict[str, Any] = {**dict.fromkeys(NUMBERS, 0), "elsewhere_on": None, "unpushed": None}
    reflog = _read_reflog(baseline)
    bases = [
        commit
        for name, commit in refs.items()
        if name != own and not name.startswith(f"{own}/") and commit not in reflog.ever_made
    ]
    others = [*baseline.known, *bases]
    added = None
    if end != baseline.commit:
        added = _read_line(baseline, end, others) if end is not None else None
        if added is not None:
            numbers |= added
        else:
            if end is not None:
                numbers |= _measure_new(baseline, end, others)
            if baseline.commit is not None:
                numbers["removed"] = _count(baseline, [baseline.commit], [end, *bases])
    if end is not None:
        numbers |= _measure_total(baseline, end, bases, added["commits"] if added is not None else None)
        if task_began is not None:
            numbers["task_commits"] = _count(baseline, [end], [task_began, *bases])
    return numbers | _measure_elsewhere(baseline, end, checkout, reflog, bases)


def _read_line(baseline: Baseline, end: str, others: list[str]) -> dict[str, int] | None:
    """The numbers of new commits that are one line on top of the branch; None for merges, rebases, or anything else.

    One call of git reads what takes several in general.
    """
    if baseline.commit is None:
        return None
    output = git(
        baseline.common_dir, "log", *NUMSTAT, "--format=%x00%H %P", "--topo-order", "--boundary", "--ignore-missing", "--stdin",
        feed=_revisions([end], [baseline.commit, *others]),
    )  # fmt: skip
    commits = [commit.partition("\n") for commit in output.split("\0")[1:]]
    if not commits or commits[-1][0].split(" ", 1)[0] != baseline.commit:
        return None
    wanted = end
    for heading, _, _ in commits[:-1]:
        name, *parents = heading.split()
        if name != wanted or len(parents) != 1:
            return None
        wanted = parents[0]
    if wanted != baseline.commit:
        return None
    count = len(commits) - 1
    lines = commits[0][2] if count == 1 else git(baseline.common_dir, "diff", *NUMSTAT, baseline.commit, end, "--")
    return {"commits": count, "brought": 0, "removed": 0} | _sum_lines(lines)


def _measure_new(baseline: Baseline, end: str, others: list[str]) -> dict[str, int]:
    """The new commits of the branch and the lines they change, without those that a merge or a rebase brought in."""
    commits, new = _count(baseline, [end], [baseline.commit, *others]), _count(baseline, [end], [baseline.commit])
    if not commits:
        return {"brought": new}
    if baseline.commit is not None and commits == new:
        output = git(baseline.common_dir, "diff", *NUMSTAT, baseline.commit, end, "--")
    else:
        output = git(
            baseline.common_dir, "log", *NUMSTAT, "--format=", "--ignore-missing", "--stdin",
            feed=_revisions([end], [baseline.commit, *others]),
        )  # fmt: skip
    return {"commits": commits, "brought": new - commits} | _sum_lines(output)


def _sum_lines(numstat: str) -> dict[str, int]:
    rows = [row for line in numstat.splitlines() if len(row := line.split("\t", 2)) == 3]
    return {
        "files": len({name for _, _, name in rows}),
        "insertions": sum(int(plus) for plus, _, _ in rows if plus.isdigit()),
        "deletions": sum(int(minus) for _, minus, _ in rows if minus.isdigit()),
    }  # fmt: skip


def _measure_total(baseline: Baseline, end: str, bases: list[str], added: int | None) -> dict[str, int | None]:
    """How many commits the branch has over its base, and how many of them no remote is known to have.

    Args:
        added: how many are new, if they are one line on top of the branch that no base has.
    """
    base = read_base_commit(baseline.worktree) or baseline.commit
    if end == base or end in bases:
        total = 0
    elif added is not None and base == baseline.commit:
        total = added
    else:
        total = _count(baseline, [end], [base, *bases])
    if not total or not _has_remote(baseline):
        return {"total": total, "unpushed": None}
    unpushed = git(baseline.common_dir, "rev-list", "--count", end, *([f"^{base}"] if base else []), "--not", "--remotes")
    return {"total": total, "unpushed": int(unpushed)}


def _has_remote(baseline: Baseline) -> bool:
    if baseline.settings is not None and baseline.settings.is_current():
        known = read_remotes(baseline.settings)
        if known is not None:
            return bool(known)
    return bool(git(baseline.common_dir, "remote").strip())


def _measure_elsewhere(
    baseline: Baseline, end: str | None, checkout: CheckoutState | None, reflog: Reflog, bases: list[str]
) -> dict[str, int | str | None]:
    """New commits of the worktree that are on another branch, or on none."""
    tips = list(reflog.left)
    if checkout is not None and checkout.head is not None and checkout.branch != baseline.branch:
        tips.insert(0, checkout.head)
    if not tips:
        return {}
    commits = git(
        baseline.common_dir, "rev-list", f"--max-count={MAX_ELSEWHERE}", "--ignore-missing", "--stdin",
        feed=_revisions(tips, [end, baseline.commit, *baseline.known, *bases]),
    ).split()  # fmt: skip
    lost = [commit for commit in commits if commit in reflog.made] if reflog.kept else commits
    if not lost:
        return {}
    names = git(
        baseline.common_dir, "for-each-ref", "--count=1", "--format=%(refname:short)", f"--contains={lost[0]}", "refs/heads"
    )
    return {"elsewhere": len(lost), "elsewhere_on": names.strip() or None}


def _read_refs(baseline: Baseline) -> dict[str, str]:
    """Commits of the issue's branch and of the branches it may be based on; what a merge brings from those is not delivered."""
    names = [baseline.base_branch] if baseline.base_branch else ["HEAD", "main", "master"]
    patterns = [f"refs/remotes/*/{name}" for name in names] + [f"refs/heads/{name}" for name in names]
    patterns.append(f"refs/heads/{baseline.branch}")
    try:
        if not all(map(ref_files.is_plain_name, (*names, baseline.branch))):
            raise ref_files.AskGit(baseline.branch)
        refs = ref_files.list_refs(baseline.common_dir)
    except ref_files.AskGit:
        output = git(baseline.common_dir, "for-each-ref", "--format=%(objectname) %(refname)", *patterns)
        return {name: commit for commit, _, name in (line.partition(" ") for line in output.split("\n")) if name}
    own = "|".join(re.escape(name) for name in (*names, baseline.branch))
    remote = "|".join(map(re.escape, names))
    wanted = re.compile(rf"refs/heads/(?:{own})(?:/.*)?|refs/remotes/[^/]+/(?:{remote})")
    return {name: commit for name, commit in refs.items() if wanted.fullmatch(name)}


def _read_reflog(baseline: Baseline) -> Reflog:
    """Read the HEAD reflog. An agent can write it, so only commit ids are used."""
    try:
        with open(f"{baseline.admin_dir}/logs/HEAD", "rb") as file:
            length = os.fstat(file.fileno()).st_size
            offset = file.seek(max(length - MAX_REFLOG_BYTES, 0))
            data = file.read(MAX_REFLOG_BYTES)
    except OSError:
        return Reflog()
    left: list[str] = []
    made, ever = set(), set()
    for line in data.splitlines(keepends=True):
        recent, offset = offset >= baseline.reflog_bytes, offset + len(line)
        match = _ENTRY.fullmatch(line.decode("utf-8", "replace").rstrip("\n"))
        if match is None:
            continue
        if recent and match[3].startswith("checkout: moving from"):
            left.insert(0, match[1])
        if _NOT_CREATED.search(match[3]) is None:
            ever.add(match[2])
            made |= {match[2]} if recent else set()
    return Reflog(frozenset(made), frozenset(ever), True, tuple(left[:50]))


def _count(baseline: Baseline, tips: list[str], without: list[str | None]) -> int:
    return int(git(baseline.common_dir, "rev-list", "--count", "--ignore-missing", "--stdin", feed=_revisions(tips, without)))


def _revisions(tips: list[str], without: list[str | None]) -> str:
    return "".join(f"{tip}\n" for tip in tips) + "".join(f"^{commit}\n" for commit in without if commit)

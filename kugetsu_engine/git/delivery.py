"""What an attempt delivered: new commits on the issue's branch, what lies uncommitted, and commits that are elsewhere.

Whatever cannot be measured is said to be so. It is never taken for a delivery.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import AttemptFailed, GitError
from . import baseline
from .baseline import Baseline, CheckoutState
from .command import git
from .gitfile import read_common_dir
from .worktrees import read_base_commit

Measured = tuple[dict[str, Any] | None, str | None]
"""The numbers, None where there are none; and what could not be measured and why, None where all was."""
NUMBERS = (
    "commits", "files", "insertions", "deletions", "dirty", "dirty_before", "brought", "removed", "elsewhere", "task_commits",
    "total",
)  # fmt: skip
MAX_MOVES = 1 << 20
MAX_ELSEWHERE = 1000
_MOVE = re.compile(r"([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [^\t]*\t(.*)")
_NOT_MADE = re.compile(
    r"\((start|finish|abort)\)|^(checkout|reset|clone|[Bb]ranch)\b|^(pull|merge|rebase|cherry-pick)[^:]*: [Ff]ast-forward$"
)
"""What git notes where HEAD went to a commit that was there before."""


class BranchMoves(NamedTuple):
    """What git recorded of a worktree's HEAD."""

    made: frozenset[str] = frozenset()
    """Commits that were made in the worktree during the attempt."""
    ever_made: frozenset[str] = frozenset()
    kept: bool = False
    """Whether git kept a record at all."""
    left: tuple[str, ...] = ()
    """Commits from which HEAD was moved to another branch during the attempt, the newest first."""


def measure_delivery(start: Baseline, task_began: str | None = None) -> Measured:
    """Measure what has changed since an attempt began.

    Args:
        task_began: commit of the branch when the first attempt of the task began, where that was an earlier attempt.

    Returns: `commits`, `files`, `insertions`, `deletions`: commits on the branch that this attempt added; `dirty`: files it
    changed and did not commit; `dirty_before`: those that are as they were; `brought`: commits that a merge or a rebase brought
    in; `removed`: commits of the branch that are no longer on it; `elsewhere`, `elsewhere_on`: commits made that are not on the
    branch; `task_commits`: those of all attempts of the task; `total`: commits of the branch over its base; `unpushed`: those
    of them that no remote is known to have.
    """
    missing = _what_is_wrong(start)
    standing, refs = None, None
    try:
        refs = _refs(start)
    except GitError as error:
        missing = missing or error.message
    if missing is None:
        try:
            standing = baseline.read_checkout_state(start.worktree, refs or {})
        except GitError as error:
            missing = error.message
    if refs is None:
        return None, missing
    try:
        found = _on_branch(start, standing, task_began, refs)
    except (AttemptFailed, ValueError) as error:
        return None, missing or str(error)
    if standing is None:
        if not found["commits"]:
            return None, f"{missing}, and {start.branch} has no new commit"
        return found, f"uncommitted files: {missing}"
    changed = standing.dirty - start.checkout.dirty
    return found | {"dirty": len(changed), "dirty_before": len(standing.dirty) - len(changed)}, None


def _what_is_wrong(start: Baseline) -> str | None:
    """Why the worktree cannot be looked at, in words; None when it can. Runs nothing in it."""
    if not os.path.isdir(start.worktree):
        return "the worktree is gone"
    if read_common_dir(start.worktree) != start.common_dir:
        return "what is in the worktree's place belongs to no repository of this issue"
    return None


def _on_branch(
    start: Baseline, standing: CheckoutState | None, task_began: str | None, refs: Mapping[str, str]
) -> dict[str, Any]:  # fmt: skip
    """What the repository tells; it knows the branch even where the worktree is gone.

    Raises:
        GitError: git cannot tell.
        ValueError: it told something else.
    """
    own = f"refs/heads/{start.branch}"
    end = refs.get(own)
    found: dict[str, Any] = {**dict.fromkeys(NUMBERS, 0), "elsewhere_on": None, "unpushed": None}
    moves = _moves(start)
    bases = [
        commit
        for name, commit in refs.items()
        if name != own and not name.startswith(f"{own}/") and commit not in moves.ever_made
    ]
    if end != start.commit:
        others = [*start.known, *bases]
        if end is not None:
            found |= _added(start, end, others)
        if start.commit is not None:
            found["removed"] = _count(start, [start.commit], [end, *bases])
    if end is not None:
        found |= _of_branch(start, end, bases)
        if task_began is not None:
            found["task_commits"] = _count(start, [end], [task_began, *bases])
    return found | _elsewhere(start, end, standing, moves, bases)


def _added(start: Baseline, end: str, others: list[str]) -> dict[str, int]:
    """The commits that are new on the branch, and the lines they change; not those that a merge or a rebase brought along."""
    commits, new = _count(start, [end], [start.commit, *others]), _count(start, [end], [start.commit])
    if not commits:
        return {"brought": new}
    numstat = ("--numstat", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
    if start.commit is not None and commits == new:
        told = git(start.common_dir, "diff", *numstat, start.commit, end, "--")
    else:
        told = git(
            start.common_dir, "log", *numstat, "--format=", "--ignore-missing", "--stdin",
            feed=_revisions([end], [start.commit, *others]),
        )  # fmt: skip
    rows = [row for line in told.splitlines() if len(row := line.split("\t", 2)) == 3]
    return {
        "commits": commits, "brought": new - commits, "files": len({name for _, _, name in rows}),
        "insertions": sum(int(plus) for plus, _, _ in rows if plus.isdigit()),
        "deletions": sum(int(minus) for _, minus, _ in rows if minus.isdigit()),
    }  # fmt: skip


def _of_branch(start: Baseline, end: str, bases: list[str]) -> dict[str, int | None]:
    """How many commits the whole branch has, and how many of them no remote is known to have."""
    made_from = read_base_commit(start.worktree) or start.commit
    total = _count(start, [end], [made_from, *bases])
    if not total or not git(start.common_dir, "remote").strip():
        return {"total": total, "unpushed": None}
    unpushed = git(
        start.common_dir, "rev-list", "--count", end, *([f"^{made_from}"] if made_from else []), "--not", "--remotes"
    )
    return {"total": total, "unpushed": int(unpushed)}


def _elsewhere(
    start: Baseline, end: str | None, standing: CheckoutState | None, moves: BranchMoves, bases: list[str]
) -> dict[str, int | str | None]:
    """Commits that were made in the worktree and are not on the branch: on another one, or on none."""
    tips = list(moves.left)
    if standing is not None and standing.head is not None and standing.branch != start.branch:
        tips.insert(0, standing.head)
    if not tips:
        return {}
    told = git(
        start.common_dir, "rev-list", f"--max-count={MAX_ELSEWHERE}", "--ignore-missing", "--stdin",
        feed=_revisions(tips, [end, start.commit, *start.known, *bases]),
    ).split()  # fmt: skip
    lost = [commit for commit in told if commit in moves.made] if moves.kept else told
    if not lost:
        return {}
    names = git(
        start.common_dir, "for-each-ref", "--count=1", "--format=%(refname:short)", f"--contains={lost[0]}", "refs/heads"
    )
    return {"elsewhere": len(lost), "elsewhere_on": names.strip() or None}


def _refs(start: Baseline) -> dict[str, str]:
    """Where the issue's branch is now, and those that work is based on: what a merge or a rebase brings from there is nobody's
    delivery.

    Raises:
        GitError: git cannot tell.
    """
    names = [start.base_branch] if start.base_branch else ["HEAD", "main", "master"]
    patterns = [f"refs/remotes/*/{name}" for name in names] + [f"refs/heads/{name}" for name in names]
    patterns.append(f"refs/heads/{start.branch}")
    told = git(start.common_dir, "for-each-ref", "--format=%(objectname) %(refname)", *patterns)
    return {name: commit for commit, _, name in (line.partition(" ") for line in told.split("\n")) if name}


def _moves(start: Baseline) -> BranchMoves:
    """Read where HEAD has been, where git keeps a record. Only names of commits are taken, as agents can write there."""
    try:
        with open(f"{start.admin_dir}/logs/HEAD", "rb") as file:
            length = os.fstat(file.fileno()).st_size
            begin = file.seek(max(length - MAX_MOVES, 0))
            data = file.read(MAX_MOVES)
    except OSError:
        return BranchMoves()
    left: list[str] = []
    made, ever = set(), set()
    for line in data.splitlines(keepends=True):
        recent, begin = begin >= start.reflog_bytes, begin + len(line)
        found = _MOVE.fullmatch(line.decode("utf-8", "replace").rstrip("\n"))
        if found is None:
            continue
        if recent and found[3].startswith("checkout: moving from"):
            left.insert(0, found[1])
        if _NOT_MADE.search(found[3]) is None:
            ever.add(found[2])
            made |= {found[2]} if recent else set()
    return BranchMoves(frozenset(made), frozenset(ever), True, tuple(left[:50]))


def _count(start: Baseline, tips: list[str], without: list[str | None]) -> int:
    return int(git(start.common_dir, "rev-list", "--count", "--ignore-missing", "--stdin", feed=_revisions(tips, without)))


def _revisions(tips: list[str], without: list[str | None]) -> str:
    return "".join(f"{tip}\n" for tip in tips) + "".join(f"^{commit}\n" for commit in without if commit)

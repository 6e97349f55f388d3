"""`kugetsu list`: every issue with session, worktree, pull request and newest task, after the two reserved sessions."""

import os
from typing import Any

import msgspec

from ...client.snapshot import Snapshot
from ...client.snapshot_reader import ALL_DONE, SnapshotReader
from ...domain import refs
from ...domain.pull_request import KnownPull
from ...domain.reserved_refs import SESSIONS
from ...domain.session import Session
from ...domain.task import Delivered, Task
from ...domain.text.quantities import format_count
from ...errors import KugetsuError
from ...paths import StatePaths
from ...state import pull_requests, sessions
from ...state.issue_names import name_of, session_name
from ..context import choose_glyph, make_paths, print_note
from ..output import build_pull_document, describe_pull_request, print_json, print_table
from ..parser import make_parser


def main(argv: list[str]) -> int:
    """Print all issues."""
    args = make_parser("list").parse_args(argv)
    here = make_paths()
    if args.refresh:
        _refresh(here)
    snapshot = SnapshotReader(here, os.environ, done_kept=ALL_DONE).read()
    newest: dict[str, Task] = {}
    for task in (*(active.task for active in snapshot.active), *snapshot.pending, *snapshot.done):
        newest.setdefault(task.issue_key, task)
    known = {session.slug: session for session in sessions.list_sessions(here)}
    recorded = [session.issue_ref for session in known.values() if session.issue_ref]
    recorded += [reference for reference, slug in SESSIONS.items() if slug in known]
    references = {refs.key_of(reference): reference for reference in recorded} | {
        key: task.issue_ref for key, task in newest.items()
    }
    pulls = pull_requests.load_pull_requests(here).issues
    by_hand = {session.issue_key for session in snapshot.by_hand}
    rows = [
        _document(here, reference, newest.get(key), known.get(session_name(here, reference)), pulls.get(key))
        | {"pull_request": build_pull_document(snapshot, reference), "by_hand": refs.key_of(reference) in by_hand}
        for key, reference in sorted(references.items(), key=lambda item: (item[0] not in SESSIONS, item[0]))
    ]
    if args.json:
        print_json(rows)
    elif rows:
        print_table(
            ["", "issue", "task", "state", "session", "branch", "worktree", "delivered", "pull request", "message"],
            [_row(row, newest.get(refs.key_of(str(row["issue_ref"]))), snapshot) for row in rows], flexible=9,
        )  # fmt: skip
    else:
        print("No issues yet: kugetsu enqueue owner/repo#N MESSAGE")
    return 0


def _document(
    here: StatePaths, reference: str, task: Task | None, session: Session | None, known_pull: KnownPull | None
) -> dict[str, Any]:
    worktree = here.worktree(name_of(here, reference))
    is_there = os.path.isdir(worktree)
    pull = known_pull.pull if known_pull else None
    return {
        "issue_ref": reference, "branch": _branch(reference), "worktree": worktree if is_there else None,
        "task": task.id if task else None, "state": task.state if task else None,
        "session": session.session_id if session else None, "agent": session.agent if session else None,
        "pr_url": (session.pr_url if session else None) or (pull.url if pull else None),
        "pr_state": pull.state if pull else None, "kind": SESSIONS.get(reference, "issue"),
        "delivered": msgspec.to_builtins(_delivered(task, is_there)),
    }  # fmt: skip


def _row(row: dict[str, Any], task: Task | None, snapshot: Snapshot) -> list[str]:
    sign, shown, title = (choose_glyph(task.glyph_name), task.shown, task.title) if task else ("", "", "")
    name = str(row["issue_ref"]) if row["kind"] == "issue" else str(row["kind"])
    pull = describe_pull_request(snapshot, str(row["issue_ref"]), age=False)
    state = "by hand" if row["by_hand"] else row["state"]
    cells = (state, row["session"], row["branch"], row["worktree"], _describe_delivered(task, row["worktree"] is not None))
    return [sign, name, shown, *(str(cell or "") for cell in cells), pull or str(row["pr_url"] or ""), title]


def _delivered(task: Task | None, has_worktree: bool) -> Delivered | None:
    """What the newest attempt delivered. Uncommitted files do not count if the worktree is gone."""
    delivered = task.last_attempt.delivered if task and task.last_attempt else None
    if delivered is None or has_worktree:
        return delivered
    return msgspec.structs.replace(delivered, dirty=0, dirty_before=0, task_dirty=0)


def _describe_delivered(task: Task | None, has_worktree: bool) -> str:
    """The same as text, with the size of the branch if earlier tasks worked on it too."""
    delivered = _delivered(task, has_worktree)
    if delivered is None:
        return ""
    if not has_worktree:  # commits that are on no remote may be gone too
        return "its worktree is gone" if delivered.nothing else f"{delivered}; its worktree is gone"
    more = delivered.total > max(delivered.commits, delivered.task_commits)
    return f"{delivered}, {format_count(delivered.total, 'commit')} on the branch" if more else str(delivered)


def _refresh(here: StatePaths) -> None:
    """Ask the forges about the pull request of every issue with commits."""
    from ...forges.cache import CachedForges

    snapshot = SnapshotReader(here, os.environ, done_kept=ALL_DONE).read()
    branches = {reference: known.branch for reference, known in snapshot.pulls.items()}
    for task in snapshot.done:
        last = task.last_attempt
        if last is not None and last.delivered is not None and (last.delivered.commits or last.delivered.total):
            branches.setdefault(task.issue_key, _branch(task.issue_ref))
    for fault in CachedForges(here, os.environ).refresh_pull_requests(branches):
        print_note(f"kugetsu: {fault}")


def _branch(reference: str) -> str:
    try:
        return refs.parse_reference(reference).branch
    except KugetsuError:
        return ""

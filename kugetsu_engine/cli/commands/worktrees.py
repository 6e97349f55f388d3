"""`kugetsu worktrees`: lists worktrees, and removes those whose work is merged or pushed."""

import time
from typing import Any

import msgspec

from ...domain.text.quantities import format_size
from ...errors import UsageError
from ...worktrees.inventory import Removal, Worktree, WorktreeInventory
from ..context import choose_glyph, make_client, print_note
from ..output import print_json, print_table
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """List or clean worktrees."""
    args = make_parser(verb).parse_args(argv)
    if args.dry_run and not args.clean:
        raise UsageError("--dry-run needs --clean")
    client = make_client()
    inventory = WorktreeInventory(client.paths, client.environ, read_only=client.read_only)
    for fault in inventory.fetch_remotes() if args.fetch else ():
        print_note(f"kugetsu: {fault}")
    if args.clean:
        return _clean(inventory, args.dry_run, args.json)
    worktrees = inventory.list_worktrees()
    if args.json:
        print_json([_document(one) for one in worktrees])
    elif worktrees:
        rows = [
            [choose_glyph(one.state), one.issue_ref or one.slug, one.branch or "", format_size(one.size_bytes), _age(one),
             one.state, one.why, one.path]
            for one in worktrees
        ]  # fmt: skip
        print_table(["", "issue", "branch", "size", "used", "state", "why", "worktree"], rows, flexible=7)
        size, safe = sum(one.size_bytes for one in worktrees), sum(one.safe for one in worktrees)
        print_note(f"{format_size(size)} in {len(worktrees)}; kugetsu worktrees --clean would remove {safe}")
    else:
        print("There are no worktrees.")
    return 0


def _clean(inventory: WorktreeInventory, dry_run: bool, as_json: bool) -> int:
    def print_removal(removal: Removal) -> None:
        if not as_json:
            print(_describe_removal(removal, dry_run))

    removals = inventory.remove_safe(dry_run, print_removal)
    gone = [one.worktree for one in removals if one.removed or (dry_run and one.worktree.safe)]
    if as_json:
        print_json([_document(one.worktree) | {"removed": one.removed, "why": one.why} for one in removals])
    else:
        verb = "would remove" if dry_run else "removed"
        print(f"{verb} {len(gone)} of {len(removals)}, {format_size(sum(one.size_bytes for one in gone))}; branches are kept")
    failed = any(one.worktree.safe and not one.removed for one in removals)
    return 1 if failed and not dry_run else 0


def _describe_removal(removal: Removal, dry_run: bool) -> str:
    one = removal.worktree
    name = one.issue_ref or one.slug
    if removal.removed or (dry_run and one.safe):
        return f"{'would remove' if dry_run else 'removed'} {name}, {format_size(one.size_bytes)}: {removal.why}"
    return f"kept {name}: {removal.why}"


def _document(one: Worktree) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(one)
    return document | {"age_s": round(max(time.time() - one.last_used, 0.0))}


def _age(one: Worktree) -> str:
    import humanize

    return humanize.naturaltime(max(time.time() - one.last_used, 0.0)) if one.last_used else ""

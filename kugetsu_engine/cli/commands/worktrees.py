"""`kugetsu worktrees`: what every worktree holds, and removing those that hold nothing that is not elsewhere."""

import time
from typing import Any

import msgspec

from ...domain.text.quantities import format_size
from ...errors import UsageError
from ...worktrees.inventory import Removal, Worktree, WorktreeInventory
from ..context import glyph, make_client, print_note
from ..grammar import parser_of
from ..output import print_json, print_table


def main(verb: str, words: list[str]) -> int:
    """Show or clean worktrees."""
    given = parser_of(verb).parse_args(words)
    if given.dry_run and not given.clean:
        raise UsageError("--dry-run belongs to --clean")
    acting = make_client()
    care = WorktreeInventory(acting.paths, acting.environ, read_only=acting.read_only)
    for fault in care.fetch_remotes() if given.fetch else ():
        print_note(f"kugetsu: {fault}")
    if given.clean:
        return _clean(care, given.dry_run, given.json)
    found = care.list_worktrees()
    if given.json:
        print_json([_document(one) for one in found])
    elif found:
        rows = [
            [glyph(one.state), one.issue_ref or one.slug, one.branch or "", format_size(one.size_bytes), _age(one),
             one.state, one.why, one.path]
            for one in found
        ]  # fmt: skip
        print_table(["", "issue", "branch", "size", "used", "state", "why", "worktree"], rows, flexible=7)
        size, safe = sum(one.size_bytes for one in found), sum(one.safe for one in found)
        print_note(f"{format_size(size)} in {len(found)}; kugetsu worktrees --clean would remove {safe}")
    else:
        print("There are no worktrees.")
    return 0


def _clean(care: WorktreeInventory, dry_run: bool, as_json: bool) -> int:
    def tell(removal: Removal) -> None:
        if not as_json:
            print(_told(removal, dry_run))

    made = care.remove_safe(dry_run, tell)
    gone = [one.worktree for one in made if one.removed or (dry_run and one.worktree.safe)]
    if as_json:
        print_json([_document(one.worktree) | {"removed": one.removed, "why": one.why} for one in made])
    else:
        verb = "would remove" if dry_run else "removed"
        print(f"{verb} {len(gone)} of {len(made)}, {format_size(sum(one.size_bytes for one in gone))}; branches are kept")
    failed = any(one.worktree.safe and not one.removed for one in made)
    return 1 if failed and not dry_run else 0


def _told(removal: Removal, dry_run: bool) -> str:
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

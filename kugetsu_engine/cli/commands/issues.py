"""The verbs about an issue as a whole: `context`, `set-pr`, `destroy`, `prune`."""

import sys

from ...client.api import Client
from ...domain.new_task import format_id
from ...domain.reserved_refs import BASE, PM_AGENT
from ...domain.text.safe_text import safe_line, safe_text
from ...errors import Conflict, KugetsuError, UsageError
from ..context import make_client, print_note
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Run the verb."""
    return {"context": _context, "set-pr": _set_pr, "destroy": _destroy, "prune": _prune}[verb](argv)


def find_issue(client: Client, text: str) -> str:
    """Find an issue by its reference or by the id of one of its tasks."""
    if "/" in text:
        return client.resolve_reference(text)
    from ...state import tasks

    return client.resolve_reference(tasks.find_task(client.paths, text).issue_ref)


def _context(argv: list[str]) -> int:
    from ...config.secret_values import Secrets
    from ...state import contexts

    args = make_parser("context").parse_args(argv)
    client = make_client()
    context = contexts.mask_context(
        contexts.load_context(client.paths, find_issue(client, args.issue_ref)), Secrets(client.paths, client.environ).mask()
    )
    if args.json:
        from ..output import print_json

        print_json(context)
        return 0
    if not context.conversation_history:
        raise KugetsuError(f"{context.issue_ref} has no conversation yet", "it begins with the first agent")
    names = {"user": "you", "assistant": "agent", "note": "kugetsu"}
    for message in context.conversation_history:
        task = f"  {format_id(message.task)}" if message.task else ""
        print(safe_line(f"── {names.get(message.role, message.role)}  {message.timestamp or ''}{task}"))
        print(f"{safe_text(message.content).rstrip()}\n")
    return 0


def _set_pr(argv: list[str]) -> int:
    args = make_parser("set-pr").parse_args(argv)
    client = make_client()
    print(safe_line(client.do("set_pr", issue_ref=find_issue(client, args.issue_ref), url=args.url or None)))
    return 0


def _destroy(argv: list[str]) -> int:
    args = make_parser("destroy").parse_args(argv)
    client = make_client()
    reserved = [PM_AGENT, BASE] if args.base else [PM_AGENT] if args.pm_agent else []
    for issue_ref in reserved or [find_issue(client, args.issue_ref)]:
        code = _destroy_one(client, issue_ref, args.yes, args.force, args.dry_run, bool(reserved))
        if code:
            return code
    return 0


def _destroy_one(client: Client, issue_ref: str, yes: bool, force: bool, dry_run: bool, may_be_gone: bool) -> int:
    from ...worktrees import destroy

    remains = destroy.inspect_issue(client, issue_ref)
    if remains.is_empty:
        if may_be_gone:
            print_note(f"{issue_ref} has nothing to destroy")
            return 0
        raise Conflict(f"{issue_ref} has nothing to destroy", "kugetsu list shows all issues")
    for line in (issue_ref, *(f"  {part}" for part in remains.describe_parts())):
        print_note(line) if not dry_run else print(safe_line(line))
    objections = remains.list_objections(destroy.read_pull_request_state(client, issue_ref, print_note))
    if objections and (dry_run or force):
        (print if dry_run else print_note)(safe_line(f"  {'refused' if not force else 'overridden'}: {'; '.join(objections)}"))
    if dry_run:
        return 1 if objections and not force else 0
    if objections and not force:
        raise Conflict(f"{issue_ref} is not destroyed: {'; '.join(objections)}", "--force overrides this")
    if not yes and not confirm("Destroy this?"):
        print_note("nothing was removed")
        return 1
    for line in destroy.destroy_issue(client, remains, force=force):
        print(safe_line(line), flush=True)
    return 0


def confirm(question: str) -> bool:
    """Ask the person at the terminal.

    Raises:
        UsageError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", "-y removes without asking")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _prune(argv: list[str]) -> int:
    from ...worktrees import prune

    args = make_parser("prune").parse_args(argv)
    client = make_client()
    items = prune.find_prunable(client)
    if args.json:
        from ..output import print_json

        print_json([{"kind": item.kind, "path": item.path, "why": item.why, "kept": item.kept} for item in items])
        if args.dry_run:
            return 0
    removable = [item for item in items if not item.kept]
    for item in () if args.json else items:
        act = "keeps" if item.kept else "would remove" if args.dry_run else "removes"
        print(safe_line(f"{act}  {item.kind:8}  {item.path}: {item.why}"))
    if not removable and not args.json:
        print("nothing to prune")
    if args.dry_run or not removable:
        return 0
    if not args.yes and not confirm(f"Remove {len(removable)}?"):
        print_note("nothing was removed")
        return 1
    return prune.prune_orphans(client, removable, print_note)

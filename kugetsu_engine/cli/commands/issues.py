"""What concerns an issue as a whole: `context`, `set-pr`, `destroy`, `prune`."""

import sys

from ...client.api import Client
from ...domain.new_task import format_id
from ...domain.reserved_refs import BASE, PM_AGENT
from ...domain.text.safe_text import safe_line, safe_text
from ...errors import Conflict, KugetsuError, UsageError
from ..context import make_client, print_note
from ..grammar import parser_of


def main(verb: str, words: list[str]) -> int:
    """Do what the verb says."""
    return {"context": _context, "set-pr": _set_pr, "destroy": _destroy, "prune": _prune}[verb](words)


def issue_of(acting: Client, text: str) -> str:
    """The issue a person means, by its reference or by the id of a task of it."""
    if "/" in text:
        return acting.resolve_reference(text)
    from ...state import tasks

    return acting.resolve_reference(tasks.find_task(acting.paths, text).issue_ref)


def _context(words: list[str]) -> int:
    from ...config.secret_values import Secrets
    from ...state import contexts

    given = parser_of("context").parse_args(words)
    acting = make_client()
    context = contexts.mask_context(
        contexts.load_context(acting.paths, issue_of(acting, given.issue_ref)), Secrets(acting.paths, acting.environ).mask()
    )
    if given.json:
        from ..output import print_json

        print_json(context)
        return 0
    if not context.conversation_history:
        raise KugetsuError(f"nothing was said about {context.issue_ref} yet", "it begins with the first agent")
    names = {"user": "you", "assistant": "agent", "note": "kugetsu"}
    for said in context.conversation_history:
        task = f"  {format_id(said.task)}" if said.task else ""
        print(safe_line(f"── {names.get(said.role, said.role)}  {said.timestamp or ''}{task}"))
        print(f"{safe_text(said.content).rstrip()}\n")
    return 0


def _set_pr(words: list[str]) -> int:
    given = parser_of("set-pr").parse_args(words)
    acting = make_client()
    print(safe_line(acting.do("set_pr", issue_ref=issue_of(acting, given.issue_ref), url=given.url or None)))
    return 0


def _destroy(words: list[str]) -> int:
    given = parser_of("destroy").parse_args(words)
    acting = make_client()
    reserved = [PM_AGENT, BASE] if given.base else [PM_AGENT] if given.pm_agent else []
    for issue_ref in reserved or [issue_of(acting, given.issue_ref)]:
        code = _destroy_one(acting, issue_ref, given.yes, given.force, given.dry_run, bool(reserved))
        if code:
            return code
    return 0


def _destroy_one(acting: Client, issue_ref: str, yes: bool, force: bool, dry_run: bool, may_be_gone: bool) -> int:
    from ...worktrees import destroy

    remains = destroy.inspect_issue(acting, issue_ref)
    if remains.is_empty:
        if may_be_gone:
            print_note(f"{issue_ref}: there is nothing to destroy")
            return 0
        raise Conflict(f"{issue_ref}: there is nothing to destroy", "kugetsu list shows what there is")
    for line in (issue_ref, *(f"  {part}" for part in remains.describe_parts())):
        print_note(line) if not dry_run else print(safe_line(line))
    against = remains.list_objections(destroy.read_pull_request_state(acting, issue_ref, print_note))
    if against and (dry_run or force):
        (print if dry_run else print_note)(safe_line(f"  {'refused' if not force else 'in spite of'}: {'; '.join(against)}"))
    if dry_run:
        return 1 if against and not force else 0
    if against and not force:
        raise Conflict(f"{issue_ref} is not destroyed: {'; '.join(against)}", "--force does it all the same")
    if not yes and not confirmed("Destroy this?"):
        print_note("nothing was done")
        return 1
    for done in destroy.destroy_issue(acting, remains, force=force):
        print(safe_line(done), flush=True)
    return 0


def confirmed(question: str) -> bool:
    """Ask the person at the terminal; nobody is asked where there is none."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked", "add -y")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _prune(words: list[str]) -> int:
    from ...worktrees import prune

    given = parser_of("prune").parse_args(words)
    acting = make_client()
    found = prune.find_prunable(acting)
    if given.json:
        from ..output import print_json

        print_json([{"kind": one.kind, "path": one.path, "why": one.why, "kept": one.kept} for one in found])
        if given.dry_run:
            return 0
    going = [one for one in found if not one.kept]
    for one in () if given.json else found:
        act = "keeps" if one.kept else "would remove" if given.dry_run else "removes"
        print(safe_line(f"{act}  {one.kind:8}  {one.path}: {one.why}"))
    if not going and not given.json:
        print("nothing to prune")
    if given.dry_run or not going:
        return 0
    if not given.yes and not confirmed(f"Remove {len(going)}?"):
        print_note("nothing was done")
        return 1
    return prune.prune_orphans(acting, going, print_note)

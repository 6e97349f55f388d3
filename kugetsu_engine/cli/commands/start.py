"""`kugetsu start`, `continue` and `delegate`: start an agent at once, or enqueue for the issues of a message."""

import os
import re

from ...client import start
from ...client.api import Client
from ...domain.text.safe_text import safe_line
from ...domain.text.times import parse_duration
from ...errors import Conflict, KugetsuError
from ...process.waiting import pause
from ...storage.locks import is_held
from ..context import make_client, print_note, read_standard_input
from ..parser import make_parser

_PULL = re.compile(r"https?://\S+/(pulls?|merge_requests)/[0-9]+/?")


def main(verb: str, argv: list[str]) -> int:
    """Run the verb."""
    args = make_parser(verb).parse_args(argv)
    if verb == "start" and args.pr is None and len(args.message) == 2 and _PULL.fullmatch(args.message[1]):
        args.pr = args.message.pop()  # REF MESSAGE PR_URL, as in the bash kugetsu
    message = " ".join(args.message)
    message = read_standard_input() if message == "-" else message
    if verb == "delegate":
        return _delegate(message)
    client, folder = make_client(), os.getcwd()
    if verb == "continue":
        task_id = start.continue_session(client, args.issue_ref, message if args.message else None, folder)
    else:
        _record_pull_request(client, args.issue_ref, args.pr)
        task_id = start.start_issue(
            client, args.issue_ref, message, folder, repo=args.repo, agent=args.agent, timeout=args.timeout
        )
    return _print_start(client, task_id, parse_duration(args.wait) if args.wait else None)


def _record_pull_request(client: Client, reference: str, url: str | None) -> None:
    """Record it before the agent starts, which gets it in its prompt."""
    if url is not None:
        try:
            client.do("set_pr", issue_ref=client.resolve_reference(reference), url=url)
        except Conflict:
            return


def _print_start(client: Client, task_id: str, limit_s: float | None) -> int:
    task = start.wait_for_agent(client, task_id, pause, limit_s)
    if task.ended and task.state != "completed":
        raise KugetsuError(f"{task.shown} {task.issue_ref} {task.state}: {task.reason or task.error or ''}")
    if task.attempts and task.started_at is None:
        raise KugetsuError(f"{task.shown} {task.issue_ref}: {task.reason}", "the engine will try again")
    print(f"Started: {task.id}")
    if not is_held(client.paths.engine_lock):
        print_note(
            "no engine is running: the agent continues, and the next engine records its result (kugetsu queue-daemon start)"
        )
    return 0


def _delegate(message: str) -> int:
    for task_id, reference in start.delegate_task(make_client(), message, os.getcwd()):
        print(safe_line(f"Enqueued: {task_id} for {reference}"))
    return 0

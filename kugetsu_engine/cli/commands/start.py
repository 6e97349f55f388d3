"""`kugetsu start`, `continue` and `delegate`: work that begins at once, and work for whom it concerns."""

import os
import re

from ...client import start
from ...client.api import Client
from ...domain.text.safe_text import safe_line
from ...domain.text.times import parse_duration
from ...errors import Conflict, KugetsuError
from ...process.waiting import pause
from ...storage.locks import is_held
from ..context import make_client, print_note, standard_input
from ..grammar import parser_of

_PULL = re.compile(r"https?://\S+/(pulls?|merge_requests)/[0-9]+/?")


def main(verb: str, words: list[str]) -> int:
    """Begin."""
    given = parser_of(verb).parse_args(words)
    if verb == "start" and given.pr is None and len(given.message) == 2 and _PULL.fullmatch(given.message[1]):
        given.pr = given.message.pop()  # REF MESSAGE PR_URL, as the bash kugetsu took it
    message = " ".join(given.message)
    message = standard_input() if message == "-" else message
    if verb == "delegate":
        return _delegate(message)
    acting, folder = make_client(), os.getcwd()
    if verb == "continue":
        task_id = start.continue_session(acting, given.issue_ref, message if given.message else None, folder)
    else:
        _note_pull_request(acting, given.issue_ref, given.pr)
        task_id = start.start_issue(
            acting, given.issue_ref, message, folder, repo=given.repo, agent=given.agent, timeout=given.timeout
        )
    return _tell(acting, task_id, parse_duration(given.wait) if given.wait else None)


def _note_pull_request(acting: Client, reference: str, url: str | None) -> None:
    """Remember it before the agent starts, which is told."""
    if url is not None:
        try:
            acting.do("set_pr", issue_ref=acting.resolve_reference(reference), url=url)
        except Conflict:
            return


def _tell(acting: Client, task_id: str, limit_s: float | None) -> int:
    task = start.wait_for_agent(acting, task_id, pause, limit_s)
    if task.ended and task.state != "completed":
        raise KugetsuError(f"{task.shown} {task.issue_ref} {task.state}: {task.reason or task.error or ''}")
    if task.attempts and task.started_at is None:
        raise KugetsuError(f"{task.shown} {task.issue_ref}: {task.reason}", "the engine tries again")
    print(f"Started: {task.id}")
    if not is_held(acting.paths.engine_lock):
        print_note("no engine runs: the agent goes on, and the next engine enters how it ends (kugetsu queue-daemon start)")
    return 0


def _delegate(message: str) -> int:
    for task_id, reference in start.delegate_task(make_client(), message, os.getcwd()):
        print(safe_line(f"Enqueued: {task_id} for {reference}"))
    return 0

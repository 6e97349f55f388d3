"""`kugetsu start`, `continue` and `delegate`: work that begins at once, and work for whom it concerns."""

import os
import re

from .. import beginning
from ..domain.safe_text import safe_line
from ..domain.times import duration
from ..errors import AlreadySo, KugetsuError
from ..operator import Operator
from ..process.waiting import pause
from ..store.locks import is_held
from .about import ABOUT
from .here import note, operator, standard_input
from .words import Words

_PULL = re.compile(r"https?://\S+/(pulls?|merge_requests)/[0-9]+/?")


def main(verb: str, words: list[str]) -> int:
    """Begin."""
    parser = Words(verb, ABOUT[verb])
    if verb != "delegate":
        parser.add_argument("issue_ref", help="host/owner/repo#N, owner/repo#N, local/name#N or the issue's address")
    more = "what is to be done; - reads it from standard input" + ("; a fitting prompt unless given" * (verb == "continue"))
    parser.add_argument("message", nargs="*" if verb == "continue" else "+", help=more)
    if verb == "start":
        parser.add_argument("--pr", metavar="URL", help="the pull request it is about; also as a last word, as before")
        parser.add_argument("--repo", metavar="PATH", help="local repository to work in (a worktree of it)")
        parser.add_argument("--agent", metavar="NAME", help="another agent than the usual one")
        parser.add_argument("--timeout", metavar="D", help="time limit of one attempt: 90s, 30m, 2h")
    if verb != "delegate":
        parser.add_argument("--wait", metavar="D", help="wait so long for the agent to run; without limit unless given")
    parser.add_argument("--debug", action="store_true", help="accepted, as before; the log holds everything anyway")
    given = parser.parse_args(words)
    if verb == "start" and given.pr is None and len(given.message) == 2 and _PULL.fullmatch(given.message[1]):
        given.pr = given.message.pop()  # REF MESSAGE PR_URL, as the bash kugetsu took it
    message = " ".join(given.message)
    message = standard_input() if message == "-" else message
    if verb == "delegate":
        return _delegate(message)
    acting, folder = operator(), os.getcwd()
    if verb == "continue":
        task_id = beginning.go_on(acting, given.issue_ref, message if given.message else None, folder)
    else:
        _note_pull_request(acting, given.issue_ref, given.pr)
        task_id = beginning.start(
            acting, given.issue_ref, message, folder, repo=given.repo, agent=given.agent, timeout=given.timeout
        )
    return _tell(acting, task_id, duration(given.wait) if given.wait else None)


def _note_pull_request(acting: Operator, reference: str, url: str | None) -> None:
    """Remember it before the agent starts, which is told."""
    if url is not None:
        try:
            acting.do("set_pr", issue_ref=acting.reference(reference), url=url)
        except AlreadySo:
            return


def _tell(acting: Operator, task_id: str, limit_s: float | None) -> int:
    task = beginning.wait_until_begun(acting, task_id, pause, limit_s)
    if task.ended and task.state != "completed":
        raise KugetsuError(f"{task.shown} {task.issue_ref} {task.state}: {task.reason or task.error or ''}")
    if task.attempts and task.started_at is None:
        raise KugetsuError(f"{task.shown} {task.issue_ref}: {task.reason}", "the engine tries again")
    print(f"Started: {task.id}")
    if not is_held(acting.paths.engine_lock):
        note("no engine runs: the agent goes on, and the next engine enters how it ends (kugetsu queue-daemon start)")
    return 0


def _delegate(message: str) -> int:
    for task_id, reference in beginning.delegate(operator(), message, os.getcwd()):
        print(safe_line(f"Enqueued: {task_id} for {reference}"))
    return 0

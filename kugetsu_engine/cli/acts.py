"""The verbs that change tasks or the queue, each by one request: kill, cancel, retry, hold, release, move, pause, stop-all …"""

from collections.abc import Callable
from typing import Any

from ..errors import KugetsuError
from ..store.requests import Request
from .about import ABOUT
from .here import note, operator
from .words import Words


def main(verb: str, words: list[str]) -> int:
    """Do what the verb says."""
    parser = Words(verb, ABOUT[verb])
    if verb in ("pause", "resume", "drain"):
        if verb == "resume":
            parser.add_argument("--agent", metavar="NAME", help="end the rest of this agent after a rate limit")
        given = parser.parse_args(words)
        wanted = {"agent": given.agent} if verb == "resume" and given.agent is not None else {}
        print(operator().do(verb, **wanted))  # type: ignore[arg-type]
        return 0
    if verb == "stop-all":
        parser.add_argument("--now", action="store_true", help="KILL at once")
        print(operator().do("stop_all", now=parser.parse_args(words).now))
        return 0
    if verb == "limit":
        parser.add_argument("n", type=int)
        print(operator().do("limit", limit=parser.parse_args(words).n))
        return 0
    if verb == "move":
        return _move(parser, words)
    parser.add_argument("id", nargs="+")
    if verb == "kill":
        parser.add_argument("--now", action="store_true", help="KILL at once")
    given = parser.parse_args(words)
    return _together(verb, given.id, {"now": True} if verb == "kill" and given.now else {})


def _together(verb: str, ids: list[str], args: dict[str, Any]) -> int:
    """Act on all tasks by one request, so that nothing starts between them; the exit code of the first failure."""
    code, wishes = 0, []
    for task in ids:
        try:
            wishes.append(Request(verb, operator().meant(task, verb), args))  # type: ignore[arg-type]
        except KugetsuError as error:
            note(f"kugetsu: {error}")
            code = code or error.exit_code
    for answer in operator().ask_all(wishes):
        if answer.ok:
            print(answer.text)
            continue
        note(f"kugetsu: {answer.text}{f': {answer.hint}' if answer.hint else ''}")
        code = code or answer.exit_code
    return code


def each(ids: list[str], act: Callable[[str], str]) -> int:
    """Act on every task, whatever became of the others; the exit code of the first failure."""
    code = 0
    for task in ids:
        try:
            print(act(task))
        except KugetsuError as error:
            note(f"kugetsu: {error}")
            code = code or error.exit_code
    return code


def _move(parser: Words, words: list[str]) -> int:
    parser.add_argument("id")
    where = parser.add_mutually_exclusive_group(required=True)
    for name in ("top", "bottom", "up", "down"):
        where.add_argument(f"--{name}", action="store_const", const=name, dest="to")
    where.add_argument("--before", metavar="ID")
    where.add_argument("--to", type=int, metavar="N", dest="number", help="the N-th place")
    given = parser.parse_args(words)
    args: dict[str, Any] = {"to": given.to}
    if given.before is not None:
        args = {"to": "before", "before": given.before}
    elif given.number is not None:
        args = {"to": "number", "number": given.number}
    print(operator().do("move", given.id, **args))
    return 0

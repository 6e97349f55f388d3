"""The verbs that change tasks or the queue, each by one request: kill, cancel, retry, hold, release, move, pause, stop-all …"""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from ...domain.request import Request
from ...errors import KugetsuError
from ..context import make_client, print_note
from ..grammar import parser_of


def main(verb: str, words: list[str]) -> int:
    """Do what the verb says."""
    given = parser_of(verb).parse_args(words)
    if verb in ("pause", "resume", "drain"):
        wanted = {"agent": given.agent} if verb == "resume" and given.agent is not None else {}
        print(make_client().do(verb, **wanted))  # type: ignore[arg-type]
        return 0
    if verb == "stop-all":
        print(make_client().do("stop_all", now=given.now))
        return 0
    if verb == "limit":
        print(make_client().do("limit", limit=given.limit))
        return 0
    if verb == "move":
        print(make_client().do("move", given.id, **place_of(given)))
        return 0
    return _together(verb, given.id, {"now": True} if verb == "kill" and given.now else {})


def _together(verb: str, ids: list[str], args: dict[str, Any]) -> int:
    """Act on all tasks by one request, so that nothing starts between them; the exit code of the first failure."""
    code, wishes = 0, []
    for task in ids:
        try:
            wishes.append(Request(verb, make_client().resolve_task(task, verb), args))  # type: ignore[arg-type]
        except KugetsuError as error:
            print_note(f"kugetsu: {error}")
            code = code or error.exit_code
    for answer in make_client().send_requests(wishes):
        if answer.ok:
            print(answer.text)
            continue
        print_note(f"kugetsu: {answer.text}{f': {answer.hint}' if answer.hint else ''}")
        code = code or answer.exit_code
    return code


def act_on_each(ids: list[str], act: Callable[[str], str]) -> int:
    """Act on every task, whatever became of the others; the exit code of the first failure."""
    code = 0
    for task in ids:
        try:
            print(act(task))
        except KugetsuError as error:
            print_note(f"kugetsu: {error}")
            code = code or error.exit_code
    return code


def place_of(given: Namespace) -> dict[str, Any]:
    """Return where a `move` puts its task, as the arguments of the request."""
    if given.before is not None:
        return {"to": "before", "before": given.before}
    if given.number is not None:
        return {"to": "number", "number": given.number}
    return {"to": given.to}

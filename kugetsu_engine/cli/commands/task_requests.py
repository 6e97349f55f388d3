"""The verbs that change tasks or the queue by one request: kill, cancel, retry, hold, release, move, pause, park, stop-all …"""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

from ...domain.request import Request
from ...errors import KugetsuError, UsageError
from ..context import make_client, print_note
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Run the verb."""
    args = make_parser(verb).parse_args(argv)
    if verb in ("pause", "resume"):
        return _pause_or_resume(verb, args)
    if verb == "drain":
        print(make_client().do("drain"))
        return 0
    if verb == "stop-all":
        print(make_client().do("stop_all", now=args.now))
        return 0
    if verb == "limit":
        print(make_client().do("limit", limit=args.limit))
        return 0
    if verb == "move":
        print(make_client().do("move", args.id, **read_place(args)))
        return 0
    return _request_for_all(verb, args.id, {"now": True} if verb == "kill" and args.now else {})


def _pause_or_resume(verb: str, args: Namespace) -> int:
    """Pause or resume the agents of tasks; without one the whole queue."""
    agent = args.agent if verb == "resume" else None
    if sum((bool(args.id), args.all, agent is not None)) > 1:
        raise UsageError(f"{verb} takes ids of tasks, or --all{', or --agent' if verb == 'resume' else ''}: not both")
    if args.id:
        return _request_for_all(f"{verb}_agent", args.id, {})
    if args.all:
        print(make_client().do(f"{verb}_all"))  # type: ignore[arg-type]
        return 0
    print(make_client().do(verb, **({"agent": agent} if agent is not None else {})))  # type: ignore[arg-type]
    return 0


def _request_for_all(verb: str, ids: list[str], options: dict[str, Any]) -> int:
    """Act on all tasks by one request, so that nothing starts in between; returns the exit code of the first failure."""
    code, requests = 0, []
    for task in ids:
        try:
            requests.append(Request(verb, make_client().resolve_task(task, verb), options))  # type: ignore[arg-type]
        except KugetsuError as error:
            print_note(f"kugetsu: {error}")
            code = code or error.exit_code
    for answer in make_client().send_requests(requests):
        if answer.ok:
            print(answer.text)
            continue
        print_note(f"kugetsu: {answer.text}{f': {answer.hint}' if answer.hint else ''}")
        code = code or answer.exit_code
    return code


def act_on_each(ids: list[str], act: Callable[[str], str]) -> int:
    """Act on every task even if some fail; returns the exit code of the first failure."""
    code = 0
    for task in ids:
        try:
            print(act(task))
        except KugetsuError as error:
            print_note(f"kugetsu: {error}")
            code = code or error.exit_code
    return code


def read_place(args: Namespace) -> dict[str, Any]:
    """Read the place of a `move`, as arguments of the request."""
    if args.before is not None:
        return {"to": "before", "before": args.before}
    if args.number is not None:
        return {"to": "number", "number": args.number}
    return {"to": args.to}

"""`kugetsu say ID TEXT`: a message to the agent of a task. `kugetsu answer ID yes|always|no`: the answer to its question."""

from ...domain.new_task import format_id
from ..context import make_client, read_standard_input
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Write a message, or an answer."""
    args = make_parser(verb).parse_args(argv)
    if verb == "answer":
        print(make_client().answer(args.id, args.decision, " ".join(args.text)))
        return 0
    words = " ".join(args.text)
    client = make_client()
    task_id = client.resolve_task(args.id, verb)
    number, status = client.say(task_id, read_standard_input() if words == "-" else words)
    if args.json:
        from ..output import print_json

        print_json({"id": task_id, "number": number, "status": status})
    else:
        print(f"{format_id(task_id)}: message {number} {status}")
    return 0

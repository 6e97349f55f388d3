"""`kugetsu demo --headless`: the demo without a screen."""

import os

from ...client import demo_setup
from ...client.snapshot_reader import ALL_DONE, SnapshotReader
from ...domain import states
from ...domain.new_task import format_bare_id
from ...domain.text.quantities import format_count
from ...paths import StatePaths
from ..parser import VerbParser, make_parser
from .run_engine import run


def make_demo_parser(verb: str) -> VerbParser:
    """Make the parser of `demo`."""
    parser = make_parser(verb)
    parser.set_defaults(tasks=len(demo_setup.SCRIPT))
    return parser


def main(verb: str, argv: list[str]) -> int:
    """Run the demo until all its tasks have ended; 0 when each ended as expected."""
    args = make_demo_parser(verb).parse_args(argv)
    state_dir = demo_setup.prepare_demo(args.tasks, args.speed)
    print(f"demo in {os.path.dirname(state_dir)}: {format_count(args.tasks, 'task')}, at most 3 agents at once", flush=True)
    code = run(StatePaths(state_dir), until_idle=True, environ=demo_setup.without_settings(os.environ))
    snapshot = SnapshotReader(StatePaths(state_dir), os.environ, done_kept=ALL_DONE).read()
    wrong = [task for task in snapshot.done if task.state != demo_setup.get_expected_state(int(format_bare_id(task.id)))]
    counts = ", ".join(f"{count} {state}" for state, count in snapshot.counts.items() if count)
    still_open = sum(snapshot.counts[state] for state in states.ALL if state not in states.FINAL)
    print(f"{counts}: {'as expected' if not wrong and not still_open else 'not as expected'}")
    if args.keep or still_open:
        print(f"kept: KUGETSU_DIR={state_dir} kugetsu")
    else:
        demo_setup.remove_demo(state_dir)
    return code or int(bool(wrong or still_open))

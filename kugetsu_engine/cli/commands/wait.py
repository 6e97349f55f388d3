"""`kugetsu wait ID...` until tasks have ended, and `kugetsu watch`: one line per change."""

import os
import time

from ...domain.states import COMPLETED, FINAL
from ...domain.text.safe_text import safe_line
from ...domain.text.times import format_stored, parse_duration
from ...errors import NoSuchTask
from ...process.waiting import pause
from ...state import notifications, tasks
from ..context import make_client, make_paths, print_note
from ..parser import make_parser

POLL_S = 0.2


def main(verb: str, argv: list[str]) -> int:
    """Wait for tasks, or print changes."""
    return _wait(argv) if verb == "wait" else _watch(argv)


def _wait(argv: list[str]) -> int:
    args = make_parser("wait").parse_args(argv)
    deadline = time.monotonic() + parse_duration(args.timeout) if args.timeout else None
    here = make_paths()
    open_tasks = {tasks.find_task(here, make_client().resolve_task(text)).id for text in args.id}
    code = 0
    while True:
        for task_id in sorted(open_tasks):
            # A task that ends moves to the folder of ended tasks at that moment.
            if not os.path.lexists(here.ended(task_id)):
                if not os.path.lexists(here.item(task_id)) and not os.path.lexists(here.ended(task_id)):
                    raise NoSuchTask(f"{task_id} no longer exists")
                continue
            task = tasks.find_task(here, task_id)
            if task.state in FINAL:
                open_tasks.discard(task_id)
                print(safe_line(f"{task.shown} {task.state}: {task.reason or ''}".rstrip(": ")), flush=True)
                code = code if task.state == COMPLETED else 1
        if not open_tasks:
            return code
        if deadline is not None and time.monotonic() >= deadline:
            print_note(f"kugetsu: timeout, still open: {', '.join(sorted(open_tasks))}")
            return 2
        pause(POLL_S if deadline is None else min(POLL_S, max(deadline - time.monotonic(), 0)))


def _watch(argv: list[str]) -> int:
    make_parser("watch").parse_args(argv)
    here = make_paths()
    notices = notifications.read_newest_notifications(here)
    last = notices[-1] if notices else None
    while True:
        notices = notifications.read_newest_notifications(here)
        start = notices.index(last) + 1 if last in notices else 0
        for notice in notices[start:]:
            print(safe_line(f"{format_stored(notice.time)} {notice.level:7} {notice.text}"), flush=True)
            last = notice
        pause(POLL_S)

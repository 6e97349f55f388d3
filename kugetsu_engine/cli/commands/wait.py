"""`kugetsu wait ID...` until tasks have ended, and `kugetsu watch`: one line per change."""

import os
import time

from ...domain.new_task import parse_task_id
from ...domain.states import COMPLETED, FINAL
from ...domain.text.safe_text import safe_line
from ...domain.text.times import format_stored, parse_duration
from ...errors import NoSuchTask
from ...process.waiting import pause
from ...state import notifications, tasks
from ..context import make_client, print_note, state_paths
from ..grammar import parser_of

LOOK_S = 0.2


def main(verb: str, words: list[str]) -> int:
    """Wait, or tell what happens."""
    return _wait(words) if verb == "wait" else _watch(words)


def _wait(words: list[str]) -> int:
    given = parser_of("wait").parse_args(words)
    deadline = time.monotonic() + parse_duration(given.timeout) if given.timeout else None
    here = state_paths()
    open_tasks = {tasks.find_task(here, make_client().resolve_task(text)).id for text in given.id}
    code = 0
    while True:
        for task_id in sorted(open_tasks):
            # The file is among the ended ones from the moment the task is.
            if not os.path.lexists(here.ended(task_id)):
                if (
                    parse_task_id(task_id)
                    and not os.path.lexists(here.item(task_id))
                    and not os.path.lexists(here.ended(task_id))
                ):
                    raise NoSuchTask(f"{task_id} has disappeared")
                continue
            task = tasks.find_task(here, task_id)
            if task.state in FINAL:
                open_tasks.discard(task_id)
                print(safe_line(f"{task.shown} {task.state}: {task.reason or ''}".rstrip(": ")), flush=True)
                code = code if task.state == COMPLETED else 1
        if not open_tasks:
            return code
        if deadline is not None and time.monotonic() >= deadline:
            print_note(f"kugetsu: still open: {', '.join(sorted(open_tasks))}")
            return 2
        pause(LOOK_S if deadline is None else min(LOOK_S, max(deadline - time.monotonic(), 0)))


def _watch(words: list[str]) -> int:
    parser_of("watch").parse_args(words)
    here = state_paths()
    seen = notifications.read_newest_notifications(here)
    last = seen[-1] if seen else None
    while True:
        news = notifications.read_newest_notifications(here)
        start = news.index(last) + 1 if last in news else 0
        for notice in news[start:]:
            print(safe_line(f"{format_stored(notice.time)} {notice.level:7} {notice.text}"), flush=True)
            last = notice
        pause(LOOK_S)

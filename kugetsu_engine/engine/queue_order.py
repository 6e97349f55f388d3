"""Moving a waiting task to another place in the queue: its new priority and position."""

from typing import Any

from ..domain.new_task import parse_task_id
from ..domain.request import Answer, Undo
from ..domain.task import Task
from ..errors import Conflict, NoSuchTask, UsageError
from ..queue.entry import Entry
from ..queue.task_store import TaskStore

MIN_STEP = 2.0**-10
"""Smallest distance of two positions after room was made: enough for further moves to the same place."""
FAR = 2.0**40
"""Above this, adjacent floats are too far apart to insert between; only hand-edited files reach it."""


def move_task(store: TaskStore, task: Task, args: dict[str, Any], moved_by: str) -> Answer:
    """Move a waiting task.

    Args:
        moved_by: identifies the request, so that a step up or down is not repeated if the request is.
    """
    others = [entry for entry in store.list_pending() if entry.id != task.id]
    before = sum(1 for entry in others if entry.key < task.order)
    if task.moved_by == moved_by:
        return Answer(True, _describe_place(task, before, others))
    place = _find_target(others, before, args)
    if place == before:
        raise Conflict(f"{task.shown} is already {'the first' if not place else f'number {place + 1}'}")
    priority, position = _choose_between(
        task.priority, others[place - 1] if place else None, others[place] if place < len(others) else None
    )
    if position is None:
        _make_room(store, others[place - 1])
        return move_task(store, store.get(task.id), args, moved_by)
    store.update(task, priority=priority, position=position, moved_by=moved_by)
    changed = f", priority {priority} now" if priority != task.priority else ""
    back = Undo("edit", task.id, {"priority": task.priority, "position": task.position})
    return Answer(True, f"{_describe_place(task, place, others)}{changed}", undo=back)


def _find_target(others: list[Entry], before: int, args: dict[str, Any]) -> int:
    """The index among the other tasks to which the task is to be moved."""
    to = args.get("to")
    if to == "number":
        return max(min(int(args["number"]) - 1, len(others)), 0)
    if to == "before":
        target = parse_task_id(str(args.get("before", "")))
        for place, entry in enumerate(others):
            if entry.id == target:
                return place
        raise NoSuchTask(f"{args.get('before')!r} is not another waiting task", "kugetsu queue list shows them")
    places = {"top": 0, "bottom": len(others), "up": max(before - 1, 0), "down": min(before + 1, len(others))}
    if to not in places:
        raise UsageError(f"{to!r} is not a place in the queue", "use top, bottom, up, down, before or number")
    return places[to]


def _make_room(store: TaskStore, above: Entry) -> None:
    """Move the tasks below another one further down, as few as possible, if no float is left between two positions."""
    same = [entry for entry in store.list_pending() if entry.priority == above.priority]
    low, step, crowd = above.position, 1.0, list[Entry]()
    for entry in same[same.index(above) + 1 :]:
        between = (entry.position - low) / (len(crowd) + 1)
        if between >= MIN_STEP:
            step = between
            break
        crowd.append(entry)
    if abs(low) >= FAR:
        low, step, crowd = 0.0, 1.0, same
    for nth in range(len(crowd), 0, -1):  # the last one first, as it has room
        store.update(store.get(crowd[nth - 1].id), position=low + nth * step)


def _choose_between(own: int, above: Entry | None, below: Entry | None) -> tuple[int, float | None]:
    """Priority and position between two tasks; position None if no float is left between them.

    The task keeps its priority if the order allows it.
    """
    highest = above.priority if above else 9
    lowest = below.priority if below else 0
    priority = min(max(own, lowest), highest)
    low = above.position if above and above.priority == priority else None
    high = below.position if below and below.priority == priority else None
    if low is None and high is None:
        return priority, 0.0
    if low is None or high is None:
        return priority, (low + 1.0) if low is not None else (high or 0.0) - 1.0
    middle = (low + high) / 2
    return priority, middle if low < middle < high else None


def _describe_place(task: Task, place: int, others: list[Entry]) -> str:
    return f"{task.shown} is number {place + 1} of {len(others) + 1} in the queue"

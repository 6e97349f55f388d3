"""`kugetsu plan`: when each task will start if all goes as usual, also with another number of slots."""

import os
from collections.abc import Collection
from typing import Any

import msgspec

from ...client.snapshot import Snapshot
from ...client.snapshot_reader import SnapshotReader
from ...domain import stall_text
from ...domain.decisions.duration_model import RunTimes
from ...domain.decisions.forecast import Plan, Start
from ...domain.new_task import format_id
from ...domain.text.quantities import format_clock, format_count, format_upcoming
from ...domain.text.times import iso
from ...errors import UsageError
from ..context import choose_glyph, make_paths
from ..output import describe_sample, describe_since, print_json, print_table
from ..parser import make_parser


def main(verb: str, argv: list[str]) -> int:
    """Print the plan."""
    args = make_parser(verb).parse_args(argv)
    if args.limit is not None and not 1 <= args.limit <= 1000:
        raise UsageError("--limit must be from 1 to 1000")
    snapshot = SnapshotReader(make_paths(), os.environ).read()
    plan = snapshot.simulate(args.limit)
    if args.json:
        print_json(build_document(plan, snapshot))
    elif args.agents:
        _print_run_times(snapshot.run_times)
    else:
        _print(plan, snapshot)
    return 0


def build_document(plan: Plan, snapshot: Snapshot) -> dict[str, Any]:
    """Build the plan's JSON."""
    return {
        "now": iso(plan.now), "limit": plan.limit, "limit_now": snapshot.limit,
        "blocked": {"code": plan.blocked.code, "text": plan.blocked.text} if plan.blocked else None,
        "ends_at": _stamp(plan.ends_at),
        "running": [
            {"id": one.task_id, "issue_ref": one.issue_ref, "ends_at": _stamp(one.ends_at)} for one in plan.busy
        ],
        "waiting": [_start_document(one, snapshot) for one in (*plan.starts, *plan.others)],
        "run_times": [
            {"repository": one.repository, "agent": one.agent, "runs": found.runs, "median_s": round(found.seconds, 3)}
            for one in snapshot.run_times.runs if (found := snapshot.run_times.estimate(one.repository, one.agent))
        ],
    }  # fmt: skip


def _start_document(one: Start, snapshot: Snapshot) -> dict[str, Any]:
    task = snapshot.find_task(one.task_id)
    expected = one.expected
    return {
        "id": one.task_id, "issue_ref": task.issue_ref if task else None, "position_in_queue": one.place,
        "why": {"code": one.why.code, "text": one.why.text}, "start": _stamp(one.start), "end": _stamp(one.end),
        "expected": msgspec.to_builtins(expected) if expected else None,
    }  # fmt: skip


def _stamp(epoch_s: float | None) -> str | None:
    return iso(epoch_s) if epoch_s is not None else None


def _print(plan: Plan, snapshot: Snapshot) -> None:
    if not plan.busy and not snapshot.by_hand and not plan.starts and not plan.others:
        print("No task is running or waiting.")
        return
    for line in describe_plan(plan, snapshot.limit, snapshot.stalled):
        print(line)
    rows = []
    for busy in plan.busy:
        task = snapshot.find_task(busy.task_id)
        sign, title = (task.glyph_name, task.title) if task else ("running", "")
        shown = format_id(busy.task_id)
        rows.append([choose_glyph(sign), "runs", format_estimate(busy.ends_at, plan.now), shown, busy.issue_ref, title, ""])
    for hand in snapshot.by_hand:
        rows.append(["", "by hand", "?", hand.shown, hand.issue_ref, "", describe_since(hand.since, plan.now)])
    for one in (*plan.starts, *plan.others):
        if (task := snapshot.find_task(one.task_id)) is not None:
            start = "now" if one.start == plan.now else format_estimate(one.start, plan.now)
            why = "" if plan.waits_for_a_slot(one) and one.why.code != "prepared" else one.why.text
            row = [
                choose_glyph(task.glyph_name),
                start,
                format_estimate(one.end, plan.now),
                task.shown,
                task.issue_ref,
                task.title,
            ]
            rows.append([*row, why or describe_sample(one.expected)])
    print_table(["", "starts", "ends", "id", "issue", "message", "why, or the basis of the estimate"], rows, flexible=5)


def describe_plan(plan: Plan, limit_now: int, stalled: Collection[str] = ()) -> list[str]:
    """Describe the plan in a line, and what could delay it in further ones."""
    slots = format_count(plan.limit, "slot")
    if plan.limit != limit_now:
        slots = f"with {slots} in place of {limit_now}"
    waiting = len(plan.starts) + len(plan.others)
    stuck = len(plan.others)
    by_hand = len(plan.facts.by_hand)
    parts = [slots, f"{len(plan.busy)} running", *([f"{by_hand} by hand"] if by_hand else []), f"{waiting} waiting"]
    if plan.ends_at is not None and (plan.starts or plan.busy):
        parts.append(f"{'all but ' + str(stuck) if stuck else 'all'} done about {format_upcoming(plan.ends_at, plan.now)}")
    elif plan.unknown or plan.ends_at is None:
        parts.append("no attempt has succeeded yet, so durations are unknown")
    lines = [", ".join(parts)]
    if plan.blocked is not None:
        lines.append(f"{plan.blocked.text}: nothing starts. This plan assumes that it ends now")
    if stalled:
        lines.append(stall_text.format_caveat(stalled))
    return lines


def format_estimate(epoch_s: float | None, now: float) -> str:
    """Format an estimated time."""
    return f"~{format_upcoming(epoch_s, now)}" if epoch_s is not None else "?"


def _print_run_times(known: RunTimes) -> None:
    rows = []
    for one in reversed(known.runs):
        expected = known.estimate(one.repository, one.agent)
        if expected is not None:
            shortest, longest = format_clock(min(one.seconds)), format_clock(max(one.seconds))
            rows.append([one.repository, one.agent, str(len(one.seconds)), format_clock(expected.seconds), shortest, longest])
    if rows:
        print_table(["repository", "agent", "runs", "median", "shortest", "longest"], rows, flexible=0)
    else:
        print("No attempt has succeeded yet, so nothing is known of how long they take.")

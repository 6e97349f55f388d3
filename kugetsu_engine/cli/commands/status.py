"""`kugetsu status`: the engine, slots, counts, running agents, alerts."""

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from ...client.snapshot import Active, Snapshot
from ...client.snapshot_reader import SnapshotReader
from ...domain import stall_text
from ...domain.changes import Changes
from ...domain.decisions import notification_rules
from ...domain.reserved_refs import SESSIONS
from ...domain.task import Notice
from ...domain.text.quantities import format_clock, format_count, format_size, format_span
from ...domain.text.safe_text import safe_line
from ...domain.text.times import format_stored
from ...state import notifications, sessions
from ..context import choose_glyph, make_paths
from ..output import describe_since, print_json, print_table


def main(verb: str, argv: list[str]) -> int:
    """Print the state of everything."""
    argv = argv[1:] if argv[:1] == ["check"] else argv  # `status check`, as in the bash kugetsu
    reader = SnapshotReader(make_paths(), os.environ)
    if not argv:
        _print(reader.read(with_notices=False))
        return 0
    from ..parser import make_parser  # loads argparse

    args = make_parser(verb).parse_args(argv)
    snapshot = reader.read(with_history=not args.tmux, with_notices=False)
    if args.tmux:
        print(draw_bar(snapshot, notifications.read_newest_notifications(make_paths())))
    elif args.json:
        print_json(build_document(snapshot))
    else:
        _print(snapshot)
    return 0


def build_document(snapshot: Snapshot) -> dict[str, Any]:
    """Build the JSON of `status`."""
    return {
        **build_picture(snapshot),
        "sessions": _reserved(),
        "opencode_server": _opencode_server(),
        "alerts": [{"code": alert.code, "text": alert.text, "since": alert.since} for alert in snapshot.alerts],
    }


def build_picture(snapshot: Snapshot) -> dict[str, Any]:
    """Build the part of it that a snapshot holds, also one of a past time."""
    return {
        "engine": msgspec.to_builtins(snapshot.engine),
        "slots": {"limit": snapshot.limit, "used": snapshot.used},
        "counts": dict(snapshot.counts),
        "active": [_active(one, snapshot.changes_of(one.task.id)) for one in snapshot.active],
        "by_hand": [
            {"id": one.task_id, "issue_ref": one.issue_ref, "since": one.since, "pid": one.pid} for one in snapshot.by_hand
        ],
    }


def _opencode_server() -> dict[str, Any] | None:
    if not os.path.exists(make_paths().server):
        return None  # no server runs; the import below would load sockets and more
    from ...agents.opencode import keeper_protocol

    return keeper_protocol.read_public_status(make_paths().root)


def draw_bar(snapshot: Snapshot, notices: Sequence[Notice]) -> str:
    """Draw the fleet's state for the status bar of tmux, in its colour codes: running, limit, waiting, needing a person.

    Args:
        snapshot: ended tasks may be missing.
        notices: the newest notifications.
    """
    engine = snapshot.engine
    idle = not (snapshot.pending or snapshot.active)
    off = "off" if idle else "#[fg=red]off"
    held = engine.paused or engine.draining
    flow = f"#[fg=yellow]{choose_glyph('held')}" if held else f"#[fg=green]{choose_glyph('running')}"
    needing = len(notification_rules.list_needs(notices, snapshot.read_until, snapshot.stalled, snapshot.alerts))
    parts = [f"{flow if engine.running else off}#[default] {snapshot.used}/{snapshot.limit}"]
    parts += [f"{choose_glyph('pending')} {len(snapshot.pending)}"] if snapshot.pending else []
    parts += [f"#[fg=red,bold]{choose_glyph('attention')} {needing}#[default]"] if needing else []
    return "  ".join(parts)


def _reserved() -> dict[str, str | None]:
    """The sessions that `kugetsu init` creates."""
    by_slug = {slug: sessions.load_session(make_paths(), slug) for slug in SESSIONS.values()}
    return {slug.replace("-", "_"): session.session_id if session else None for slug, session in by_slug.items()}


def _active(one: Active, changes: Changes | None) -> dict[str, Any]:
    progress = one.progress
    return {
        "id": one.task.id, "issue_ref": one.task.issue_ref, "attempt": one.task.attempt,
        "pid": progress.pid if progress else None, "supervisor_pid": one.record.supervisor_pid if one.record else None,
        "state": one.task.state, "phase": one.phase, "elapsed_s": round(one.elapsed_s, 1),
        "pause": one.task.pause, "pause_s": round(one.pause_s, 1) if one.pause_s is not None else None,
        "cpu_percent": progress.cpu_percent if progress else None, "rss_bytes": progress.rss_bytes if progress else None,
        "memory_bytes": progress.memory if progress else None, "memory_cap": progress.memory_cap if progress else None,
        "memory_kills": progress.memory_kills if progress else 0,
        "memory_limit": msgspec.to_builtins(one.record.memory) if one.record and one.record.memory else None,
        "last_output_age_s": round(one.last_output_age_s, 1) if one.last_output_age_s is not None else None,
        "sandbox": progress.sandbox if progress else None, "refused": progress.refused if progress else [],
        "stalled": one.stalled, "failure": one.task.failure,
        "worktree": one.record.worktree if one.record else None,
        "session_id": progress.session_id if progress else None, "activity": (progress.activity or None) if progress else None,
        "steps": progress.steps if progress else 0, "tokens": progress.tokens if progress else None,
        "cost": progress.cost if progress else None,
        "changes": msgspec.to_builtins(changes) if changes is not None else None,
        "base": msgspec.to_builtins(progress.base) if progress is not None else None,
    }  # fmt: skip


def _print(snapshot: Snapshot) -> None:
    reserved, server = _reserved(), _opencode_server()  # read before anything is printed, see `run_without_msgspec`
    _print_engine(snapshot)
    if server is not None:
        print(f"server   opencode {server['state']}, pid {server['pid']}, {format_size(server['rss_bytes'] or 0)}, "
              f"{format_count(server['attempts'], 'attempt')}, {format_count(server['restarts'], 'restart')}")  # fmt: skip
    names = [f"{name.replace('_', '-')} {session}" for name, session in reserved.items() if session]
    if names:
        print(safe_line(f"sessions {', '.join(names)}"))
    print_picture(snapshot)


def _print_engine(snapshot: Snapshot) -> None:
    engine = snapshot.engine
    if engine.running:
        flow = ", draining" if engine.draining else ", paused" if engine.paused else ""
        print(f"engine   pid {engine.pid}, {engine.mode}, since {format_stored(engine.since)}{flow}")
        if engine.recovered:
            print(f"start    {safe_line(engine.recovered)}")
    else:
        print("engine   not running: start `kugetsu`, `kugetsu --headless` or `kugetsu queue-daemon start`")
        if engine.paused:
            print("queue    paused: kugetsu resume")


def print_picture(snapshot: Snapshot) -> None:
    """Print slots, counts, alerts and running agents, also of a past time."""
    counts = ", ".join(f"{count} {state}" for state, count in snapshot.counts.items() if count)
    print(f"slots    {snapshot.used} of {snapshot.limit}")
    for session in snapshot.by_hand:
        print(safe_line(f"by hand  {session.shown} {session.issue_ref}, {describe_since(session.since, snapshot.taken_at)}"))
    print(f"tasks    {counts or 'none'}")
    for alert in snapshot.alerts:
        print(f"alert    {safe_line(alert.text)}")
    if snapshot.active:
        rows = []
        for one in snapshot.active:
            progress = one.progress
            cpu = f"{progress.cpu_percent:.0f}%" if progress and progress.cpu_percent is not None else ""
            memory = format_size(progress.memory) if progress and progress.memory else ""
            times = f"{format_clock(one.elapsed_s)}/{format_clock(one.timeout_s)}"
            doing = safe_line(progress.activity, 26) if progress and one.phase == "agent" and progress.activity else one.phase
            if one.silent_s is not None and (one.stalled or (one.phase == "agent" and one.silent_s >= stall_text.SHOWN_S)):
                doing = f"{'stalled' if one.stalled else 'silent'} {format_span(one.silent_s)}"
            if one.pause_s is not None:
                doing = f"paused {format_span(one.pause_s)}"
            rows.append(
                [
                    one.task.shown,
                    one.task.issue_ref,
                    one.task.title,
                    doing,
                    times,
                    cpu,
                    memory,
                    str(snapshot.changes_of(one.task.id) or ""),
                ]
            )
        print()
        print_table(["id", "issue", "message", "phase", "time", "cpu", "memory", "changed"], rows, flexible=2)

"""`kugetsu replay [TIME]`: the state at a past time; on a terminal the console shows it."""

import argparse
import os
import sys
import time
from math import inf

from ...client.replay import Replay
from ...client.snapshot import EngineView
from ...domain.text.safe_text import safe_line
from ...domain.text.times import epoch, format_local, iso, parse_past_moment
from ..context import choose_glyph, make_paths
from ..output import print_json
from ..parser import make_parser
from . import queue, status


def parse_arguments(argv: list[str], verb: str = "replay") -> argparse.Namespace:
    """Parse the arguments; `-2h` is a time, not an option."""
    times = [word[1:] if word[:1] == "-" and word[1:2].isdigit() else word for word in argv]
    args: argparse.Namespace = make_parser(verb).parse_args(times)
    return args


def main(verb: str, argv: list[str]) -> int:
    """Print the state at a past time, or what happened."""
    args = parse_arguments(argv, verb)
    now = time.time()
    moment = parse_past_moment(" ".join(args.time), now) if args.time else None
    replay = Replay(make_paths(), os.environ)
    if args.events or args.since or args.until:
        since = parse_past_moment(args.since, now) if args.since else moment or 0.0
        _events(replay, since, parse_past_moment(args.until, now) if args.until else inf, args.json)
        return 0
    when = replay.check_time(moment) if moment is not None else replay.default_start()
    snapshot = replay.snapshot_at(when)
    missing = replay.describe_gaps(when)
    if args.json:
        print_json(
            {
                "at": iso(when),
                "missing": missing or None,
                **status.build_picture(snapshot),
                "tasks": queue.build_task_documents(snapshot, False),
            }
        )
        return 0
    print(f"{'REPLAY':9}{format_local(when).replace('T', ' ')}" + (f"  ({missing})" if missing else ""))
    print(f"{'engine':9}{_engine(snapshot.engine)}")
    status.print_picture(snapshot)
    print()
    queue.print_tasks(snapshot, False)
    return 0


def _engine(engine: EngineView) -> str:
    flow = ", draining" if engine.draining else ""
    if engine.paused:
        flow = f", paused: {safe_line(engine.pause_reason)}" if engine.pause_reason else ", paused"
    if not engine.running:
        return f"not running{flow}"
    if engine.pid is None:
        return f"not recorded{flow}"
    return f"pid {engine.pid}, {engine.mode}, since {format_local(epoch(engine.since) or 0.0).replace('T', ' ')}{flow}"


def _events(replay: Replay, since: float, until: float, as_json: bool) -> None:
    events = replay.list_events(since, until)
    if as_json:
        print_json(
            [
                {
                    "time": iso(event.time),
                    "level": event.level,
                    "text": event.text,
                    "task": event.task,
                    "by_operator": event.by_operator,
                }
                for event in events
            ]
        )
        return
    for event in events:
        sys.stdout.write(f"{format_local(event.time).replace('T', ' ')} {choose_glyph(event.level)} {safe_line(event.text)}\n")
    if not events:
        print("No events were recorded in that time.")

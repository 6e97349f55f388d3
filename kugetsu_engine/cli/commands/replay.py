"""`kugetsu replay [TIME]`: the state of everything at a past moment; in a terminal the console shows it."""

import argparse
import os
import sys
import time
from math import inf

from ...client.replay import Replay
from ...client.snapshot import EngineView
from ...domain.text.safe_text import safe_line
from ...domain.text.times import epoch, format_local, iso, parse_past_moment
from ..context import glyph, state_paths
from ..grammar import parser_of
from ..output import print_json
from . import queue, status


def parse(words: list[str], verb: str = "replay") -> argparse.Namespace:
    """Understand the words of the command; `-2h` is a time."""
    times = [word[1:] if word[:1] == "-" and word[1:2].isdigit() else word for word in words]
    given: argparse.Namespace = parser_of(verb).parse_args(times)
    return given


def main(verb: str, words: list[str]) -> int:
    """Print a past moment, or what happened."""
    given = parse(words, verb)
    now = time.time()
    wanted = parse_past_moment(" ".join(given.time), now) if given.time else None
    replay = Replay(state_paths(), os.environ)
    if given.events or given.since or given.until:
        since = parse_past_moment(given.since, now) if given.since else wanted or 0.0
        _events(replay, since, parse_past_moment(given.until, now) if given.until else inf, given.json)
        return 0
    when = replay.check_time(wanted) if wanted is not None else replay.default_start()
    snapshot = replay.snapshot_at(when)
    missing = replay.describe_gaps(when)
    if given.json:
        print_json(
            {
                "at": iso(when),
                "missing": missing or None,
                **status.render_picture(snapshot),
                "tasks": queue.task_documents(snapshot, False),
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
        return f"none ran{flow}"
    if engine.pid is None:
        return f"not recorded{flow}"
    return f"pid {engine.pid}, {engine.mode}, since {format_local(epoch(engine.since) or 0.0).replace('T', ' ')}{flow}"


def _events(replay: Replay, since: float, until: float, as_json: bool) -> None:
    events = replay.list_events(since, until)
    if as_json:
        print_json(
            [
                {"time": iso(one.time), "level": one.level, "text": one.text, "task": one.task, "by_operator": one.by_operator}
                for one in events
            ]
        )
        return
    for one in events:
        sys.stdout.write(f"{format_local(one.time).replace('T', ' ')} {glyph(one.level)} {safe_line(one.text)}\n")
    if not events:
        print("Nothing is recorded of that time.")

"""The status line: state of the fleet and of the engine; and the banner below it."""

from kugetsu_engine.domain.text.quantities import choose_form, format_moment, format_size, format_span
from kugetsu_engine.domain.text.times import epoch

from ..formatting import glyphs
from ..formatting.cells import clean
from .console_state import ConsoleState, ReplayState
from .rows import Cell

JUST_S = 60.0
"""The start of an engine is reported for this long; the notifications keep it."""


def format_fleet(console: ConsoleState, key: str = "!") -> list[list[Cell]]:
    """The left part in groups, the most important first: attention, agents, queue, done, machine.

    Args:
        key: the key that goes to what needs a person.
    """
    snapshot = console.snapshot
    used, waiting = snapshot.used, snapshot.waiting
    needing = len(snapshot.needs)
    groups: list[list[Cell]] = [[(f"{key} {needing} {choose_form(needing, 'needs', 'need')} you", "danger")]] if needing else []
    groups += [
        [("agents ", "muted"), (f"{used}{glyphs.glyph('limit')}{snapshot.limit}", "title" if used else "text")],
        [("queue ", "muted"), (str(waiting), "title" if waiting else "text")],
    ]
    groups.append([("done ", "muted"), (str(snapshot.done_count), "text")])
    if console.load is not None:
        groups.append([("load ", "muted"), (f"{console.load:.1f}", "text")])
    if console.free_bytes is not None:
        groups.append([(format_size(console.free_bytes), "text"), (" free", "muted")])
    return groups


def format_engine(console: ConsoleState) -> list[Cell]:
    """The right part: who runs the engine, and whether tasks may start."""
    view = console.snapshot.engine
    run, stop = glyphs.glyph("running"), glyphs.glyph("held")
    if not view.running:
        spans: list[Cell] = [("starting", "muted")] if console.starting else [("not running", "danger")]
        return [("engine ", "muted"), *spans, *([(f"  {stop} paused", "warning")] if view.paused else [])]
    if console.replaying is not None and view.pid is None:
        return [("engine ", "muted"), ("not recorded", "faint"), *([(f"  {stop} paused", "warning")] if view.paused else [])]
    where = "here" if console.here else f"pid {view.pid}"
    state: Cell = (f"{run} running", "good")
    if view.stale:
        state = (f"{glyphs.glyph('quiet')} not answering for {format_span(view.heartbeat_age_s or 0)}", "danger")
    elif view.draining:
        state = (f"{stop} draining", "warning")
    elif view.paused:
        state = (f"{stop} paused", "warning")
    mark: list[Cell] = [("read-only  ", "accent")] if console.read_only else []
    return [*mark, ("engine ", "muted"), (where, "text"), ("  ", "text"), state]


def format_start_report(before: ConsoleState | None, now: ConsoleState) -> Cell | None:
    """What a newly started engine found, shown once; None if there is no news."""
    view = now.snapshot.engine
    reported = before is not None and (before.snapshot.engine.since, before.snapshot.engine.recovered) == (
        view.since,
        view.recovered,
    )
    since = epoch(view.since)
    if reported or not view.recovered or since is None or now.snapshot.taken_at - since > JUST_S:
        return None
    bad = view.found.get("lost") or view.found.get("set_aside") or view.pause_reason
    return (clean(f"engine started: {view.recovered}", 400), "warning" if bad else "good")


def format_replay_banner(then: ReplayState, at_home: bool = True) -> Cell:
    """Replay: which moment is shown, and the way back."""
    dot = glyphs.glyph("dot")
    flow = glyphs.glyph("running") if then.playing else glyphs.glyph("held")
    way = "now" if at_home else "back"
    return (f"REPLAY {then.clock} {dot} {then.speed}{glyphs.glyph('times')} {flow} {dot} esc: {way}", "key")


def format_banner(console: ConsoleState, at_home: bool = True) -> Cell | None:
    """The banner for problems and unusual states; None if all is well."""
    snapshot = console.snapshot
    view = snapshot.engine
    if console.replaying is not None:
        return format_replay_banner(console.replaying, at_home)
    if console.fault is not None:
        return (clean(f"! the engine failed and is being restarted: {console.fault}", 400), "danger")
    if snapshot.alerts:
        more = f"  (+{len(snapshot.alerts) - 1} more)" if len(snapshot.alerts) > 1 else ""
        return (clean(f"! {snapshot.alerts[0].text}{more}", 400), "danger")
    if view.running and not console.here and view.pid is not None:
        since = f", since {format_moment(view.since, snapshot.taken_at)}" if view.since else ""
        return (f"viewing: the engine is pid {view.pid}{since}; quitting here stops nothing", "muted")
    if view.stopped and not (view.running or console.starting or console.here or console.read_only):
        return ("the engine was stopped: nothing starts; :engine runs one here", "warning")
    if console.read_only and not view.running:
        return ("no engine is running; this console is read-only and starts none", "muted")
    return None

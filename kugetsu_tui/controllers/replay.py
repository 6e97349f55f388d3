"""Replays the past on the console's screens. It changes nothing; meanwhile, live changes are not shown."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from textual.timer import Timer

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.text.quantities import format_moment
from kugetsu_engine.domain.text.times import parse_past_moment
from kugetsu_engine.errors import KugetsuError

from ..backend.worker_thread import WorkerThread
from ..console import StateConsole
from ..keys import format_key
from ..viewmodels.console_state import ConsoleState, ReplayState
from ..widgets.log_view import LogView

if TYPE_CHECKING:
    from kugetsu_engine.client.replay import Replay
    from kugetsu_engine.domain.history.timeline import Event

log = logging.getLogger(__name__)

SPEEDS = (1, 10, 60, 600, 3600)
DEFAULT_SPEED = 2
TICK_S = 0.25
"""Between two moments while it plays."""
IDLE_S = 1.0
"""While it plays, a time without events takes at most this long."""
RECENT_S = 10.0
"""A record read this recently ends at the present, as far as people are concerned."""
MAX_MESSAGE_LENGTH = 200
TONES = {"info": "text", "good": "good", "warning": "warning", "error": "danger"}


class ReplayController:
    """The replay of one console."""

    def __init__(self, app: StateConsole) -> None:
        self._app = app
        self._work = WorkerThread("kugetsu-replay")
        self._replay: Replay | None = None
        self._when = 0.0
        self._shown: float | None = None
        self._snapshot: Snapshot | None = None
        self._speed = DEFAULT_SPEED
        self._timer: Timer | None = None
        self._drawing = False
        self._reported_gaps = False

    @property
    def is_on(self) -> bool:
        """Whether the screens show a replay."""
        return self._replay is not None

    def close(self) -> None:
        """Read no more."""
        self._work.close()

    # opening and leaving

    def open(self, text: str = "", last: bool = False) -> None:
        """Start a replay.

        Args:
            text: a time as `times.parse_past_moment` reads it; empty for an hour ago, or the first record.
            last: start at the last event.
        """
        if text.strip().lower() == "now":
            self.action_past_leave()
            return
        self._app.run_worker(self._open(text, last), group="replay", exclusive=True, exit_on_error=False)

    async def _open(self, text: str, last: bool) -> None:
        app, connection = self._app, self._app.connection
        try:
            start = parse_past_moment(text, connection.now()) if text.strip() else None
            app.say("reading the record")
            from kugetsu_engine.client.replay import Replay

            replay = await self._work.run(
                lambda: Replay(connection.client.paths, connection.client.environ, clock=connection.now)
            )
            if start is None and last:
                start = replay.timeline.before(replay.loaded_at)
            when = replay.check_time(start) if start is not None else replay.default_start()
        except (KugetsuError, OSError) as error:
            app.say(str(error), "warning")
            return
        self._stop()
        self._replay, self._shown, self._reported_gaps = replay, None, False
        self._show_moment(when)

    def action_past_open(self) -> None:
        """Start a replay at the last event."""
        self.open(last=True)

    def action_past_leave(self) -> None:
        """Show the present again."""
        if self._replay is None:
            self._app.say("this is the present; :replay 03:00 shows the past", "warning")
            return
        self._stop()
        self._replay, self._snapshot = None, None
        self._app.connection.replay_moment = None
        self._forget_logs()
        if self._app.live_state is not None:
            self._app.show(self._app.live_state)
        self._app.say("this is the present", "good")

    # moving

    def action_step_past(self, by: int) -> None:
        """Go to the next event, or to the last one before."""
        replay = self._replay
        if replay is None:
            return
        self._stop()
        moment = self._find_next_event(replay) if by > 0 else replay.timeline.before(self._when)
        if moment is None:
            self._report_end(by)
            return
        self._show_moment(moment)

    def action_jump_past(self, by_s: float) -> None:
        """Go forward or back by a length of time."""
        replay = self._replay
        if replay is None:
            return
        first = replay.timeline.first or replay.loaded_at
        moment = max(min(self._when + by_s, replay.loaded_at), first)
        if moment == self._when:
            self._report_end(1 if by_s > 0 else -1)
        self._show_moment(moment)

    def _find_next_event(self, replay: Replay) -> float | None:
        """The time of the next recorded event; None if it is beyond the present, by a wrong clock, or there is none."""
        following = replay.timeline.after(self._when)
        return following if following is not None and following <= replay.loaded_at else None

    def _report_end(self, by: int) -> None:
        self._app.say(self._describe_end() if by > 0 else "nothing is recorded before this", "warning")
        self._draw()

    def _describe_end(self) -> str:
        """Describe why the replay does not go on."""
        end = self._replay.loaded_at if self._replay is not None else 0.0
        if self._when < end:
            return "nothing was recorded after this: esc returns to the present"
        if self._app.connection.now() - end < RECENT_S:
            return "this is the present: esc returns to it, live"
        when = format_moment(end, self._app.connection.now(), seconds=True)
        return f"this was the present at {when}, when it was read: esc returns to the present"

    def action_past_play(self) -> None:
        """Play, or pause."""
        if self._timer is not None:
            self._stop()
            self._draw()
        elif self._replay is not None:
            self._timer = self._app.set_interval(TICK_S, self._tick)
            self._draw()

    def action_change_speed(self, by: int) -> None:
        """Play faster or slower."""
        self._speed = max(min(self._speed + by, len(SPEEDS) - 1), 0)
        self._draw()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _tick(self) -> None:
        replay = self._replay
        if replay is None or self._drawing:
            return  # a slow machine skips moments
        speed = SPEEDS[self._speed]
        if self._when >= replay.loaded_at:
            self._stop()
            self._report_end(1)
            return
        following = self._find_next_event(replay) or replay.loaded_at
        moment = max(self._when + speed * TICK_S, following - speed * IDLE_S)
        self._show_moment(min(moment, replay.loaded_at))

    def _show_moment(self, when: float) -> None:
        self._when = when
        self._draw()

    # showing

    def _draw(self) -> None:
        """Show the current moment, after the one that is being read."""
        if not self._drawing and self._replay is not None:
            self._drawing = True
            self._app.run_worker(self._show(), group="replay-show", exit_on_error=False)

    async def _show(self) -> None:
        try:
            while (replay := self._replay) is not None:
                when, before = self._when, self._shown
                if when != before or self._snapshot is None:
                    snapshot, events = await self._work.run(lambda: _read_moment(replay, before, when))  # noqa: B023
                    if replay is not self._replay:
                        continue
                    if before is None:
                        self._forget_logs()
                    self._snapshot, self._shown = snapshot, when
                    self._app.connection.replay_moment = when
                    self._report_events(replay, events, before is None)
                self._app.show(self._make_state(self._snapshot))
                if self._when == self._shown:
                    return
        except Exception as error:  # the boundary of the replay: whatever is in the record, the console keeps running
            log.exception("a moment of the replay cannot be shown")
            self._stop()
            self._app.say(f"the past cannot be shown: {type(error).__name__}; esc returns to the present", "danger")
        finally:
            self._drawing = False

    def _make_state(self, snapshot: Snapshot) -> ConsoleState:
        present = self._app.live_state
        return ConsoleState(
            snapshot, read_only=self._app.connection.client.read_only, max_attempts=self._app.connection.settings.max_attempts,
            approving=present.approving if present is not None else {},
            replaying=ReplayState(
                format_moment(snapshot.taken_at, self._app.connection.now(), seconds=True), SPEEDS[self._speed],
                self._timer is not None,
            ),
        )  # fmt: skip

    def _report_events(self, replay: Replay, events: list[Event], arrived: bool) -> None:
        """Report what happened at this moment, and once what was not recorded at that time."""
        gaps = replay.describe_gaps(self._when)
        if gaps and not self._reported_gaps:
            self._reported_gaps = True
            self._app.say(gaps, "warning")
        elif events:
            more = f"  (and {len(events) - 1} more)" if len(events) > 1 else ""
            clock = format_moment(events[-1].time, seconds=True)
            self._app.say(f"{clock} {events[-1].text[:MAX_MESSAGE_LENGTH]}{more}", TONES[events[-1].level])
        elif arrived:
            key = {name: format_key(self._app.registry[f"past.{name}"].keys[0]) for name in ("back", "forward", "play")}
            self._app.say(f"{key['back']} and {key['forward']} step through what happened, {key['play']} plays it")
        elif self._when >= replay.loaded_at:
            self._app.say(self._describe_end(), "warning")
        elif self._timer is None:
            self._app.say(f"{format_moment(self._when, self._app.connection.now(), seconds=True)}: nothing happened just then")

    def _forget_logs(self) -> None:
        """Have logs read again: up to the moment, or to their end."""
        for screen in self._app.screen_stack:
            for view in screen.query(LogView):
                view.reload_later()


def _read_moment(replay: Replay, before: float | None, when: float) -> tuple[Snapshot, list[Event]]:
    """Read a moment, and the events at it, or since the moment before if time went forward."""
    snapshot = replay.snapshot_at(when)
    _ = snapshot.plan, snapshot.places  # computed here, in the reading thread
    passed = replay.list_events(before if before is not None and before < when else when, when)
    return snapshot, [event for event in passed if before is None or event.time > before or event.time == when]

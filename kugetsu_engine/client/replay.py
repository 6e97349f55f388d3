"""Makes snapshots of past moments from journal, notifications and tasks."""

import os
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from ..config.loader import SettingsSource
from ..config.settings import Settings
from ..domain.decisions.duration_model import learn_from_tasks
from ..domain.decisions.waiting_reasons import Cooldown
from ..domain.engine_state import EngineState
from ..domain.history.journal_entries import Flow
from ..domain.history.timeline import ActiveThen, Event, Moment, Timeline
from ..domain.job import Progress
from ..domain.pause import read_pause_reason
from ..domain.pull_request import KnownPull
from ..domain.text.times import epoch
from ..errors import BadFile, KugetsuError
from ..jobs.work_folders import list_own_repositories
from ..paths import StatePaths
from ..state import journal_file, notifications, pull_requests, queue_settings, tasks
from ..state.rate_limits import NETWORK
from ..storage import json_files
from ..storage.locks import is_held
from .snapshot import Active, EngineView, Snapshot

LEARNED_FROM = 200
"""How many ended tasks estimates of a past moment are made from."""
BACK_S = 3600.0
UNRECORDED = "not recorded"


class Replay:
    """The past of a state directory, read once."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> None:
        """Read everything that is recorded; with thousands of tasks this takes about a second."""
        self.loaded_at = clock()
        """The end of the replay, in seconds since 1970."""
        self._settings: Settings = SettingsSource(paths, environ).current
        every = [task for folder in (paths.items, paths.done) for task in tasks.read_folder(folder)]
        self.timeline = Timeline(
            every, notifications.read_notifications(paths), journal_file.read_journal(paths), _last_alive(paths)
        )
        self._pulls = pull_requests.load_pull_requests(paths).issues
        self._read_until = notifications.read_until(paths)
        self._limit = queue_settings.effective_limit(queue_settings.load_control(paths), self._settings.max_concurrent_agents)

    def snapshot_at(self, when: float) -> Snapshot:
        """Make the snapshot of a moment, in seconds since 1970. It has only what was recorded."""
        then = self.timeline.at(when)
        default = self._settings.agent
        cooldowns = then.flow.rests if then.flow else ()
        return Snapshot(
            taken_at=when, engine=self._engine(then), limit=then.flow.limit if then.flow else self._limit,
            active=tuple(self._active(active, when) for active in then.active), pending=then.pending, done=then.done,
            done_count=then.done_count, notices=then.notices, read_until=self._read_until, alerts=(),
            run_times=learn_from_tasks(then.done[:LEARNED_FROM], default), cooldowns=self._map_cooldowns(cooldowns, when),
            default_agent=default,
            hosts={cooldown.provider: cooldown for cooldown in cooldowns if cooldown.failure == NETWORK},
            own_repositories=list_own_repositories(self._settings),
            pulls=self._pulls_at(when), earlier=then.earlier,
        )  # fmt: skip

    def check_time(self, when: float) -> float:
        """Return a time if there are records of it.

        Raises:
            KugetsuError: nothing was recorded yet at that time, or it is in the future.
        """
        from ..domain.text.times import format_local

        if when > self.loaded_at:
            raise KugetsuError(f"{_format_time(format_local(when))} is in the future", "name a time in the past")
        if self.timeline.first is None:
            raise KugetsuError("nothing is recorded yet", "put a task in the queue first: n, or kugetsu enqueue")
        if when < self.timeline.first:
            raise KugetsuError(f"nothing is recorded before {_format_time(format_local(self.timeline.first))}")
        return when

    def default_start(self) -> float:
        """Return where a replay starts by default: an hour ago, or at the first record.

        Raises:
            KugetsuError: nothing is recorded yet.
        """
        return self.check_time(max(self.loaded_at - BACK_S, self.timeline.first or 0.0))

    def describe_gaps(self, when: float) -> str:
        """Say what the snapshot of a moment lacks; empty if nothing."""
        recorded_from = self.timeline.recorded_from
        if recorded_from is not None and when >= recorded_from:
            return ""
        return "what operators set is not recorded for that time: limit, pause and order are as known later"

    def list_events(self, since: float, until: float) -> list[Event]:
        """List what happened between two times, in order."""
        return self.timeline.events(since, until)

    def _engine(self, then: Moment) -> EngineView:
        flow, engine = then.flow or Flow(self._limit), then.engine
        view = EngineView(
            engine is None or engine.running, paused=flow.paused, pause_reason=flow.pause_reason,
            pause_code=read_pause_reason(flow.pause_code, flow.pause_reason),
        )  # fmt: skip
        if engine is None:  # why tasks waited is unknown too if slots were free
            return msgspec.structs.replace(view, pressure=UNRECORDED if len(then.active) < flow.limit else "")
        if not engine.running:
            return view
        return msgspec.structs.replace(
            view, pid=engine.pid, mode=engine.mode, since=engine.since, draining=flow.draining, pressure=flow.pressure
        )

    def _active(self, active: ActiveThen, when: float) -> Active:
        task = active.task
        timeout = task.timeout_s or self._settings.task_timeout
        stall = active.stalled
        progress = Progress("agent", stalled=stall.evidence if stall else None) if task.state == "running" else None
        return Active(task, None, progress, max(when - active.since, 0.0), timeout, None, stall.silent_s if stall else None)

    def _map_cooldowns(self, cooldowns: Sequence[Cooldown], when: float) -> Mapping[str, Cooldown]:
        """The cooldowns of providers at a moment, by agent."""
        resting = {
            cooldown.provider: cooldown for cooldown in cooldowns if cooldown.until > when and cooldown.failure != NETWORK
        }
        if not resting:
            return {}
        from ..agents import registry

        return registry.map_cooldowns_to_agents(resting, self._settings)

    def _pulls_at(self, when: float) -> Mapping[str, KnownPull]:
        """Only the last answer of a forge is kept; if it came after the moment, nothing is known."""
        return {ref: pull for ref, pull in self._pulls.items() if (epoch(pull.asked_at) or 0.0) <= when}


def _last_alive(paths: StatePaths) -> float | None:
    """When the last engine was last seen alive; None if one runs, or it stopped properly."""
    try:
        if is_held(paths.engine_lock) or json_files.read(paths.engine, EngineState).stopped:
            return None
        return os.stat(paths.engine).st_mtime
    except (OSError, BadFile):
        return None


def _format_time(stamp: str) -> str:
    return stamp.replace("T", " ")

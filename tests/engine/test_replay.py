"""Pictures of the past equal those that were taken live at those moments."""

import os
from typing import Any

import pytest

from kugetsu_engine.client.replay import Replay
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.history.task_history import UNKNOWN_MESSAGE
from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import KugetsuError
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until


class Camera:
    """Takes live pictures of a fleet that stands still for a moment."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._reader = SnapshotReader(fleet.paths, os.environ)
        self.pictures: list[Snapshot] = []

    def shoot(self) -> None:
        """Take a picture that two looks agree on, with nothing written between them."""

        def still() -> Snapshot | None:
            before = self._facts()
            first = self._reader.read()
            second = self._reader.read()
            engine_told = first.limit == second.limit and first.engine.paused == second.engine.paused
            return second if essence(first) == essence(second) and engine_told and before == self._facts() else None

        self.pictures.append(wait_until(still, 15, "a moment in which nothing happens"))  # type: ignore[arg-type]

    def _facts(self) -> list[int]:
        paths = self._fleet.paths
        return [os.stat(path).st_size if os.path.exists(path) else 0 for path in (paths.notifications, paths.journal)]


def _reason(snapshot: Snapshot, task: Task) -> str:
    """Why a task waits; whether its worktree was made ahead is not recorded."""
    code = snapshot.explain_wait(task).code
    return "slots" if code == "prepared" else code


def essence(snapshot: Snapshot) -> dict[str, Any]:
    """What must be the same then and now."""
    tasks = [*(one.task for one in snapshot.active), *snapshot.pending, *snapshot.done]
    return {
        "active": [one.task.id for one in snapshot.active], "pending": [task.id for task in snapshot.pending],
        "done": [task.id for task in snapshot.done], "done_count": snapshot.done_count, "limit": snapshot.limit,
        "flow": (snapshot.engine.running, snapshot.engine.paused, snapshot.engine.draining, snapshot.engine.pause_reason),
        "pid": snapshot.engine.pid, "why": {task.id: _reason(snapshot, task) for task in snapshot.pending},
        "tasks": {
            task.id: (
                task.state, task.reason, task.attempt, len(task.attempts), task.held, task.priority, task.position, task.after,
                task.tags, task.error, task.stop, task.completed_at,
                task.notified_at if task.state in ("notified", "running") else None,
            )
            for task in tasks
        },
    }  # fmt: skip


def test_the_past_is_as_it_was_seen_live(fleet: Fleet) -> None:
    """Over starts, retries, ends, and all that operators do to a queue, with and without an engine."""
    camera, do = Camera(fleet), fleet.operator.do
    fleet.configure(max_concurrent_agents=1, max_attempts=2, retry_delay="60s")
    failing = fleet.enqueue(wait=fleet.waiting_file("fail"), exit=1)
    long = fleet.enqueue(wait=fleet.waiting_file("long"))
    third, fourth, fifth = (fleet.enqueue(wait=fleet.waiting_file("rest")) for _ in range(3))
    do("hold", third)
    camera.shoot()
    do("move", fifth, to="top")
    do("edit", fourth, priority=7, tags=["night"])
    camera.shoot()
    do("move", failing, to="top")
    do("edit", failing, priority=9)
    engine = fleet.start_engine()
    fleet.wait_for(failing, "running")
    camera.shoot()
    do("limit", limit=2)
    fleet.wait_for(fourth, "running")
    camera.shoot()
    fleet.release("fail")
    wait_until(lambda: fleet.task(failing).retry_at is not None, 15, "the failure")
    fleet.wait_for(fifth, "running")
    camera.shoot()
    do("pause")
    do("cancel", third)
    wait_until(lambda: camera._reader.read().engine.paused, 10, "the pause")
    camera.shoot()
    do("restore", third, retry_at=None)
    do("release", third)
    do("retry", failing)
    camera.shoot()
    fleet.release("rest")
    fleet.wait_for_end([fourth, fifth])
    camera.shoot()
    fleet.stop_engine(engine)
    camera.shoot()
    do("resume")
    do("edit", long, message="more words\n{}")
    camera.shoot()
    fleet.configure(max_concurrent_agents=1, max_attempts=1)
    engine = fleet.start_engine()
    fleet.wait_for_end([failing, long, third])
    camera.shoot()
    replay = Replay(fleet.paths, os.environ)
    for number, live in enumerate(camera.pictures):
        assert essence(replay.snapshot_at(live.taken_at)) == essence(live), f"picture {number}"

    do("clear", older_than_s=0)
    camera.shoot()
    fleet.stop_engine(engine)
    replay = Replay(fleet.paths, os.environ)
    for number, live in enumerate(camera.pictures):
        then = replay.snapshot_at(live.taken_at)
        assert essence(then) | {"tasks": 0} == essence(live) | {"tasks": 0}, f"picture {number}, with tasks that were removed"
        assert {task.title for task in (*then.pending, *then.done)} <= {"(removed)", UNKNOWN_MESSAGE}
    assert replay.timeline.first is not None
    with pytest.raises(KugetsuError, match="nothing is recorded before"):
        replay.check_time(replay.timeline.first - 1)
    words = [event.text for event in replay.list_events(0, replay.loaded_at)]
    assert "you: paused: nothing new starts, running agents go on" in words
    assert any(text.startswith("an engine starts (headless") for text in words)

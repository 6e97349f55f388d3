"""Whatever keeps a task from starting is known to everyone who explains it: no task that does not start says `next`."""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.decisions import forecast, scheduling, waiting_reasons
from kugetsu_engine.domain.decisions.waiting_reasons import Cooldown, SchedulingFacts
from kugetsu_engine.domain.manual_session import ManualSession
from kugetsu_engine.domain.obstacles import Obstacles
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.engine.composition import open_engine
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.scheduler import provider_backoff
from kugetsu_engine.state import edit_locks, issue_names, manual_sessions, slots
from kugetsu_engine.storage import files
from kugetsu_engine.storage.locks import try_lock
from tests.support.fleet import NO_FLOORS_ENVIRON

NOW = 1_700_000_000.0
BUSY = "git is busy in the repository for #7"
HAND = ManualSession("q_9", "github.com/o/a#9", iso(NOW - 60))


def waiting(number: int = 1, **fields: Any) -> Task:
    """A waiting task of an issue of its own."""
    return msgspec.structs.replace(
        Task(id=f"q_{number}", issue_ref=f"github.com/o/a#{number}", pending_since=iso(NOW)), **fields
    )


@pytest.mark.parametrize(
    ("task", "facts", "code", "text"),
    [
        ({"issue_ref": HAND.issue_ref}, {"by_hand": (HAND,)}, "by_hand", "the issue has a manual session, see #9"),
        ({}, {"by_hand": (HAND,)}, "next", "starts next"),
        ({}, {"limit": 1, "by_hand": (HAND,)}, "slots", "slots 1/1, 1 by hand"),
        ({}, {"limit": 4, "used": 2, "by_hand": (HAND, HAND)}, "slots", "slots 4/4, 2 by hand"),
        ({}, {"limit": 1, "obstacles": Obstacles(slots=1)}, "slots", "slots 1/1, 1 by another program"),
        ({}, {"obstacles": Obstacles(issues=["github.com/o/a#1"])}, "issue_busy", "another program is working on the issue"),
        ({}, {"obstacles": Obstacles(trouble="no locks available")}, "pressure", "no locks available"),
        ({}, {"obstacles": Obstacles(preparing={"github.com/o/a": "q_7"})}, "preparing", BUSY),
        ({"repo": "/r"}, {"obstacles": Obstacles(preparing={"/r": "q_7"})}, "preparing", BUSY),
        ({"repo": "/r"}, {"obstacles": Obstacles(preparing={"github.com/o/a": "q_7"})}, "next", "starts next"),
        ({}, {"hosts": {"github.com": Cooldown("github.com", NOW - 1)}}, "next", "starts next"),
        (
            {}, {"hosts": {"github.com": Cooldown("github.com", NOW - 1)}, "probes": {"github.com": "q_4"}}, "network",
            "github.com did not answer: #4 tries it first",
        ),
        ({"repo": "/r"}, {"hosts": {"github.com": Cooldown("github.com", NOW + 60)}}, "next", "starts next"),
        ({"issue_ref": "gitlab.com/o/a#1"}, {"hosts": {"github.com": Cooldown("github.com", NOW + 60)}}, "next", "starts next"),
        (
            {}, {"hosts": {"github.com": Cooldown("github.com", NOW + 60)}, "own_repositories": frozenset({"github.com/o/a"})},
            "next", "starts next",
        ),
        ({"issue_ref": "local/a#1"}, {"hosts": {"local": Cooldown("local", NOW + 60)}}, "next", "starts next"),
        ({}, {"engine_answers": False}, "no_engine", "the engine does not answer"),
    ],
)  # fmt: skip
def test_each_obstacle_has_its_code_and_its_words(task: dict[str, Any], facts: dict[str, Any], code: str, text: str) -> None:
    """And the start agrees."""
    one, known = waiting(**task), msgspec.structs.replace(SchedulingFacts(limit=3, used=0), **facts)
    why = waiting_reasons.find_waiting_reason(one, known, NOW)
    assert (why.code, why.text) == (code, text)
    assert (scheduling.choose_next([one], known, NOW) is one) == (code == "next")


def test_a_host_that_rests_names_the_time_of_the_next_try() -> None:
    """By the clock on the wall, so that the words stand still until then."""
    known = SchedulingFacts(limit=3, used=0, hosts={"github.com": Cooldown("github.com", NOW + 1000)})
    first, later = (waiting_reasons.find_waiting_reason(waiting(), known, NOW + passed) for passed in (0, 390))
    assert first.text.startswith("github.com does not answer: next try ")
    assert first.text == later.text
    assert first.until == NOW + 1000


numbers = st.integers(1, 6)
some = st.frozensets(numbers, max_size=3)
rest = st.builds(Cooldown, st.just("github.com"), st.sampled_from([NOW - 5, NOW + 60]))
obstacles = st.builds(
    Obstacles,
    issues=some.map(lambda found: [f"github.com/o/a#{number}" for number in sorted(found)]),
    slots=st.integers(0, 2), preparing=st.sampled_from([{}, {"github.com/o/a": "q_9"}, {"/r": "q_9"}]),
    trouble=st.sampled_from(["", "", "the disk is full"]),
)  # fmt: skip
facts = st.builds(
    SchedulingFacts, limit=st.integers(1, 4), used=st.integers(0, 5), paused=st.booleans(), draining=st.booleans(),
    engine_runs=st.sampled_from([True, True, True, False]), engine_answers=st.sampled_from([True, True, False]),
    busy_refs=some.map(lambda found: frozenset(f"github.com/o/a#{number}" for number in found)),
    pressure=st.sampled_from(["", "", "no memory"]), default_agent=st.just("x"),
    states=st.sampled_from([{}, {"q_1": "running"}, {"q_2": "error"}]),
    cooldowns=st.sampled_from([{}, {"x": Cooldown("x", NOW + 9)}]),
    edited=some.map(lambda found: frozenset(f"q_{number}" for number in found)),
    by_hand=some.map(lambda found: tuple(ManualSession(f"q_{n}", f"github.com/o/a#{n}", iso(NOW)) for n in sorted(found))),
    hosts=st.one_of(st.just({}), rest.map(lambda one: {"github.com": one})),
    own_repositories=st.sampled_from([frozenset(), frozenset({"github.com/o/a"})]),
    probes=st.sampled_from([{}, {"github.com": "q_9"}]), obstacles=obstacles,
)  # fmt: skip
times = st.sampled_from([None, iso(NOW - 5), iso(NOW + 5)])
tasks = st.builds(
    waiting, numbers, held=st.booleans(), after=st.sampled_from([[], ["q_1"], ["q_2"]]), retry_at=times, not_before=times,
    repo=st.sampled_from([None, "/r"]),
)  # fmt: skip


@given(st.lists(tasks, max_size=6, unique_by=lambda task: task.id), facts)
@settings(max_examples=400, deadline=None)
def test_where_nothing_starts_no_task_says_that_it_starts_next(queue: list[Task], known: SchedulingFacts) -> None:
    """And what starts next says so; the plan says the same of each, and names no start for a task that waits for a person."""
    start = scheduling.choose_next(queue, known, NOW)
    reasons = {task.id: waiting_reasons.find_waiting_reason(task, known, NOW) for task in queue}
    assert all(why.text for why in reasons.values())
    if start is None:
        assert "next" not in {why.code for why in reasons.values()}
    else:
        assert reasons[start.id].code == "next"
        assert next(task for task in queue if reasons[task.id].code == "next") is start
    told = forecast.simulate_queue(queue, (), known, lambda task: None, NOW)
    planned = {one.task_id: one for one in (*told.starts, *told.others)}
    assert planned.keys() == reasons.keys()
    assert all(planned[task_id].why == why for task_id, why in reasons.items())
    by_hand = {hand.issue_key for hand in known.by_hand}
    assert not [one for one in told.starts if waiting(int(one.task_id[2:])).issue_key in by_hand]
    assert len(told.starts) <= max(known.limit - len(known.by_hand) - known.obstacles.slots, 0) + known.used


class Ground:
    """A state directory with one engine that really decides, and whose starts are only recorded."""

    def __init__(self, folder: str, limit: int) -> None:
        self.paths = StatePaths(f"{folder}/state")
        self.environ = {"PATH": "/usr/bin:/bin", "KUGETSU_MAX_CONCURRENT_AGENTS": str(limit), **NO_FLOORS_ENVIRON}
        files.create_folders(self.paths.folders())
        self.engine: Engine | None = None
        self.started: list[str] = []

    def add(self, number: int, **fields: Any) -> None:
        """Put a task on disk."""
        task = waiting(number, pending_since=iso(_now()), **fields)
        files.replace(self.paths.item(task.id), msgspec.json.encode(task), durable=False)

    def turn(self) -> Snapshot:
        """Let the engine take a turn, and take a picture while it runs."""
        engine = open_engine(self.paths, self.environ, "headless")
        self.engine = engine

        def launch(task: Task, lease: slots.SlotLease) -> bool:
            self.started.append(task.id)
            engine.store.change(task, "notified", attempt=1, token="t")
            return True

        engine.dispatcher._launch = launch  # type: ignore[method-assign]
        try:
            engine.run_turn()
            return SnapshotReader(self.paths, self.environ).read()
        finally:
            engine.close()


def _now() -> float:
    return time.time()


def _stranger(ground: Ground, path: str, stack: ExitStack) -> None:
    if not os.path.isdir(path) and (fd := try_lock(path)) is not None:
        stack.callback(os.close, fd)


def _edit(ground: Ground, stack: ExitStack) -> None:
    held = edit_locks.acquire_edit_lock(ground.paths, "q_1")
    assert held is not None
    stack.callback(held.release)


def _attach(ground: Ground, stack: ExitStack, number: int = 2) -> None:
    ref = f"github.com/o/a#{number}"
    mark = manual_sessions.mark_manual_session(
        ground.paths, issue_names.name_of(ground.paths, ref), ManualSession(f"q_{number}", ref, iso(_now()))
    )
    assert mark is not None
    stack.callback(mark.remove)
    _stranger(ground, ground.paths.slot_lock(3), stack)
    _stranger(ground, ground.paths.issue_lock(issue_names.name_of(ground.paths, ref)), stack)


def _unreachable(ground: Ground, stack: ExitStack) -> None:
    book = provider_backoff.ProviderBackoff(ground.paths, _now, lambda agent: agent)
    book.record_host_failure("github.com", "no route", None)


def _rest(ground: Ground, stack: ExitStack) -> None:
    book = provider_backoff.ProviderBackoff(ground.paths, _now, lambda agent: agent)
    book.record_limit("opencode", "rate_limit", "slow down", None, None, None, 60.0, 600.0)


def _control(ground: Ground, text: bytes) -> None:
    files.replace(ground.paths.control, text, durable=False)


OBSTACLES: dict[str, Callable[[Ground, ExitStack], None]] = {
    "a person edits the first task": _edit,
    "a person works by hand": _attach,
    "a stranger holds an issue": lambda ground, stack: _stranger(
        ground, ground.paths.issue_lock(issue_names.name_of(ground.paths, "github.com/o/a#1")), stack
    ),
    "a stranger holds a task": lambda ground, stack: _stranger(ground, ground.paths.task_lock("q_3"), stack),
    "a stranger holds a slot": lambda ground, stack: _stranger(ground, ground.paths.slot_lock(1), stack),
    "a stranger holds another slot": lambda ground, stack: _stranger(ground, ground.paths.slot_lock(2), stack),
    "a folder has the place of a slot": lambda ground, stack: _no_slot(ground),
    "the items cannot be written": lambda ground, stack: _no_writing(ground, stack),
    "a host does not answer": _unreachable,
    "a provider rests": _rest,
    "the queue is paused": lambda ground, stack: _control(ground, b'{"paused": true}'),
    "the limit was lowered": lambda ground, stack: _control(ground, b'{"limit": 1, "limit_over": 2}'),
    "control.json is garbage": lambda ground, stack: _control(ground, b"garbage"),
}  # fmt: skip


def _no_slot(ground: Ground) -> None:
    if not os.path.exists(ground.paths.slot_lock(1)):
        os.mkdir(ground.paths.slot_lock(1))


def _no_writing(ground: Ground, stack: ExitStack) -> None:
    replace = files.replace

    def refuse(path: str, *args: Any, **options: Any) -> None:
        if path.startswith(ground.paths.items):
            raise OSError(30, "Read-only file system")
        replace(path, *args, **options)

    files.replace = refuse
    stack.callback(lambda: setattr(files, "replace", replace))


def see_that_every_wait_is_explained(ground: Ground, what: frozenset[str]) -> None:
    """Let the engine decide among obstacles: what it did not start says why, to everyone who only reads the directory."""
    with ExitStack() as stack:
        for name in sorted(what, key=lambda name: name == "the items cannot be written"):
            OBSTACLES[name](ground, stack)
        picture = ground.turn()
        reasons = {task.id: picture.explain_wait(task) for task in picture.pending}
    assert not [task_id for task_id, why in reasons.items() if why.code == "next"], (what, reasons, ground.started)
    assert len(ground.started) <= 2


@pytest.mark.parametrize("name", sorted(OBSTACLES))
def test_one_obstacle_at_a_time_is_explained(tmp_path: Path, name: str) -> None:
    """Each of them alone, with more tasks than slots and with fewer."""
    for count in (1, 4):
        ground = Ground(str(tmp_path / str(count)), limit=2)
        for number in range(1, count + 1):
            ground.add(number)
        see_that_every_wait_is_explained(ground, frozenset({name}))


@given(st.frozensets(st.sampled_from(sorted(OBSTACLES)), min_size=1, max_size=4), st.lists(some, max_size=5), st.integers(1, 3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_obstacles_together_are_explained(what: frozenset[str], held: list[frozenset[int]], limit: int) -> None:
    """Whatever comes together, among tasks that are held, come after others, or belong to one issue."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(folder, limit=min(limit, 2))
        for number, before in enumerate(held, 1):
            earlier = [f"q_{other}" for other in sorted(before) if other < number]
            ground.add(number, held=6 in before, after=earlier)
        see_that_every_wait_is_explained(ground, what)

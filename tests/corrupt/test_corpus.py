"""Forty-two impossible files in every place that is read: nothing crashes or hangs, the others go on, the bytes are kept."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from kugetsu_engine.cli.commands.status import build_document
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.prompt_template import PromptFile
from kugetsu_engine.domain.job import Progress, Result, RunRecord
from kugetsu_engine.domain.refs import make_slug
from kugetsu_engine.errors import BadFile, KugetsuError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import contexts, notifications, queue_settings, rate_limits
from kugetsu_engine.storage import json_files
from tests.model.world import World
from tests.support.corrupt import CORPUS, bytes_of, put
from tests.support.waiting import patience

CASE_LIMIT_S = 5.0
SLUG = make_slug("local/a#1")
"""Of the issue whose task goes through."""


def _always(_paths: StatePaths) -> bool:
    return True


def _never(_paths: StatePaths) -> bool:
    return False


def _control_broken(paths: StatePaths) -> bool:
    try:
        queue_settings.read_control(paths)
    except BadFile:
        return True
    return False


def _config_broken(paths: StatePaths) -> bool:
    return bool(SnapshotReader(paths, {}).settings.problems)


def _env_broken(paths: StatePaths) -> bool:
    reader = SnapshotReader(paths, {})
    return "env" in {alert.code for alert in reader.read(with_history=False).alerts}


def _context_broken(paths: StatePaths) -> bool:
    try:
        contexts.load_context(paths, "local/a#1")
    except BadFile:
        return True
    return False


def _prompt_broken(paths: StatePaths) -> bool:
    template = PromptFile(paths)
    template.refresh()
    return bool(template.problem)


class Place(NamedTuple):
    """Where a file is put, and what must be seen of it."""

    path: Callable[[StatePaths], str]
    code: str | None = None
    """The alert, where the file is as `broken` says."""
    broken: Callable[[StatePaths], bool] = _never
    kept: bool = True
    """Whether its bytes must still be there; a cache may be written anew by its owner."""
    kept_if_sound: bool = True
    """Whether they must also where they are a sound document, to which its owner adds."""
    seen_s: float = 1.9
    """Within which the alert must stand; longer for what the engine has in its memory."""


PLACES: dict[str, Place] = {
    "an open task": Place(lambda paths: paths.item("q_900"), "corrupt", _always),
    "an open task of a hostile name": Place(lambda paths: f"{paths.items}/q_\x1b[2J\n'\u202e;.json", "corrupt", _always),
    "an open task of a long name": Place(lambda paths: f"{paths.items}/{'ü' * 120}.json", "corrupt", _always),
    "an ended task": Place(lambda paths: paths.ended("q_900"), "unreadable", _always),
    "a request": Place(lambda paths: f"{paths.requests}/000000900.json", "corrupt", _always),
    "a request of another name": Place(lambda paths: f"{paths.requests}/wish.json", "corrupt", _always),
    "an answer": Place(lambda paths: f"{paths.answers}/000000001.json", kept=False),
    "control.json": Place(lambda paths: paths.control, "corrupt", _control_broken),
    "engine.json": Place(lambda paths: paths.engine, kept=False),
    "acts": Place(lambda paths: paths.journal),
    "notifications": Place(lambda paths: paths.notifications),
    "notifications.read": Place(lambda paths: paths.notifications_read),
    "config.toml": Place(lambda paths: paths.config, "config", _config_broken),
    "the old config": Place(lambda paths: paths.shell_config, "config", _config_broken),
    "an env file": Place(lambda paths: f"{paths.env}/default.env", "env", _env_broken),
    "forges.env": Place(lambda paths: f"{paths.env}/forges.env", "env", _env_broken),
    "prompt.md": Place(lambda paths: paths.prompt, "prompt", _prompt_broken),
    "the session of the issue": Place(lambda paths: paths.session(SLUG)),
    "another session": Place(lambda paths: paths.session("other")),
    "the context of the issue": Place(lambda paths: f"{paths.context}/{SLUG}.json", None, _context_broken, kept_if_sound=False),
    "index.json": Place(lambda paths: paths.index, kept=False),
    "pauses.json": Place(
        lambda paths: paths.pauses, "corrupt", lambda paths: rate_limits.find_fault(paths) is not None, seen_s=6.0
    ),
    "first-page.json": Place(lambda paths: paths.first_page, kept=False),
    "run-times.json": Place(lambda paths: paths.run_times, kept=False),
    "memory-peaks.json": Place(lambda paths: paths.memory_peaks, kept=False),
    "pulls.json": Place(lambda paths: paths.pulls, kept=False),
    "servers/opencode.json": Place(lambda paths: paths.server, kept=False),
    "the number of tasks": Place(lambda paths: paths.task_number, kept=False),
    "the number of requests": Place(lambda paths: paths.request_number, kept=False),
    "the bell": Place(lambda paths: paths.wakeup_fifo),
    "the engine's log": Place(lambda paths: paths.engine_log),
    "the supervisors' log": Place(lambda paths: f"{paths.logs}/supervisor.log"),
    "a slot": Place(lambda paths: paths.slot_lock(2)),
}


@contextlib.contextmanager
def _world() -> Iterator[World]:
    world = World()
    try:
        yield world
    finally:
        world.close()


def _status(world: World) -> dict[str, Any]:
    """What `status --json` prints; it must always be a document."""
    shown = build_document(SnapshotReader(world.paths, {}, clock=lambda: world.now).read())
    json.dumps(msgspec.to_builtins(shown))
    return shown


def _why(world: World, task_id: str) -> str:
    """Why a task waits; empty where it does not."""
    seen = SnapshotReader(world.paths, {}, clock=lambda: world.now).read()
    return next((seen.explain_wait(task).code for task in seen.pending if task.id == task_id), "")


def _codes(world: World) -> set[str]:
    return {alert["code"] for alert in _status(world)["alerts"]}


def _finish(world: World, task_id: str) -> None:
    """The agent of a task ends well, and the engine enters it."""
    world.turn()
    one = next(one for one in world.table.live if one.job.task_id == task_id)
    world.note_used(one)
    world.table.start_agent(one)
    world.end(one, "ok", 0)
    world.turn()


def _meet(place: Place, name: str, running: bool) -> None:
    with _world() as world:
        path = place.path(world.paths)
        if running:
            world.run()
            world.turn()
        put(name, path)
        before, broken = bytes_of(path), place.broken(world.paths)
        _status(world)
        task_id = None
        with contextlib.suppress(KugetsuError, OSError):  # refused in one line, and nothing else happens
            task_id = world.enqueue(1, repo=str(world.folder), agent="demo")
        world.run()
        world.turn(place.seen_s)
        if broken and place.code:
            assert _codes(world) & {place.code, "unreadable"}, f"{name} is not seen within {place.seen_s} s"
        for seconds in (1.0, 6.0, 2.5):
            world.turn(seconds)
        if place.code == "corrupt" and broken:
            assert "corrupt" in _codes(world), name
            told = [
                notice.text
                for notice in notifications.read_newest_notifications(world.paths)
                if notice.type == "engine_corrupt"
            ]
            assert told, f"no word of {name}"
            assert os.listdir(world.paths.corrupt)
        if world.engine is not None and world.engine.controls.paused:
            with contextlib.suppress(OSError):
                world.ask("resume")
        if place.code == "config" and broken and not running and task_id is not None and not world.table.all:
            return  # settings that were never read start nothing
        if task_id is not None and not (place.code == "env" and _why(world, task_id) == "config"):
            _finish(world, task_id)
            assert world.task(task_id).state == "completed", name  # type: ignore[union-attr]
        if place.kept and before is not None and (broken or place.kept_if_sound):
            assert _kept(world.paths, path, before), f"the bytes of {name} are gone"


def _kept(paths: StatePaths, path: str, before: bytes) -> bool:
    """Whether the bytes are where they were, at the head of what was appended, put away for their length, or set aside."""
    for where in (path, f"{paths.root}/notifications.1.jsonl", f"{paths.root}/acts.1.jsonl"):
        now = bytes_of(where)
        if now is not None and now.startswith(before):
            return True
    return any(bytes_of(f"{paths.corrupt}/{name}") == before for name in os.listdir(paths.corrupt))


@pytest.mark.parametrize("running", [False, True], ids=["before start", "while running"])
@pytest.mark.parametrize("place", PLACES)
def test_no_file_of_the_corpus_stops_the_others(place: str, running: bool) -> None:
    """Seen within two seconds, told, kept with its bytes, while a task goes from the queue to its end."""
    assert len(CORPUS) == 42
    for name in CORPUS:
        began = time.monotonic()
        try:
            _meet(PLACES[place], name, running)
        except BaseException as error:
            error.add_note(f"{name!r} in place of {place}")
            raise
        assert time.monotonic() - began < CASE_LIMIT_S * patience(), f"{name} takes too long"


def _unreadable(path: str, kind: type[Any]) -> bool:
    try:
        json_files.read(path, kind)
    except (BadFile, FileNotFoundError):
        return True
    return False


RUN_FILES: dict[str, type[Any]] = {
    "run.json": RunRecord,
    "progress.json": Progress,
    "outcome.json": Result,
    "exit.json": Result,
}


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "its supervisor killed"])
@pytest.mark.parametrize("file", RUN_FILES)
def test_no_file_of_an_attempt_can_confuse_the_engine(file: str, alive: bool) -> None:
    """A live attempt goes on; one that is over counts, is told, and is never silently run a second time for nothing."""
    for name in CORPUS:
        try:
            _meet_attempt(file, name, alive)
        except BaseException as error:
            error.add_note(f"{name!r} in place of {file}")
            raise


def _meet_attempt(file: str, name: str, alive: bool) -> None:
    with _world() as world:
        task_id = world.enqueue(1)
        world.run()
        world.turn()
        one = world.table.live[0]
        world.note_used(one)
        world.table.start_agent(one)
        path = f"{one.job.run_dir}/{file}"
        put(name, path)
        before = bytes_of(path)
        world.turn(6.0)
        _status(world)
        if alive:
            assert world.table.live == [one], name
            other = world.enqueue(2)
            _finish(world, other)
            assert world.task(other).state == "completed"  # type: ignore[union-attr]
            return
        world.table.vanish(one)
        world.turn(6.0)
        task = world.task(task_id)
        assert task is not None
        assert (task.state, task.attempt) == ("pending", 1), name
        assert [attempt.failure for attempt in task.attempts] == ["lost"]
        if file != "progress.json":
            assert _unreadable(path, RUN_FILES[file])
            assert "corrupt" in _codes(world), name
            assert before is None or _kept(world.paths, path, before), name


def test_the_alert_goes_when_the_operator_has_cleared_up() -> None:
    """`corrupt` stands as long as the file lies in `queue/corrupt`, also across a restart of the engine, and then no longer."""
    with _world() as world:
        put("empty", world.paths.item("q_7"))
        world.run()
        for _ in range(2):
            world.turn(3.0)
        assert "corrupt" in _codes(world)
        world.crash()
        world.run()
        world.turn()
        assert "corrupt" in _codes(world)
        for name in os.listdir(world.paths.corrupt):
            os.unlink(f"{world.paths.corrupt}/{name}")
        world.turn()
        assert "corrupt" not in _codes(world)


@pytest.mark.parametrize("name", ["empty", "cut short", "NUL bytes", "wrong types", "pipe", "folder"])
def test_a_queue_that_was_paused_is_not_set_going_by_a_broken_file(name: str) -> None:
    """What cannot be read may have said paused: nothing starts, it is said why, also by the next engine, until `resume`."""
    with _world() as world:
        world.ask("pause")
        put(name, world.paths.control)
        task_id = world.enqueue(1)
        for _ in range(2):
            world.run()
            for _ in range(3):
                world.turn(6.0)
            assert world.table.all == []
            assert any(
                "kugetsu resume" in alert["text"] or "control.json" in alert["text"] for alert in _status(world)["alerts"]
            )
            world.crash()
        world.run()
        assert world.ask("resume").ok
        _finish(world, task_id)


@pytest.mark.parametrize("name", ["empty", "cut short", "pipe", "folder"])
def test_a_file_that_breaks_while_the_engine_runs_does_not_change_what_holds(name: str) -> None:
    """`control.json` broken under a living engine: limit and flow stay as they are, and the file is written again."""
    with _world() as world:
        world.ask("limit", limit=1)
        world.limit = 1
        world.run()
        put(name, world.paths.control)
        world.turn()
        assert world.engine is not None
        assert (world.engine.controls.limit, world.engine.controls.paused) == (1, False)
        assert queue_settings.read_control(world.paths).limit == 1
        assert "corrupt" in _codes(world)


def test_what_comes_after_a_broken_task_waits_until_the_operator_has_decided() -> None:
    """A file that cannot be read is no completed task: while it waits for mending, and when it is set aside."""
    with _world() as world:
        world.ask("pause")
        first = world.enqueue(1)
        second = world.enqueue(2, after=[first])
        put("cut short", world.paths.item(first))
        world.ask("resume")
        world.run()
        for seconds in (0.1, 3.0, 6.0, 6.0):
            world.turn(seconds)
            assert world.table.all == []
        for name in os.listdir(world.paths.corrupt):
            os.unlink(f"{world.paths.corrupt}/{name}")
        world.turn(6.0)
        assert [one.job.task_id for one in world.table.live] == [second]


def test_bad_lines_of_env_files_are_seen_and_the_alert_goes_with_them() -> None:
    """A refused name and a line that is no assignment: an alert `env` that names file and line, until they are mended."""
    with _world() as world:
        put("shell", f"{world.paths.env}/dev.env")
        assert "env" in _codes(world)
        world.run()
        world.turn()
        text = next(alert["text"] for alert in _status(world)["alerts"] if alert["code"] == "env")
        assert "env/dev.env: line 3: LD_PRELOAD may not be set" in text
        assert "line 4 is not KEY=VALUE" in text
        with open(f"{world.paths.env}/dev.env", "w", encoding="utf-8") as file:
            file.write("A=b\n")
        world.turn()
        assert "env" not in _codes(world)

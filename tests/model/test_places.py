"""Folders that go missing, and the order of what is written."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.domain.engine_state import Alert
from kugetsu_engine.paths import StatePaths

from .world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A state directory with an engine."""
    world = World()
    world.run()
    yield world
    world.close()


def _alerts(world: World) -> list[Alert]:
    assert world.engine is not None
    return world.engine.alerts.list_current()


def _run_through(world: World, task_id: str) -> None:
    world.turn(6.0)
    one = next(one for one in world.table.live if one.job.task_id == task_id)
    world.end(one, "ok", 0)
    world.turn(6.0)
    assert world.task(task_id) is not None
    assert world.task(task_id).state == "completed"  # type: ignore[union-attr]


FOLDERS = [name.removeprefix("/") for name in (path.removeprefix("/r") for path in StatePaths("/r").folders()) if name]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_went_missing_is_made_again_while_the_engine_runs(world: World, name: str) -> None:
    """Private as before; a running agent is not forgotten and not doubled, and new tasks run."""
    first = world.enqueue(1)
    world.turn()
    one = world.table.live[0]
    world.note_used(one)
    world.table.start_agent(one)
    world.turn()
    folder = Path(world.paths.root, name)
    shutil.rmtree(folder)
    for _ in range(2):
        world.turn(6.0)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [alert for alert in _alerts(world) if alert.code != "corrupt"] == []
    if name != "runs":  # with its record and its lock both gone nobody could know of it
        assert [other.job.task_id for other in world.table.live] == [first]
    second = world.enqueue(2)
    _run_through(world, second)
    assert world.faults == []


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_the_place_of_a_folder_is_told_by_its_path(world: World, name: str) -> None:
    """The engine lives, says which it is, and goes on once it is moved away."""
    folder = Path(world.paths.root, name)
    shutil.rmtree(folder)
    folder.write_bytes(b"")
    for _ in range(2):
        world.turn(6.0)
    assert {alert.code for alert in _alerts(world)} - {"env"} == {"disk"}
    assert any(str(folder) in alert.text for alert in _alerts(world) if alert.code == "disk")
    folder.unlink()
    world.turn(6.0)
    assert _alerts(world) == []
    _run_through(world, world.enqueue(1))


# F24: what a power cut finds


class Recorder:
    """Notes the order of writes, flushes and names; says which names were given to contents that were not flushed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unflushed: list[str] = []
        self.folders: set[str] = set()
        """Folders with a new name, or without an old one, that are not flushed."""
        self._dirty: set[tuple[int, int]] = set()
        self._real = {name: getattr(os, name) for name in ("write", "fsync", "rename", "link", "unlink")}
        for name in self._real:
            monkeypatch.setattr(os, name, getattr(self, f"_{name}"))

    def _identity(self, where: int | str) -> tuple[int, int]:
        status = os.stat(where)
        return status.st_dev, status.st_ino

    def _write(self, fd: int, data: Any) -> int:
        self._dirty.add(self._identity(fd))
        written: int = self._real["write"](fd, data)
        return written

    def _fsync(self, fd: int) -> None:
        self._real["fsync"](fd)
        self._dirty.discard(self._identity(fd))
        self.folders.discard(os.path.realpath(f"/proc/self/fd/{fd}"))

    def _named(self, call: Callable[[str, str], None], source: str, target: str) -> None:
        if self._identity(source) in self._dirty:
            self.unflushed.append(os.path.basename(target))
        call(source, target)
        self.folders.add(os.path.realpath(os.path.dirname(target)))

    def _rename(self, source: str, target: str) -> None:
        self._named(self._real["rename"], source, target)

    def _link(self, source: str, target: str) -> None:
        self._named(self._real["link"], source, target)

    def _unlink(self, path: str, **how: Any) -> None:
        self._real["unlink"](path, **how)
        folder, name = os.path.split(path)
        if folder and name[0] != ".":
            self.folders.add(os.path.realpath(folder))


def test_whatever_is_acknowledged_outlives_a_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents are flushed before they get their name, names before anyone is told, in every step of a task's life."""
    world = World()
    try:
        world.run()
        disk = Recorder(monkeypatch)
        durable = {world.paths.items, world.paths.done, world.paths.requests, world.paths.queue}

        def on_disk(what: str) -> None:
            # A running agent is known by the boot in its task, and an open file that comes back by the ended one.
            excused = {"a running agent": {world.paths.items}, "an end": {world.paths.items}}.get(what, set())
            left = disk.folders & durable - excused
            assert not left, f"{what}: names in {left} are not flushed"
            lost = [
                name for name in disk.unflushed if name not in ("engine.json", "progress.json", "outcome.json", "exit.json")
            ]
            assert not [name for name in lost if name.startswith("q_")], f"{what}: {lost}"

        task_id = world.enqueue(1)
        on_disk("enqueue")
        world.turn()
        on_disk("start")
        world.table.start_agent(world.table.live[0])
        world.turn()
        on_disk("a running agent")
        world.end(world.table.live[0], "failed", 1)
        world.turn()
        on_disk("a failed attempt")
        world.turn(30.0)
        world.end(world.table.live[0], "ok", 0)
        world.turn()
        on_disk("an end")
        assert world.ask("retry", task_id).ok
        on_disk("retry")
        assert world.ask("pause").ok
        on_disk("pause")
        other = world.enqueue(2)
        assert world.ask("cancel", other).ok
        on_disk("cancel")
        assert "engine.json" in disk.unflushed, "the recorder sees what is not flushed"
    finally:
        world.close()

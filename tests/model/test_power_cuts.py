"""F24: the power is cut at any call that changes the disk, and the disk keeps the least, the most, or something in between.

What is flushed stays: contents by a flush of the file, names by a flush of their folder. Of the rest anything may be gone, each
folder for itself; a file that was named before it was flushed may be empty. As on ext4, xfs and btrfs a file that is moved to
another folder is in one of them at least, and folders above a flushed file stay.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kugetsu_engine.domain.states import FINAL
from kugetsu_engine.queue import cleanup
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files

from . import world as worlds
from .world import World

Tree = dict[str, bytes]
"""Contents by path relative to the state directory."""
WATCHED = ("queue", "runs")
"""Folders of what a promise depends on."""


class Facts(NamedTuple):
    """What holds at a moment, whatever is lost."""

    enqueued: frozenset[str]
    """Tasks whose id was printed."""
    begun: dict[str, int]
    """Agents that were started, by task."""
    well: frozenset[str]
    """Tasks with an agent that has ended well, as its supervisor has on disk."""
    ended: dict[str, str]
    """Final states that the engine has told."""


class Disk:
    """Takes a picture of what a power cut leaves, after each call that changes something."""

    def __init__(self, root: str, monkeypatch: pytest.MonkeyPatch, facts: Callable[[], Facts]) -> None:
        self.pictures: dict[frozenset[tuple[str, bytes]], Facts] = {}
        self._root = Path(root)
        self._facts = facts
        self._random = random.Random(20261129)
        self._flushed: dict[int, bytes] = {}
        """Contents by inode."""
        self._names: dict[str, Tree] = {}
        """By folder the names and contents that stay."""
        self._moves: set[tuple[str, str]] = set()
        """From which folder to which files were moved, as long as the second is not flushed."""
        for folder in self._folders():
            for path in self._files(folder):
                self._flushed[path.stat().st_ino] = path.read_bytes()
            self._keep_names(folder)
        for name in ("rename", "link", "unlink", "fsync", "replace"):
            monkeypatch.setattr(os, name, self._then_picture(getattr(os, name), name))

    def _folders(self) -> list[Path]:
        return [Path(folder) for name in WATCHED for folder, _, _ in os.walk(self._root / name)]

    def _files(self, folder: Path) -> list[Path]:
        return [path for path in folder.iterdir() if path.is_file()]

    def _keep_names(self, folder: Path) -> None:
        name = str(folder.relative_to(self._root))
        self._names[name] = self._named_now(folder)
        self._moves = {move for move in self._moves if move[1] != name}

    def _named_now(self, folder: Path) -> Tree:
        """The names as they are, each with what is flushed of its contents."""
        return {path.name: self._flushed.get(path.stat().st_ino, b"") for path in self._files(folder)}

    def _then_picture(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def changed(*words: Any, **named: Any) -> Any:
            done = call(*words, **named)
            if name == "fsync":
                path = Path(os.readlink(f"/proc/self/fd/{words[0]}"))
                if path.is_dir():
                    if path.is_relative_to(self._root):
                        self._keep_names(path)
                else:
                    self._flushed[os.fstat(words[0]).st_ino] = path.read_bytes()
            elif name == "rename":
                source, target = (str(Path(word).parent.relative_to(self._root)) for word in words)
                if source != target:
                    self._moves.add((source, target))
            self._take_pictures()
            return done

        return changed

    def _take_pictures(self) -> None:
        now = {str(folder.relative_to(self._root)): self._named_now(folder) for folder in self._folders()}
        facts = self._facts()
        some = [{folder: self._random.random() < 0.5 for folder in now} for _ in range(2)]
        for chosen in (dict.fromkeys(now, False), dict.fromkeys(now, True), *some):
            chosen |= {target: True for source, target in self._moves if chosen.get(source)}
            tree = {
                f"{folder}/{name}": data
                for folder, recent in chosen.items()
                for name, data in (now[folder] if recent else self._names.get(folder, {})).items()
                if name[0] != "."
            }
            self.pictures.setdefault(frozenset(tree.items()), facts)


def _history(world: World, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Tasks that end well, fail and are tried again, are cancelled, retried by the operator, and cleared."""
    begun: dict[str, int] = {}
    well: set[str] = set()
    told: dict[str, str] = {}
    disk = Disk(
        world.paths.root, monkeypatch,
        lambda: Facts(frozenset(world.acknowledged), dict(begun), frozenset(well), dict(told)),
    )  # fmt: skip

    def start_agents() -> None:
        world.turn()
        for one in world.table.live:
            if not one.recorded:
                world.table.record(one)
            if not one.agent:
                begun[one.job.task_id] = begun.get(one.job.task_id, 0) + 1
                world.table.start_agent(one)
        world.turn()

    def end(task_id: str, outcome: str, code: int | None) -> None:
        one = next(one for one in world.table.live if one.job.task_id == task_id)
        world.end(one, outcome, code)
        if outcome == "ok":
            well.add(task_id)
        world.turn()
        if (task := world.task(task_id)) is not None and task.ended:
            told[task_id] = task.state

    first, second = world.enqueue(1), world.enqueue(2)
    start_agents()
    third = world.enqueue(3)
    end(first, "ok", 0)
    end(second, "failed", 1)
    start_agents()
    world.turn(60.0)
    start_agents()
    end(second, "failed", None)
    assert world.ask("kill", third).ok
    end(third, "cancelled", None)
    told.pop(first)
    well.discard(first)
    assert world.ask("retry", first).ok
    start_agents()
    return disk


def test_a_power_cut_at_any_call_breaks_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of the next boot has each task once, as far as it had come or an attempt further, and nothing is set aside."""
    world = World()
    try:
        world.run()
        with monkeypatch.context() as patched:
            disk = _history(world, patched)
        world.crash()
        world.table.close()
        assert len(disk.pictures) > 50
        monkeypatch.setattr(worlds, "BOOT", "the next boot")
        broken = [text for tree, facts in disk.pictures.items() for text in _after(dict(tree), facts)]
        assert broken == []
    finally:
        world.close()


def _after(tree: Tree, facts: Facts) -> list[str]:
    """What is wrong once an engine has found a disk as it was left."""
    world = World()
    try:
        for path, data in tree.items():
            target = Path(world.paths.root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        world.run()
        for _ in range(2):
            world.turn(6.0)
        found = [f"{name} was set aside" for name in os.listdir(world.paths.corrupt) if not name.endswith(".reason")]
        for task_id in facts.enqueued:
            open_one, ended = (os.path.exists(path) for path in (world.paths.item(task_id), world.paths.ended(task_id)))
            if open_one + ended != 1:
                found.append(f"I1 {task_id} is in {open_one + ended} places")
                continue
            task = tasks.find_task(world.paths, task_id)
            used = task.attempt - (0 if task.ended or task.state == "pending" else 1)
            if used < facts.begun.get(task_id, 0):
                found.append(f"I5 {task_id}: {facts.begun[task_id]} agents, and {used} attempts count")
            if task_id in facts.well and task.state != "completed":
                found.append(f"I5 {task_id} ended well and is {task.state}")
            if task_id in facts.ended and task.state != facts.ended[task_id]:
                found.append(f"I7 {task_id} was told to be {facts.ended[task_id]} and is {task.state}")
            if task.ended != (task.state in FINAL and ended):
                found.append(f"I6 {task_id} is {task.state} in the wrong folder")
        return [f"{text}, of {sorted((path, len(data)) for path, data in tree.items())}" for text in found]
    finally:
        world.close()


def test_a_cleared_task_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its open file, which had been moved, is gone for good before its ended one is removed."""
    world = World()
    try:
        world.run()
        task_id = world.enqueue(1)
        world.turn()
        world.table.start_agent(world.table.live[0])
        world.turn()
        with monkeypatch.context() as patched:
            disk = Disk(world.paths.root, patched, lambda: Facts(frozenset(), {}, frozenset(), {}))
            world.end(world.table.live[0], "ok", 0)
            world.turn()
            disk.pictures.clear()
            cleanup.set_aside_ended(world.paths, time.time() + 1)
            files.flush_folder(world.paths.done)
            after = [*disk.pictures]
        ended = f"queue/done/{task_id}.json"
        assert any(all(path != ended for path, _ in tree) for tree in after)
        for tree in after:
            names = {path for path, _ in tree}
            assert ended in names or f"queue/items/{task_id}.json" not in names
    finally:
        world.close()

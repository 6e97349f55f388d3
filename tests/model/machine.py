"""Random histories of enqueues, requests, ends, deaths, hand edits and clock jumps; after each step the invariants hold."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kugetsu_engine.errors import EngineHeld
from kugetsu_engine.storage import files
from tests.support.fake_processes import Supervised

from .world import WRITES, World

BROKEN = (b"", b"{", b"[]", b"null", b"\xff" * 40, b"[" * 5000, b'{"id": "q_1"}')


def _alive(machine: "EngineMachine") -> bool:
    return bool(machine.world.table.live)


def _any_task(machine: "EngineMachine") -> bool:
    return bool(machine.world.acknowledged)


class EngineMachine(RuleBasedStateMachine):
    """What operators, agents, supervisors, engines, disks and clocks do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.run()

    def teardown(self) -> None:
        """Let it come to rest, look once more, and clean up."""
        try:
            self.world.settle()
        finally:
            self.world.close()

    def _pick(self, among: list[Any], data: st.DataObject) -> Any:
        return among[data.draw(st.integers(0, len(among) - 1))] if among else None

    @initialize(agents=st.integers(0, 2), waiting=st.integers(0, 2))
    def begin(self, agents: int, waiting: int) -> None:
        """Most histories begin with a fleet at work: rules that find nothing to do show nothing."""
        for issue in range(1, agents + waiting + 1):
            self.world.enqueue(issue)
        self.world.turn()
        for one in self.world.table.live[:agents]:
            self.world.note_used(one)
            self.world.table.start_agent(one)
        self.world.turn()

    # operators

    @rule(issue=st.integers(1, 4), priority=st.sampled_from([5, 5, 9]), hold=st.booleans())
    def enqueue(self, issue: int, priority: int, hold: bool) -> None:
        """A task, sometimes held, often on an issue that has others."""
        self.world.enqueue(issue, priority=priority, hold=hold)

    @rule(data=st.data(), issue=st.integers(1, 4))
    def enqueue_after(self, data: st.DataObject, issue: int) -> None:
        """A task that waits for another one."""
        earlier = self._pick(sorted(self.world.open_ids("pending", "notified", "running")), data)
        self.world.enqueue(issue, after=[earlier] if earlier else [])

    @precondition(_any_task)
    @rule(data=st.data(), verb=st.sampled_from(["kill", "cancel", "retry", "hold", "release"]))
    def request(self, data: st.DataObject, verb: Any) -> None:
        """Any request about any task."""
        task_id = self._pick(sorted(self.world.acknowledged), data)
        if task_id is None:
            return
        self.world.ask(verb, task_id)

    @rule(data=st.data(), to=st.sampled_from(["top", "bottom", "up", "down"]))
    def move(self, data: st.DataObject, to: str) -> None:
        """Reorder the queue."""
        task_id = self._pick(self.world.open_ids("pending"), data)
        if task_id is not None:
            self.world.ask("move", task_id, to=to)

    @rule(limit=st.integers(1, 4))
    def set_limit(self, limit: int) -> None:
        """More or fewer agents from now on."""
        self.world.limit = max(self.world.limit, limit)
        if self.world.ask("limit", limit=limit).exit_code in (0, 3):
            self.world.limit = limit

    @rule(verb=st.sampled_from(["pause", "resume", "resume"]))
    def flow(self, verb: Any) -> None:
        """Pause and resume."""
        self.world.ask(verb)

    # agents and supervisors

    def _agent(self, data: st.DataObject) -> Supervised:
        """One of the live attempts, its agent at work."""
        one: Supervised = self._pick(self.world.table.live, data)
        if not one.recorded:
            self.world.note_used(one)
        if not one.agent:
            self.world.table.start_agent(one)
        return one

    @precondition(lambda self: any(not one.agent for one in self.world.table.live))
    @rule(data=st.data())
    def agent_starts(self, data: st.DataObject) -> None:
        """A supervisor gets as far as its agent."""
        one = self._pick([one for one in self.world.table.live if not one.agent], data)
        if one is not None:
            if not one.recorded:
                self.world.note_used(one)
            self.world.table.start_agent(one)

    @precondition(_alive)
    @rule(data=st.data(), code=st.sampled_from([0, 0, 1]), swept=st.booleans())
    def agent_exits(self, data: st.DataObject, code: int, swept: bool) -> None:
        """An agent ends; the supervisor writes the result, or is killed when it has only kept the outcome."""
        one = self._agent(data)
        self.world.end(one, "failed" if code or one.signals else "ok", code, swept)

    @precondition(lambda self: any(one.agent and not one.slot_free for one in self.world.table.live))
    @rule(data=st.data())
    def slot_is_freed(self, data: st.DataObject) -> None:
        """Nothing of an agent is left, and its delivery is measured."""
        self.world.table.free_slot(self._pick([one for one in self.world.table.live if one.agent and not one.slot_free], data))

    @precondition(lambda self: bool(self.world.table.preparing))
    @rule(data=st.data(), how=st.sampled_from(["ready", "failed", "killed"]))
    def preparation_ends(self, data: st.DataObject, how: str) -> None:
        """A worktree is made ahead, cannot be made, or its supervisor is killed."""
        one = self._pick(self.world.table.preparing, data)
        if how == "killed":
            self.world.table.drop(one)
        else:
            self.world.table.tell_prepared(one, how == "ready")

    @precondition(_alive)
    @rule(data=st.data(), swept=st.booleans())
    def agent_vanishes(self, data: st.DataObject, swept: bool) -> None:
        """An agent is killed by someone, for want of memory say: it leaves no exit code."""
        self.world.end(self._agent(data), "failed", None, swept)

    @precondition(_alive)
    @rule(data=st.data())
    def supervisor_vanishes(self, data: st.DataObject) -> None:
        """A supervisor is killed, before or after it has written that the attempt exists."""
        self.world.table.vanish(self._pick(self.world.table.live, data))

    # engines and clocks

    @rule(seconds=st.sampled_from([0.1, 0.1, 1.0, 6.0, 60.0]))
    def tick(self, seconds: float) -> None:
        """Time passes; a turn."""
        self.world.turn(seconds)

    @rule()
    def all_is_quiet(self) -> None:
        """Nothing happens for a while, and the disk takes everything: what is over is entered, filed and tidied up."""
        self.world.settle()

    @rule()
    def engine_crashes(self) -> None:
        """SIGKILL of the engine between two turns."""
        self.world.crash()

    @rule(steps=st.integers(1, 12), after=st.booleans())
    def engine_crashes_within(self, steps: int, after: bool) -> None:
        """SIGKILL of the engine amid its writes."""
        self.world.crash_within(steps, after)

    @rule()
    def engine_starts(self) -> None:
        """A new engine, if none runs."""
        self.world.run()

    @precondition(lambda self: self.world.engine is not None)
    @rule()
    def second_engine(self) -> None:
        """I4: another engine is refused."""
        with pytest.raises(EngineHeld):
            self.world.start()

    @rule(by=st.sampled_from([-3600.0, 3600.0, -3e8, 3e8]))
    def clock_jumps(self, by: float) -> None:
        """The clock is set; time itself goes on as before."""
        self.world.now += by

    # disks

    @rule(writes=st.sampled_from([1, 1, 2, 3, 5, 20, 10_000]), kinds=st.sampled_from([WRITES, *((name,) for name in WRITES)]))
    def disk_fills(self, writes: int, kinds: tuple[str, ...]) -> None:
        """The disk refuses the engine its next writes, of one kind or of all, or until there is room."""
        self.world.refusals, self.world.refused_kinds = writes, kinds

    @rule()
    def disk_has_room(self) -> None:
        """It takes everything again."""
        self.world.refusals = 0

    # files

    @rule(data=st.data(), content=st.sampled_from(BROKEN))
    def file_breaks(self, data: st.DataObject, content: bytes) -> None:
        """The file of any open task is overwritten with rubbish. An active task's is put right by the engine."""
        task_id = self._pick(self.world.open_ids("pending", "notified", "running"), data)
        if task_id is not None:
            active = task_id in self.world.known_active()
            Path(self.world.paths.item(task_id)).write_bytes(content)
            if active:
                self.world.refusals = 0
                self.world.turn(6.0)  # the engine puts its own back
            else:
                self.world.foreign.add(task_id)
                self.world.unseen.add(task_id)

    @rule(data=st.data(), priority=st.integers(0, 9))
    def hand_edit(self, data: st.DataObject, priority: int) -> None:
        """The operator edits a waiting task."""
        task_id = self._pick(self.world.open_ids("pending"), data)
        if task_id is not None:
            self.world.write_item(task_id, priority=priority)

    @rule(data=st.data(), state=st.sampled_from(["pending", "completed", "running"]), attempt=st.integers(0, 3))
    def hand_edit_of_an_active_task(self, data: st.DataObject, state: Any, attempt: int) -> None:
        """The operator edits what is the engine's alone: it stands as it was."""
        task_id = self._pick([one for one in self.world.known_active() if one not in self.world.foreign], data)
        if task_id is not None and task_id in self.world.open_ids("notified", "running"):
            self.world.write_item(task_id, state=state, attempt=attempt, token=None)
            self.world.refusals = 0
            self.world.turn(6.0)

    @rule(data=st.data())
    def file_is_removed(self, data: st.DataObject) -> None:
        """The operator removes the file of a waiting task, or by mistake that of an active one, which comes back."""
        task_id = self._pick(self.world.open_ids("pending", "notified", "running"), data)
        if task_id is None:
            return
        if task_id not in self.world.known_active():
            self.world.removed.add(task_id)
            self.world.foreign.add(task_id)
            os.unlink(self.world.paths.item(task_id))
            self.world.unseen.add(task_id)
        else:
            os.unlink(self.world.paths.item(task_id))
            self.world.refusals = 0
            self.world.turn(6.0)

    @rule(data=st.data(), new_name=st.booleans())
    def file_is_copied(self, data: st.DataObject, new_name: bool) -> None:
        """The operator copies the file of a task beside it, or puts that of an ended one back, as from a backup."""
        paths = self.world.paths
        folder = paths.items if new_name else paths.done
        task_id = self._pick(sorted(set(files.list_documents(folder)) & self.world.acknowledged), data)
        if task_id is None:
            return
        copy = f"q_{9000 + len(self.world.copied)}" if new_name else task_id
        if not os.path.lexists(paths.item(copy)):
            shutil.copyfile(f"{folder}/{task_id}.json", paths.item(copy))
            self.world.copied.add(copy)

    @invariant()
    def holds(self) -> None:
        """I1 to I9."""
        self.world.check()


def histories(count: int, steps: int, seed: int | None = None) -> None:
    """Play so many histories of at most so many steps; the same ones each time unless there is a seed.

    Raises:
        AssertionError: an invariant was broken; the shortest history that breaks it has been printed.
    """
    machine = EngineMachine if seed is None else seeded(seed)(type("EngineMachine", (EngineMachine,), {}))
    phases = [Phase.generate, Phase.shrink]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=count, stateful_step_count=steps, deadline=None, derandomize=seed is None, database=None,
            suppress_health_check=list(HealthCheck), print_blob=seed is not None, phases=phases,
        ),
    )  # fmt: skip

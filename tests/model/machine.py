"""Random histories of enqueues, requests, ends, deaths, hand edits and clock jumps; after each step the invariants hold."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from kugetsu_engine.errors import EngineHeld

from .world import World

BROKEN = (b"", b"{", b"[]", b"null", b"\xff" * 40, b"[" * 5000, b'{"id": "q_1"}')


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

    @rule(data=st.data())
    def agent_starts(self, data: st.DataObject) -> None:
        """A supervisor gets as far as its agent."""
        one = self._pick([one for one in self.world.table.live if not one.agent], data)
        if one is not None:
            if not one.recorded:
                self.world.note_used(one)
            self.world.table.start_agent(one)

    @rule(data=st.data(), code=st.sampled_from([0, 0, 1]), swept=st.booleans())
    def agent_exits(self, data: st.DataObject, code: int, swept: bool) -> None:
        """An agent ends; the supervisor writes the result, or is killed when it has only kept the outcome."""
        one = self._pick([one for one in self.world.table.live if one.agent], data)
        if one is not None:
            self.world.end(one, "failed" if code or one.signals else "ok", code, swept)

    @rule(data=st.data())
    def supervisor_vanishes(self, data: st.DataObject) -> None:
        """A supervisor is killed, before or after it has written that the attempt exists."""
        one = self._pick(self.world.table.live, data)
        if one is not None:
            self.world.table.vanish(one)

    # engines and clocks

    @rule(seconds=st.sampled_from([0.1, 0.1, 1.0, 6.0, 60.0]))
    def tick(self, seconds: float) -> None:
        """Time passes; a turn."""
        self.world.turn(seconds)

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

    # files

    @rule(data=st.data(), content=st.sampled_from(BROKEN))
    def file_breaks(self, data: st.DataObject, content: bytes) -> None:
        """The file of any open task is overwritten with rubbish. An active task's is put right by the engine."""
        task_id = self._pick(self.world.open_ids("pending", "notified", "running"), data)
        if task_id is not None:
            active = task_id in self.world.known_active()
            Path(self.world.paths.item(task_id)).write_bytes(content)
            if active:
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
            self.world.turn(6.0)

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

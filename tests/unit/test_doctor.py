"""The checker of the invariants: silent over a sound state directory, and loud about each thing that is not as it must be."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine import doctor
from kugetsu_engine.config import settings
from kugetsu_engine.doctor.evidence import Evidence, JournalLine, Run, Unreadable
from kugetsu_engine.domain.job import Result
from kugetsu_engine.domain.task import Attempt, Notice, Task
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process.marks import MarkedProcess
from kugetsu_engine.queue import cleanup
from kugetsu_engine.scheduler.orphans import OrphanProcess
from kugetsu_engine.state.new_tasks import create_task
from kugetsu_engine.storage import files

OK = Attempt(1, outcome="ok")
DONE = Task("q_1", "local/a#1", state="completed", attempt=1, attempts=[OK])
WAITS = Task("q_2", "local/a#2")
RUNS = Task("q_3", "local/a#3", state="running", attempt=1, token="t")
PROCESS = MarkedProcess(4711, 1, "q_1", "token", "/state")


def seen(**what: object) -> Evidence:
    """A sound state directory, but for what is given."""
    sound: dict[str, object] = {
        "open": {"q_2": WAITS, "q_3": RUNS}, "done": {"q_1": DONE}, "held_tasks": {"q_3"}, "held_slots": 1, "limit": 3,
        "runs": [Run("q_1", 1, None, Result("q_1", 1, "x", "ok", None, "fine"))], "enqueued": ["q_1", "q_2", "q_3"],
        "journal": [line("start", "q_1"), line("end", "q_1"), line("start", "q_3")],
        "notices": [Notice("", "task_completed", "", id="q_1")],
    }  # fmt: skip
    return Evidence("/state", **(sound | what))  # type: ignore[arg-type]


def line(event: str, task: str, attempt: int = 1, pid: int = 0) -> JournalLine:
    """A line of the agents' journal."""
    return JournalLine(event, task, attempt, pid or int(task[2:]) * 100 + attempt)


def test_a_sound_state_directory_has_no_findings() -> None:
    """Waiting, running and ended tasks that are as they must be."""
    assert doctor.run_checks(seen(), strict=True) == []


BROKEN: dict[str, dict[str, object]] = {
    "task_twice": {"open": {"q_1": DONE, "q_3": RUNS}, "engine_runs": True, "enqueued": []},
    "task_lost": {"enqueued": ["q_9"]},
    "not_filed": {"open": {"q_4": msgspec.structs.replace(DONE, id="q_4"), "q_3": RUNS}, "enqueued": []},
    "not_final": {"done": {"q_1": DONE, "q_2": WAITS}, "open": {"q_3": RUNS}},
    "no_slot": {"held_slots": 0},
    "too_many_agents": {"limit": 1, "journal": [line(what, which) for what in ("start", "end") for which in ("q_1", "q_3")]},
    "attempt_started_twice": {"journal": [line("start", "q_1", pid=7), line("start", "q_1", pid=8)]},
    "waits_with_agent": {"held_tasks": {"q_2", "q_3"}, "held_slots": 2},
    "too_many_attempts": {"open": {"q_2": msgspec.structs.replace(WAITS, attempt=4), "q_3": RUNS}},
    "ran_again": {"done": {"q_1": msgspec.structs.replace(DONE, attempt=2, attempts=[OK, Attempt(2, outcome="ok")])}},
    "attempts_mixed_up": {"done": {"q_1": msgspec.structs.replace(DONE, attempts=[OK, OK])}},
    "completed_without_success": {"done": {"q_1": msgspec.structs.replace(DONE, attempts=[])}},
    "success_not_taken": {"done": {"q_1": msgspec.structs.replace(DONE, state="error")}, "notices": []},
    "result_disagrees": {"runs": [Run("q_1", 1, None, Result("q_1", 1, "x", "failed", "exit", "exit code 1"))]},
    "not_settled": {"held_tasks": set(), "held_slots": 0},
    "changed_after_end": {"notices": [Notice("", "task_error", "", id="q_1")]},
    "leftover": {"leftovers": [OrphanProcess(PROCESS, 1)]},
    "leftover_unsure": {"leftovers": [OrphanProcess(PROCESS, 0)]},
    "unreadable": {"unreadable": [Unreadable("/state/queue/items/q_9.json", "q_9 is no task")]},
    "newer_schema": {"unreadable": [Unreadable("/state/queue/items/q_9.json", "q_9 is from a later version", newer=True)]},
    "no_reason": {"set_aside": ["2026-q_9.json"]},
    "requests_wait": {"requests": [1]},
    "open_to_others": {"open_to_others": ["/state/env/default.env"]},
    "litter": {"litter": ["/state/queue/items/.q_1.json.0123456789abcdef"]},
    "half_removed": {"half_removed": ["q_8"]},
}  # fmt: skip


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_wrong_is_found_and_named(code: str) -> None:
    """One thing is wrong, and one finding says so, with its code and the number of the invariant."""
    found = doctor.run_checks(seen(**BROKEN[code]), strict=True)
    assert [finding.code for finding in found] == [code]
    assert found[0].rule.startswith("I")
    assert found[0].text


def test_what_a_person_may_do_is_no_finding() -> None:
    """A retry of a completed task, a lowered `max_attempts`, an item of the bash kugetsu without attempts."""
    retried = msgspec.structs.replace(
        DONE, attempt=2, attempts_before=1, attempts=[OK, Attempt(2, outcome="failed")], state="error"
    )
    old = Task("q_5", "local/a#5", state="completed")
    many = msgspec.structs.replace(DONE, id="q_6", attempt=5, attempts=[Attempt(5, outcome="ok")])
    assert doctor.run_checks(seen(done={"q_1": retried, "q_5": old, "q_6": many})) == []


def test_the_attempts_are_not_gone_through_once_for_each_task() -> None:
    """With ten thousand tasks and their attempts, a look must not take minutes."""

    class Counted(list[Run]):
        walks = 0

        def __iter__(self) -> Iterator[Run]:
            self.walks += 1
            return super().__iter__()

    all_runs = Counted(
        Run(f"q_{number}", 1, None, Result(f"q_{number}", 1, "x", "ok", None, "fine")) for number in range(10, 90)
    )
    done = {run.task_id: msgspec.structs.replace(DONE, id=run.task_id) for run in all_runs}
    all_runs.walks = 0
    assert doctor.run_checks(seen(done={**done, "q_1": DONE}, runs=all_runs), strict=True) == []
    assert all_runs.walks < 10


class TestMending:
    """`--fix` mends by the engine's own code."""

    def found(self, paths: StatePaths) -> list[doctor.Finding]:
        """What the checker finds on disk."""
        return doctor.run_checks(doctor.gather_evidence(paths, settings.Settings()))

    def mended(self, paths: StatePaths, *codes: str) -> list[str]:
        """Mend, having found these; returns what was done, nothing being wrong any more."""
        found = self.found(paths)
        assert [finding.code for finding in found] == list(codes)
        done = doctor.fix_findings(paths, {}, found)
        assert self.found(paths) == []
        return done

    def test_a_task_in_both_folders_is_set_aside_with_its_bytes(self, paths: StatePaths) -> None:
        """What a copy of a live directory may hold: the ended one stays, the open one goes to `corrupt` with the reason."""
        files.create(paths.item("q_1"), msgspec.json.encode(WAITS).replace(b"q_2", b"q_1"))
        files.create(paths.ended("q_1"), msgspec.json.encode(DONE))
        assert "set aside as" in self.mended(paths, "task_twice")[0]

    def test_an_attempt_nobody_works_on_is_entered(self, paths: StatePaths) -> None:
        """With no engine about: the task is given back, as its attempt has no run."""
        task_id = create_task(paths, "local/a#1", "do it", 1e9)
        document = msgspec.json.decode(files.read(paths.item(task_id)))
        files.replace(paths.item(task_id), msgspec.json.encode(document | {"state": "running", "attempt": 1, "token": "x"}))
        assert self.mended(paths, "not_settled") == ["recorded how attempts ended: 1 given back"]
        assert msgspec.json.decode(files.read(paths.item(task_id)))["state"] == "pending"

    def test_a_removal_that_a_crash_interrupted_is_finished(self, paths: StatePaths) -> None:
        """The file that was renamed away, runs and logs go; nothing else does."""
        files.create(f"{paths.done}/.q_1.json.removed", msgspec.json.encode(DONE))
        files.create_folders((paths.root, paths.run("q_1", 1), paths.run("q_11", 1)))
        assert self.mended(paths, "half_removed") == ["finished 1 removal"]
        assert os.listdir(paths.runs) == ["q_11.1"]

    def test_a_number_that_was_given_out_again_keeps_its_new_runs(self, paths: StatePaths) -> None:
        """The removal of the old task was interrupted, a new one has its number: only the old file goes."""
        files.create(f"{paths.done}/.q_1.json.removed", msgspec.json.encode(DONE))
        files.create(paths.item("q_1"), msgspec.json.encode(msgspec.structs.replace(WAITS, id="q_1")))
        files.create_folders((paths.root, paths.run("q_1", 1)))
        self.mended(paths, "half_removed")
        assert os.listdir(paths.runs) == ["q_1.1"]

    def test_what_others_may_read_is_made_private(self, paths: StatePaths) -> None:
        """Rights of group and others are taken from a file with keys."""
        files.create(f"{paths.env}/default.env", b"KEY=1\n")
        os.chmod(f"{paths.env}/default.env", 0o644)
        self.mended(paths, "open_to_others")
        assert os.stat(f"{paths.env}/default.env").st_mode & 0o777 == 0o600

    def test_looking_changes_nothing(self, paths: StatePaths) -> None:
        """Names, contents and times of everything are the same afterwards, whatever is wrong."""
        files.create(paths.item("q_1"), b"{broken")
        files.create(f"{paths.done}/.q_1.json.removed", msgspec.json.encode(DONE))
        before = everything(paths.root)
        assert {finding.code for finding in self.found(paths)} == {"unreadable", "half_removed"}
        assert everything(paths.root) == before


def everything(root: str) -> dict[str, tuple[int, int]]:
    """Length and time of every file below a folder."""
    found = {}
    for folder, _, there in os.walk(root):
        for name in there:
            status = os.lstat(f"{folder}/{name}")
            found[f"{folder}/{name}"] = (status.st_size, status.st_mtime_ns)
    return found


def test_litter_is_told_of_only_when_no_engine_has_tidied_it_up(tmp_path: Path) -> None:
    """A writer may be at work, then an engine has its time. Tidying removes it wherever it lies, also when a folder is gone."""
    paths, now = StatePaths(str(tmp_path)), 2_000_000_000.0
    files.create_folders(paths.folders())
    left = [Path(folder, ".x.json.0123456789abcdef") for folder in cleanup.list_litter(paths)]
    for path in left:
        path.write_text("half")
        os.utime(path, (now, now))
    age = cleanup.LITTER_AGE_S + 1
    assert doctor.gather_evidence(paths, settings.Settings(), now=now + age).litter == []
    assert set(doctor.gather_evidence(paths, settings.Settings(), now=now + age + cleanup.TIDY_S).litter) == {
        str(path) for path in left
    }
    os.rmdir(paths.edits)
    cleanup.tidy_state_directory(paths, now + age, None)
    assert not any(path.exists() for path in left)

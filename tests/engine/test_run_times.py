"""The engine learns how long agents take, and keeps it."""

import msgspec

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.decisions.duration_model import RunTimes
from kugetsu_engine.state import run_times
from kugetsu_engine.state.run_times import RunTimesFile
from tests.support.fleet import Fleet


def test_an_attempt_that_went_well_teaches_and_the_next_engine_knows(fleet: Fleet) -> None:
    """By repository and agent; one that failed teaches nothing, and what was learned outlives the engine."""
    fleet.configure(max_attempts=1)
    good, bad = fleet.enqueue(), fleet.enqueue(exit=1)
    fleet.start_engine()
    fleet.wait_for_end([good, bad])
    known = run_times.load_run_times(fleet.paths)
    assert known is not None
    [pair] = known.runs
    assert (pair.repository, pair.agent, len(pair.seconds)) == ("local/work", "scripted", 1)
    assert pair.seconds[0] == fleet.task(good).attempts[0].elapsed_s
    picture = SnapshotReader(fleet.paths, {}).read()
    assert picture.run_times == known == RunTimesFile(fleet.paths).known("scripted")


def test_a_directory_without_the_file_learns_from_the_tasks_that_ended_last(fleet: Fleet) -> None:
    """Also one whose file cannot be read; and it is kept from then on."""
    done = fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([done])
    fleet.close()
    for broken in (b"", b"{", b'{"runs": [1]}', b'{"runs": [{"repository": 1}]}', b"\xff"):
        with open(fleet.paths.run_times, "wb") as file:
            file.write(broken)
        assert run_times.load_run_times(fleet.paths) is None
        known = RunTimesFile(fleet.paths).known("scripted")
        assert [pair.repository for pair in known.runs] == ["local/work"]
        assert run_times.load_run_times(fleet.paths) == known


def test_the_run_times_that_ended_tasks_tell_stand_in_for_a_file(fleet: Fleet) -> None:
    """A console that looks at a directory of an older version has estimates as well."""
    done = fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([done])
    known = run_times.load_run_times(fleet.paths)
    with open(fleet.paths.run_times, "wb") as file:
        file.write(msgspec.json.encode(RunTimes()))
    assert SnapshotReader(fleet.paths, {}).read().run_times == RunTimes()
    fleet.folder.joinpath("state/run-times.json").unlink()
    assert SnapshotReader(fleet.paths, {}).read().run_times == known

"""The real opencode, offline against a model of our own: verdicts, sessions, usage, kills, restarts."""

import json
import os
import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents.opencode import session_ids
from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.domain.session import BASE, Session
from kugetsu_engine.domain.task import Task, Usage
from kugetsu_engine.jobs import environment
from kugetsu_engine.state import sessions
from tests.support import real_opencode
from tests.support.fleet import Fleet
from tests.support.model_server import ModelServer, Reply, bash, fail, say, use
from tests.support.observer import marked_processes
from tests.support.waiting import wait_until

from .conftest import WAIT_S

pytestmark = [pytest.mark.xdist_group("real-agents"), pytest.mark.timeout(900)]
AT_ONCE = {"retry_after_ms": "10"}
"""Tells opencode to ask again at once, where it would wait a minute in all."""


def enqueue(fleet: Fleet, number: int, words: str, **options: Any) -> str:
    """Put a task on disk, for an issue of that number."""
    return fleet.operator.enqueue(f"local/work#{number}", f"Please do {words}", **options)[0]


def end(fleet: Fleet, *task_ids: str) -> list[Task]:
    """Wait for the end of tasks."""
    return fleet.wait_for_end(task_ids, WAIT_S)


def test_success_then_continue_then_fork_into_another_worktree_then_delete(
    fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """One session over its whole life: its id, its figures, its own directory, a copy elsewhere, and its end."""
    place = Path(fleet.paths.worktree("local-work-1"))
    words = model.script(
        "first", bash("echo seen; exit 3"), use("write", filePath=str(place / "new.txt"), content="1"), say("All done.")
    )
    first = enqueue(fleet, 1, words)
    engine = fleet.start_engine()
    task = end(fleet, first)[0]
    attempt = task.attempts[0]
    assert (task.state, attempt.outcome, attempt.exit_code) == ("completed", "ok", 0), fleet.log(first)
    assert attempt.usage is not None
    assert attempt.usage == Usage(3030, 0.00306)
    assert attempt.delivered is not None
    assert attempt.delivered.dirty == 1
    result = fleet.result(first)
    assert result is not None
    assert (result.last_text, result.session_id) == ("All done.", attempt.session_id)
    kept = sessions.load_session(fleet.paths, "local-work-1")
    assert kept is not None
    assert (kept.session_id, kept.worktree, kept.agent) == (attempt.session_id, str(place), "opencode")

    again = enqueue(fleet, 1, model.script("again", use("write", filePath=str(place / "b.txt"), content="2"), say("More.")),
                    session="continue")  # fmt: skip
    task = end(fleet, again)[0]
    assert (task.state, task.attempts[0].session_id) == ("completed", kept.session_id), fleet.log(again)
    assert "All done." in json.dumps(model.prompts[-1])
    assert (place / "b.txt").is_file()

    sessions.save_session(fleet.paths, Session(BASE, agent="opencode", session_id=kept.session_id))
    forked = enqueue(fleet, 2, model.script("fork", bash("pwd > where.txt"), say("Forked.")), session="fork")
    task = end(fleet, forked)[0]
    assert task.state == "completed", fleet.log(forked)
    copy = task.attempts[0].session_id
    assert copy not in (None, kept.session_id)
    assert "All done." in json.dumps(model.prompts[-1])
    other = Path(fleet.paths.worktree("local-work-2"))
    assert (other / "where.txt").read_text("utf-8").strip() == str(other)
    assert task.attempts[0].usage == Usage(2020, 0.00204)  # not its original's too

    fleet.stop_engine(engine)
    env = environment_of(fleet, task)
    program = str(real_opencode.program())
    session_ids.delete_session(program, str(copy), env)
    with pytest.raises(session_ids.MissingSession):
        session_ids.read_directory(str(copy), env)
    assert session_ids.read_directory(str(kept.session_id), env) == str(place)
    session_ids.delete_session(program, str(copy), env)


def environment_of(fleet: Fleet, task: Task) -> dict[str, str]:
    """The environment in which the agents of a fleet run."""
    own = load_settings(fleet.paths, {})[0].agents["opencode"].env
    built = environment.build_environment(fleet.paths, dict(os.environ), [], own, task, {}, str(fleet.folder))
    os.makedirs(built["TMPDIR"], exist_ok=True)
    return built


def test_each_way_to_fail_has_its_class_and_its_words(fleet: Fleet, model: ModelServer, opencode: Path) -> None:
    """A permission, a refused key or request, a broken provider, answers without end; an unknown agent or model."""
    fleet.configure(max_concurrent_agents=2, rate_limit_delay="100ms")
    wanted = {
        "blocked": (
            model.script("outside", use("write", filePath="/outside/x", content="x"), say("no")),
            '"external_directory"',
        ),
        "credentials": (model.script("key", fail(401, "bad key")), "bad key"),
        "refused": (model.script("long", fail(400, "no such parameter")), "parameter"),
        "network": (model.script("boom", fail(500, "boom", **AT_ONCE)), "boom"),
        "endless": (model.script("loop", Reply("again", end="unending")), "without a reason"),
    }
    tasks = {failure: enqueue(fleet, place, words) for place, (failure, (words, _)) in enumerate(wanted.items(), 1)}
    fleet.start_engine()
    for failure, task in zip(wanted, end(fleet, *tasks.values()), strict=True):
        assert (task.state, task.attempts[0].failure) == ("error", failure), fleet.log(task.id)
        assert wanted[failure][1] in (task.attempts[0].reason or "")
    program = Path(str(real_opencode.program()))
    for more, words in (({"args": ["--agent", "ghost"]}, "ghost"), ({"model": "fake/unknown"}, "fake/unknown")):
        fleet.tables = real_opencode.agent_table(opencode, model.address, program, **more)
        fleet.configure(max_attempts=3)
        task = end(fleet, enqueue(fleet, 9, model.script("fine", say("Fine."))))[0]
        assert (task.state, len(task.attempts), task.attempts[0].failure) == ("error", 1, "config"), fleet.log(task.id)
        assert words in (task.attempts[0].reason or "")


def test_a_limit_of_the_provider_is_tried_again_and_the_session_goes_on(
    fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """429 six times, then an answer: the second attempt continues the session, and is told that it was interrupted."""
    refused = fail(429, "slow down", **AT_ONCE)
    fleet.configure(rate_limit_delay="1s", max_attempts=2)
    words = model.script("limit", refused)
    task_id = enqueue(fleet, 1, words)
    fleet.start_engine()
    wait_until(lambda: fleet.task(task_id).attempts, WAIT_S, "the first attempt's end")
    first = fleet.task(task_id).attempts[0]
    model.script("limit", say("At last."))
    task = end(fleet, task_id)[0]
    assert (first.failure, task.state) == ("rate_limit", "completed"), fleet.log(task_id)
    assert task.last_attempt is not None
    assert first.session_id == task.last_attempt.session_id
    assert "You were interrupted" in json.dumps(model.prompts[-1])


def test_an_attempt_is_known_and_can_be_killed_while_its_tool_runs_or_its_provider_is_silent(
    fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """The session is known before the model's first word; a kill leaves nothing, though tools run in sessions of their own."""
    fleet.configure(max_concurrent_agents=2)
    busy = enqueue(fleet, 1, model.script("tool", bash("touch begun; sleep 1000 & sleep 1000"), say("never")))
    silent = enqueue(fleet, 2, model.script("hang", Reply(end="hang")))
    fleet.start_engine()
    wait_until((Path(fleet.paths.worktree("local-work-1")) / "begun").exists, WAIT_S, "the tool")
    wait_until(lambda: model.asked["hang"], WAIT_S, "the silent provider to be asked")
    wait_until(lambda: told(fleet, silent).session_id, WAIT_S, "its session")
    wait_until(lambda: sessions.load_session(fleet.paths, "local-work-2"), 10, "its session to be kept")
    wait_until(lambda: "provider" in told(fleet, silent).activity, WAIT_S, "the words for silence")
    assert len(marked_processes(fleet.paths.root)) >= 4
    fleet.operator.do("kill", busy)
    fleet.operator.do("kill", silent, now=True)
    assert [task.state for task in end(fleet, busy, silent)] == ["cancelled", "cancelled"]
    assert not marked_processes(fleet.paths.root)


def told(fleet: Fleet, task_id: str) -> Any:
    """What the supervisor tells about a task's first attempt."""
    return wait_until(lambda: fleet.progress(task_id), WAIT_S, "progress")


def asked_twice(model: ModelServer, name: str) -> bool:
    """Whether a script is in its second turn."""
    return model.asked[name] == 2


def test_three_at_once_go_on_while_the_engine_is_killed_and_another_one_takes_them_over(
    fleet: Fleet, model: ModelServer, opencode: Path
) -> None:
    """Three runs share one database; none is lost, none runs twice, each has its session and its own worktree."""
    go = threading.Event()
    tasks = []
    for number in (1, 2, 3):
        words = model.script(f"slow-{number}", bash("git log --oneline | wc -l"), say("Done.")._replace(until=go))
        tasks.append(enqueue(fleet, number, words))
    engine = fleet.start_engine_process(600)
    for number in (1, 2, 3):
        wait_until(partial(asked_twice, model, f"slow-{number}"), WAIT_S, f"the second turn of {number}")
    fleet.kill_engine(engine)
    go.set()
    fleet.start_engine()
    ended = end(fleet, *tasks)
    assert [(task.state, len(task.attempts)) for task in ended] == [("completed", 1)] * 3, [
        fleet.log(task.id) for task in ended
    ]
    assert len({task.attempts[-1].session_id for task in ended}) == 3
    assert {model.asked[f"slow-{number}"] for number in (1, 2, 3)} == {2}
    with sqlite3.connect(f"file:{opencode}/data/opencode/opencode.db?mode=ro", uri=True) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    database.close()


def test_the_first_runs_of_a_fresh_home_make_the_database_once_and_all_succeed(
    fleet: Fleet, model: ModelServer, tmp_path: Path
) -> None:
    """Side by side, each in its own process; without a database some of them would find it locked."""
    program = real_opencode.program()
    if program is None:
        pytest.skip(real_opencode.why_not())
    fleet.tables = real_opencode.agent_table(fleet.folder / "home", model.address, program, mode="process")
    fleet.configure(agent="opencode", task_timeout="300s", max_attempts=1, max_concurrent_agents=3)
    ids = [enqueue(fleet, number, model.script(f"w{number}", say("done"))) for number in (1, 2, 3)]
    fleet.start_engine()
    tasks = end(fleet, *ids)
    assert [(task.state, len(task.attempts)) for task in tasks] == [("completed", 1)] * 3, [fleet.log(one) for one in ids]
    assert [name for name in os.listdir(fleet.paths.servers) if name.startswith("database-") and name.endswith(".json")]

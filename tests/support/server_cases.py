"""What attempts on the shared opencode server must withstand; told once, for the real program and for one that speaks like it.

Real runs are slow on a busy machine, so the limits are wide; nothing waits for them where all goes well.
"""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kugetsu_engine.domain.session import BASE, Session
from kugetsu_engine.domain.task import Attempt
from kugetsu_engine.process import identity
from kugetsu_engine.process.memory import AGENT_SCORE
from kugetsu_engine.state import sessions
from kugetsu_engine.storage import locks

from .observer import marked_processes
from .opencode_fleet import OpencodeFleet
from .waiting import wait_until

LONG_S = 240.0
WORK = {"bash": "(setsid tail -f /dev/null &); echo works; tail -f /dev/null"}, {"text": "after"}
"""A tool that does not end, and beside it a process that has gone its own way."""


def work_together(fleet: OpencodeFleet) -> None:
    """Three at once on one server: each in its own worktree, and their tools know whose they are."""
    fleet.start_engine()
    steps = {"bash": "echo $KUGETSU_TASK_ID $PWD; pwd; echo made > made; ls -d $TMPDIR"}, {"text": "all is done"}
    ids = [fleet.prompt(*steps) for _ in range(3)]
    for task in fleet.wait_for_end(ids, LONG_S):
        attempt = task.attempts[0]
        assert (task.state, attempt.outcome) == ("completed", "ok"), fleet.told(task.id)
        kinds = [event["type"] for event in fleet.events(task.id)]
        assert kinds == ["session", "step_start", "tool_use", "step_finish", "step_start", "text", "step_finish", "idle"]
        worktree = fleet.worktree(task.id)
        output = next(event["part"]["state"]["output"] for event in fleet.events(task.id) if event["type"] == "tool_use")
        assert output == f"{task.id} {worktree}\n{worktree}\n{fleet.paths.run(task.id, 1)}/tmp\n"
        assert attempt.session_id == fleet.events(task.id)[0]["sessionID"]
        assert attempt.usage is not None
        assert attempt.usage.tokens in (220, 2020)
        assert attempt.delivered is not None
        assert attempt.delivered.dirty
    wait_until(lambda: fleet.ready_server()["attempts"] == 0, LONG_S, "the keeper to have tidied up")
    server = fleet.ready_server()
    assert server["restarts"] == 0
    scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text("ascii")) for pid in (server["keeper_pid"], server["pid"])]
    assert scores[1] == min(scores[0] + AGENT_SCORE, 1000), "the kernel ends the server before its keeper"
    assert os.listdir(f"{fleet.paths.servers}/attempts-{server['token']}") == []


def stop_one(fleet: OpencodeFleet, how: str) -> None:
    """Ended in any way while its tool runs: nothing of it is left, the server goes on, and so does the other attempt."""
    fleet.configure(max_attempts=1)
    fleet.start_engine()
    other, mine = fleet.prompt(*WORK), fleet.prompt(*WORK)
    server = _at_work(fleet, other, mine)
    record = fleet.record(mine)
    assert record is not None
    if how == "time limit":
        os.kill(record.supervisor_pid, signal.SIGALRM)
    elif how == "supervisor killed":
        os.kill(record.supervisor_pid, signal.SIGKILL)
    elif how == "client killed":
        os.kill(fleet.client(mine), signal.SIGKILL)
    else:
        fleet.operator.do("kill", mine, **({"now": True} if how == "kill" else {}))
    outcome = {"time limit": "timeout", "client killed": "failed", "supervisor killed": "lost"}.get(how, "cancelled")
    assert _ended(fleet, mine).outcome == outcome
    assert fleet.tools(mine) == []  # at the very moment at which its end is recorded
    assert len(fleet.tools(other)) == 2
    assert fleet.state(other) == "running"
    assert fleet.ready_server()["pid"] == server
    wait_until(lambda: fleet.ready_server()["attempts"] == 1, LONG_S, "the keeper to have tidied up")


def lose_the_server(fleet: OpencodeFleet, whom: str) -> None:
    """The server, or its keeper, is killed: its attempts fail as `server_lost` at once, are retried, and the queue goes on."""
    fleet.start_engine()
    ids = [fleet.prompt(*WORK, ref="local/work#1"), fleet.prompt(*WORK, ref="local/work#2")]
    server = _at_work(fleet, *ids)
    old = {task: set(fleet.tools(task)) for task in ids}
    keeper = int(fleet.server()["keeper_pid"])
    os.kill(server if whom == "server" else keeper, signal.SIGKILL)
    for task in ids:
        attempt = _ended(fleet, task)
        assert (attempt.outcome, attempt.failure) == ("failed", "server_lost"), attempt
        assert old[task].isdisjoint(fleet.tools(task))
    again = fleet.ready_server(other_than=server)
    assert identity.read_start_ticks(server) is None
    assert again["restarts"] == (1 if whom == "server" else 0)
    for ended in fleet.wait_for_end(ids, LONG_S):
        assert (ended.state, len(ended.attempts)) == ("completed", 2), fleet.told(ended.id)
        assert ended.attempts[0].session_id == ended.attempts[1].session_id  # it goes on where it was interrupted
    done = fleet.prompt({"text": "the queue goes on"})
    assert fleet.wait_for(done, "completed", "error", limit_s=LONG_S).state == "completed"


def survive_the_engine(fleet: OpencodeFleet) -> None:
    """The engine is killed while an agent works: agent and server go on, and the next engine finds both."""
    fleet.configure(max_concurrent_agents=2)
    engine = fleet.start_engine_process()
    gate = fleet.waiting_file("on")
    task = fleet.prompt(
        {"bash": f"tail -f /dev/null & until [ -e {gate} ]; do sleep 0.05; done; kill $!; echo went on"}, {"text": "done"}
    )
    wait_until(lambda: fleet.tools(task), LONG_S, f"the tool: {fleet.told(task)}")
    server = fleet.ready_server()
    fleet.kill_engine(engine)
    assert fleet.tools(task)
    fleet.start_engine()
    fleet.release("on")
    ended = fleet.wait_for(task, "completed", "error", limit_s=LONG_S)
    assert (ended.state, len(ended.attempts)) == ("completed", 1), ended
    other = fleet.prompt({"text": "on the same server"})
    assert fleet.wait_for(other, "completed", "error", limit_s=LONG_S).state == "completed"
    assert [fleet.ready_server()[name] for name in ("pid", "keeper_pid")] == [server["pid"], server["keeper_pid"]]


def fail_as_they_are(fleet: OpencodeFleet) -> None:
    """A refusal by the provider and a permission nobody can give have the same classes as without a server."""
    fleet.start_engine()
    refused = fleet.prompt({"status": 401})
    outside = str(fleet.folder / "outside" / "file")
    blocked = fleet.prompt({"call": ["write", {"filePath": outside, "content": "x"}]}, {"text": "after"})
    assert _ended(fleet, refused).failure == "credentials"
    attempt = _ended(fleet, blocked)
    assert attempt.failure == "blocked"
    assert "external_directory" in (attempt.reason or "")
    assert not os.path.exists(outside)


def stop_what_hangs(fleet: OpencodeFleet) -> None:
    """A provider that never answers: the attempt is stopped, its session with it, and the slot is free."""
    fleet.start_engine()
    task = fleet.prompt({"hang": True})
    wait_until(lambda: b'"session"' in fleet.log_or_nothing(task), LONG_S, "the session")
    fleet.operator.do("kill", task)
    assert _ended(fleet, task).outcome == "cancelled"
    wait_until(lambda: fleet.ready_server()["attempts"] == 0, LONG_S, "the keeper to have tidied up")
    again = fleet.prompt({"text": "next"})
    assert fleet.wait_for(again, "completed", "error", limit_s=LONG_S).state == "completed"


def be_recycled(fleet: OpencodeFleet) -> None:
    """Above its ceiling a server gets a successor, and goes on for the attempts it has until they end."""
    fleet.configure_opencode(server_memory="1MiB")
    fleet.start_engine()
    task = fleet.prompt(*WORK)
    _at_work(fleet, task)
    first = fleet.server_of(task)
    wait_until(lambda: fleet.server().get("pid") != first, LONG_S, "the first server to be retired")
    other = fleet.prompt(*WORK)
    wait_until(lambda: len(fleet.tools(other)) == 2, LONG_S, f"the tool of the second server: {fleet.told(other)}")
    second = fleet.server_of(other)
    assert second != first
    assert identity.read_start_ticks(first) is not None
    assert len(fleet.tools(task)) == 2
    fleet.configure_opencode(server_memory="1GiB")
    fleet.operator.do("kill", task)
    _ended(fleet, task)
    wait_until(lambda: identity.read_start_ticks(first) is None, LONG_S, "the first server to end")
    assert identity.read_start_ticks(second) is not None
    assert len(fleet.tools(other)) == 2


def end_when_idle(fleet: OpencodeFleet) -> None:
    """Nobody uses it: server and keeper end and leave nothing; the next attempt gets another one."""
    fleet.configure_opencode(server_idle="300ms")
    fleet.start_engine()
    for _ in range(2):
        task = fleet.prompt({"text": "quick"})
        assert fleet.wait_for(task, "completed", "error", limit_s=LONG_S).state == "completed", fleet.told(task)
        wait_until(lambda: os.listdir(fleet.paths.servers) == ["opencode.lock"], LONG_S, "the server to have ended")
        assert not locks.is_held(fleet.paths.server_lock)
        wait_until(lambda: not marked_processes(fleet.paths.root), LONG_S, "all of it to be gone")


def go_on_with_a_session(fleet: OpencodeFleet) -> None:
    """`continue`: the next task of an issue goes on in the session of the one before."""
    fleet.start_engine()
    first = fleet.prompt({"text": "first"}, ref="local/work#1")
    fleet.wait_for_end([first], LONG_S)
    second = fleet.prompt({"text": "second"}, ref="local/work#1", session="continue")
    ended = fleet.wait_for_end([second], LONG_S)[0]
    assert ended.state == "completed", fleet.told(second)
    assert ended.attempts[0].session_id == fleet.task(first).attempts[0].session_id


def fork_a_session(fleet: OpencodeFleet) -> None:
    """`fork`: a copy of the base session, made and moved by the server itself, works in the other issue's worktree."""
    fleet.start_engine()
    first = fleet.prompt({"text": "first"}, ref="local/work#1")
    origin = fleet.wait_for_end([first], LONG_S)[0].attempts[0].session_id
    sessions.save_session(fleet.paths, Session(BASE, agent="opencode", session_id=origin))
    copy = fleet.prompt({"bash": "pwd > where"}, {"text": "second"}, ref="local/work#2", session="fork")
    ended = fleet.wait_for_end([copy], LONG_S)[0]
    assert ended.state == "completed", fleet.told(copy)
    assert ended.attempts[0].session_id not in (None, origin)
    assert Path(fleet.worktree(copy), "where").read_text("utf-8").strip() == fleet.worktree(copy)


CASES: dict[str, Callable[[OpencodeFleet], None]] = {
    "work together": work_together,
    **{
        f"stop: {how}": partial(stop_one, how=how)
        for how in ("stop", "kill", "time limit", "client killed", "supervisor killed")
    },
    "server killed": partial(lose_the_server, whom="server"),
    "keeper killed": partial(lose_the_server, whom="keeper"),
    "engine killed": survive_the_engine,
    "failures": fail_as_they_are,
    "hang": stop_what_hangs,
    "recycled": be_recycled,
    "idle": end_when_idle,
    "continue": go_on_with_a_session,
    "fork": fork_a_session,
}  # fmt: skip


def _at_work(fleet: OpencodeFleet, *ids: str) -> int:
    """Wait until the tools of tasks run; the pid of the server."""
    for task in ids:
        wait_until(partial(_has_tools, fleet, task), LONG_S, f"the tool of {task}: {fleet.told(task)}")
        fleet.wait_for(task, "running", limit_s=LONG_S)
    return int(fleet.ready_server()["pid"])


def _ended(fleet: OpencodeFleet, task: str) -> Attempt:
    """Wait for the end of the first attempt of a task."""
    found = wait_until(lambda: fleet.task(task).attempts, LONG_S, f"the end of {task}: {fleet.told(task)}")
    return found[0]


def _has_tools(fleet: OpencodeFleet, task: str) -> bool:
    return len(fleet.tools(task)) == 2

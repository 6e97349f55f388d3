"""An engine whose settings are not whole: what depends on them waits and says why, everything else goes on."""

import json
import os
from pathlib import Path

import pytest

from kugetsu_engine.cli import main
from kugetsu_engine.client import attach
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.doctor import inspect_machine
from kugetsu_engine.domain.reserved_refs import PM_AGENT
from kugetsu_engine.errors import ConfigError, UsageError
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

OTHER = '[agents.other]\ncommand = ["true"]\n'


def why(fleet: Fleet, task_id: str) -> tuple[str, str]:
    """Why a task waits, as `queue list` says."""
    snapshot = SnapshotReader(fleet.paths, dict(os.environ)).read()
    found = snapshot.explain_wait(tasks.find_task(fleet.paths, task_id))
    return found.code, found.text


def told(fleet: Fleet) -> list[str]:
    """What the notifications say of settings."""
    return [notice.text for notice in fleet.notices("engine_settings")]


def test_an_agent_whose_settings_are_not_whole_does_not_start_and_the_others_do(fleet: Fleet) -> None:
    """One misspelt key of one agent, in a restart: its task waits with the code `config`, until the file is corrected."""
    fleet.tables = f'{OTHER}[agents.opencode]\nargs = ["--agent", "plan"]\nmax_step = 5\n'
    fleet.configure()
    kept, free = fleet.enqueue(options={"agent": "opencode"}), fleet.enqueue(options={"agent": "other"})
    fleet.start_engine()
    assert fleet.wait_for(free, "completed").state == "completed"
    assert why(fleet, kept) == ("config", "settings: [agents.opencode] max_step: no such setting, did you mean max_steps?")
    assert fleet.task(kept).attempt == 0
    assert [text.startswith("config.toml, line ") and "[agents.opencode] max_step" in text for text in told(fleet)] == [True]
    fleet.tables = f'{OTHER}[agents.opencode]\nprogram = "/bin/true"\n'
    fleet.configure()
    wait_until(lambda: fleet.task(kept).attempt, 15, "the task to start once its settings are right")
    wait_until(lambda: told(fleet)[-1] == "all problems in the settings are solved", 15, "that to be told")


@pytest.mark.parametrize(
    ("settings", "tables"), [({"budget_per_day": "0,50"}, ""), ({"task_timeout": "1hour"}, ""), ({}, "[agent.x]\nmodel = 1\n")]
)
def test_what_is_for_all_and_wrong_stops_everything_and_ends_until_idle_with_a_failure(
    fleet: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], tables: str
) -> None:
    """A bad budget is not "no budget". `--headless --until-idle` says so, at its start and at its end, and returns 1."""
    if tables:
        del fleet.settings["agent"]
    fleet.tables = tables
    fleet.configure(**settings)
    waiting = fleet.enqueue()
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    assert main.run(["--headless", "--until-idle"]) == 1
    out, err = capsys.readouterr()
    name = next(iter(settings), "agent")
    assert name in out
    assert name in err
    assert "1 task cannot start" in err
    assert (fleet.state(waiting), why(fleet, waiting)[0]) == ("pending", "config")
    assert fleet.starts() == []


def test_a_file_that_breaks_while_an_engine_runs_is_told_and_the_last_settings_hold(fleet: Fleet) -> None:
    """Half-saved by an editor. An engine that starts then waits, whoever asks for a start."""
    engine = fleet.start_engine()
    first = fleet.enqueue()
    fleet.wait_for(first, "completed")
    files.replace(fleet.paths.config, b"agent = \n", durable=False)
    wait_until(lambda: told(fleet), 15, "the broken file to be told")
    assert "config.toml cannot be read (line 1" in told(fleet)[0]
    second = fleet.enqueue(options={"agent": None})
    fleet.wait_for(second, "completed")
    engine.stop()
    assert engine.join(15)
    third = fleet.enqueue("local/work#9", options={"repo": str(fleet.repository)})
    fleet.start_engine()
    wait_until(lambda: why(fleet, third)[0] == "config", 15, "the reason")
    with pytest.raises(UsageError, match=r"cannot start now: settings: config\.toml cannot be read"):
        fleet.operator.do("start", fleet.enqueue("local/work#10", options={"repo": str(fleet.repository), "hold": True}))
    assert fleet.state(third) == "pending"


def test_while_the_file_cannot_be_read_the_engine_is_asked_for_its_agents(fleet: Fleet) -> None:
    """Who enqueues cannot know them: no agent is denied, and why a task waits is what the engine goes by."""
    fleet.tables = f"{OTHER}[agents.mine]\ncommand = []\n"
    fleet.configure(agent="mine")
    waiting = fleet.enqueue()
    fleet.start_engine()
    wait_until(lambda: why(fleet, waiting)[0] == "config", 15, "the engine to say why")
    files.replace(fleet.paths.config, b"agent = \n", durable=False)
    wait_until(lambda: any("cannot be read" in text for text in told(fleet)), 15, "the engine to see it")
    assert fleet.wait_for(fleet.enqueue(options={"agent": "other"}), "completed").state == "completed"
    code, text = why(fleet, waiting)
    assert (code, text.partition(": write")[0]) == ("config", "settings: [agents.mine] command does not name a program")


def test_what_waits_for_the_settings_does_not_grow_old(fleet: Fleet) -> None:
    """A night with a misspelt setting loses no task."""
    fleet.tables = "[agents.opencode]\nmax_step = 5\n"
    fleet.configure(queue_expiry="300ms")
    kept = fleet.enqueue(options={"agent": "opencode"})
    since = fleet.task(kept).pending_since
    fleet.start_engine()
    wait_until(lambda: fleet.task(kept).pending_since != since, 15, "the task to be as young as before")
    assert fleet.state(kept) == "pending"


def test_nobody_takes_over_an_agent_by_settings_that_are_not_whole(fleet: Fleet) -> None:
    """Its own screen would have its rights as they could be read; that of another agent opens."""
    fleet.tables = f'{OTHER}attach = ["true"]\n[agents.scripted.env]\nA = 1\n'
    fleet.configure()
    broken, whole = fleet.enqueue(), fleet.enqueue(options={"agent": "other"})
    os.makedirs(fleet.operator.worktree_path(fleet.task(broken).issue_ref))
    os.makedirs(fleet.operator.worktree_path(fleet.task(whole).issue_ref))
    settings, _ = load_settings(fleet.paths, {})
    with pytest.raises(ConfigError, match=r"\[agents.scripted\] env: A is not text"):
        attach.attach_to_issue(fleet.paths, settings, {}, fleet.task(broken))
    attached = attach.attach_to_issue(fleet.paths, settings, {}, fleet.task(whole))
    attached.lease.release()
    assert attached.argv == ["true"]


def test_a_repository_whose_entry_is_wrong_keeps_its_own_tasks_waiting(fleet: Fleet) -> None:
    """A misspelt `setup` is not left out; another repository's tasks go on."""
    fleet.tables = f'[repos."local/other"]\npath = "{fleet.repository}"\nsetpu = ["true"]\n'
    fleet.configure()
    kept, free = fleet.enqueue("local/other#1"), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for(free, "completed")
    assert why(fleet, kept) == ("config", 'settings: [repos."local/other"] setpu: no such setting, did you mean setup?')


def test_all_who_ask_are_told_what_is_wrong(
    fleet: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`enqueue` on stderr, though the task is in the queue; `status` in words and as JSON; `doctor`."""
    fleet.configure(max_attempts="many")
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    assert main.run(["enqueue", "local/work#1", "x"]) == 0
    out, err = capsys.readouterr()
    assert out == "Enqueued: q_1\n"
    assert "warning: it cannot run yet: settings: max_attempts: 'many' is not a number" in err
    for words in (["status"], ["status", "--json"], ["doctor"], ["queue", "list"], ["doctor", "agents", "--json"]):
        main.run(words)
        out, _ = capsys.readouterr()
        assert "max_attempts: 'many' is not a number" in out or words[1:2] == ["agents"], words
        if words[-1] == "--json" and words[0] == "status":
            assert [alert["code"] for alert in json.loads(out)["alerts"]] == ["config"]


def break_file(how: str, path: str) -> None:
    """Put something there that cannot be read as an env file."""
    if how == "folder":
        os.mkdir(path)
    elif how == "fifo":
        os.mkfifo(path)
    else:
        Path(path).write_bytes("A=1\n".encode("utf-16") if how == "utf-16" else b"A=" + b"x" * (1 << 20))


@pytest.mark.parametrize("how", ["folder", "fifo", "utf-16", "too long"])
def test_an_env_file_that_cannot_be_read_keeps_tasks_waiting_and_is_named(fleet: Fleet, how: str) -> None:
    """Nobody knows what it would set. The task runs as soon as the file is corrected, and nobody attaches before."""
    path = f"{fleet.paths.env}/default.env"
    break_file(how, path)
    waiting = fleet.enqueue()
    os.makedirs(fleet.operator.worktree_path(fleet.task(waiting).issue_ref))
    with pytest.raises(ConfigError, match=r"default\.env"):
        attach.find_session_place(fleet.paths, Settings(), {}, fleet.task(waiting))
    os.rmdir(fleet.operator.worktree_path(fleet.task(waiting).issue_ref))
    fleet.start_engine()
    wait_until(lambda: why(fleet, waiting)[0] == "config", 15, "the reason")
    assert why(fleet, waiting)[1].startswith(f"settings: {path} is ")
    wait_until(lambda: told(fleet), 15, "that to be told")
    assert [text.startswith(f"{path} is ") for text in told(fleet)] == [True]
    assert (fleet.state(waiting), fleet.task(waiting).attempt) == ("pending", 0)
    assert f"{path} is " in "".join(found.text for found in inspect_machine(fleet.paths, os.environ)[1])
    os.rename(path, f"{path}.broken")
    assert fleet.wait_for(waiting, "completed").state == "completed"


def test_an_env_file_that_breaks_while_an_engine_runs_ends_no_task(fleet: Fleet) -> None:
    """What reads the file at the start of the attempt may be the first to see it."""
    fleet.start_engine()
    fleet.wait_for(fleet.enqueue(), "completed")
    path = f"{fleet.paths.env}/dev.env"
    break_file("utf-16", path)
    second = fleet.enqueue("local/work#2")
    wait_until(lambda: why(fleet, second)[0] == "config", 15, "the reason")
    os.unlink(path)
    assert fleet.wait_for(second, "completed").state == "completed"


def test_the_project_managers_env_file_stops_only_the_project_manager(fleet: Fleet) -> None:
    """Agents of issues do not read it."""
    break_file("folder", f"{fleet.paths.env}/pm-agent.env")
    settings, _ = load_settings(fleet.paths, {})
    assert settings.gaps.reason("scripted", PM_AGENT).endswith("pm-agent.env is not a regular file")
    assert settings.gaps.reason("scripted", "local/work#1") == ""
    fleet.start_engine()
    assert fleet.wait_for(fleet.enqueue(), "completed").state == "completed"

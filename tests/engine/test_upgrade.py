"""An upgrade while agents are at work: what the version before has begun is read to its end.

`tests/earlier` has what a supervisor of 0.1 loads, from before its modules were moved, and the names that its engine gave it.
Processes of that version go on after the upgrade; what they load or start late is read from the files of this one, by the
names of that one. So each of those names stays importable for one release: a module that is moved leaves a file behind.
"""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kugetsu_engine.agents import registry
from kugetsu_engine.agents.launch_spec import Invocation
from kugetsu_engine.config.loader import AgentSettings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain.job import Job
from kugetsu_engine.domain.session import WantedSession
from kugetsu_engine.domain.task import Task
from kugetsu_engine.process import interpreter
from kugetsu_engine.storage import files
from kugetsu_engine.supervisor import drivers, launcher, template_client
from tests.support import fake_opencode
from tests.support.fleet import ROOT, Fleet
from tests.support.model_server import ModelServer
from tests.support.opencode_fleet import OpencodeFleet
from tests.support.server_cases import LONG_S, WORK
from tests.support.waiting import wait_until

EARLIER = ROOT / "tests" / "earlier"
NAMES = json.loads((EARLIER / "names-0.1.json").read_text("utf-8"))
STREAMS = ROOT / "tests" / "streams"
PROGRAM = """#!/bin/sh
case $1 in --version) echo 1.18.33; exit;; db) exit;; esac
cat > /dev/null
head -n 2 {stream}
read -r _ < {go}
tail -n +3 {stream}
exit {code}
"""
"""Prints the beginning of a stream, and the rest when it is let go."""
OPENCODE = [
    {"type": "step_start", "sessionID": "ses_1", "part": {"type": "step-start"}},
    {"type": "text", "sessionID": "ses_1", "part": {"type": "text", "text": "Half of it."}},
    {"type": "text", "sessionID": "ses_1", "part": {"type": "text", "text": "All of it."}},
    {"type": "step_finish", "sessionID": "ses_1",
     "part": {"type": "step-finish", "reason": "stop", "cost": 0.5, "tokens": {"input": 30, "output": 10}}},
]  # fmt: skip
TEMPLATE: list[dict[str, Any]] = [{"id": "s-77"}, {"text": "Half of it."}, {"text": "All of it."}, {"tokens": 40}]
STREAM_OF_TEMPLATE = '[agents.mine.stream]\nsession = "id"\ntext = "text"\ntokens = "tokens"\n'


class Site:
    """Where the engine is installed: first the version before, then this one."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "site"
        self._before, self._today = folder / "before", folder / "today"
        with tarfile.open(EARLIER / "engine-0.1.tar.xz") as archive:
            archive.extractall(self._before, filter="data")
        self._today.mkdir()
        (self._today / "kugetsu_engine").symlink_to(ROOT / "kugetsu_engine")
        self.root.symlink_to(self._before)

    def upgrade(self) -> None:
        """Put this version into the place of the one before."""
        aside = self.root.with_name("aside")
        aside.symlink_to(self._today)
        aside.rename(self.root)

    def fill(self, value: Any) -> Any:
        """What the version before wrote, with the folder and the interpreter of here."""
        text = json.dumps(value).replace("{python}", sys.executable).replace("{root}", str(self.root))
        return json.loads(text)

    def command(self, program: str, *argv: str) -> list[str]:
        """How the version before started a program."""
        return [*self.fill(NAMES["programs"][program]), *argv]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The version before, installed."""
    return Site(tmp_path)


def act_as_before(monkeypatch: pytest.MonkeyPatch, site: Site, kind: str) -> None:
    """Have engines of this process start programs and name drivers as the version before did."""
    encoded = launcher._encoded

    def as_before(job: Job) -> bytes:
        return encoded(msgspec.structs.replace(job, talk=None, follow_up=None, **site.fill(NAMES["jobs"][kind])))

    monkeypatch.setattr(launcher, "_encoded", as_before)
    monkeypatch.setattr(interpreter, "build_command", site.command)
    monkeypatch.setattr(template_client, "SUPPORTED", False)  # it had none


def install(fleet: Fleet, stream: Path | list[dict[str, Any]], code: int) -> str:
    """A program that prints a stream, half of it before it is let go."""
    if isinstance(stream, list):
        path = fleet.folder / "stream"
        path.write_text("".join(json.dumps(event) + "\n" for event in stream), encoding="utf-8")
        stream = path
    os.mkfifo(fleet.folder / "go")
    program = fleet.folder / "program"
    program.write_text(PROGRAM.format(stream=stream, go=fleet.folder / "go", code=code), encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def table_of(kind: str, program: str, home: Path) -> str:
    """The settings of an agent that is this program."""
    if kind in ("a template", "a command that prints"):
        return f"[agents.mine]\ncommand = ['{program}']\n{STREAM_OF_TEMPLATE if kind == 'a template' else ''}"
    return f"[agents.{kind}]\nprogram = '{program}'\nenv = {{ HOME = '{home}', XDG_DATA_HOME = '{home}' }}\n"


CASES: dict[str, tuple[str, Path | list[dict[str, Any]], int, dict[str, Any]]] = {
    "claude": ("claude", STREAMS / "claude-ok.jsonl", 0, {"tokens": 390, "text": "Done: made.txt is there."}),
    "codex": ("codex", STREAMS / "codex-ok.jsonl", 0, {"text": "Done: made.txt is there."}),
    "opencode": ("opencode", OPENCODE, 0, {"session": "ses_1", "tokens": 40, "text": "All of it."}),
    "a template": ("mine", TEMPLATE, 0, {"session": "s-77", "tokens": 40, "text": "All of it."}),
    "a command that prints": ("mine", [{}, {}, {"error": "429 Too Many Requests, retry-after: 90"}], 1, {}),
}
"""By the name of the job: agent, what it prints, exit code, and what is read out of it."""


def check(task: Task, fleet: Fleet, code: int, wanted: dict[str, Any]) -> None:
    """Whether an attempt was read to its end."""
    attempt, result = task.attempts[0], fleet.result(task.id)
    assert result is not None
    assert (len(task.attempts), attempt.exit_code) == (1, code), attempt
    found = {"session": attempt.session_id, "tokens": attempt.usage and attempt.usage.tokens, "text": result.last_text}
    assert {name: found[name] for name in wanted} == wanted
    if code:
        assert (attempt.failure, result.resets_at is not None) == ("rate_limit", True), attempt
    log = fleet.log(task.id)
    assert b"Error:" not in log, log


@pytest.mark.parametrize("kind", CASES)
def test_an_attempt_begun_by_the_version_before_is_adopted_and_read_to_its_end(
    kind: str, fleet: Fleet, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor is of that version and goes on over the upgrade: session, usage, last words, failure are all there."""
    agent, stream, code, wanted = CASES[kind]
    fleet.tables = table_of(kind, install(fleet, stream, code), fleet.folder / "home")
    fleet.configure(max_attempts=1)
    with monkeypatch.context() as before:
        act_as_before(before, site, kind)
        task_id = fleet.enqueue(options={"agent": agent})
        engine = fleet.start_engine()
        fleet.wait_for(task_id, "running")
        fleet.stop_engine(engine)
    record = fleet.record(task_id)
    assert record is not None
    assert f"{site.root}".encode() in Path(f"/proc/{record.supervisor_pid}/cmdline").read_bytes()
    assert record.reader == NAMES["jobs"][kind]["reader"]
    site.upgrade()
    fleet.start_engine()
    wait_until(lambda: fleet.notices("engine_recovered"), 15, "word of the recovery")
    assert "1 adopted" in fleet.notices("engine_recovered")[0].text
    (fleet.folder / "go").write_text("go\n", encoding="utf-8")
    wait_until(lambda: fleet.task(task_id).attempts, 15, "the end of the attempt")
    check(fleet.task(task_id), fleet, code, wanted)


@pytest.mark.parametrize("kind", ["claude", "opencode", "a template"])
def test_an_engine_that_was_started_before_the_upgrade_still_starts_attempts(
    kind: str, fleet: Fleet, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisors are of this version then, and know the drivers by the names of that one."""
    agent, stream, code, wanted = CASES[kind]
    fleet.tables = table_of(kind, install(fleet, stream, code), fleet.folder / "home")
    fleet.configure(max_attempts=1)
    site.upgrade()
    act_as_before(monkeypatch, site, kind)
    task_id = fleet.enqueue(options={"agent": agent})
    fleet.start_engine()
    fleet.wait_for(task_id, "running")
    (fleet.folder / "go").write_text("go\n", encoding="utf-8")
    wait_until(lambda: fleet.task(task_id).attempts, 15, "the end of the attempt")
    check(fleet.task(task_id), fleet, code, wanted)


@pytest.mark.parametrize("upgraded", [False, True], ids=["its supervisor of that version", "its supervisor of this one"])
def test_the_demo_of_the_version_before_ends_as_it_should(
    fleet: Fleet, site: Site, monkeypatch: pytest.MonkeyPatch, upgraded: bool
) -> None:
    """It tells nothing but its exit code."""
    if upgraded:
        site.upgrade()
    act_as_before(monkeypatch, site, "demo")
    task_id = fleet.operator.enqueue("local/work#1", "work\ndemo: steps=3 end=ok", agent="demo")[0]
    engine = fleet.start_engine()
    fleet.wait_for(task_id, "running")
    fleet.stop_engine(engine)
    if not upgraded:
        site.upgrade()
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    assert (task.state, task.exit_code, len(task.attempts)) == ("completed", 0, 1)


@pytest.fixture
def server_fleet(tmp_path: Path) -> Iterator[OpencodeFleet]:
    """A fleet on the shared server of a program that speaks like opencode."""
    program = tmp_path / "opencode"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {fake_opencode.__file__} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    with ModelServer() as model:
        fleet = OpencodeFleet(tmp_path, program, model)
        yield fleet
        fleet.close()


@pytest.mark.parametrize("upgraded", [False, True], ids=["its processes of that version", "its processes of this one"])
def test_an_attempt_of_the_version_before_on_the_shared_server_leaves_it_in_the_end(
    server_fleet: OpencodeFleet, site: Site, monkeypatch: pytest.MonkeyPatch, upgraded: bool
) -> None:
    """Its `after` step runs, though it is loaded only then; and the keeper of that version can start its server again."""
    fleet = server_fleet
    fleet.configure_opencode(messages="follow-up")  # it could not be spoken to
    if upgraded:
        site.upgrade()
    with monkeypatch.context() as before:
        act_as_before(before, site, "opencode on the server")
        task_id = fleet.prompt(*WORK)
        engine = fleet.start_engine()
        wait_until(lambda: len(fleet.tools(task_id)) == 2, LONG_S, "the tool")
        fleet.stop_engine(engine)
    if not upgraded:
        site.upgrade()
    server = fleet.ready_server()
    fleet.start_engine()
    fleet.operator.do("kill", task_id)
    task = fleet.wait_for(task_id, "cancelled", limit_s=LONG_S)
    assert task.attempts[0].session_id == fleet.events(task_id)[0]["sessionID"]
    assert b"may still be running" not in fleet.log(task_id)
    wait_until(lambda: fleet.ready_server()["attempts"] == 0, LONG_S, "the keeper to have tidied up")
    assert fleet.tools(task_id) == []
    os.kill(int(server["pid"]), 9)
    again = fleet.ready_server(other_than=int(server["pid"]))
    assert (again["keeper_pid"], again["restarts"]) == (server["keeper_pid"], 1)


def test_what_a_run_of_the_version_before_left_on_disk_is_taken(fleet: Fleet) -> None:
    """It ended while no engine ran, and its files are those of that version: the task ends as its agent did."""
    task_id = fleet.enqueue()
    item = msgspec.json.decode(files.read(fleet.paths.item(task_id)))
    left = NAMES["left on disk"]
    changes = {"state": "running", "attempt": 1, "token": left["run.json"]["token"]}
    files.replace(fleet.paths.item(task_id), msgspec.json.encode(item | changes))
    Path(fleet.paths.run(task_id, 1)).mkdir(parents=True)
    for name, document in left.items():
        Path(fleet.paths.run(task_id, 1), name).write_text(json.dumps(document | {"task_id": task_id}), encoding="utf-8")
    record, progress = fleet.record(task_id), fleet.progress(task_id)
    assert record is not None
    assert record.reader == "kugetsu_engine.agents.claude"
    assert progress is not None
    assert progress.activity
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    attempt = task.attempts[0]
    assert (task.state, attempt.exit_code, attempt.session_id) == ("completed", 0, left["exit.json"]["session_id"])
    assert attempt.usage is not None
    assert attempt.usage.tokens == left["exit.json"]["usage"]["tokens"]
    assert fleet.starts() == []


@pytest.mark.parametrize("mode", ["process", "server"])
@pytest.mark.parametrize("session", ["new", "continue", "fork"])
@pytest.mark.parametrize("name", [*registry.LAUNCHERS, "mine"])
def test_each_driver_that_a_job_names_is_there_and_does_what_it_is_named_for(name: str, session: Any, mode: Any) -> None:
    """For each agent, session and mode; no job names a module, and those of the version before lead to the same ones."""
    own = AgentSettings(command=["x"], resume=["x"], fork=["x"], stream={"text": "text"}) if name == "mine" else AgentSettings()
    if name == "opencode":
        own = AgentSettings(mode=mode)
    call = Invocation("local/a#1", "/w", session=WantedSession(session, None if session == "new" else "ses_1"), slots=3)
    found = registry.build_launch_spec(name, Settings(agents={name: own}), call)
    for step, driver in (("reader", found.reader), ("prepare", found.prepare), ("after", found.after)):
        if driver is not None:
            assert "." not in driver
            assert callable(getattr(drivers.load_driver(driver), step))


def test_the_names_of_the_version_before_lead_to_the_drivers_of_today() -> None:
    """As they were written then; nothing else is a driver, whatever can be imported."""
    steps = [
        (job[step], step) for job in NAMES["jobs"].values() for step in ("reader", "prepare", "after", "check") if job[step]
    ]
    assert len(set(steps)) == 11
    for name, step in steps:
        assert name.startswith("kugetsu_engine.agents.")
        assert callable(getattr(drivers.load_driver(name), step)), name
    with pytest.raises(ImportError, match="there is no driver 'json'"):
        drivers.load_driver("json")


SPARE = """
import importlib, os, sys
root, today, agent = sys.argv[1:]
sys.path.insert(0, root)
import kugetsu_engine.process.supervisor
os.unlink(root)
os.symlink(today, root)
importlib.invalidate_caches()
reader = importlib.import_module(f"kugetsu_engine.agents.{agent}").reader({})
print(reader.failure(0), reader.trouble(), reader.waiting(1.0, 1), reader.hindrance, reader.finished)
"""


@pytest.mark.parametrize("agent", ["claude", "codex", "gemini"])
def test_a_spare_supervisor_of_the_version_before_can_use_the_drivers_of_today(agent: str, site: Site) -> None:
    """It was started ahead of the upgrade, and loads its driver after it."""
    argv = [sys.executable, "-I", "-S", "-c", SPARE, str(site.root), str(site._today), agent]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", NAMES["programs"])
def test_a_program_that_the_version_before_starts_is_still_there(program: str, site: Site) -> None:
    """By the module and the function of then, in a bare interpreter."""
    site.upgrade()
    *start, boot = site.command(program)
    imported, _, call = boot.rpartition("; ")
    assert call
    done = subprocess.run([*start, imported], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr

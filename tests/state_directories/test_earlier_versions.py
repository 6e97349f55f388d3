"""State directories of earlier versions load: each is read as a whole, an engine goes on with it, and nothing is lost.

`README.md` beside this file says which versions they are of.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kugetsu_engine.cli import main
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.config.loader import SettingsSource
from kugetsu_engine.doctor import gather_evidence, run_checks
from kugetsu_engine.engine.engine_thread import EngineThread
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import sessions, tasks
from tests.support import old_kugetsu
from tests.support.fleet import NO_FLOORS_ENVIRON, ROOT
from tests.support.repositories import make_repository
from tests.support.waiting import wait_until

from .make import BASH, HOME, PROGRAM, PYTHON, REPOSITORY, STATE, STATES

HERE = Path(__file__).parent
LAYOUTS = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name not in (BASH, "__pycache__"))
GOES_ON = {11: "completed", 12: "completed", 15: "completed", 16: "completed", 17: "cancelled"}
"""What becomes of the tasks that were not to stay as they were, once an engine runs."""


class Copy:
    """A state directory of an earlier version, as it would stand on this machine."""

    def __init__(self, layout: str, folder: Path) -> None:
        self.root = folder / "state"
        self.paths = StatePaths(str(self.root))
        self.repository = make_repository(folder / "app")
        (folder / "home").mkdir()
        self.environ = {
            "HOME": str(folder / "home"),
            "KUGETSU_DIR": self.paths.root,
            "KUGETSU_AGENT": "demo",
            **NO_FLOORS_ENVIRON,
        }
        places = {
            STATE: self.paths.root, REPOSITORY: str(self.repository), HOME: self.environ["HOME"], PROGRAM: str(ROOT),
            PYTHON: sys.executable,
        }  # fmt: skip
        shutil.copytree(HERE / layout, self.root)
        for path in (self.root, *self.root.rglob("*/")):
            path.chmod(0o700)
        for path in self.files():
            text = path.read_text(encoding="utf-8")
            for place, there in places.items():
                text = text.replace(place, there)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)

    def files(self) -> list[Path]:
        """All its files."""
        return [path for path in self.root.rglob("*") if path.is_file()]

    def contents(self) -> dict[str, bytes]:
        """What is in them."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.files()}

    def states(self) -> dict[str, str]:
        """The state of each task on disk."""
        found = [path for folder in (self.paths.items, self.paths.done) for path in Path(folder).glob("*.json")]
        return {path.stem: tasks.find_task(self.paths, path.stem).state for path in found}

    def set_aside(self) -> list[Path]:
        """What was found broken."""
        return list(Path(self.paths.corrupt).glob("*"))


def doctor_finds(copy: Copy) -> set[tuple[str, str | None]]:
    """What the doctor says is wrong, and with which task."""
    settings = SettingsSource(copy.paths, copy.environ).current
    return {(finding.code, finding.task) for finding in run_checks(gather_evidence(copy.paths, settings))}


@pytest.fixture
def copy_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Copy]:
    """Makes a copy, and lets verbs work on it."""

    def make(layout: str) -> Copy:
        copy = Copy(layout, tmp_path)
        for name, value in copy.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(copy.repository)
        return copy

    return make


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a verb in this process, and returns what it printed."""

    def run(*words: str) -> str:
        capsys.readouterr()
        code = main.run([*words])
        said = capsys.readouterr()
        assert (code, said.err) == (0, ""), f"{words}: {code} {said.err}{said.out[-500:]}"
        return said.out

    return run


@pytest.fixture
def engine() -> Iterator[Callable[[Copy], EngineThread]]:
    """Starts the engine of a copy; it is ended afterwards."""
    begun: list[EngineThread] = []

    def start(copy: Copy) -> EngineThread:
        begun.append(
            EngineThread(copy.paths, {**copy.environ, "PATH": "/usr/local/bin:/usr/bin:/bin"}, "headless", resume=True)
        )
        begun[0].start()
        return begun[0]

    yield start
    for one in begun:
        end(one)


def end(engine: EngineThread) -> None:
    """End an engine; once is enough."""
    engine.stop()
    assert engine.join(30), "the engine did not end"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_of_it_is_read(layout: str, copy_of: Callable[[str], Copy], verb: Callable[..., str]) -> None:
    """Every verb that reads, and the console's picture, without changing a byte and without a fault."""
    copy = copy_of(layout)
    before, states = copy.contents(), copy.states()
    assert {f"q_{number}" for number in STATES} == states.keys()
    for number, wanted in STATES.items():
        assert states[f"q_{number}"] in wanted.split(), number
    listed = {task["id"]: task["state"] for task in json.loads(verb("queue", "list", "--all", "--json"))}
    assert listed == states
    for task_id, state in states.items():
        shown = json.loads(verb("show", task_id, "--json"))
        assert (shown["state"], len(shown["attempts"])) == (state, len(tasks.find_task(copy.paths, task_id).attempts))
    assert json.loads(verb("status", "--json"))["counts"]["completed"] == list(states.values()).count("completed")
    assert "committed" in verb("logs", "q_2")
    told = (copy.root / "notifications.jsonl").read_text().splitlines()
    assert len(json.loads(verb("notify", "list", "--all", "--json"))) == len(told)
    assert verb("replay", "--events", "--json").count("\n") >= len(told)
    moment = json.loads(told[-1])["time"]
    assert {task["id"] for task in json.loads(verb("replay", moment, "--json"))["tasks"]}
    assert "#15" in verb("plan")
    for words in (["list"], ["usage"], ["worktrees"]):
        verb(*words)
    assert doctor_finds(copy) == {("not_settled", "q_11"), ("not_settled", "q_12"), ("requests_wait", None)}
    kept = {session.session_id for session in sessions.list_sessions(copy.paths)}
    assert kept == ({"ses_demo00000000000000000000"} if (copy.root / "sessions").exists() else set())
    picture = SnapshotReader(copy.paths, copy.environ).read()
    assert (len(picture.pending) + len(picture.active), len(picture.notices)) == (
        sum(state in ("pending", "running") for state in states.values()), len(told)
    )  # fmt: skip
    assert picture.read_until == (copy.root / "notifications.read").read_text().strip()
    assert [alert for alert in picture.alerts if alert.code != "rate_limit"] == []
    assert copy.contents() == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_engine_goes_on_with_it(layout: str, copy_of: Callable[[str], Copy], engine: Callable[[Copy], EngineThread]) -> None:
    """Every task keeps its state, or goes on from it; a field of a later version, and all that was told, stays."""
    copy = copy_of(layout)
    config = copy.root / "config.toml"
    config.write_text(config.read_text().replace('SPEED = "1"', 'SPEED = "1000"'))
    for folder in (copy.paths.items, copy.paths.done):
        for path in Path(folder).iterdir():
            path.write_text(json.dumps({**json.loads(path.read_text()), "of_later": [path.stem]}))
    before, states = copy.contents(), copy.states()
    goes_on = {f"q_{number}": state for number, state in GOES_ON.items()}
    runs = engine(copy)
    wait_until(lambda: copy.states() == states | goes_on, 30.0, lambda: f"{states | goes_on}; it is {copy.states()}")
    after = {task_id: tasks.find_task(copy.paths, task_id) for task_id in states}
    wait_until(lambda: all(Path(copy.paths.ended(task_id)).exists() for task_id in goes_on), 10.0, "the ended ones to be moved")
    end(runs)
    now = copy.contents()
    for path in (path for folder in (copy.paths.items, copy.paths.done) for path in Path(folder).iterdir()):
        assert json.loads(path.read_text())["of_later"] == [path.stem]
    for name, data in before.items():
        if name.startswith(("queue/done/", "logs/q_", "notifications.")):
            assert now[name].startswith(data), name
        if name.startswith("context/"):
            said = [json.loads(text)["conversation_history"] for text in (data, now[name])]
            assert said[1][: len(said[0])] == said[0], name
    assert [(attempt.outcome, attempt.delivered and attempt.delivered.commits) for attempt in after["q_12"].attempts] == [
        ("ok", 1)
    ]
    assert [attempt.outcome for attempt in after["q_11"].attempts] == ["lost", "ok"]
    assert copy.set_aside() == []
    assert doctor_finds(copy) == set()


def test_the_bash_tool(
    copy_of: Callable[[str], Copy], engine: Callable[[Copy], EngineThread], verb: Callable[..., str]
) -> None:
    """It is read as it is; once it is taken over, work goes on from where it was."""
    copy = copy_of(BASH)
    wanted = {"q_170_ab": "pending", "q_171_ab": "notified", "q_172_ab": "completed", "q_173_ab": "error"}
    waiting = {task_id: state for task_id, state in wanted.items() if state in ("pending", "notified")}
    assert {task["id"]: task["state"] for task in json.loads(verb("queue", "list", "--json"))} == waiting
    for task_id in wanted:
        assert json.loads(verb("show", task_id, "--json"))["state"] == wanted[task_id]
    assert json.loads(verb("status", "--json"))["sessions"]["base"] == old_kugetsu.BASE
    assert {row["issue_ref"] for row in json.loads(verb("list", "--json"))} >= {old_kugetsu.ISSUE, old_kugetsu.MOVED}
    before = copy.contents()
    for words in (["plan"], ["replay", "--events"]):
        verb(*words)
    assert doctor_finds(copy) == {("not_filed", "q_172_ab"), ("not_filed", "q_173_ab"), ("not_settled", "q_171_ab")}
    assert copy.contents() == before
    assert main.run(["import"]) == 0
    assert {session.session_id for session in sessions.list_sessions(copy.paths)} == {
        old_kugetsu.BASE, old_kugetsu.PM, "ses_14", "ses_7"
    }  # fmt: skip
    assert [line["text"] for line in json.loads(verb("notify", "list", "--all", "--json"))][:2] == ["first", "second"]
    assert "message 2" in verb("context", old_kugetsu.MOVED)
    with (copy.root / "config.toml").open("a") as config:
        config.write('[agents.demo]\nenv = { KUGETSU_DEMO_SPEED = "1000" }\n')
    copy.environ["KUGETSU_RETRY_DELAY"] = "50ms"
    runs = engine(copy)
    done = wanted | {"q_170_ab": "completed", "q_171_ab": "completed"}
    wait_until(lambda: copy.states() == done, 30.0, lambda: f"{done}; it is {copy.states()}")
    end(runs)
    (backup,) = copy.root.glob("backup-v0.2-*")
    saved = {str(path.relative_to(backup)): path.read_bytes() for path in backup.rglob("*") if path.is_file()}
    assert {"config", "index.json", "sessions/base.json", "queue/items/q_170_ab.json"} <= saved.keys()
    assert all(before[name] == data for name, data in saved.items() if name in before)
    assert (copy.set_aside(), doctor_finds(copy)) == ([], set())

"""Make a state directory with a bit of everything, by running a version of the program; keep it as plain files.

    python tests/state_directories/make.py NAME [PROGRAM]

`PROGRAM` is the folder of another checkout; without it the program as it is now is run. The result is
`tests/state_directories/NAME`, and belongs to every release that changes what is stored. What is of the machine is replaced:
paths by the words of `PLACES`, the machine's start by zeros. Worktrees, clones, locks and pipes are left out.
"""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.support import old_kugetsu  # noqa: E402
from tests.support.repositories import make_repository  # noqa: E402
from tests.support.waiting import wait_until  # noqa: E402

STATE, REPOSITORY, PROGRAM, PYTHON, HOME = "@STATE@", "@REPOSITORY@", "@PROGRAM@", "@PYTHON@", "@HOME@"
PLACES = (STATE, REPOSITORY, PROGRAM, PYTHON, HOME)
"""Stand for the folders that a copy has others of."""
CONFIG = """\
max_concurrent_agents = 3
max_attempts = 2
retry_delay = "100ms"
stop_grace = "1s"
agent = "demo"
cleanup_age = "never"
queue_expiry = "{expiry}"

[agents.demo]
env = {{ KUGETSU_DEMO_SPEED = "{speed}" }}

[agents.limited]
command = ["sh", "-c", "echo '429 Too Many Requests: rate limit exceeded, try again in 20 hours'; exit 1"]

[agents.opencode]
program = "{home}/opencode"

[repos]
"local/app" = "{repository}"
"""
BASH = "bash-v0.2"
"""Not run, but written as its documents say: it is older than this program."""
STATES = {
    1: "expired", 2: "completed", 3: "completed error", 4: "error", 5: "completed", 6: "error", 7: "pending", 8: "cancelled",
    9: "pending error", 10: "completed", 11: "running", 12: "running", 13: "pending", 14: "pending",
    15: "pending", 16: "pending", 17: "pending",
}  # fmt: skip
"""How the tasks stand in what is kept."""
OPENCODE = """\
#!/bin/sh
[ "$1" = run ] || { echo 1.18.33; exit 0; }
cat > /dev/null
date > worked && git add worked && git -c user.name=demo -c user.email=demo@localhost commit --quiet -m "Work on it"
event() { printf '{"type":"%s","timestamp":1,"sessionID":"ses_demo00000000000000000000","part":{%s}}\\n' "$1" "$2"; }
event step_start '"type":"step-start"'
event text '"type":"text","text":"All done.","time":{"start":1,"end":2}'
event step_finish '"type":"step-finish","reason":"stop","cost":0.5,"tokens":{"total":70,"input":50,"output":20,"reasoning":0}'
"""
"""Prints what opencode prints of a short run."""
LEFT_OUT = re.compile(r"worktrees|repositories|locks|slots|tmp|.*\.(lock|sock|bell|tmp|reserve)")


class Maker:
    """Runs the verbs of one version on one state directory."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.state, self.program, self.home = folder / "state", program, folder / "home"
        self.tasks = 0
        self.repository = make_repository(folder / "app")
        self.home.mkdir()
        (self.home / "opencode").write_text(OPENCODE, encoding="utf-8")
        (self.home / "opencode").chmod(0o755)
        self.state.mkdir(mode=0o700)
        self.environ = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "KUGETSU_DIR": str(self.state), "PYTHONPATH": str(program),
            "PYTHONDONTWRITEBYTECODE": "1", **{f"KUGETSU_{name}": "off" for name in (
                "MIN_FREE_MEMORY", "MIN_FREE_DISK", "MAX_LOAD_PER_CORE", "MAX_MEMORY_PRESSURE")},
        }  # fmt: skip

    def configure(self, speed: int, expiry: str = "never") -> None:
        """Write the settings."""
        text = CONFIG.format(speed=speed, expiry=expiry, repository=self.repository, home=self.home)
        (self.state / "config.toml").write_text(text, encoding="utf-8")

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a verb."""
        return subprocess.Popen(
            [sys.executable, "-m", "kugetsu_engine", *words], cwd=self.repository, env=self.environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words: str, stdin: str = "") -> None:
        """Run a verb to its end; one that this version does not have is passed over."""
        process = self.start(*words)
        said = process.communicate(stdin, timeout=120)[0]
        if process.returncode:
            print(f"{' '.join(words)}: {process.returncode} {said.strip()[-300:]}")

    def enqueue(self, *drafts: dict[str, Any]) -> None:
        """Put tasks in the queue at once, each on an issue of its own."""
        lines = []
        for draft in drafts:
            self.tasks += 1
            lines.append(json.dumps({"issue_ref": f"local/app#{self.tasks}", **draft}))
        self.run("enqueue", "--file", "-", stdin="\n".join(lines))

    def path(self, name: str) -> Path:
        """A file or folder of the state directory."""
        return self.state / name

    def item(self, number: int) -> dict[str, Any]:
        """A task as it stands on disk."""
        found = [self.path(f"queue/{folder}/q_{number}.json") for folder in ("items", "done")]
        return dict(json.loads(next(path for path in found if path.exists()).read_text()))

    def works(self, number: int) -> bool:
        """Whether the agent of a task has begun, and the engine knows."""
        log = self.path(f"logs/q_{number}/1.log")
        return self.item(number)["state"] == "running" and log.exists() and "task  " in log.read_text()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something of the state directory."""
        wait_until(lambda: bool(condition()), 30.0, what)


def make(maker: Maker) -> None:
    """What happens in every one of them; a task has the number of its issue."""
    maker.configure(1000, expiry="1s")
    maker.enqueue({"message": "Nobody gets to this one in time"})
    made = time.time()
    maker.until(lambda: time.time() > made + 1.5, "the task to expire")
    maker.run("--headless", "--until-idle")
    maker.configure(1000)
    maker.enqueue(
        {"message": "Work that is delivered\n\ndemo: steps=3"},
        {"message": "Work that changes nothing\n\ndemo: steps=3 end=nothing", "priority": 7},
        {"message": "Work that always fails\n\ndemo: steps=2 end=fail"},
        {"message": "Work that fails once\n\ndemo: steps=2 end=fail-once"},
        {"message": "Work that hangs\n\ndemo: steps=1 end=hang", "timeout": "2s"},
        {"message": "Needs the one that fails", "after": ["4"]},
        {"message": "Cancelled before it starts", "hold": True},
        {"message": "Its provider has had enough", "agent": "limited", "hold": True},
        {"message": "Goes on in a session", "agent": "opencode"},
    )
    maker.run("--headless", "--until-idle")
    for words in (("notify", "clear"), ("notify", "mute", "4"), ("cancel", "8"), ("limit", "2")):
        maker.run(*words)
    maker.configure(1)
    engine = maker.start("--headless")
    maker.until(lambda: json.loads(maker.path("engine.json").read_text())["pid"] == engine.pid, "an engine")
    maker.run("release", "9")
    maker.until(lambda: maker.path("runs/q_9.1/exit.json").exists() and maker.item(9)["state"] != "running", "a limit")
    maker.run("hold", "9")
    maker.enqueue(
        {"message": "Interrupted by the end of the machine\n\ndemo: steps=60"},
        {"message": "Ends while no engine runs\n\ndemo: steps=9", "timeout": "10m"},
    )
    maker.until(lambda: maker.works(11) and maker.works(12), "two agents")
    maker.enqueue(
        {"message": "Starts in the year 2099\n\ndemo: steps=1", "at": "2099-01-01T00:00"},
        {"message": "Held; says Ελληνικά and 日本語\n\ndemo: steps=1", "hold": True, "timeout": "90s"},
        {"message": "Waits for its turn\n\ndemo: steps=1", "priority": 9},
        {"message": "Waits for another\n\ndemo: steps=1", "after": ["15"]},
        {"message": "Its cancellation was not heard\n\ndemo: steps=1", "priority": 1},
    )
    engine.send_signal(signal.SIGSTOP)
    asking = maker.start("cancel", "17")
    maker.until(lambda: any(maker.path("queue/requests").glob("[0-9]*.json")), "a request")
    for process in (engine, asking):
        process.kill()
        process.communicate()
    maker.until(maker.path("runs/q_12.1/exit.json").exists, "an attempt to end")
    kill_attempt(maker.path("runs/q_11.1/run.json"))
    for number, state in STATES.items():
        found = maker.item(number)["state"]
        if found not in state.split():
            raise SystemExit(f"task {number} is {found}, not {state}: the machine was too slow, try again")


def kill_attempt(record: Path) -> None:
    """End a supervisor and its agent at once, as the end of the machine does."""
    supervisor = psutil.Process(json.loads(record.read_text())["supervisor_pid"])
    for process in (supervisor, *supervisor.children(recursive=True)):
        process.kill()


def keep(maker: Maker, target: Path) -> None:
    """Copy what is text, without what is of this machine."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    words = [
        (str(maker.state), STATE), (str(maker.repository), REPOSITORY), (str(maker.home), HOME), (str(maker.program), PROGRAM),
        (sys.executable, PYTHON), (os.uname().nodename, "host"),
    ]  # fmt: skip
    if boot.exists():
        words.append((boot.read_text().strip(), "00000000-0000-0000-0000-000000000000"))
    shutil.rmtree(target, ignore_errors=True)
    for folder, folders, names in os.walk(maker.state):
        folders[:] = [name for name in folders if not LEFT_OUT.fullmatch(name)]
        for name in names:
            path = Path(folder, name)
            if LEFT_OUT.fullmatch(name) or not stat.S_ISREG(path.lstat().st_mode):
                continue
            text = path.read_text(encoding="utf-8")
            for word, place in words:
                text = text.replace(word, place)
            kept = target / path.relative_to(maker.state)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text, encoding="utf-8")


def main() -> int:
    """Make one."""
    name, program = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else HERE.parents[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="state-directory-") as folder:
        maker = Maker(Path(folder), program)
        if name == BASH:
            maker.state.rmdir()
            old_kugetsu.make(maker.state, maker.repository, maker.state / "worktrees/elsewhere")
        else:
            make(maker)
        keep(maker, HERE / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The stand-in for msgspec: it gives the same records from the same bytes, or says that it is not sure; never anything else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATES = ROOT / "tests" / "state_directories"
COMPARE = """
import json, random, sys
from kugetsu_engine.cli import small_msgspec
root = sys.argv[1]
sys.modules["msgspec"] = small_msgspec
from kugetsu_engine.domain import task as small_task
from kugetsu_engine.domain import engine_state as small_state
from kugetsu_engine.domain import job as small_job
for name in [name for name in sys.modules if name.startswith("kugetsu_engine.domain")]:
    del sys.modules[name]
del sys.modules["msgspec"]
import msgspec
from kugetsu_engine.domain import task, engine_state, job
from kugetsu_engine.domain.new_task import make_task

def plain(value):
    if hasattr(value, "__struct_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return type(value).__name__.replace("PauseReason", "pause"), str(value)

PAIRS = [(small_task.Task, task.Task), (small_state.EngineState, engine_state.EngineState),
         (small_state.Control, engine_state.Control), (small_job.RunRecord, job.RunRecord), (small_job.Progress, job.Progress)]
rng = random.Random(11)
done, used = task.Delivered(1, 2), task.Usage(3, 0.5)
attempt = task.Attempt(1, "s", "e", 0, None, "failed", "crash", "why", "1.log", "id", done, used, 2.5)
said = 'say \\\\ "hello" \\u00e4\\ud83d\\ude00'
seeds = [json.dumps(make_task(7, "local/a#1", said, "2026-09-21T14:13:21.000Z")).encode()]
seeds += [msgspec.json.encode(task.Task("q_1", "local/a#1", attempts=[attempt], after=["q_2"], tags=["x"]))]
seeds += [msgspec.json.encode(engine_state.Control(True)), b"{}", b"[]", b"null"]
seeds += [msgspec.json.encode(engine_state.EngineState(1, "headless", "t", "b", 2, 3.0, 4, False, False))]
values = [0, -1, 1.5, True, None, "", "x", [], {}, [1], {"a": 1}, 2**62, 2**63, 2**64, "pending", 1e3, "\\ud800", "none", ["a"],
          {"commits": 1}, [{"number": 1}], [{"number": "1"}], [{}], {"x": {"files": 1}}]
sure = cases = 0
for _ in range(int(sys.argv[2])):
    data = rng.choice(seeds)
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    what = rng.random()
    if what < 0.7 and isinstance(document, dict):
        for _ in range(rng.randrange(3)):
            key = rng.choice([*document, "unknown"])
            if rng.random() < 0.2:
                document.pop(key, None)
            else:
                document[key] = rng.choice(values)
        data = json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    elif what < 0.9:
        place = rng.randrange(len(data) + 1)
        more = [b'"', b"\\\\", b",", b"NaN", b"1e999", b"\\xff", b" ", b"\\n", b"{", b'"id":"z",', b"\\x00", b"9" * 25]
        data = data[:place] + rng.choice(more) + data[place + rng.randrange(2):]
    for small, real in PAIRS:
        cases += 1
        try:
            got = plain(small_msgspec.json.decode(data, small))
        except small_msgspec.Unsure:
            continue
        sure += 1
        try:
            wanted = msgspec.json.decode(data, type=real)
            msgspec.json.encode(wanted)
        except (ValueError, OverflowError, RecursionError) as error:
            print("READ WHAT MSGSPEC REFUSES", real, data, error)
            sys.exit(1)
        if got != plain(wanted):
            print("DIFFERS", real, data, got, plain(wanted))
            sys.exit(1)
print(cases, sure)
"""


def test_it_never_reads_anything_differently() -> None:
    """Records of all kinds, whole and with random damage: equal in every field and its type, or not sure."""
    argv = [sys.executable, "-c", COMPARE, str(ROOT), "6000"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cases, sure = map(int, done.stdout.split())
    assert cases == 30_000
    assert sure > 2_000  # else it would be of no use, and this test empty


def run(code: str, root: Path, **more: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command line in a process of its own."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUGETSU_DIR": str(root), **more}
    return subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, check=False)


FAST = "import sys; from kugetsu_engine.cli.main import run; code = run({argv!r}); sys.stdout.flush(); {after}; sys.exit(code)"
SLOW = (
    "import msgspec, sys; from kugetsu_engine.cli import fast_start, main\n"
    "fast_start.run_without_msgspec = lambda command: command()\n"
    "sys.exit(main.run({argv!r}))"
)


@pytest.mark.parametrize("state", sorted(path.name for path in STATES.iterdir() if path.is_dir()))
@pytest.mark.parametrize("argv", [["status"], ["queue", "list"]], ids=" ".join)
def test_commands_print_the_same_with_and_without_msgspec(state: str, argv: list[str], tmp_path: Path) -> None:
    """Byte for byte, on directories of every kind, also where the stand-in is not sure and msgspec reads after all."""
    root = tmp_path / "state"
    shutil.copytree(STATES / state, root, symlinks=True)
    root.chmod(0o700)
    fast, slow = run(FAST.format(argv=argv, after="0"), root), run(SLOW.format(argv=argv), root)
    clock = re.compile(rb"\d+:\d\d(?::\d\d)? *")  # of running tasks: it goes on between the two
    assert (fast.returncode, clock.sub(b"", fast.stdout), fast.stderr) == (slow.returncode, clock.sub(b"", slow.stdout), b"")


def fill(root: Path, count: int = 30) -> None:
    """A state directory with waiting tasks, one of them held, and ended ones."""
    from tests.support.clients import local_client

    operator = local_client(str(root), {"HOME": "/nonexistent", "PATH": os.environ["PATH"]})
    ids = [operator.enqueue(f"local/a#{number}", f'do "{number}" \\ ü 字')[0] for number in range(1, count + 1)]
    operator.do("hold", ids[1])
    operator.do("cancel", ids[2])


@pytest.mark.parametrize("argv", [["status"], ["queue", "list"]], ids=" ".join)
def test_reading_plain_files_loads_no_msgspec(argv: list[str], tmp_path: Path) -> None:
    """Nor argparse and typing_extensions: their loading would take longer than everything else."""
    root = tmp_path / "state"
    fill(root)
    after = (
        "print(*sorted({'msgspec', 'argparse', 'typing_extensions', 'uuid', 'decimal'} & set(sys.modules)), file=sys.stderr)"
    )
    done = run(FAST.format(argv=argv, after=after), root)
    assert done.returncode == 0
    assert done.stderr.split() == []
    assert b"27 pending" in done.stdout or b"local/a#30" in done.stdout or b"29 pending" in done.stdout


@pytest.mark.parametrize("argv", [["status"], ["queue", "list"]], ids=" ".join)
@pytest.mark.parametrize(
    ("file", "contents"),
    [
        ("queue/items/q_1.json", b'{"id": "q_1", "issue_ref": 5}'),
        ("queue/items/q_1.json", b"{"),
        ("queue/items/q_1.json", b'\xef\xbb\xbf{"id": "q_1", "issue_ref": "local/a#1", "state": "pending"}'),
        ("queue/items/q_1.json", b'{"id": "q_1", "issue_ref": "local/a#1", "schema": 99}'),
        ("queue/items/q_1.json", b'{"id" : "q_1", "issue_ref": "local/a#1", "priority": 3, "priority": 7}'),
        ("queue/control.json", b'{"paused": "yes"}'),
        ("engine.json", b"[]"),
        ("sessions/base.json", b'{"opencode_session_id": "ses_1", "created_at": "x"}'),
        ("run-times.json", b'{"runs": 3}'),
        ("config.toml", b"max_concurrent_agents = 7\nqueue_expiry = 5\n"),
    ],
)  # fmt: skip
def test_files_that_are_not_plain_are_read_by_msgspec(argv: list[str], file: str, contents: bytes, tmp_path: Path) -> None:
    """What is printed is what was always printed."""
    root = tmp_path / "state"
    fill(root, 5)
    path = root / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(contents)
    fast, slow = run(FAST.format(argv=argv, after="0"), root), run(SLOW.format(argv=argv), root)
    assert (fast.returncode, fast.stdout, fast.stderr) == (slow.returncode, slow.stdout, slow.stderr)
    assert fast.stdout


def test_enqueue_loads_no_msgspec_to_warn_of_a_missing_program(tmp_path: Path) -> None:
    """Where no env file could name another PATH, none is read."""
    after = "print('msgspec' in sys.modules, file=sys.stderr)"
    argv = ["enqueue", "local/a#1", "do it"]
    done = run(FAST.format(argv=argv, after=after), tmp_path / "state", PATH="/nonexistent")
    assert b"is not installed" in done.stderr
    assert done.stderr.split()[-1] == b"False"

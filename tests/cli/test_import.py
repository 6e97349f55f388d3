"""A v0.2 directory of the bash kugetsu: loads as it is, and is taken over line by line."""

import json
import tomllib
from pathlib import Path

import pytest

from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.domain.refs import make_slug, parse_reference
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import sessions
from tests.support import old_kugetsu
from tests.support.old_kugetsu import ISSUE, MOVED
from tests.support.repositories import run_git

from .conftest import Shell


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(shell: Shell, tmp_path: Path) -> Path:
    """An old directory where the new one is to be; private, as kugetsu demands."""
    root = old_kugetsu.make(shell.state, shell.folder, tmp_path / "elsewhere")
    shell.environ |= {"KUGETSU_AGENT": "demo"}
    return root


def test_it_loads_without_being_taken_over(shell: Shell, old: Path) -> None:
    """Settings, servers, queue, sessions and messages are there; the old index is kept."""
    settings, problems = load_settings(StatePaths(str(old)), {})
    assert problems == []
    assert (settings.max_concurrent_agents, settings.task_timeout, settings.default_server) == (2, 10800.0, "git.fbrns.co")
    assert settings.servers["forge.test"] == "ssh://git@forge.test"
    assert "old.test" not in settings.servers
    old.chmod(0o700)
    assert [(task["id"], task["state"]) for task in shell.json("queue", "list")] == [
        ("q_171_ab", "notified"), ("q_170_ab", "pending"),
    ]  # fmt: skip
    assert shell.json("status")["sessions"] == {"base": old_kugetsu.BASE, "pm_agent": None}
    listed = {row["issue_ref"]: row for row in shell.json("list")}
    assert (listed[ISSUE]["session"], listed[ISSUE]["pr_url"]) == ("ses_14", "https://git.fbrns.co/shoko/kugetsu/pulls/15")
    assert shell("hold", "q_170_ab").returncode == 0
    assert "shoko/kugetsu" in (old / "index-v0.2.json").read_text()
    assert shell("destroy", ISSUE, "--dry-run").returncode == 1


def test_a_dry_run_says_all_of_it_and_changes_nothing(shell: Shell, old: Path) -> None:
    """Line by line, the same lines as the real one says."""
    old.chmod(0o700)
    before = contents(old)
    done = shell("import", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert contents(old) == before
    for line in (
        "config: MAX_CONCURRENT_AGENTS=2 becomes max_concurrent_agents = 2 in config.toml",
        "config: QUEUE_DAEMON_INTERVAL_MINUTES is not imported: there is no polling",
        '"forge.test" = "ssh://git@forge.test" of [servers]',
        "PM_ONLY is only in pm-agent.env",
        f"session ses_7 of {MOVED} becomes sessions/{parse_reference(MOVED).slug}.json",
        "index.json: pm-agent: session ses_3fpm",
        "worktree ",
        "queue: 1 notified task, back in the queue",
        "notifications.json: 2 become lines",
        "context: messages of 1 issue",
    ):
        assert line in done.stdout, line
    *would, last = done.stdout.splitlines()
    assert last.startswith("Nothing was changed")
    real = shell("import")
    assert real.returncode == 0, real.stderr
    wanted = [line for line in would if not line.startswith("backup")]
    assert [line for line in real.stdout.splitlines() if line in wanted] == wanted


def test_taken_over_in_place(shell: Shell, old: Path, tmp_path: Path) -> None:
    """Everything has the place of today, what was changed is in the backup, and work goes on."""
    old.chmod(0o700)
    before = contents(old)
    assert shell("import").returncode == 0
    settings = tomllib.loads((old / "config.toml").read_text())
    assert (settings["max_concurrent_agents"], settings["task_timeout"]) == (2, "3h")
    assert settings["repos"] == {"git.fbrns.co/shoko/kugetsu": str(shell.folder)}
    assert not (old / "config").exists()
    assert (old / "env/dev.env").stat().st_mode & 0o077 == 0
    paths = StatePaths(str(old))
    kept = {session.slug: session for session in sessions.list_sessions(paths)}
    assert kept["base"].session_id == old_kugetsu.BASE
    assert kept["pm-agent"].session_id == old_kugetsu.PM
    assert kept[parse_reference(MOVED).slug].issue_ref == MOVED
    assert run_git(Path(paths.worktree(parse_reference(MOVED).slug)), "branch", "--show-current") == "fix/issue-7"
    assert not (tmp_path / "elsewhere").exists()
    assert "message 2" in shell("context", MOVED).stdout
    assert shell.json("notify", "list")[0]["text"] == "second"
    (backup,) = old.glob("backup-v0.2-*")
    saved = contents(backup)
    assert {name: before[name] for name in saved if name in before} == {n: d for n, d in saved.items() if n != "taken-over"}
    assert {"config", "index.json", "queue/items/q_170_ab.json", "sessions/base.json"} <= saved.keys()
    assert shell("doctor", "--verify").returncode == 0
    assert shell("import").returncode == 3
    assert shell("hold", "q_170_ab").returncode == 0
    assert shell("--headless", "--until-idle").returncode == 0
    states = {task["id"]: task["state"] for task in shell.json("queue", "list", "--all")}
    assert states == {"q_170_ab": "pending", "q_171_ab": "completed", "q_172_ab": "completed", "q_173_ab": "error"}
    assert shell("delegate", "what is up").returncode == 0


def test_taken_over_into_another_directory(shell: Shell, tmp_path: Path) -> None:
    """The old one stays as it is, but for its worktrees, which git moves."""
    old = old_kugetsu.make(tmp_path / "old", shell.folder, tmp_path / "elsewhere")
    before = {name: data for name, data in contents(old).items() if not name.startswith("worktrees")}
    done = shell("import", str(old))
    assert done.returncode == 0, done.stderr
    assert {name: data for name, data in contents(old).items() if not name.startswith("worktrees")} == before
    assert (shell.state / "env/pm-agent.env").read_text() == before["env/pm-agent.env"].decode()
    assert {task["id"] for task in shell.json("queue", "list", "--all")} == {f"q_17{n}_ab" for n in range(4)}
    assert (shell.state / f"worktrees/{make_slug(ISSUE)}/README.md").exists()
    assert (shell.state / "pm-agent.md").exists()


def test_a_branch_of_digits_stays_a_text(shell: Shell, tmp_path: Path) -> None:
    """As the number 2024 the setting would be refused by its own reader."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "config").write_text("KUGETSU_BASE_BRANCH=2024\nMAX_CONCURRENT_AGENTS=07\n")
    assert shell("import", str(old)).returncode == 0
    settings, problems = load_settings(StatePaths(str(shell.state)), {})
    assert (problems, settings.base_branch, settings.max_concurrent_agents) == ([], "2024", 7)


def test_what_is_no_old_directory_is_refused(shell: Shell, tmp_path: Path) -> None:
    """In one line, and nothing is made of it."""
    done = shell("import", str(tmp_path / "nothing"))
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert not shell.state.exists()


def test_what_is_not_taken_over_is_named_with_the_place_where_it_is_kept(shell: Shell, old: Path, tmp_path: Path) -> None:
    """Broken files, and files of what there is already: nothing of ours is written over, nothing of the old is lost."""
    moved = tmp_path / "old"
    old.rename(moved)
    paths = StatePaths(str(shell.state))
    for folder in ("queue/items", "sessions", "context", "env"):
        (shell.state / folder).mkdir(parents=True, mode=0o700)
    shell.state.chmod(0o700)
    ours = {
        f"sessions/{parse_reference(ISSUE).slug}.json": '{"session_id": "ours"}',
        "env/dev.env": "GITEA_TOKEN=ours\n",
        "pm-agent.md": "ours",
        "queue/items/q_170_ab.json": '{"id": "q_170_ab", "issue_ref": "local/app#1", "message": "ours", "held": true}',
    }  # fmt: skip
    for name, text in ours.items():
        (shell.state / name).write_text(text)
    (moved / "queue/items/q_9_ab.json").write_text('{"id": "q_9_ab"')
    (moved / "sessions/broken.json").write_text("{")
    (moved / "sessions/twice.json").write_text(json.dumps({"issue_ref": f"https://{MOVED.lower().replace('#', '/issues/')}"}))
    (moved / "context/broken.json").write_text("[]")
    done = shell("import", str(moved))
    assert done.returncode == 0, done.stderr
    told = {line.partition(":")[0]: line for line in done.stdout.splitlines() if "not imported: " in line and "/" in line}
    assert {
        "queue/items/q_9_ab.json", "queue/items/q_170_ab.json", "sessions/broken.json", "sessions/twice.json",
        "context/broken.json", f"sessions/{ISSUE.replace('/', '-').replace('#', '-')}.json", "env/dev.env", "pm-agent.md",
    } <= told.keys()  # fmt: skip
    for name, line in told.items():
        kept = Path(line.rpartition("it is kept as ")[2])
        assert kept.read_bytes() == (moved / name).read_bytes()
    for name, text in ours.items():
        assert (shell.state / name).read_text() == text
    assert "q_9_ab" not in " ".join(path.name for path in Path(paths.items).iterdir())
    assert "sets it aside" not in done.stdout

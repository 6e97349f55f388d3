"""`kugetsu init` without a terminal, by ordinary tasks. Then work begins from the base, and delegate has someone to talk to."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.cli.commands import init
from kugetsu_engine.domain.reserved_refs import BASE
from kugetsu_engine.domain.session import Session
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import sessions
from kugetsu_engine.storage import files
from tests.support.clients import local_client

from .conftest import Shell

TALKER = """\
import json, os, sys
how, session = sys.argv[1], sys.argv[2]
said = sys.stdin.read()
if "say no" in said or os.path.exists(sys.argv[3]):
    sys.exit("no, I will not")
own = session if how == "resume" else "s-" + os.environ["KUGETSU_TASK_ID"]
print(json.dumps({"session": own}))
print(json.dumps({"text": f"{how} {session}: " + said.strip()[-200:]}))
"""


@pytest.fixture
def ready(shell: Shell, quick_agents: Callable[[str], None], tmp_path: Path) -> Shell:
    """An agent with sessions that can be gone on with and forked."""
    program = tmp_path / "talker.py"
    program.write_text(TALKER)

    def argv(how: str, session: str) -> str:
        return str([sys.executable, str(program), how, session, str(tmp_path / "refuse")]).replace("'", '"')

    quick_agents(f"""\
agent = "talker"
max_concurrent_agents = 1
max_attempts = 1
[agents.talker]
command = {argv("new", "-")}
resume = {argv("resume", "{session}")}
fork = {argv("fork", "{session}")}
session_bound_to_directory = false
stream = {{ session = "session", text = "text" }}
""")
    return shell


def test_makes_both_sessions_and_work_begins_from_the_base(ready: Shell) -> None:
    """A start is a fork of the base; `continue` resumes it; a message without an issue goes on in the project manager's."""
    done = ready("init")
    assert done.returncode == 0, done.stderr
    assert "base session s-q_1\npm-agent session s-q_2\n" in done.stdout
    assert ready.json("status")["sessions"] == {"base": "s-q_1", "pm_agent": "s-q_2"}
    again = ready("init")
    assert (again.returncode, "--force" in again.stderr) == (3, True)
    assert ready("start", "local/app#1", "first").returncode == 0
    ready("--headless", "--until-idle")
    assert "fork s-q_1: first" in ready("context", "local/app#1").stdout
    assert ready("continue", "local/app#1", "and", "then").returncode == 0
    ready("--headless", "--until-idle")
    assert "resume s-q_3: and then" in ready("context", "local/app#1").stdout
    assert ready("delegate", "what is up?").stdout == "Enqueued: q_5 for local/pm-agent#0\n"
    ready("--headless", "--until-idle")
    assert "resume s-q_2: what is up?" in ready("logs", "q_5").stdout
    assert [row["kind"] for row in ready.json("list")] == ["base", "pm-agent", "issue"]


def test_force_destroys_them_first(ready: Shell) -> None:
    """And makes new ones."""
    assert ready("init").returncode == 0
    done = ready("init", "--force")
    assert done.returncode == 0, done.stderr
    assert "base session s-q_3\npm-agent session s-q_4\n" in done.stdout
    assert {session.session_id for session in sessions.list_sessions(StatePaths(str(ready.state)))} == {"s-q_3", "s-q_4"}


def test_an_agent_that_fails_is_told_and_it_can_be_done_again(ready: Shell, tmp_path: Path) -> None:
    """Nothing half-made is taken for a session; at the limit it says so."""
    (tmp_path / "refuse").touch()
    done = ready("init")
    assert (done.returncode, "no, I will not" in done.stderr) == (1, True)
    assert ready.json("status")["sessions"] == {"base": None, "pm_agent": None}
    assert ready("pause").returncode == 0
    assert ready("init").returncode == 2
    ready("resume")
    (tmp_path / "refuse").unlink()
    assert ready("init").returncode == 0


def test_files_are_made_once_and_private(shell: Shell) -> None:
    """What is there is never changed; an agent without sessions needs no more."""
    done = shell("init", "--files")
    assert done.stdout.count("made ") == 6
    assert all(path.stat().st_mode & 0o077 == 0 for path in (shell.state / "env").iterdir())
    (shell.state / "env/dev.env").write_text("A=1\n")
    shell.environ["KUGETSU_AGENT"] = "demo"
    done = shell("init")
    assert (done.returncode, done.stdout) == (0, "demo has no sessions, so nothing else is created\n")
    assert (shell.state / "env/dev.env").read_text() == "A=1\n"
    assert shell("status").returncode == 0


def test_the_agents_own_screen_is_opened_in_the_base_sessions_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Only when asked for, and with the session's id; a missing program is one line."""
    operator = local_client(str(tmp_path / "state"))
    files.create_folders(operator.paths.folders())
    program = tmp_path / "opencode"
    program.write_text('#!/bin/sh\necho "$@"; pwd; echo "$PWD"\n')
    program.chmod(0o755)
    config = Path(operator.paths.config)
    config.write_text(f'[agents.opencode]\nprogram = "{program}"\n')
    assert init._offer_screen(operator) == 0
    sessions.save_session(operator.paths, Session("base", BASE, "opencode", "ses_1", str(tmp_path)))
    monkeypatch.setattr(init, "confirm", lambda _question: False)
    assert init._offer_screen(operator) == 0
    assert capfd.readouterr().out == ""
    monkeypatch.setattr(init, "confirm", lambda _question: True)
    assert init._offer_screen(operator) == 0
    assert capfd.readouterr().out == f"-s ses_1\n{tmp_path}\n{tmp_path}\n"
    config.write_text('[agents.opencode]\nprogram = "/not/there"\n')
    assert init._offer_screen(operator) == 1
    assert capfd.readouterr().err == "kugetsu: /not/there: No such file or directory\n"
    config.write_text(f'[agents.reviewer]\nkind = "claude"\nprogram = "{program}"\nenv = {{ WHOSE = "its own" }}\n')
    program.write_text('#!/bin/sh\necho "$@" "$WHOSE"\n')
    sessions.save_session(operator.paths, Session("base", BASE, "reviewer", "s-2", str(tmp_path)))
    assert init._offer_screen(operator) == 0
    assert capfd.readouterr().out == "--resume s-2 its own\n"
    sessions.save_session(operator.paths, Session("base", BASE, "demo", "s-2", str(tmp_path)))
    assert init._offer_screen(operator) == 0
    assert capfd.readouterr().out == ""

"""S18: kugetsu tells no agent to approve, share or attach; where the operator's settings do, console and doctor show it."""

import json
import os
from pathlib import Path

import pytest

from kugetsu_engine.agents import auto_approval, registry
from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import EngineView, Snapshot
from kugetsu_engine.config.loader import AgentSettings, load_settings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.doctor.machine import inspect_machine
from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files
from kugetsu_tui.viewmodels import task_summary
from kugetsu_tui.viewmodels.agents import AgentsView
from kugetsu_tui.viewmodels.console_state import ConsoleState
from tests.tui.conftest import Opener
from tests.tui.test_viewmodels import active, words

RISKY = {"--auto", "--share", "--attach", "--dir", *auto_approval.FLAGS}

APPROVING = [
    (["opencode", "run", "--auto"], {}, "--auto"), (["claude", "-p", "--dangerously-skip-permissions"], {}, None),
    (["codex", "exec", "--dangerously-bypass-approvals-and-sandbox", "-"], {}, None), (["gemini", "--yolo"], {}, None),
    (["aider", "--yes-always"], {}, None), (["claude", "--permission-mode", "bypassPermissions"], {}, None),
    (["gemini", "--approval-mode=yolo"], {}, None), (["/opt/bin/gemini", "-y"], {}, "-y"),
    (["codex", "-a", "never"], {}, "-a never"),
    (["codex", "-c", "approval_policy=never"], {}, None), (["aider"], {"AIDER_YES_ALWAYS": "true"}, "AIDER_YES_ALWAYS=true"),
    (["opencode", "run"], {"OPENCODE_PERMISSION": '"allow"'}, "OPENCODE_PERMISSION"),
    (["opencode", "run"], {"OPENCODE_PERMISSION": '{"*": "allow"}'}, None), (["x"], {"OPENCODE_PERMISSION": "allow"}, None),
    (["opencode", "run"], {"OPENCODE_PERMISSION": '{"bash": {"*": "allow", "rm *": "deny"}}'}, None),
    (["opencode", "run"], {"OPENCODE_CONFIG_CONTENT": '{"permission": {"bash": "allow"}}'}, "OPENCODE_CONFIG_CONTENT"),
]  # fmt: skip
ASKING = [
    (["opencode", "run", "--title=--auto"], {}), (["--yolo"], {}), (["claude", "--permission-mode", "plan"], {}),
    (["make", "-y"], {}), (["aider", "--yes-always=false"], {}), (["aider"], {"AIDER_YES_ALWAYS": "false"}),
    (["opencode"], {"OPENCODE_PERMISSION": '{"bash": {"git *": "allow", "*": "ask"}, "edit": "allow"}'}),
    (["opencode"], {"OPENCODE_PERMISSION": "[" * 5000}), (["opencode"], {"OPENCODE_CONFIG_CONTENT": "[1]"}),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "env", "word"), APPROVING, ids=lambda value: str(value)[:40])
def test_s18_what_approves_everything_is_recognised(argv: list[str], env: dict[str, str], word: str | None) -> None:
    """By options, by options with a value, by variables."""
    found = auto_approval.find_approval(argv, env)
    assert found
    assert word in (None, found)


@pytest.mark.parametrize(("argv", "env"), ASKING, ids=lambda value: str(value)[:40])
def test_s18_what_still_asks_is_not_marked(argv: list[str], env: dict[str, str]) -> None:
    """A title, a program's name, a rule for some commands only."""
    assert auto_approval.find_approval(argv, env) is None


@pytest.mark.parametrize("name", registry.LAUNCHERS)
def test_s18_no_agent_is_told_to_approve_share_or_attach_by_itself(paths: StatePaths, name: str) -> None:
    """Of every agent that kugetsu knows; only what the operator's own settings say is passed."""
    drive = registry.build_launch_spec(name, Settings(), "--auto")
    assert not RISKY & {word.partition("=")[0] for word in drive.argv}
    assert auto_approval.find_approval(drive.argv, drive.env) is None
    assert auto_approval.list_auto_approving_agents(paths, Settings()) == {}
    asked = Settings(agents={name: AgentSettings(args=["--share"])})
    assert RISKY & set(registry.build_launch_spec(name, asked, "--auto").argv) == {"--share"}


def test_s18_settings_and_env_files_are_both_looked_at(paths: StatePaths) -> None:
    """An agent that cannot be run is passed over."""
    Path(paths.config).write_text('[agents.own]\ncommand = ["x", "--yolo"]\n[agents.bad]\ncommand = []\n', encoding="utf-8")
    settings = load_settings(paths, {})[0]
    with pytest.raises(KugetsuError):
        registry.build_launch_spec("bad", settings, "local/a#1")
    kept = auto_approval.ApprovalReader(paths)
    assert auto_approval.list_auto_approving_agents(paths, settings) == kept.list_agents(settings) == {"own": "--yolo"}
    Path(paths.env, "default.env").write_text("""OPENCODE_PERMISSION='"allow"'\n""", encoding="utf-8")
    assert (
        auto_approval.list_auto_approving_agents(paths, settings).keys()
        == kept.list_agents(settings).keys()
        == {"own", *registry.LAUNCHERS}
    )
    assert kept.list_agents(settings) is kept.list_agents(settings)  # nothing has changed, so nothing is read
    facts = {fact.name: fact.text for fact in inspect_machine(paths, os.environ)[0]}
    assert facts["agent own"].endswith("; approves everything by itself (--yolo)")


def test_s18_the_agents_pane_and_the_task_show_it() -> None:
    """A word in the row, and which option it is in the detail; no column where no agent does."""
    one = active(1)
    shown = Snapshot(0.0, EngineView(True), 3, (one,), (), (), 0, (), "", (), default_agent="own")
    view = AgentsView(ConsoleState(shown, approving={"own": "--yolo"}))
    assert ("auto", "warning") in view.row(0).cells
    plain = AgentsView(ConsoleState(shown, approving={"other": "--yolo"}))
    assert "auto" not in words(plain.row(0).cells).split()
    assert {column.name: column.width for column in plain.columns}["auto"] == 0
    header = task_summary.format_header(ConsoleState(shown, approving={"own": "--yolo"}), one.task, 1)
    assert "approves everything by itself (--yolo)" in words(cell for line in header for cell in line)


async def test_s18_the_console_shows_it(console: Opener, operator: Client) -> None:
    """On the screen of a waiting task."""
    settings = {"command": ["true", "--dangerously-skip-permissions"]}
    files.replace(operator.paths.config, f"[agents.own]\ncommand = {json.dumps(settings['command'])}\n".encode())
    task = Task("q_1", "local/w#1", "x", agent="own", held=True)
    files.replace(
        operator.paths.item("q_1"),
        json.dumps({"id": "q_1", "issue_ref": task.issue_ref, "agent": "own", "held": True}).encode(),
    )
    async with console((160, 40)) as here:
        await here.press("2", "enter")
        await here.shows("approves everything by itself (--dangerously-skip-permissions)")

"""`kugetsu doctor agents`: what is installed, in which version, logged in or not, and what it would not do unattended."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from kugetsu_engine.agents import program_versions, registry
from kugetsu_engine.config.loader import AgentSettings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.doctor import agent_logins, agent_programs
from kugetsu_engine.paths import StatePaths
from tests.support.processes import is_alive


def install(folder: Path, name: str, script: str) -> Path:
    """A program of that name."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Variables of somebody with an empty home."""
    (tmp_path / "home").mkdir()
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


def found(paths: StatePaths, settings: Settings, environ: dict[str, str]) -> dict[str, agent_programs.Program]:
    """What the doctor says, by name."""
    return {one.name: one for one in agent_programs.inspect_programs(paths, settings, environ)}


def test_each_known_agent_is_told_with_what_to_do(paths: StatePaths, environ: dict[str, str], tmp_path: Path) -> None:
    """Installed and logged in by a file or a key; installed only; not there at all."""
    for name in ("claude", "codex", "gemini"):
        install(tmp_path / "bin", name, 'echo "noise"; echo "v1.2.3-rc1 (Some Agent)"')
    (tmp_path / "home" / ".claude").mkdir()
    (tmp_path / "home" / ".claude" / ".credentials.json").touch()
    Path(paths.env, "default.env").write_text("GEMINI_API_KEY=secret\n", encoding="utf-8")
    told = found(paths, Settings(), environ | {"PATH": str(tmp_path / "bin")})  # whatever is installed here
    assert set(told) == set(registry.LAUNCHERS)
    claude, codex, gemini, aider = (told[name] for name in ("claude", "codex", "gemini", "aider"))
    assert (claude.ready, claude.version, claude.path) == ("yes", "1.2.3-rc1", str(tmp_path / "bin" / "claude"))
    assert claude.login == str(tmp_path / "home" / ".claude" / ".credentials.json")
    assert (codex.ready, codex.login) == ("no", None)
    assert "codex login" in codex.todo
    assert (gemini.ready, gemini.login) == ("yes", "$GEMINI_API_KEY")
    assert (aider.ready, aider.path, aider.version) == ("no", None, None)
    assert "pip install" in aider.todo
    assert told["demo"].ready == "yes"
    assert "secret" not in repr(told)


def test_an_agents_own_variables_count_and_a_command_of_ones_own_is_not_run(
    paths: StatePaths, environ: dict[str, str], tmp_path: Path
) -> None:
    """`env` and `unset` of its table; nobody knows what a command does with `--version`."""
    install(tmp_path / "bin", "claude", "echo 2.0.0")
    install(tmp_path / "bin", "own", f"touch {tmp_path}/was-run")
    settings = Settings(agents={
        "keyed": AgentSettings(kind="claude", env={"ANTHROPIC_API_KEY": "k"}),
        "keyless": AgentSettings(kind="claude", unset=["ANTHROPIC_API_KEY"]),
        "mine": AgentSettings(command=["own", "--go"]), "gone": AgentSettings(command=["nowhere"]),
        "bad": AgentSettings(command=[]),
    }, pass_env=["ANTHROPIC_API_KEY"])  # fmt: skip
    told = found(paths, settings, environ | {"ANTHROPIC_API_KEY": "k"})
    assert [(told[name].ready, told[name].version) for name in ("keyed", "keyless", "mine", "gone", "bad")] == [
        ("yes", "2.0.0"), ("no", "2.0.0"), ("unknown", None), ("no", None), ("no", None),
    ]  # fmt: skip
    assert "install nowhere" in told["gone"].todo
    assert "empty command" in told["bad"].todo
    assert not (tmp_path / "was-run").exists()


def test_an_agent_on_a_shared_server_is_its_program_and_not_our_client(
    paths: StatePaths, environ: dict[str, str], tmp_path: Path
) -> None:
    """Missing, then installed."""
    settings, environ = Settings(agents={"opencode": AgentSettings(mode="server")}), environ | {"PATH": str(tmp_path / "bin")}
    told = found(paths, settings, environ)["opencode"]
    assert (told.program, told.path, told.ready) == ("opencode", None, "no")
    path = install(tmp_path / "bin", "opencode", "echo 1.18.33")
    told = found(paths, settings, environ)["opencode"]
    assert (told.path, told.version) == (str(path), "1.18.33")


def test_a_program_that_does_not_tell_its_version_is_given_up(tmp_path: Path, environ: dict[str, str]) -> None:
    """It hangs, floods, fails, or is no program; nothing of it is left running."""
    pid = tmp_path / "pid"
    hangs = install(tmp_path / "bin", "hangs", f"echo $$ > {pid}; sleep 300 & wait")
    started = time.monotonic()
    assert program_versions.ask_version(str(hangs), environ, 3.0) is None
    assert time.monotonic() - started < 30
    assert not is_alive(int(pid.read_text(encoding="utf-8")))
    assert program_versions.ask_version(str(install(tmp_path / "bin", "floods", "exec yes")), environ) is None
    assert program_versions.ask_version(str(install(tmp_path / "bin", "fails", "exit 3")), environ) is None
    broken = install(tmp_path / "bin", "broken", "")
    broken.write_bytes(b"\x7fELF nonsense")
    assert program_versions.ask_version(str(broken), environ) is None
    silent = install(tmp_path / "bin", "warns", "echo 'WARNING: 9.9.9'; echo 'tool 0.169.0'")
    assert program_versions.ask_version(str(silent), environ) == "0.169.0"


def test_a_version_is_asked_for_without_a_terminal_and_without_a_network(tmp_path: Path, environ: dict[str, str]) -> None:
    """Input is empty, a proxy is named that is not there, and no folder of the operator's is the working directory."""
    script = f'{{ tty; pwd; echo "$https_proxy"; cat; }} > {tmp_path}/seen; echo 1.0'
    assert program_versions.ask_version(str(install(tmp_path / "bin", "looks", script)), environ) == "1.0"
    assert (tmp_path / "seen").read_text(encoding="utf-8").splitlines() == ["not a tty", "/", program_versions.DEAD_PROXY]


@pytest.mark.parametrize(
    ("kind", "env", "login", "todo"),
    [
        ("claude", {"CLAUDE_CODE_OAUTH_TOKEN": "t"}, "$CLAUDE_CODE_OAUTH_TOKEN", ""),
        ("aider", {"MISTRAL_API_KEY": "k"}, "$MISTRAL_API_KEY", ""),
        ("aider", {}, None, "no variable has a key"),
        ("opencode", {"OPENAI_API_KEY": "k"}, "$OPENAI_API_KEY", ""),
        ("opencode", {}, None, "unless its configuration"),
        ("codex", {"OPENAI_API_KEY": "k"}, None, "codex login"),
        ("gemini", {"GEMINI_API_KEY": ""}, None, "GEMINI_API_KEY"),
    ],
)
def test_a_login_is_found_by_name_and_never_read(kind: str, env: dict[str, str], login: str | None, todo: str) -> None:
    """An empty variable is none; "perhaps" where a program could do without."""
    where, what = agent_logins.find_login(kind, {"HOME": "/nowhere", **env}, "linux")
    assert where == login
    assert todo in what


def test_the_keychain_of_a_mac_may_hold_claudes_login() -> None:
    """So it is not called missing there."""
    assert agent_logins.find_login("claude", {"HOME": "/nowhere"}, "darwin")[1].startswith("unless")


@pytest.mark.parametrize(
    ("kind", "argv", "env", "words"),
    [
        ("gemini", [], {}, "untrusted worktrees"),
        ("gemini", [], {"GEMINI_CLI_TRUST_WORKSPACE": "true"}, "--approval-mode"),
        ("gemini", ["--skip-trust", "--approval-mode=auto_edit"], {}, ""),
        ("codex", [], {}, "only reads"),
        ("codex", ["-s", "workspace-write"], {}, ""),
        ("codex", ["-c", "sandbox_mode=workspace-write"], {}, ""),
        ("claude", [], {}, "permission"),
        ("claude", ["--allowedTools=Edit"], {}, ""),
        ("aider", [], {}, ""),
    ],
)
def test_what_an_agent_would_not_do_unattended_is_told(kind: str, argv: list[str], env: dict[str, str], words: str) -> None:
    """From its command line and its variables alone."""
    told = agent_logins.describe_refusals(kind, argv, {"HOME": "/nowhere", **env})
    assert words in told
    assert bool(words) == bool(told)


def test_the_command_prints_a_table_or_json_and_fails_when_the_default_cannot_run(
    paths: StatePaths, tmp_path: Path, environ: dict[str, str]
) -> None:
    """Exit code 1 for the default agent only."""
    import subprocess

    Path(paths.config).write_text('agent = "demo"\n', encoding="utf-8")
    asked = environ | {"KUGETSU_DIR": paths.root}
    words = [sys.executable, "-m", "kugetsu_engine", "doctor", "agents"]
    root = Path(__file__).parents[2]
    plain = subprocess.run(words, env=asked, cwd=root, capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stderr) == (0, "")
    assert "✓ demo" in plain.stdout
    assert "(default)" in plain.stdout
    Path(paths.config).write_text('agent = "codex"\n', encoding="utf-8")
    told = subprocess.run([*words, "--json"], env=asked, cwd=root, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    document = json.loads(told.stdout)
    assert document["default"] == "codex"
    assert {one["name"]: one["ready"] for one in document["agents"]}["codex"] == "no"
    assert os.listdir(paths.runs) == []

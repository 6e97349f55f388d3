"""The real claude, codex, gemini and aider: offline, without a login, against a server of ours.

`KUGETSU_TEST_CLAUDE`, `…_CODEX`, `…_GEMINI` and `…_AIDER` name the binaries; without one its tests are skipped.
`npm install --ignore-scripts` of `@anthropic-ai/claude-code@2.1.197`, `@openai/codex@0.169.0` and `@google/gemini-cli@0.61.0`
fetches what they were written for, and `pip install aider-chat==0.86.2`; claude's binary is
`node_modules/@anthropic-ai/claude-code-linux-x64/claude`.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents import aider
from kugetsu_engine.domain import refs
from kugetsu_engine.domain.session import BASE, Session
from kugetsu_engine.domain.task import Task
from kugetsu_engine.state import sessions
from tests.support.fleet import Fleet
from tests.support.providers import LAST_WORDS, Providers

from .conftest import WAIT_S

NAMES = ("aider", "claude", "codex", "gemini")
FLAGS = {
    "aider": (["--help"], [*aider.OPTIONS, "--message-file", "--chat-history-file", "--input-history-file", "--model",
                           "--restore-chat-history"]),
    "claude": (["--help"], ["--print", "--output-format", "stream-json", "--verbose", "--session-id", "--resume", "--model",
                            "--fork-session", "--name"]),
    "codex": (["exec", "--help"], ["--json", "--model", "resume", "fork", "--sandbox", "--add-dir"]),
    "gemini": (["--help"], ["--output-format", "stream-json", "--session-id", "--resume", "--model", "--approval-mode"]),
}  # fmt: skip


def program(name: str) -> str:
    """The binary; the test is skipped where there is none."""
    found = os.environ.get(f"KUGETSU_TEST_{name.upper()}")
    if found is None:
        pytest.skip(f"no {name} is named in KUGETSU_TEST_{name.upper()}")
    return found


@pytest.fixture
def providers() -> Iterator[Providers]:
    """The provider."""
    with Providers() as server:
        yield server


def table(name: str, home: Path, address: str) -> str:
    """The settings of an agent that has all it needs to work unattended, and nothing of the operator's."""
    (home / ".gemini").mkdir(parents=True)
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    provider = f'model_providers.fake={{name="fake",base_url="{address}/v1",env_key="FAKE_KEY",wire_api="responses"}}'
    args = {
        "claude": ["--allowedTools=Bash"],
        "codex": ["-s", "danger-full-access", "-c", "model_provider=fake", "-c", provider, "-c", "model=fake"],
        "gemini": ["--approval-mode=yolo", "--model=gemini-2.5-flash"],
        "aider": ["--model=openai/gpt-4o", "--edit-format=whole", "--map-tokens=0"],
    }[name]
    env = {
        "HOME": str(home), "FAKE_KEY": "none", "ANTHROPIC_BASE_URL": address, "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": address,
        "GEMINI_CLI_TRUST_WORKSPACE": "true", "OPENAI_API_BASE": f"{address}/v1", "OPENAI_API_KEY": "none",
    }  # fmt: skip
    pairs = ", ".join(f"{key} = {json.dumps(value)}" for key, value in env.items())
    return f"[agents.{name}]\nprogram = {json.dumps(program(name))}\nargs = {json.dumps(args)}\nenv = {{ {pairs} }}\n"


def work(fleet: Fleet, name: str, ref: str, text: str, **options: Any) -> Task:
    """One task, to its end."""
    if not fleet.engines:
        fleet.start_engine()
    task_id = fleet.operator.enqueue(ref, text, agent=name, **options)[0]
    return fleet.wait_for_end([task_id], limit_s=WAIT_S)[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_program_has_every_option_it_is_called_with(name: str, tmp_path: Path) -> None:
    """By its own help."""
    words, flags = FLAGS[name]
    done = subprocess.run(
        [program(name), *words], env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, cwd=tmp_path, timeout=60,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    assert [flag for flag in flags if flag not in told] == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_it_works_goes_on_with_its_session_and_is_forked(fleet: Fleet, providers: Providers, name: str) -> None:
    """A file in the worktree, session, tokens and last words; then the session is taken up, and copied to another issue."""
    fleet.tables = table(name, fleet.folder / "home", providers.address)
    fleet.configure(agent=name, max_attempts=1, task_timeout="200s")
    first = work(fleet, name, "local/work#1", "remember the first prompt")
    attempt = first.attempts[0]
    assert first.state == "completed", fleet.log(first.id).decode()[-2000:]
    worktree = Path(fleet.paths.worktree(refs.parse_reference("local/work#1").slug))
    assert (worktree / "made.txt").read_text(encoding="utf-8") == "hi\n"
    assert attempt.session_id
    assert attempt.usage is not None
    assert attempt.usage.tokens
    result = fleet.result(first.id)
    assert result is not None
    assert result.last_text == LAST_WORDS or name == "aider"
    second = work(fleet, name, "local/work#1", "and now the second", session="continue")
    assert (second.state, second.attempts[0].session_id) == ("completed", attempt.session_id)
    assert any("remember the first prompt" in body and "and now the second" in body for body in providers.bodies)
    if name == "gemini":
        return  # it has no fork
    sessions.save_session(fleet.paths, Session(BASE, agent=name, session_id=attempt.session_id, worktree=str(worktree)))
    third = work(fleet, name, "local/work#2", "and a third elsewhere", session="fork")
    assert third.state == "completed", fleet.log(third.id).decode()[-2000:]
    assert third.attempts[0].session_id not in (None, attempt.session_id)
    assert any("remember the first prompt" in body and "and a third elsewhere" in body for body in providers.bodies)
    assert Path(fleet.paths.worktree(refs.parse_reference("local/work#2").slug), "made.txt").exists()


@pytest.mark.parametrize("name", ["claude", "gemini"])
def test_without_a_login_the_failure_is_called_credentials(fleet: Fleet, name: str) -> None:
    """claude says "success" and gemini exits with 41; a session that is not there is class `session`."""
    home = fleet.folder / "home"
    home.mkdir()
    env = f'{{ HOME = "{home}", GEMINI_CLI_TRUST_WORKSPACE = "true" }}'
    fleet.tables = f'[agents.{name}]\nprogram = "{program(name)}"\nenv = {env}\n'
    fleet.configure(agent=name, max_attempts=1)
    task = work(fleet, name, "local/work#1", "do it")
    assert (task.state, task.attempts[0].failure) == ("error", "credentials")

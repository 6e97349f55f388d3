"""claude, codex, gemini, aider and commands by template, driven by the engine: recorded programs in place of the real ones."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.domain import refs
from kugetsu_engine.state import sessions
from tests.support.fleet import ROOT, Fleet
from tests.support.waiting import wait_until

STREAMS = ROOT / "tests" / "streams"
REPLAYING = ROOT / "tests" / "support" / "replaying_agent.py"


@pytest.fixture
def seen(fleet: Fleet) -> Path:
    """Where the programs note what they were given."""
    return fleet.folder / "seen"


def program(fleet: Fleet, name: str) -> str:
    """A program of that name."""
    path = fleet.folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{REPLAYING.read_text(encoding='utf-8')}", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def table(name: str, seen: Path, stream: str | Path, code: int = 0, more: str = "") -> str:
    """The settings of an agent that replays a stream."""
    env = {"SEEN": str(seen), "PLAY": str(STREAMS / stream), "CODE": str(code)}
    return f"[agents.{name}]\n{more}\nenv = {{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in env.items())} }}\n"


def given(seen: Path) -> list[dict[str, Any]]:
    """What each run was given."""
    return [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]


def run(fleet: Fleet, agent: str, ref: str = "local/work#1", **options: Any) -> Any:
    """Enqueue one task for an agent, wait until it has ended, return it."""
    if not fleet.engines:
        fleet.start_engine()
    return fleet.wait_for_end([fleet.enqueue(ref, options={"agent": agent, **options})])[0]


def test_claude_is_told_its_session_and_goes_on_with_it(fleet: Fleet, seen: Path) -> None:
    """Usage, last words and session are kept; the second task of the issue resumes; the prompt is on standard input."""
    fleet.tables = table("claude", seen, "claude-ok.jsonl", more=f'program = "{program(fleet, "claude")}"')
    fleet.configure(max_attempts=1)
    first = run(fleet, "claude")
    assert (first.state, first.attempts[0].usage.tokens, first.attempts[0].usage.cost) == ("completed", 390, 0.00273)
    kept = sessions.load_session(fleet.paths, refs.parse_reference("local/work#1").slug)
    assert kept is not None
    assert (kept.agent, kept.session_id) == ("claude", first.attempts[0].session_id)
    second = run(fleet, "claude", session="continue")
    assert second.state == "completed"
    begun, resumed = given(seen)
    assert "\ndo it\n" in begun["stdin"]
    assert any(re.fullmatch(r"--session-id=[0-9a-f-]{36}", word) for word in begun["argv"])
    assert f"--resume={kept.session_id}" in resumed["argv"]
    result = fleet.result(second.id)
    assert result is not None
    assert result.last_text == "Done: made.txt is there."


@pytest.mark.parametrize(
    ("agent", "stream", "code", "failure"),
    [
        ("claude", "claude-nologin.jsonl", 1, "credentials"),
        ("claude", "claude-deny.jsonl", 0, "blocked"),
        ("codex", "codex-429.jsonl", 1, "rate_limit"),
        ("gemini", "gemini-nologin.jsonl", 41, "credentials"),
        ("aider", "aider-401.txt", 0, "credentials"),
    ],
)
def test_a_failure_is_entered_with_its_class(
    fleet: Fleet, seen: Path, agent: str, stream: str, code: int, failure: str
) -> None:
    """As the events tell it, also behind exit code 0; a rate limit makes the provider rest."""
    fleet.tables = table(agent, seen, stream, code, f'program = "{program(fleet, agent)}"')
    fleet.configure(max_attempts=1)
    fleet.start_engine()
    task_id = fleet.enqueue(options={"agent": agent})
    wait_until(lambda: bool(fleet.task(task_id).attempts), 15, "an attempt to have ended")
    assert fleet.task(task_id).attempts[0].failure == failure


def test_the_example_of_the_page_works_as_it_stands(fleet: Fleet, seen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The TOML in docs/agents.md, for a program that prints such events: text, tokens, session; then it is resumed."""
    page = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n# example: my-agent\n(.*?)```", page, re.DOTALL)
    assert example is not None
    assert len(example[1].splitlines()) <= 10
    events = fleet.folder / "events"
    lines = [
        {"type": "begin", "session": {"id": "s-77"}}, {"type": "message", "message": {"text": "Looking."}},
        {"type": "usage", "usage": {"tokens": 40}}, {"type": "message", "message": {"text": "Done."}, "usage": {"tokens": 2}},
        {"type": "end", "reason": "done"},
    ]  # fmt: skip
    events.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    folder = Path(program(fleet, "my-agent")).parent
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(seen))
    monkeypatch.setenv("PLAY", str(events))
    fleet.tables = example[1]
    fleet.configure(pass_env="SEEN,PLAY", max_attempts=1)
    first = run(fleet, "mine")
    assert (first.state, first.attempts[0].usage.tokens, first.attempts[0].session_id) == ("completed", 42, "s-77")
    assert run(fleet, "mine", session="continue").state == "completed"
    assert [one["argv"] for one in given(seen)] == [
        ["run", "--json", "--model", "fast"], ["run", "--json", "--session", "s-77"],
    ]  # fmt: skip
    events.write_text("".join(json.dumps(line) + "\n" for line in [*lines[:3], {"type": "error"}, lines[4]]), encoding="utf-8")
    failed = run(fleet, "mine", ref="local/work#2")
    assert (failed.state, failed.attempts[0].failure) == ("error", "exit")


def test_a_prompt_travels_as_a_file_or_an_argument_and_variables_can_be_taken_away(fleet: Fleet, seen: Path) -> None:
    """Standard input is empty then; one word stays one word; `unset` wins over the env files."""
    Path(fleet.paths.env, "default.env").write_text("TOKEN=secret\nKEPT=yes\n", encoding="utf-8")
    mine = program(fleet, "mine")
    as_file = f'command = ["{mine}", "--file={{prompt_file}}", "{{dir}}"]\nprompt = "file"'
    as_word = f'command = ["{mine}", "-p", "{{prompt}}"]\nprompt = "argv"\nunset = ["TOKEN"]'
    fleet.tables = table("file", seen, "aider-ok.txt", more=as_file) + table("argv", seen, "aider-ok.txt", more=as_word)
    fleet.configure(max_attempts=1)
    by_file, by_argv = run(fleet, "file"), run(fleet, "argv", ref="local/work#2")
    assert (by_file.state, by_argv.state) == ("completed", "completed")
    first, second = given(seen)
    assert (first["stdin"], second["stdin"]) == ("", "")
    assert list(first["files"].values()) == [by_file.message]
    assert first["argv"][1] == first["cwd"] == fleet.paths.worktree(refs.parse_reference("local/work#1").slug)
    assert second["argv"] == ["-p", by_argv.message]
    assert {"TOKEN", "KEPT"} <= set(first["env"])
    assert "KEPT" in second["env"]
    assert "TOKEN" not in second["env"]

"""What people type, name and save: bytes that are not UTF-8, marks of editors, odd ends of lines."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repositories import make_repository

from .conftest import Shell

CAFE = b"caf\xe9"
"""As a terminal in Latin-1 sends it."""


def run(shell: Shell, *words: str | bytes, stdin: bytes = b"", folder: bytes | None = None) -> tuple[int, str]:
    """Run a verb with words that may be no text; its exit code, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "kugetsu_engine", *words], input=stdin, capture_output=True, timeout=60, check=False,
        cwd=folder or shell.folder, env=shell.environ | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    said = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in said
    assert done.returncode == 0 or (said.startswith("kugetsu: ") and said.count("\n") == 1), said
    return done.returncode, said


@pytest.mark.parametrize(
    "words",
    [
        ["kill", CAFE], ["edit", "1", "--message", CAFE], ["set-pr", "local/app#1", b"https://x/" + CAFE],
        ["move", "1", "--before", CAFE], ["resume", "--agent", CAFE], ["enqueue", b"local/" + CAFE + b"#1", "work"],
        ["enqueue", "local/app#1", CAFE], ["enqueue", "--file", CAFE], ["enqueue", "local/app#1", "x", "--repo", b"/" + CAFE],
        ["start", "local/app#1", CAFE], ["import", CAFE], ["server", "add", CAFE, "https://x"], ["logs", CAFE], [CAFE],
    ],
)  # fmt: skip
def test_words_that_are_not_utf8_are_refused_in_one_line(shell: Shell, words: list[str | bytes]) -> None:
    """Whatever the verb, and before anything is done."""
    code, said = run(shell, *words)
    assert (code, "is not UTF-8" in said) == (64, True)
    assert not (shell.state / "queue").exists()


@pytest.mark.parametrize("verb", [["enqueue", "local/app#1", "-"], ["edit", "1", "--message", "-"], ["enqueue", "--file", "-"]])
def test_input_that_is_not_utf8_is_refused_with_its_line(shell: Shell, verb: list[str]) -> None:
    """And nothing is stored of it."""
    shell.enqueue("local/app#1", "as it was", "--hold")
    code, said = run(shell, *verb, stdin=b"one\n" + CAFE)
    assert (code, "standard input is not UTF-8 (line 2)" in said) == (64, True)
    assert [task["message"] for task in shell.json("queue", "list")] == ["as it was"]


def test_a_repository_whose_folder_is_not_utf8_is_refused(shell: Shell, tmp_path: Path) -> None:
    """No file could say where it is. A folder that is no repository does not matter."""
    folder = os.fsencode(tmp_path) + b"/" + CAFE
    os.mkdir(folder)
    code, said = run(shell, "enqueue", "local/app#1", "x", folder=folder)
    assert code == 0, said
    make_repository(Path(os.fsdecode(folder), "app"))
    code, said = run(shell, "enqueue", "local/app#1", "x", folder=folder + b"/app")
    assert (code, "is not UTF-8" in said) == (64, True)


def test_a_state_directory_whose_name_is_not_utf8_is_refused(shell: Shell, tmp_path: Path) -> None:
    """By every verb, the headless engine too."""
    shell.environ["KUGETSU_DIR"] = f"{tmp_path}/{os.fsdecode(CAFE)}"
    for words in (["status"], ["enqueue", "local/app#1", "x"], ["--headless", "--until-idle"]):
        code, said = run(shell, *words)
        assert (code, "is not UTF-8" in said) == (1, True), said


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\u0085", "\x0c", "\x0b", "\x1c", "\r"])
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_json_lines_end_with_a_new_line_and_nothing_else(shell: Shell, tmp_path: Path, end: str, way: str) -> None:
    """A message keeps every other character that Python takes for the end of a line; a mark in front, and CRLF, are no harm."""
    lines = [json.dumps({"issue_ref": "local/app#1", "message": f"{one}{end}more"}, ensure_ascii=False) for one in "ab"]
    data = ("\ufeff" + "\r\n".join([*lines, ""])).encode()
    file = tmp_path / "tasks.jsonl"
    file.write_bytes(data)
    code, said = run(shell, "enqueue", "--file", str(file) if way == "file" else "-", stdin=data)
    assert code == 0, said
    assert [task["message"] for task in shell.json("queue", "list")] == [f"a{end}more", f"b{end}more"]


def test_files_that_an_editor_marks_are_read(shell: Shell, quick_agents: Callable[[str], None]) -> None:
    """Settings, a task and the prompt with a byte order mark, as some editors save them; settings with CRLF, too."""
    quick_agents("")
    (shell.state / "config.toml").write_bytes(b'\xef\xbb\xbfagent = "demo"\r\nmax_concurrent_agents = 2\r\n')
    (shell.state / "prompt.md").write_bytes(b"\xef\xbb\xbf$task\n")
    shell.enqueue("local/app#1", "work", "--hold")
    item = shell.state / "queue/items/q_1.json"
    item.write_bytes(b"\xef\xbb\xbf" + item.read_bytes())
    assert shell.json("status")["slots"]["limit"] == 2
    assert shell.json("status")["alerts"] == []
    assert shell("release", "1").returncode == 0
    assert shell("--headless", "--until-idle").returncode == 0
    assert shell.json("show", "1")["state"] == "completed"
    assert not list((shell.state / "queue/corrupt").iterdir())


def test_variables_that_are_not_utf8_reach_the_agent_and_stop_nothing(
    shell: Shell, quick_agents: Callable[[str], None]
) -> None:
    """One of the operator's, and one of an env file; a setting that is one is told."""
    script = 'cat >/dev/null; printf %s "$LC_ODD:$ODD" > "$HOME/seen"'
    quick_agents(f'agent = "a"\n[agents.a]\ncommand = ["sh", "-c", {json.dumps(script)}]\n')
    (shell.state / "env").mkdir(mode=0o700)
    (shell.state / "env/default.env").write_bytes(b"ODD='" + CAFE + b"' # odd\n")
    shell.environ |= {"HOME": str(shell.folder.parent), "LC_ODD": os.fsdecode(CAFE), "KUGETSU_THEME": os.fsdecode(CAFE)}
    assert run(shell, "enqueue", "local/app#1", "x")[0] == 0
    assert shell("--headless", "--until-idle").returncode == 0
    assert (shell.folder.parent / "seen").read_bytes() == CAFE + b":" + CAFE
    assert any("$KUGETSU_THEME" in alert["text"] for alert in shell.json("status")["alerts"])

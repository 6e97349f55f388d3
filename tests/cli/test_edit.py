"""`kugetsu edit`: by options, and in the operator's own editor at a terminal."""

import json
import os
import pty
import subprocess
import sys

from .conftest import Shell


def _at_a_terminal(shell: Shell, editor: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `kugetsu` with a terminal as its standard input."""
    ours, theirs = pty.openpty()
    try:
        return subprocess.run(
            [sys.executable, "-m", "kugetsu_engine", *words], stdin=theirs, capture_output=True, text=True, timeout=60,
            cwd=shell.folder, env=shell.environ | {"VISUAL": editor}, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)


def _task(shell: Shell) -> dict[str, object]:
    found: dict[str, object] = json.loads((shell.state / "queue/items/q_1.json").read_text())
    return found


def test_a_task_is_edited_in_the_editor_until_it_makes_sense(shell: Shell) -> None:
    """Also when it is the engine that refuses: an agent it does not know."""
    shell.enqueue("local/app#1", "work", "--tag", "Api", "--tag", "urgent")
    assert _task(shell)["tags"] == ["api", "urgent"]
    script = (
        "import sys; p = sys.argv[1]; t = open(p).read(); n = t.replace('agent: demo', 'agent: nobody') if 'nobody' not in t"
    )
    script += " else t.replace('agent: nobody', 'agent: demo').replace('priority: 5', 'priority: 8'); open(p, 'w').write(n)"
    (shell.folder / "editor.py").write_text(script)
    done = _at_a_terminal(shell, f"{sys.executable} {shell.folder / 'editor.py'}", "edit", "1")
    assert (done.returncode, done.stdout) == (0, "changed priority of #1\n")
    assert (_task(shell)["priority"], _task(shell)["agent"]) == (8, "demo")
    assert os.listdir(shell.state / "queue/edits") == []


def test_an_editor_that_leaves_it_broken_loses_nothing(shell: Shell) -> None:
    """The text stays where it is, and that is said."""
    shell.enqueue()
    done = _at_a_terminal(shell, "sed -i s/^---$/what/", "edit", "#1")
    assert done.returncode == 64 or done.returncode == 1
    assert "the text is kept" in done.stderr
    assert "what" in (shell.state / "queue/edits/q_1.md").read_text()
    assert _task(shell)["message"] == "work"
    done = _at_a_terminal(shell, "false", "edit", "1")
    assert done.stdout == "nothing was changed\n"


def test_without_a_terminal_or_an_editor_it_says_what_to_do(shell: Shell) -> None:
    """Nothing waits for a person who is not there."""
    shell.enqueue()
    done = shell("edit", "1")
    assert done.returncode == 64
    assert "$EDITOR" in done.stderr
    assert shell("edit", "1", "--tag", "Later", "--tag", "later").stdout == "changed tags of #1\n"
    assert _task(shell)["tags"] == ["later"]
    assert shell("edit", "1", "--tag", "").returncode == 0
    assert _task(shell)["tags"] == []
    assert shell("enqueue", "local/app#1", "x", "--tag", "a b").returncode == 64

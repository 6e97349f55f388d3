"""What a press of tab gives in the shells that people use: each verb's own options and words, ids, agents, references."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fleet import Fleet
from tests.support.terminal import Tmux

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(kugetsu completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit && compinit -u -D && source <(kugetsu completion zsh)"),
    "zsh by eval": (["zsh", "-f", "-i"], 'autoload -Uz compinit && compinit -u -D && eval "$(kugetsu completion zsh)"'),
}
"""How each is started without anybody's settings, and what its users put into them."""
PRESSED = [
    ("kugetsu queue st", "kugetsu queue stats"),
    ("kugetsu enqueue --rep", "kugetsu enqueue --repo"),
    ("kugetsu kill --n", "kugetsu kill --now"),
    ("kugetsu notify mu", "kugetsu notify mute"),
    ("kugetsu show ", "kugetsu show 1"),
    ("kugetsu enqueue local/work#2 x --agent scr", "--agent scripted"),
    ("kugetsu enqueue local/work#2 x --expect comm", "--expect commits"),
    ("kugetsu context loc", "kugetsu context local/work"),
]
"""What is typed before tab is pressed, and what then stands there."""


@pytest.fixture
def offering(fleet: Fleet) -> Fleet:
    """A fleet with one task."""
    fleet.enqueue("local/work#1", options={"hold": True})
    return fleet


def _path() -> str:
    """The search path of a user who has installed kugetsu."""
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("name", sorted(SHELLS))
def test_tab_completes_after_the_verb(offering: Fleet, tmux: Tmux, name: str) -> None:
    """In the real shell."""
    program, source = SHELLS[name]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    tmux.environ |= {"PATH": _path(), "PS1": "ready> ", "HOME": str(offering.folder)}
    tmux.start(program=program)
    tmux.wait_for("ready>")
    tmux.type(f"{source}; clear; echo sourced")
    tmux.keys("Enter")
    tmux.wait_for("sourced\nready>")
    for typed, wanted in PRESSED:
        tmux.type(typed)
        tmux.keys("Tab")
        tmux.wait_for(wanted)
        tmux.keys("C-c")
        tmux.type("clear")
        tmux.keys("Enter")


def test_fish_completes_after_the_verb(offering: Fleet) -> None:
    """It tells itself what it would offer."""
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    lines = "; ".join(f"echo '== {typed}'; complete -C '{typed}'" for typed, _ in PRESSED)
    environ = {"PATH": _path(), "HOME": str(offering.folder), "KUGETSU_DIR": offering.paths.root, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"kugetsu completion fish | source; {lines}"], env=environ, capture_output=True,
        text=True, check=True, timeout=60, cwd=offering.folder,
    )  # fmt: skip
    said = dict(part.split("\n", 1) for part in done.stdout.split("== ")[1:])
    for typed, wanted in PRESSED:
        assert wanted.split()[-1] in said[typed], typed
    assert "attach" not in said["kugetsu show "]

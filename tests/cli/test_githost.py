"""`kugetsu githost` changes `config.toml` as a person would."""

import tomllib

import pytest

from .conftest import Shell

CONFIG = """\
# my settings
agent = "demo"   # cheap

# where clones come from
[servers]
"git.example.org" = "https://git.example.org"  # the old one

[agents.mine]
command = ["a",
    "b"]  # split
"""


def test_the_whole_life_of_a_server(shell: Shell) -> None:
    """Added, default, asked for, refused where it is needed, removed; comments and order of the file stay."""
    shell.state.mkdir(mode=0o700)
    config = shell.state / "config.toml"
    config.write_text(CONFIG)
    assert shell("githost", "add", "Forge.Test", "ssh://git@forge.test:2222").returncode == 0
    assert shell("githost", "default", "forge.test").returncode == 0
    assert shell("githost", "default").stdout == "forge.test\n"
    assert shell("githost", "get").stdout == "ssh://git@forge.test:2222\n"
    assert shell("githost", "get", "git.example.org").stdout == "https://git.example.org\n"
    assert shell("githost", "remove", "forge.test").returncode == 3
    assert shell.json("githost", "list") == [
        {"name": "forge.test", "url": "ssh://git@forge.test:2222", "default": True},
        {"name": "git.example.org", "url": "https://git.example.org", "default": False},
        {"name": "github.com", "url": "https://github.com", "default": False},
    ]
    assert shell("enqueue", "owner/repo#1", "x").returncode == 0
    assert shell.json("show", "1")["issue_ref"] == "forge.test/owner/repo#1"
    text = config.read_text()
    for line in CONFIG.splitlines():
        assert line in text
    assert tomllib.loads(text)["agents"]["mine"]["command"] == ["a", "b"]
    assert shell("githost", "default", "github.com").returncode == 0
    assert shell("githost", "remove", "forge.test").returncode == 0
    assert shell("githost", "remove", "git.example.org").returncode == 0
    assert "forge.test" not in shell("githost").stdout
    assert config.stat().st_mode & 0o077 == 0


def test_a_file_is_made_where_there_is_none(shell: Shell) -> None:
    """And holds no more than what was asked for."""
    assert shell("githost", "add", "forge.test", "/srv/git").returncode == 0
    assert tomllib.loads((shell.state / "config.toml").read_text()) == {"servers": {"forge.test": "/srv/git"}}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["add", "forge.test"], 64), (["add", "a b", "https://x"], 64), (["add", "local", "https://x"], 64),
        (["add", "forge.test", "javascript:1"], 64), (["add", "forge.test", "https://me:secret@x"], 64),
        (["add", "github.com", "https://github.com"], 3), (["remove", "github.com"], 3), (["remove", "nobody"], 1),
        (["default", "nobody"], 1), (["default", "github.com"], 3), (["get", "nobody"], 1), (["frobnicate"], 64),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(shell: Shell, words: list[str], code: int) -> None:
    """And nothing is written."""
    done = shell("githost", *words)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (code, 1, "")
    assert not (shell.state / "config.toml").exists()


def test_a_broken_file_is_left_alone(shell: Shell) -> None:
    """Nobody's settings are lost by a typo."""
    shell.state.mkdir(mode=0o700)
    (shell.state / "config.toml").write_text("agent = ")
    done = shell("githost", "add", "forge.test", "https://forge.test")
    assert (done.returncode, "correct it first" in done.stderr) == (64, True)
    assert (shell.state / "config.toml").read_text() == "agent = "

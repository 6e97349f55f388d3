"""What the page for those who come from the bash kugetsu promises is there."""

import re
from pathlib import Path

import pytest

from kugetsu_engine.cli.main import run
from kugetsu_engine.cli.verbs import MODULES
from kugetsu_engine.cli.verbs import OLD_NAMES as OLD_VERBS
from kugetsu_engine.config.loader import OLD_NAMES
from kugetsu_engine.domain.text import shell_assignments
from kugetsu_engine.migration.bash_settings import NO_COUNTERPART

PAGE = (Path(__file__).parents[2] / "docs/from-bash-kugetsu.md").read_text(encoding="utf-8")
UPSTREAM = (
    "init", "start", "continue", "delegate", "list", "prune", "destroy", "status", "doctor", "notify", "logs", "queue",
    "queue-daemon", "context", "set-pr", "server",
)  # fmt: skip


def rows(title: str) -> list[tuple[str, str]]:
    """The first two columns of a table, without its head."""
    part = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    cells = [line.split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return [(row[0].removeprefix("| "), row[1].removesuffix(" |")) for row in cells[1:]]


@pytest.mark.parametrize("verb", UPSTREAM)
def test_every_command_of_old_is_there_and_on_the_page(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells what it takes."""
    name = OLD_VERBS.get(verb, verb)
    assert name in MODULES
    assert any(old.startswith(f"`kugetsu {verb}") for old, _ in rows("Commands"))
    try:
        code = run([verb, "--help"])
    except SystemExit as end:
        code = int(str(end.code or 0))
    assert code == 0
    assert name in capsys.readouterr().out


def test_every_command_the_page_names_is_one_of_ours() -> None:
    """No row promises what is not there."""
    for _, now in rows("Commands"):
        for name in re.findall(r"`([a-z-]+)", now):
            assert name in MODULES or name in OLD_VERBS or name.startswith("--"), now


def test_every_variable_of_old_has_a_row() -> None:
    """Those that are taken over, and those that are not."""
    named = {name for old, _ in rows("Variables") for name in re.findall(r"`([A-Z_]+)`", old)}
    assert set(OLD_NAMES) | set(NO_COUNTERPART) <= named


def test_servers_are_read_in_either_way_of_writing_and_nothing_is_run() -> None:
    """Comments are none; what is no host is told when the settings are read."""
    text = """
    declare -A GIT_SERVERS=( ["A.test"]="https://a.test" [b.test:3000]='http://b.test:3000'
      # ["no.test"]="https://no.test"
      ["$(touch x)"]="https://evil" )
    GIT_SERVERS[c.test]=https://c.test
    """
    assert shell_assignments.parse_assignments(text).tables["GIT_SERVERS"] == {
        "A.test": "https://a.test", "b.test:3000": "http://b.test:3000", "c.test": "https://c.test",
        "$(touch x)": "https://evil",
    }  # fmt: skip

"""Shell assignments are read as a shell reads them: what bash makes of a text is what we make of it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.config import env_files, loader
from kugetsu_engine.domain.text.shell_assignments import parse_assignments
from kugetsu_engine.errors import BadFile
from kugetsu_engine.paths import StatePaths

AS_IN_A_SHELL = [
    'A="value one" # rotates in May', "A='value two'   # note", "A=x#y", "A=x #y", "export A=1 B=2", 'A="a\nb"\nB=3',
    "A=$'a\\tb'", "A=a\\ b", 'A=foo"bar baz"qux', "A='it'\\''s'", 'A="${A:-main}" # default', 'A=${B-"x y"}',
    'A="${B:-${C:-deep}}"', 'A=1\nB="${A:-2}x"', 'A=\nB="${A:-2}" C="${A-3}"', 'A="a\\\nb"', "A=a\\\nb", ': "${A:=5}" ${B:=6}',
    "A=5; B=6", 'A="\\$x \\` \\\\ \\d"', "declare -x A=q", "A=x\nexport A", "readonly A=3", "A=1\nA+=2",
    "A='$(touch x) `id`'", 'A="# no comment"', "A=x\\#y #z", 'A="${B:-"in ner"}"', "A=${B:-'q r'}", 'A=""', "A=",
    "A=$'\\x41\\102\\u00e9\\U1F600'", "A=$'caf\\xc3\\xa9' B=$'\\303\\251'", "A=$'\\e[0m\\a\\b\\f\\v\\?\\d'",
    'A="\u2028"', "A='caf\u00e9 \u0085 \x0c'",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("text", AS_IN_A_SHELL)
def test_what_bash_reads_is_what_we_read(text: str) -> None:
    """Every text is given to bash, which is asked for its variables."""
    ask = 'for n in A B C; do [ -n "${!n+x}" ] && printf "%s=%s\\0" "$n" "${!n}"; done; :'
    said = subprocess.run(["bash", "-c", f"{text}\n{ask}"], capture_output=True, env={"LC_ALL": "C.UTF-8"}, check=True).stdout
    wanted = dict(one.split("=", 1) for one in said.decode().split("\0") if one)
    found = parse_assignments(text)
    assert (found.values, found.faults) == (wanted, [])
    for end, start in (("\r\n", ""), ("\n", "\ufeff")):  # as a Windows editor saves it
        assert parse_assignments(start + text.replace("\n", end)).values == wanted


@pytest.mark.parametrize(
    ("text", "values", "fault"),
    [
        ("A=two words # x", {"A": "two words"}, ""),
        ("A = b", {"A": "b"}, ""),
        ("A=http://h/?a=1&b=2;c", {"A": "http://h/?a=1&b=2;c"}, ""),
        ('A={"edit": {"*": "allow"}}', {"A": '{"edit": {"*": "allow"}}'}, ""),
        ('KEY="-----BEGIN\\nabc"', {"KEY": "-----BEGIN\nabc"}, ""),
        ("A=it's\nB=1", {"B": "1"}, "line 1 has a quote that is not closed"),
        ('A="x" y\nB=1', {"B": "1"}, "line 1 has more words after the quoted value: quote all of it"),
        ('B=1\nA=--name "my name"', {"B": "1"}, "line 2 has quotes after the first word: quote all of it"),
        ("A=${B:-x\nB=1", {"B": "1"}, "line 1 has a ${ that is not closed"),
        ("export C\nB=1", {"B": "1"}, "line 1 is not KEY=VALUE"),
        ("X=(a b)\nB=1", {"B": "1"}, ""),
    ],
)
def test_what_a_shell_would_read_otherwise_is_kept_or_told(text: str, values: dict[str, str], fault: str) -> None:
    """Words without quotes lose nothing; what is not sure is not set, and its line is named."""
    found = parse_assignments(text)
    assert (found.values, "".join(found.faults)) == (values, fault)


def test_a_default_is_not_used_where_the_name_is_known() -> None:
    """As far as the file or the agent's own variables tell."""
    assert parse_assignments('A="${HOME:-/root}/x"', {"HOME": "/home/me"}).values == {"A": "/home/me/x"}
    assert parse_assignments('A="${HOME:-/root}/x"').values == {"A": "/root/x"}


@given(st.text("AB=\"'$ {}:-\\\n#;()[]\t+x`\r", max_size=60))
def test_any_text_is_read_and_every_name_is_one(text: str) -> None:
    """Nothing raises, and no name is made of anything but letters."""
    assert set(parse_assignments(text).values) <= {
        name for name in parse_assignments(text).values if name.isidentifier() and name.isascii()
    }


@pytest.mark.parametrize("line", ['A="${x:-\n', "A=(\n", "A='\n", "é=1\n", "A=${A:-", "[a]="])
def test_a_long_file_that_is_none_takes_no_time(line: str) -> None:
    """The engine reads these files in its turn."""
    began = time.process_time()
    parse_assignments(line * (500_000 // len(line)))
    assert time.process_time() - began < 5


def test_bytes_that_are_not_utf8_reach_the_agent_as_they_are(tmp_path: Path) -> None:
    """A password in Latin-1, say; a file in UTF-16 is told."""
    file = tmp_path / "default.env"
    file.write_bytes(b"\xef\xbb\xbfA=caf\xe9\r\n")
    assert os.fsencode(env_files.load_env_file(str(file))[0]["A"]) == b"caf\xe9"
    file.write_text("A=1\n", encoding="utf-16")
    with pytest.raises(BadFile, match="is UTF-16"):
        env_files.load_env_file(str(file))


def test_the_settings_of_the_bash_kugetsu_are_read_by_the_same_reader(paths: StatePaths) -> None:
    """Comments behind quotes, defaults, assignments with `:`, a table."""
    Path(paths.shell_config).write_text(
        '\ufeffMAX_CONCURRENT_AGENTS="5" # as many as fit\r\n'
        'export KUGETSU_BASE_BRANCH="${KUGETSU_BASE_BRANCH:-main}" # default\r\n'
        ': "${TASK_TIMEOUT_HOURS:=2}"\r\ndeclare -A GIT_SERVERS=(\r\n  [Forge.Test]="https://forge.test" # ours\r\n)\r\n'
        "DEFAULT_GIT_SERVER=https://Forge.Test/\r\n",
        newline="",
    )
    found, problems = loader.load_settings(paths, {})
    assert problems == []
    assert (found.max_concurrent_agents, found.base_branch, found.task_timeout) == (5, "main", 7200.0)
    assert (found.default_server, found.servers["forge.test"]) == ("forge.test", "https://forge.test")

"""S17: an agent that prints its key: wherever kugetsu shows or keeps words of a log, the key is `***`; the log is as it was."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kugetsu_engine.cli import main
from kugetsu_engine.domain.text.masking import EDGE, LEAST_NAMED, MASK, Mask, find_secrets
from kugetsu_engine.supervisor.agent_log import LogFile
from tests.support.fleet import Fleet
from tests.tui.conftest import Opener

SECRET = "canary-3f9c0b7a-of-the-agent"
HALF = SECRET[: len(SECRET) // 2]

SECRETS = {
    "OPENAI_API_KEY": "abcdefgh", "GH_TOKEN": "x" * 8, "DB_PASSWORD": "two words 1", "CLIENT_SECRET": "aaaaaaaa",
    "MY_PAT": "p" * 8,
    "SLACK_WEBHOOK_URL": "https://hooks.example/T1/B2", "ANYTHING": "q8Zk3mN1pW0c", "PRIVATE_PEM": "-----BEGIN-----",
}  # fmt: skip
ORDINARY = {
    "API_KEY": "short77", "EDITOR_MODE": "a1b2c3d4e5f6g7", "ANTHROPIC_MODEL": "claude-sonnet-4-5-20250929",
    "HOMEPAGE": "no blanks 1",
    "BASE_URL": "https://api.example.com/v1", "SSH_KEY_PATH": "/home/me/.ssh/id_ed25519", "CACHE": "/var/cache/a1b2c3d4",
    "LEVEL": "information", "COUNT": "123456789012345", "AWS_ACCESS_KEY_ID": "AKIA0000000000000000",
}  # fmt: skip


def test_s17_names_and_looks_tell_what_is_a_secret() -> None:
    """By the name from 8 characters on, by the looks from 12; of an address the password, of a longer text each line."""
    assert find_secrets(SECRETS) == set(SECRETS.values())
    assert find_secrets(ORDINARY) == set()
    addresses = {"DATABASE_URL": "postgres://me:pass-word-1@db/x", "GIT_URL": "https://ghp_0123456789@github.com/o/r"}
    assert find_secrets(addresses) == {"pass-word-1", "ghp_0123456789"}
    assert find_secrets({"SIGNING_KEY": "-----BEGIN KEY-----\nMIIEabcdef\n\nabc\n"}) == {"-----BEGIN KEY-----", "MIIEabcdef"}


@given(
    st.text('abcx*. -/"\\é', min_size=LEAST_NAMED, max_size=14),
    st.text("abcx*. -", max_size=12),
    st.text("abcx*. -", max_size=12),
)
@example("xxxxxxxx", "xxxx", "xxxx")
@example("abababab", "ab", "abababa")
@settings(max_examples=300, deadline=None, derandomize=True)
def test_s17_no_cut_lets_a_secret_through(secret: str, before: str, after: str) -> None:
    """Whole, in two pieces cut at any place, and written as JSON or in an address."""
    if secret in MASK * 9 or set(secret) == {"*"}:
        return
    mask, text = Mask([secret]), f"{before}{secret}{after}"
    assert secret not in mask(text)
    assert secret not in mask(json.dumps(text, ensure_ascii=True)[1:-1])
    for cut in range(len(text) + 1):
        assert secret not in mask(text[:cut]) + "\n" + mask(text[cut:])
    for cut in range(EDGE, len(secret)):
        assert not mask(f"{before}{secret[:cut]}…").endswith(f"{secret[:cut]}…")
    assert Mask()(text) == text


def test_s17_ordinary_text_stays_as_it_is() -> None:
    """Also where it begins like a secret."""
    mask = Mask([SECRET])
    for text in ("", "can", "a canary sang", "canary-3f9c0b7a-of-another agent", "$ make test", "…"):
        assert mask(text) == text
    assert mask(f"{SECRET} and {SECRET[:9]}") == "*** and ***"
    assert mask(f"{SECRET[-9:]} is the rest of a line") == "*** is the rest of a line"


def test_s17_what_kugetsu_takes_from_a_log_or_adds_is_masked(tmp_path: Path) -> None:
    """Also where the last bytes that are looked at begin in the middle of a key."""
    log = LogFile(str(tmp_path / "1.log"), 1 << 20, Mask([SECRET]))
    log.write(f"{SECRET} {'x' * (65536 - len(HALF) - 2)}\n".encode())
    log.note(f"git said {SECRET}")
    assert not any(HALF[:6] in line or HALF[-6:] in line for line in log.read_last_lines())
    log.close()
    written = (tmp_path / "1.log").read_bytes()
    assert written.count(SECRET.encode()) == 1
    assert written.endswith(b"[kugetsu] git said ***\n")


Command = Callable[[Fleet, str], str]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process and returns what it prints, on both channels."""

    def run(fleet: Fleet, words: str) -> str:
        monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
        capsys.readouterr()
        main.run(words.split())
        return "".join(capsys.readouterr())

    return run


def give(fleet: Fleet, where: str) -> None:
    """Let the agent have the key."""
    if where == "env/dev.env":
        Path(fleet.paths.env, "dev.env").write_text(f"export CANARY_KEY='{SECRET}'\n", encoding="utf-8")
        Path(fleet.paths.env, "dev.env").chmod(0o600)
    else:
        fleet.tables = f'[agents.scripted.env]\nCANARY_KEY = "{SECRET}"'
    fleet.configure(max_attempts=1)


def holders(fleet: Fleet) -> set[str]:
    """Every file of the state directory with the key in it."""
    found = (path for path in Path(fleet.paths.root).rglob("*") if path.is_file())
    return {str(path.relative_to(fleet.paths.root)) for path in found if SECRET.encode() in path.read_bytes()}


@pytest.mark.parametrize("where", ["env/dev.env", "config.toml"])
async def test_s17_a_key_that_an_agent_prints_is_shown_nowhere(
    fleet: Fleet, console: Opener, command: Command, where: str
) -> None:
    """While half of it is written and after; commands, console, a picture of it, and every file but the log as it was."""
    give(fleet, where)
    engine = fleet.start_engine()
    task = fleet.enqueue(tell="CANARY_KEY", wait=fleet.waiting_file("x"), exit=3)
    fleet.wait_for_started(task)
    async with console((140, 40), at=fleet.paths.root) as here:
        await here.until(lambda: os.path.exists(fleet.paths.log(task, 1)) and HALF.encode() in fleet.log(task))
        await here.shows(MASK)
        assert HALF not in here.text
        assert HALF not in command(fleet, f"logs {task}")
        fleet.release("x")
        fleet.wait_for_end([task])
        await here.shows("*** is the key")
        for key in ("1", "2", "3", "4", "5", "enter"):
            await here.press(key)
            await here.pilot.pause()
            assert HALF not in here.text
            assert HALF not in here.app.export_screenshot()
    fleet.stop_engine(engine)
    assert (fleet.task(task).error or "").startswith("exit code 3: *** is the key")
    for words in (
        f"logs {task}", f"logs {task} -f", f"show {task}", f"show {task} --json", "status --json", "list", "notify list",
        "queue list --all --json", "logs", "doctor", "queue-daemon logs",
    ):  # fmt: skip
        shown = command(fleet, words)
        assert HALF not in shown, words
        assert SECRET[-8:] not in shown, words
    assert f"{SECRET} is the key" in command(fleet, f"logs {task} --raw")
    assert holders(fleet) == {f"logs/{task}/1.log", where}

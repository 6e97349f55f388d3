"""What goes wrong in the console is kept in its log: masked, and of a bounded size."""

import logging
from pathlib import Path

import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.storage import files
from kugetsu_tui.console_log import keep_log

SECRET = "sk-canary-0123456789"


@pytest.fixture
def log(operator: Client) -> Path:
    """The file, of a state directory with a secret in it."""
    Path(operator.paths.env, "default.env").write_text(f"API_KEY={SECRET}\n")
    return Path(operator.paths.console_log)


def test_a_failure_is_kept_with_its_story_and_without_secrets(operator: Client, log: Path) -> None:
    with keep_log(operator.paths, {}):
        try:
            raise ValueError(f"refused: {SECRET}")
        except ValueError:
            logging.getLogger("kugetsu_tui.controllers.replay").exception("it failed with %s", SECRET)
    logging.getLogger("kugetsu_tui.controllers.replay").error("later")
    found = log.read_text(encoding="utf-8")
    assert "error kugetsu_tui.controllers.replay: it failed with ***" in found
    assert "Traceback" in found
    assert "ValueError: refused: ***" in found
    assert SECRET not in found
    assert "later" not in found
    assert log.stat().st_mode & 0o077 == 0


def test_others_and_trifles_are_not_kept(operator: Client, log: Path) -> None:
    with keep_log(operator.paths, {}):
        logging.getLogger("apprise").error("could not reach https://hooks.example/token")
        logging.getLogger("kugetsu_tui.backend.connection").info("all is well")
    assert not log.exists()


def test_a_long_one_is_rotated(operator: Client, log: Path) -> None:
    """The older part is kept under another name, and what was kept before is dropped."""
    older = Path(f"{log}.1")
    older.write_text("long ago", encoding="utf-8")
    with log.open("wb") as file:
        file.truncate(files.LOG_KEPT_BYTES + 1)
    with keep_log(operator.paths, {}):
        logging.getLogger("kugetsu_tui").warning("number 39")
    assert older.stat().st_size == files.LOG_KEPT_BYTES + 1
    assert "number 39" in log.read_text(encoding="utf-8")
    assert log.stat().st_size < 1000


def test_a_log_that_cannot_be_written_disturbs_nobody(operator: Client, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.mkdir()
    with keep_log(operator.paths, {}):
        logging.getLogger("kugetsu_tui").warning("lost")
    assert capsys.readouterr() == ("", "")

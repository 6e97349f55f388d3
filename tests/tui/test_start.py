"""Opening the console: whatever stands in the way is one line and an exit code."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from kugetsu_engine.client import demo_setup
from kugetsu_tui import launch as starting
from kugetsu_tui.launch import launch_console


def test_a_disk_that_refuses_the_demo_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/kugetsu-demo-1")

    monkeypatch.setattr(demo_setup, "prepare_demo", full)
    assert launch_console(["demo"]) == 1
    assert capsys.readouterr() == ("", "kugetsu: /tmp/kugetsu-demo-1: No space left on device\n")


@pytest.mark.parametrize("words", [["--tasks", "x"], ["--tasks", "0"], ["--speed", "0"], ["--lots"]])
def test_words_that_make_no_demo_are_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In the same words, with the same exit code, as without a terminal."""
    assert launch_console(["demo", *words]) == 64
    assert capsys.readouterr().err.startswith("kugetsu: ")


@pytest.mark.parametrize("words", [[], ["--keep"]])
def test_a_demo_is_removed_unless_it_is_kept_and_none_of_the_settings_of_the_operator_reach_it(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []

    def run_console(state_dir: str, read_only: bool, environ: Mapping[str, str]) -> int:
        opened.append(state_dir)
        assert not {"KUGETSU_AGENT", "MAX_CONCURRENT_AGENTS"} & set(environ)
        return 0

    monkeypatch.setattr(starting, "run_console", run_console)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("KUGETSU_AGENT", "claude")
    monkeypatch.setenv("MAX_CONCURRENT_AGENTS", "9")
    assert launch_console(["demo", "--tasks", "1", *words]) == 0
    assert [Path(folder).exists() for folder in opened] == [bool(words)]

"""Opening the console: whatever stands in the way is one line and an exit code."""

import errno
import os

import pytest

from kugetsu_engine import demo
from kugetsu_tui.start import start


def test_a_disk_that_refuses_the_demo_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/kugetsu-demo-1")

    monkeypatch.setattr(demo, "prepare", full)
    assert start(["demo"]) == 1
    assert capsys.readouterr() == ("", "kugetsu: /tmp/kugetsu-demo-1: No space left on device\n")

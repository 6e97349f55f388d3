"""The way to the keeper of the shared opencode server."""

import os
import socket
from pathlib import Path

import pytest

from kugetsu_engine.agents.opencode import keeper_protocol


@pytest.mark.parametrize("names", ["/proc/self/fd", "/nowhere"], ids=["Linux", "elsewhere"])
def test_the_keeper_is_reached_by_a_long_path_and_from_a_folder_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    """The process stays where it is: while the engine asks, another thread of the console may start an editor there."""
    monkeypatch.setattr(keeper_protocol, "OPEN_FILES", names)
    folder, gone = tmp_path / ("long" * 40), tmp_path / "gone"
    folder.mkdir()
    gone.mkdir()
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("keeper")
        listener.listen()
        monkeypatch.chdir(gone)
        gone.rmdir()
        with monkeypatch.context() as still:
            still.setattr(os, "chdir", lambda _folder: pytest.fail("it went elsewhere"))
            with keeper_protocol.connect_to_keeper(f"{folder}/keeper", 5.0) as end:
                keeper_protocol.send_line(end, {"verb": "retire"})
            heard, _ = listener.accept()
            with heard:
                assert keeper_protocol.receive_line(heard) == {"verb": "retire"}
    with pytest.raises(OSError, match="No such file"):
        keeper_protocol.connect_to_keeper(f"{tmp_path}/nobody/there", 5.0)

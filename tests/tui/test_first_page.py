"""A console that starts shows the first page of the queue, marked as such, until it has read the queue itself."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.storage import files

from .conftest import Opener

Put = Callable[..., str]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def held_reads(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Reading the whole queue waits until this is set, as if there were very many tasks."""
    go, read = threading.Event(), SnapshotReader.read

    def slow(self: SnapshotReader, with_history: bool = True, every_file: bool = True) -> Snapshot:
        assert go.wait(30)
        return read(self, with_history, every_file)

    monkeypatch.setattr(SnapshotReader, "read", slow)
    return go


async def test_the_page_is_shown_and_marked_until_the_queue_is_read(
    console: Opener, operator: Client, enqueue: Put, held_reads: threading.Event
) -> None:
    """The rows stand there at once; that they are not the truth yet is said; then it is the truth."""
    for number in range(1, 71):
        enqueue(f"local/web#{number}", f"number {number}")
    operator.do("pause")
    enqueue("local/web#99", "put in since")
    async with console((140, 40), wait=False) as here:
        await here.shows("number 1")
        await here.shows("60 of 70 as of")
        assert "put in since" not in here.text
        held_reads.set()
        await here.until(lambda: "as of" not in here.text, "the truth")
        assert here.app.state is not None
        assert len(here.app.state.snapshot.pending) == 71


async def test_a_page_that_is_old_is_wrong_for_a_moment_only(
    console: Opener, operator: Client, enqueue: Put, held_reads: threading.Event
) -> None:
    """Tasks that ended since the engine died are not shown at all, and a moved one goes to its place."""
    ids = [enqueue(f"local/web#{number}", text) for number, text in enumerate(("alpha", "beta", "gamma"), 1)]
    operator.do("pause")
    page = files.read(operator.paths.first_page)
    operator.do("cancel", ids[0])
    operator.do("move", ids[2], to="top")
    files.replace(operator.paths.first_page, page, durable=False)  # that of an engine which died before
    async with console((140, 40), wait=False) as here:
        await here.shows("beta")
        assert "alpha" not in here.text
        assert here.text.index("beta") < here.text.index("gamma")
        held_reads.set()
        await here.until(lambda: here.text.index("gamma") < here.text.index("beta"), "the right order")


@pytest.mark.parametrize("contents", [None, b"", b"{}", b'{"schema": 9, "pending": 3}', b"\x00" * 300])
async def test_without_a_page_the_console_comes_up_as_before(
    console: Opener, operator: Client, enqueue: Put, contents: bytes | None
) -> None:
    """An engine of an earlier version wrote none; and a damaged one is none."""
    enqueue(message="Fix the login loop")
    if contents is not None:
        files.replace(operator.paths.first_page, contents, durable=False)
    async with console() as here:
        await here.shows("Fix the login loop")
        assert "as of" not in here.text


def test_the_first_screen_loads_no_engine_and_no_dialog() -> None:
    """What is imported before the first screen is shown; the rest is loaded after it."""
    code = """
import sys
import kugetsu_tui.launch
from kugetsu_tui.later import load_asyncio
load_asyncio()
from kugetsu_engine.client.api import Client
from kugetsu_engine.engine.local_engine import LocalEngine
from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.backend.connection import Connection
from kugetsu_tui.later import MODULES
late = {"psutil", "filelock", "argparse", "ssl", "statistics", "kugetsu_engine.engine.loop", "kugetsu_engine.queue.task_store",
        "kugetsu_engine.supervisor", "kugetsu_engine.agents.registry", "kugetsu_engine.scheduler", *MODULES}
print(*sorted(late & set(sys.modules)))
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("KUGETSU_")}
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
    assert said.split() == []


async def test_the_rest_is_loaded_once_the_first_screen_is_shown(console: Opener) -> None:
    """So that the first key which needs it does not wait."""
    from kugetsu_tui.later import MODULES

    async with console() as here:
        await here.until(lambda: set(MODULES) <= set(sys.modules), "the rest")

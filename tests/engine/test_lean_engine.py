"""What a headless engine does not load, as it stays for weeks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_an_engine_without_work_maps_no_openssl(tmp_path: Path) -> None:
    """Once it watches its folders, neither asyncio (by its C part) nor OpenSSL is in its memory."""
    paths = StatePaths(str(tmp_path / "state"))
    files.create_folders(paths.folders())
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUGETSU_DIR": paths.root}
    argv = [sys.executable, "-m", "kugetsu_engine", "--headless"]
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as engine:
        try:
            maps = Path(f"/proc/{engine.pid}/maps")
            wait_until(lambda: "_rust_notify" in maps.read_text(), 30, "the engine to watch its folders")
            loaded = maps.read_text()
            assert [name for name in ("libcrypto", "libssl", "_asyncio") if name in loaded] == []
        finally:
            engine.terminate()

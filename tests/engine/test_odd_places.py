"""State directories at odd paths: they work, or are refused in a sentence."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.paths import StatePaths, find_state_dir
from kugetsu_engine.storage import files
from tests.support.clients import local_client
from tests.support.fleet import Fleet


def _link(folder: Path) -> Path:
    (folder / "real home").mkdir()
    (folder / "home").symlink_to(folder / "real home")
    return folder / "home" / ".kugetsu"


PLACES: dict[str, Callable[[Path], Path]] = {
    "spaces": lambda folder: folder / "a state  directory ",
    "quotes": lambda folder: folder / 'it\'s "quoted" $(touch canary) `x`',
    "newline": lambda folder: folder / "two\nlines",
    "dashes": lambda folder: folder / "-rf" / "--",
    "unicode": lambda folder: folder / "Zustände-状態-\u202e",
    "escape": lambda folder: folder / "\x1b[2J",
    "deep": lambda folder: folder.joinpath(*["d"] * 200),
    "linked home": _link,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_task_runs_wherever_the_state_directory_lies(fleet: Fleet, place: str) -> None:
    """Spaces, quotes, line ends, dashes, two hundred levels, a linked home: worktree, agent, log and end as anywhere."""
    root = PLACES[place](fleet.folder)
    root.parent.mkdir(parents=True, exist_ok=True)
    fleet.paths = StatePaths(find_state_dir({"KUGETSU_DIR": str(root)}))
    fleet.operator = local_client(fleet.paths.root)
    files.create_folders(fleet.paths.folders())
    fleet.configure()
    task_id = fleet.enqueue(say="hello", write="file", commit="work")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.state == "completed", task.error
    assert fleet.log(task_id) == b"hello\n"
    assert task.attempts[0].delivered is not None
    assert task.attempts[0].delivered.commits == 1
    assert not os.path.exists("canary")


def test_a_relative_path_and_one_that_ends_in_a_slash_name_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root is absolute and plain from the start, so that no later change of directory matters."""
    monkeypatch.chdir(tmp_path)
    wanted = str(tmp_path / "state")
    for text in ("state", "state/", "./state", f"{tmp_path}/state//", "x/../state"):
        assert find_state_dir({"KUGETSU_DIR": text}) == wanted

"""The diff of a task: the view model with plain records, the screen with real worktrees."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.changes import ChangedFile, WorktreeDiff
from kugetsu_engine.domain.refs import parse_reference
from kugetsu_engine.git import worktrees
from kugetsu_tui.screens.diff import DiffScreen
from kugetsu_tui.screens.home import HomeScreen
from kugetsu_tui.viewmodels.diff import DiffText, FilesView, format_diff_summary
from kugetsu_tui.widgets.bars import MessageBar
from kugetsu_tui.widgets.diff_view import DiffView
from tests.support.repositories import commit, make_repository, run_git

from .conftest import Console, Opener
from .test_hostile import HOSTILE, drawn_safely

Put = Callable[..., str]

PATCH = (
    "diff --git a/src/a.py b/src/a.py", "index 1..2 100644", "--- a/src/a.py", "+++ b/src/a.py", "@@ -9,3 +9,3 @@ def a():",
    " same", "-old", "+new", " same", "@@ -40 +40 @@", "-x", "\\ No newline at end of file", "+y",
    "diff --git a/b b/b", "new file mode 100644", "index 0..1", "--- /dev/null", "+++ b/b", "@@ -0,0 +1,2 @@",
    "+diff --git a/x b/x", "+--- a/x",
)  # fmt: skip
DIFF = WorktreeDiff(
    "/w", "a" * 40, 2,
    (
        ChangedFile("src/a.py", "modified", 2, 2, True, 0), ChangedFile("b", "added", 2, 0, False, 13),
        ChangedFile("late", "modified", 9, 1, False, None),
    ),
    PATCH, True,
)  # fmt: skip


def plain(text: DiffText, width: int = 80) -> list[str]:
    """All lines as drawn."""
    return ["".join(part for part, _ in text.spans(line, width)) for line in range(len(text))]


def test_headers_become_titles_and_lines_have_numbers() -> None:
    """What git says of a file stands once; every line of the new file has its number."""
    text = DiffText(DIFF)
    lines = plain(text)
    assert lines[0].startswith("M src/a.py  modified, not committed +2 −2")
    assert [line for line in lines if "diff --git" in line or "index " in line] == ["    1 +diff --git a/x b/x"]
    assert lines[2:6] == ["    9  same", "      -old", "   10 +new", "   11  same"]
    assert "lines not shown" in lines[-1]
    assert [plain(text)[line].split("@@")[0].strip() for line in text.hunks] == ["", "", ""]
    assert [text.file_at(line) for line in (0, 9, text.start_of(1), len(text) - 1)] == [0, 0, 1, 2]


def test_the_summary_says_what_it_comes_to() -> None:
    """Counts, commits, base, what is not committed, and whether something is missing."""
    said = "".join(text for text, _ in format_diff_summary(DIFF))
    for part in ("+13", "−3", "3 files", "2 commits over aaaaaaa", "1 not committed", "truncated"):
        assert part in said
    assert "the base is unknown" in "".join(text for text, _ in format_diff_summary(DIFF._replace(base=None)))
    assert "nothing differs" in "".join(text for text, _ in format_diff_summary(DIFF._replace(files=())))


def test_a_file_says_letter_and_counts() -> None:
    """Name before folder, as it is the name one looks for."""
    view = FilesView(DIFF.files)
    assert [cell[0] for cell in view.row(0).cells] == ["M", "a.py", "src", "+2", "−2", "*"]
    assert [cell[0] for cell in view.row(1).cells] == ["A", "b", "", "+2", "", ""]


@pytest.fixture
def work(operator: Client, enqueue: Put, tmp_path: Path) -> Path:
    """A waiting task whose issue has a worktree with work in it."""
    enqueue("local/web#1", "Do it")
    repository = make_repository(tmp_path / "repo")
    commit(repository, "old.txt", "".join(f"line {number}\n" for number in range(200)))
    folder = Path(operator.paths.worktree(parse_reference("local/web#1").slug))
    worktrees.prepare_worktree(str(repository), str(folder), "fix/issue-1", None)
    changed = [f"line {number}{' changed' if number in (5, 150) else ''}\n" for number in range(200)]
    commit(folder, "old.txt", "".join(changed))
    (folder / "notes").mkdir()
    (folder / "notes" / "todo.txt").write_text("first\nsecond\n", encoding="utf-8")
    return folder


def screen(here: Console) -> DiffScreen:
    """The screen on top."""
    assert isinstance(here.app.screen, DiffScreen)
    return here.app.screen


@pytest.mark.parametrize("size", [(140, 40), (80, 24), (40, 12)])
async def test_the_diff_opens_and_closes(console: Opener, work: Path, size: tuple[int, int]) -> None:
    """`d` shows it, at every size; escape goes back."""
    async with console(size) as here:
        await here.press("2", "d")
        await here.shows("line 4")
        await here.press("j", "j", "j")
        await here.shows("line 5 changed")
        assert {len(line) for line in here.lines} == {size[0]}
        assert "pane failed" not in here.text
        await here.press("tab")
        await here.shows("todo.txt")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, HomeScreen))


async def test_hunks_files_and_lines(console: Opener, work: Path) -> None:
    """`[` `]` go through hunks, `{` `}` and the list through files; each follows the other."""
    async with console() as here:
        await here.press("2", "d")
        await here.shows("line 5 changed")
        shown = screen(here)
        await here.press("right_square_bracket", "right_square_bracket")
        await here.until(lambda: here.said == "hunk 2 of 3")
        await here.shows("line 150 changed")
        await here.press("left_square_bracket")
        await here.until(lambda: here.said == "hunk 1 of 3")
        await here.press("right", "right")
        assert "…" in here.text
        await here.press("right_curly_bracket")
        await here.until(lambda: shown.files.selected_key == "notes/todo.txt")
        assert shown.view.file == 1
        await here.shows("+first")
        await here.press("left_curly_bracket")
        await here.until(lambda: shown.view.file == 0)
        await here.press("G")
        await here.shows("+second")
        await here.press("tab", "g")
        await here.until(lambda: shown.view.file == 0 and shown.focused_pane is shown.files)
        await here.press("j", "enter")
        await here.until(lambda: shown.view.file == 1 and shown.focused_pane is shown.view)
        assert "notes/todo.txt" in "".join(text for text, _ in shown.query_one(MessageBar)._default)


async def test_searching_and_filtering(console: Opener, work: Path) -> None:
    """`/` searches the lines and filters the files."""
    async with console() as here:
        await here.press("2", "d")
        await here.shows("line 5 changed")
        await here.press("slash", *"changed", "enter")
        await here.until(lambda: "2 lines have changed" in here.said)
        await here.press("n")
        await here.until(lambda: here.said == "match 2 of 2")
        await here.press("escape", "tab", "slash", *"todo", "enter")
        await here.shows("1/2 /todo")
        await here.press("escape")
        await here.until(lambda: screen(here).files.length == 2)


async def test_a_search_holds_up_no_key_also_when_the_diff_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long diff takes half a second: its lines are looked at in another thread, while keys are read in this one."""
    look, threads = DiffText.search, list[threading.Thread]()

    def search(text: DiffText, wanted: str) -> list[int]:
        threads.append(threading.current_thread())
        return look(text, wanted)

    monkeypatch.setattr(DiffText, "search", search)
    view = DiffView()
    view.show(DiffText(DIFF))
    assert await view.search("SAME") == 2
    view.show(DiffText(DIFF._replace(lines=(*PATCH[:-1], "+the same"))))
    await view.update_hits()
    assert len(view._hits) == 3
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_a_search_is_of_the_diff_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was read again while the one before was searched."""
    view, new, look = DiffView(), DiffText(DIFF._replace(lines=("same",), files=())), DiffText.search

    def search(text: DiffText, wanted: str) -> list[int]:
        if text is not new:
            view._text = new
        return look(text, wanted)

    monkeypatch.setattr(DiffText, "search", search)
    view.show(DiffText(DIFF))
    assert await view.search("same") == 1


async def test_reading_it_again(console: Opener, work: Path) -> None:
    """What an agent did meanwhile comes with `R`; the place stays."""
    async with console() as here:
        await here.press("2", "d")
        await here.shows("line 5 changed")
        (work / "new.txt").write_text("just now\n", encoding="utf-8")
        run_git(work, "add", "new.txt")
        await here.press("R")
        await here.shows("new.txt")


async def test_a_task_without_a_worktree_says_so(console: Opener, enqueue: Put) -> None:
    """Also a reference that is none, from a file someone edited."""
    enqueue()
    async with console() as here:
        await here.press("2", "D")
        await here.shows("#1 has no worktree yet")
        await here.press("j", "G", "right_square_bracket", "right_curly_bracket", "slash", "x", "enter", "escape", "escape")
        await here.until(lambda: isinstance(here.app.screen, HomeScreen))


async def test_diff_by_command(console: Opener, work: Path) -> None:
    """`:diff 1`."""
    async with console() as here:
        await here.press("colon", *"diff 1", "enter")
        await here.shows("line 5 changed")


@pytest.mark.parametrize("size", [(140, 40), (40, 12)])
async def test_a_hostile_worktree(console: Opener, work: Path, size: tuple[int, int]) -> None:
    """Names and contents of files are an agent's: nothing of them reaches the terminal but text."""
    for text in HOSTILE:
        name = text.replace("/", "_").replace("\0", "_")[:60]
        (work / name).write_bytes(text.replace("\0", "").encode("utf-8", "surrogateescape") + b"\n" + b"z" * 10_000)
    run_git(work, "add", "--all")
    async with console(size) as here:
        await here.press("2", "d")
        await here.shows("Diff")
        await here.until(lambda: screen(here)._text is not None)
        for keys in (
            ("G",),
            ("g",),
            ("tab",),
            *((("j",),) * len(HOSTILE)),
            ("tab",),
            *((("right_square_bracket",),) * 9),
            ("right",),
        ):
            await here.press(*keys)
            assert drawn_safely(here.text), keys
            assert {len(line) for line in here.lines} != {0}
        assert "pane failed" not in here.text

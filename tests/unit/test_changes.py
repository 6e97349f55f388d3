"""How much a worktree differs from its base, with real git."""

import os
from pathlib import Path

import pytest

from kugetsu_engine.domain.changes import Changes
from kugetsu_engine.errors import GitError
from kugetsu_engine.git import worktrees
from kugetsu_engine.git.change_counts import MAX_UNTRACKED_BYTES, count_changes
from tests.support.repositories import commit, make_repository


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    """A fresh worktree of a repository with two files."""
    repository, worktree = make_repository(tmp_path / "repo"), tmp_path / "worktrees" / "local-work-1"
    commit(repository, "old.txt", "one\ntwo\nthree\n")
    worktrees.prepare_worktree(str(repository), str(worktree), "fix/issue-1", None)
    return worktree


def test_nothing_changed_is_nothing_yet(worktree: Path) -> None:
    """A fresh worktree differs in nothing."""
    assert count_changes(str(worktree)) == (Changes(), frozenset())
    assert str(Changes()) == "nothing yet"


def test_commits_uncommitted_changes_and_unknown_files_count_together(worktree: Path) -> None:
    """A file that was committed and changed again counts once, as it is now."""
    commit(worktree, "new.txt", "a\nb\n")
    (worktree / "new.txt").write_text("a\nb\nc\n", encoding="utf-8")
    (worktree / "old.txt").write_text("one\n2\nthree\n", encoding="utf-8")
    (worktree / "README.md").unlink()
    (worktree / "loose").mkdir()
    (worktree / "loose" / "note.txt").write_text("x\ny\nz", encoding="utf-8")
    (worktree / ".gitignore").write_text("*.o\n", encoding="utf-8")
    (worktree / "built.o").write_text("1\n2\n", encoding="utf-8")
    changes, names = count_changes(str(worktree))
    assert names == {"new.txt", "old.txt", "README.md", "loose/note.txt", ".gitignore"}
    assert changes == Changes(5, 3 + 1 + 3 + 1, 1 + 1)
    assert str(changes) == "+8 −2 in 5 files"
    assert str(Changes(1, 0, 3)) == "+0 −3 in 1 file"


def test_what_has_no_lines_counts_as_a_file(worktree: Path) -> None:
    """Binary files, long ones, pipes, links that lead nowhere: no line, no wait. Files with odd names have their lines."""
    (worktree / "image").write_bytes(b"\0\1\n\n")
    (worktree / "long").write_bytes(b"x\n" * MAX_UNTRACKED_BYTES)
    os.symlink("/nowhere", worktree / "link")
    (worktree / os.fsdecode(b"\xff\xfe")).write_text("1\n", encoding="utf-8")
    (worktree / "tab\there").write_text("1\n", encoding="utf-8")
    (worktree / "empty").touch()
    os.mkfifo(worktree / "pipe")
    changes, _ = count_changes(str(worktree))
    assert changes == Changes(6, 3, 0)  # git does not tell of pipes; the link is one line, its target


def test_a_worktree_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Git cannot tell, and says so."""
    with pytest.raises(GitError):
        count_changes(str(tmp_path / "nowhere"))

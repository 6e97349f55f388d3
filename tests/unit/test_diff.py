"""The diff of a worktree against its base, with real git."""

import json
import os
from pathlib import Path

import pytest

from kugetsu_engine.domain.changes import WorktreeDiff
from kugetsu_engine.errors import GitError
from kugetsu_engine.git import diff, worktrees
from kugetsu_engine.git.change_counts import MAX_UNTRACKED_BYTES
from kugetsu_engine.git.command import run_git_limited
from tests.support.repositories import commit, make_repository, run_git

BRANCH = "fix/issue-1"


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    """A fresh worktree of a repository with one commit."""
    repository, worktree = make_repository(tmp_path / "repo"), tmp_path / "worktrees" / "local-work-1"
    commit(repository, "old.txt", "one\ntwo\nthree\n")
    worktrees.prepare_worktree(str(repository), str(worktree), BRANCH, None)
    return worktree


def rows(found: WorktreeDiff) -> dict[str, tuple[str, int | None, int | None, bool]]:
    """What is told of each file."""
    return {file.path: (file.state, file.insertions, file.deletions, file.uncommitted) for file in found.files}


def test_a_worktree_without_work_has_no_diff(worktree: Path) -> None:
    """Nothing is told of it, and its base is known."""
    found = diff.read_worktree_diff(str(worktree))
    assert (found.files, found.lines, found.commits, found.cut) == ((), (), 0, False)
    assert found.base == run_git(worktree, "rev-parse", "HEAD")


def test_commits_uncommitted_changes_and_untracked_files_all_count(worktree: Path) -> None:
    """One list has them all, and says which part is not committed."""
    commit(worktree, "new.txt", "a\nb\n")
    (worktree / "old.txt").write_text("one\n2\nthree\n", encoding="utf-8")
    (worktree / "README.md").unlink()
    (worktree / "loose").mkdir()
    (worktree / "loose" / "note.txt").write_text("x\ny\nz", encoding="utf-8")
    (worktree / "image").write_bytes(b"\0\1\2")
    found = diff.read_worktree_diff(str(worktree))
    assert found.commits == 1
    assert rows(found) == {
        "README.md": ("deleted", 0, 1, True),
        "new.txt": ("added", 2, 0, False),
        "old.txt": ("modified", 1, 1, True),
        "image": ("untracked", None, None, True),
        "loose/note.txt": ("untracked", 3, 0, True),
    }
    for file in found.files:
        assert file.line is not None
        assert found.lines[file.line] == f"diff --git a/{file.path} b/{file.path}"
    assert {"+2", "-two", "+b", "+z"} <= set(found.lines)


def test_what_the_base_gained_meanwhile_is_not_the_works(tmp_path: Path, worktree: Path) -> None:
    """The merge base counts: a merge of the main line brings nothing into the diff."""
    commit(tmp_path / "repo", "elsewhere.txt", "not ours\n")
    commit(worktree, "ours.txt", "ours\n")
    assert set(rows(diff.read_worktree_diff(str(worktree)))) == {"ours.txt"}


@pytest.mark.parametrize(
    "name", ['qu"ote', "tab\there", "new\nline", "ünï", "\udcff\udcfe", "a b/c d", " diff --git a/x b/x", "-x", "[/b]"]
)
@pytest.mark.parametrize("tracked", [True, False])
def test_hostile_names(worktree: Path, name: str, tracked: bool) -> None:
    """Any name that a file can have is one file with its lines."""
    path = worktree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text\n", encoding="utf-8")
    if tracked:
        run_git(worktree, "add", "--", name)
        run_git(worktree, "commit", "--quiet", "-m", "hostile")
    found = diff.read_worktree_diff(str(worktree))
    assert [(file.path, file.insertions, file.uncommitted) for file in found.files] == [(name, 1, not tracked)]
    assert found.files[0].line == 0
    assert found.lines[-1] == "+text"


def test_text_that_looks_like_a_diff_is_only_text(worktree: Path) -> None:
    """No line of a file is taken for the beginning of another file."""
    commit(worktree, "trap.txt", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n")
    found = diff.read_worktree_diff(str(worktree))
    assert [(file.path, file.line, file.insertions) for file in found.files] == [("trap.txt", 0, 4)]


def test_a_huge_diff_is_cut(worktree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and still counts every file that git told of."""
    monkeypatch.setattr(diff, "MAX_BYTES", 20_000)
    commit(worktree, "a.txt", "line\n" * 10)
    commit(worktree, "b.txt", "line\n" * 10_000)
    commit(worktree, "c.txt", "line\n" * 10)
    found = diff.read_worktree_diff(str(worktree))
    assert found.cut
    assert len(found.lines) < 5_000
    assert [(file.path, file.insertions, file.line is None) for file in found.files] == [
        ("a.txt", 10, False), ("b.txt", 10_000, False), ("c.txt", 10, True),
    ]  # fmt: skip


def test_too_many_lines_and_files_are_cut(worktree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown has a bound in every direction."""
    monkeypatch.setattr(diff, "MAX_LINES", 50)
    monkeypatch.setattr(diff, "MAX_FILES", 3)
    for number in range(5):
        (worktree / f"{number}.txt").write_text("x\n" * 30, encoding="utf-8")
    found = diff.read_worktree_diff(str(worktree))
    assert found.cut
    assert len(found.files) == 3
    assert len(found.lines) <= 50


def test_a_long_untracked_file_and_a_long_line(worktree: Path) -> None:
    """Only their beginning is read."""
    (worktree / "long").write_text("y" * (MAX_UNTRACKED_BYTES + 1), encoding="utf-8")
    found = diff.read_worktree_diff(str(worktree))
    assert rows(found)["long"] == ("untracked", None, None, True)
    assert max(map(len, found.lines)) <= diff.MAX_LINE + 1
    assert any("only the first 128K" in line for line in found.lines)


def test_links_pipes_and_nested_repositories_are_not_entered(tmp_path: Path, worktree: Path) -> None:
    """An untracked link shows where it points; what it points at stays unread."""
    (tmp_path / "secret").write_text("secret words\n", encoding="utf-8")
    (worktree / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(worktree / "pipe")
    make_repository(worktree / "inner")
    found = diff.read_worktree_diff(str(worktree))
    assert "secret words" not in "\n".join(found.lines)
    assert {file.path for file in found.files} >= {"link", "inner/"}


def test_settings_of_the_repository_change_nothing(worktree: Path, tmp_path: Path) -> None:
    """No external program runs, whatever an agent wrote into its settings."""
    canary = tmp_path / "canary"
    script = tmp_path / "evil"
    script.write_text(f'#!/bin/sh\ntouch {canary}\ncat "$1"\n', encoding="utf-8")
    script.chmod(0o755)
    for key in ("diff.external", "diff.evil.command", "diff.evil.textconv", "core.fsmonitor", "core.pager", "pager.diff"):
        run_git(worktree, "config", key, str(script))
    for key, value in (
        ("diff.noprefix", "true"),
        ("color.ui", "always"),
        ("core.quotePath", "false"),
        ("diff.renames", "copies"),
    ):
        run_git(worktree, "config", key, value)
    (worktree / ".gitattributes").write_text("* diff=evil\n", encoding="utf-8")
    (worktree / "old.txt").write_text("changed ü\n", encoding="utf-8")
    found = diff.read_worktree_diff(str(worktree))
    assert not canary.exists()
    assert rows(found)["old.txt"] == ("modified", 1, 3, True)
    assert all(file.line is not None for file in found.files)
    assert "\x1b" not in "".join(found.lines)


@pytest.mark.parametrize("base", ["--output=/tmp/kugetsu-canary", "HEAD", "", "0" * 40, 7])
def test_a_forged_base_is_no_option(worktree: Path, base: object) -> None:
    """The mark lies where an agent can write; what is no commit counts as none."""
    admin = run_git(worktree, "rev-parse", "--git-dir")
    Path(admin, worktrees.BASE_FILE).write_text(json.dumps({"base": base, "ready": True}), encoding="utf-8")
    (worktree / "old.txt").write_text("changed\n", encoding="utf-8")
    found = diff.read_worktree_diff(str(worktree))
    assert found.base is None
    assert rows(found) == {"old.txt": ("modified", 1, 3, True)}


def test_no_worktree_is_a_clear_word(tmp_path: Path) -> None:
    """Neither a folder that is missing nor one that is no worktree makes a traceback."""
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(GitError):
            diff.read_worktree_diff(str(folder))


def test_git_that_never_ends_is_ended(worktree: Path) -> None:
    """The time limit holds while its output is read."""
    os.mkfifo(worktree / "pipe")
    with pytest.raises(GitError, match="did not end"):
        run_git_limited(str(worktree), "hash-object", "pipe", limit=10, timeout_s=0.2)

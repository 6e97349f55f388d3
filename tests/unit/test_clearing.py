"""Removing a worktree: all of it or nothing, in places where git alone would stop half-way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kugetsu_engine.errors import GitError
from kugetsu_engine.git import folder_removal, worktree_state, worktrees
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.worktrees.inventory import WorktreeInventory
from tests.support.repositories import make_repository, run_git

BRANCH = "fix/issue-1"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose builds lie in a folder that git ignores."""
    made = make_repository(tmp_path / "repository")
    (made / ".gitignore").write_text("build\n", encoding="utf-8")
    run_git(made, "add", "-A")
    run_git(made, "commit", "--quiet", "-m", "ignore builds")
    return made


@pytest.fixture
def worktree(paths: StatePaths, repository: Path) -> Path:
    """A worktree with a build in it."""
    place = Path(paths.worktree("local-work-1"))
    worktrees.prepare_worktree(str(repository), str(place), BRANCH, None)
    (place / "build/sub").mkdir(parents=True)
    (place / "build/sub/file").write_text("x", encoding="utf-8")
    return place


def _common(repository: Path) -> str:
    return str(repository / ".git")


def _registered(repository: Path) -> int:
    return len(run_git(repository, "worktree", "list").splitlines()) - 1


def _whole(repository: Path, worktree: Path) -> bool:
    tracked = (worktree / "README.md").exists() and (worktree / "build/sub/file").exists()
    return tracked and run_git(worktree, "status", "--porcelain") == "" and _registered(repository) == 1


@pytest.mark.parametrize("mode", [0o500, 0o000, 0o300])
def test_folders_that_may_not_be_written_are_removed_too(
    paths: StatePaths, repository: Path, worktree: Path, mode: int
) -> None:
    """They are ours, as package caches make them; a link in one is not followed."""
    outside = repository.parent / "outside"
    outside.mkdir(0o500)
    (worktree / "build/sub/link").symlink_to(outside)
    (worktree / "build/sub").chmod(mode)
    assert [one.removed for one in WorktreeInventory(paths, {}).remove_safe(False, lambda _: None)] == [True]
    assert os.listdir(paths.worktrees) == []
    assert _registered(repository) == 0
    assert outside.stat().st_mode & 0o777 == 0o500
    assert run_git(repository, "rev-parse", BRANCH)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to give files away")
def test_what_belongs_to_another_user_keeps_all_of_it(repository: Path, worktree: Path) -> None:
    """As a container leaves it: nothing is removed, and the words say what is in the way."""
    os.chown(worktree / "build/sub", 12345, 12345)
    (worktree / "build/sub").chmod(0o755)
    code = (
        "import sys; from kugetsu_engine.git import worktree_state as state; from kugetsu_engine.errors import GitError\n"
        "try: state.remove_checkout(sys.argv[1], state.read_worktree_state(sys.argv[1]))\n"
        "except GitError as error: print(error.message)"
    )
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all", sys.executable, "-c", code,
         str(worktree)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert "build/sub belongs to another user, so nothing was removed" in done.stdout
    assert _whole(repository, worktree)


def test_a_git_that_refuses_leaves_all_in_place(repository: Path, worktree: Path) -> None:
    """The folder of the repository cannot be written, so git cannot forget the worktree."""
    admin = repository / ".git/worktrees/local-work-1"
    admin.rename(admin.with_name("elsewhere"))
    with pytest.raises(GitError):
        folder_removal.remove_worktree_folder(str(repository / "none"), str(worktree))
    admin.with_name("elsewhere").rename(admin)
    assert _whole(repository, worktree)
    assert [name for name in os.listdir(worktree.parent) if name.startswith(".")] == []


def test_what_is_written_at_the_last_moment_keeps_it(repository: Path, worktree: Path) -> None:
    """The judge looks once more when the worktree has left its place."""
    seen: list[str] = []

    def judge(aside: str) -> str:
        seen.append(aside)
        assert not worktree.exists()
        return "something was written"

    with pytest.raises(GitError, match="something was written"):
        folder_removal.remove_worktree_folder(_common(repository), str(worktree), judge)
    assert len(seen) == 1
    assert _whole(repository, worktree)


@pytest.mark.parametrize("stage", ["moved", "forgotten", "partly deleted"])
def test_a_crash_in_a_removal_is_undone_or_finished(paths: StatePaths, repository: Path, worktree: Path, stage: str) -> None:
    """Before git has forgotten it, it comes back; from then on what is left is deleted. The next task has a worktree."""
    aside = worktree.with_name(f"{folder_removal.REMOVED_PREFIX}{worktree.name}-0011aabb")
    worktree.rename(aside)
    if stage != "moved":
        run_git(repository, "worktree", "remove", "--force", str(worktree))
    if stage == "partly deleted":
        (aside / ".git").unlink()
        (aside / "README.md").unlink()
    if stage == "moved":
        base = worktrees.prepare_worktree(str(repository), str(worktree), BRANCH, None)
        assert base.kept
        assert _whole(repository, worktree)
        return
    assert not worktrees.prepare_worktree(str(repository), str(worktree), BRANCH, None).kept
    assert folder_removal.finish_removals(paths.worktrees) == []
    assert os.listdir(paths.worktrees) == [worktree.name]
    assert (worktree / "README.md").exists()


def test_a_removal_that_was_not_decided_is_undone_by_the_next_cleaning(
    paths: StatePaths, repository: Path, worktree: Path
) -> None:
    """It is not deleted unseen; where its place is taken by now, it stays and is told."""
    aside = worktree.with_name(f"{folder_removal.REMOVED_PREFIX}{worktree.name}-0011aabb")
    worktree.rename(aside)
    assert folder_removal.finish_removals(paths.worktrees) == []
    assert _whole(repository, worktree)
    worktree.rename(aside)
    worktree.mkdir()
    assert "check both" in folder_removal.finish_removals(paths.worktrees)[0]
    assert aside.exists()


def test_a_worktree_that_lost_its_link_is_linked_again(repository: Path, worktree: Path) -> None:
    """As a removal by another program leaves it: files of the commit come back, what else lies there stays."""
    (worktree / ".git").unlink()
    (worktree / "README.md").unlink()
    (worktree / "mine").write_text("mine", encoding="utf-8")
    base = worktrees.prepare_worktree(str(repository), str(worktree), BRANCH, None)
    assert "lost its link" in str(base.note)
    assert run_git(worktree, "status", "--porcelain") == "?? mine"


@pytest.mark.parametrize("kind", ["bare", "locked", "symlinked home", "submodule"])
def test_it_is_removed_from_any_repository(tmp_path: Path, paths: StatePaths, repository: Path, kind: str) -> None:
    """A bare one, one where someone locked the worktree, a state directory behind a link."""
    home, place = repository, Path(paths.worktree("local-work-2"))
    if kind == "bare":
        home = tmp_path / "bare.git"
        run_git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(home))
    elif kind == "symlinked home":
        (tmp_path / "link").symlink_to(place.parent)
        place = tmp_path / "link" / place.name
    elif kind == "submodule":
        above = make_repository(tmp_path / "above")
        run_git(above, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "lib")
        home = above / "lib"
    worktrees.prepare_worktree(str(home), str(place), BRANCH, None)
    if kind == "locked":
        run_git(home, "worktree", "lock", str(place))
    found = worktree_state.read_worktree_state(str(place))
    if kind == "locked":
        with pytest.raises(GitError, match="locked"):
            worktree_state.remove_checkout(str(place), found)
        assert place.exists()
    assert worktree_state.remove_checkout(str(place), found, in_spite_of_lock=kind == "locked") is None
    assert worktree_state.remove_branch(found)
    assert not place.exists()
    assert run_git(home, "branch", "--list", BRANCH) == ""
    assert _registered(home) == 0


def test_what_git_does_not_know_is_thrown_away_as_a_whole(tmp_path: Path) -> None:
    """A folder, a file, a link: the target of a link stays."""
    folder, target = tmp_path / "folder", tmp_path / "target"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep").chmod(0o500)
    target.mkdir()
    for path in (folder, tmp_path / "file", tmp_path / "link"):
        if path.name == "file":
            path.write_text("x", encoding="utf-8")
        elif path.name == "link":
            path.symlink_to(target)
        assert folder_removal.remove_plain_folder(str(path)) is None
        assert not os.path.lexists(path)
    assert target.is_dir()
    with pytest.raises(GitError, match="cannot be removed"):
        folder_removal.remove_plain_folder(str(tmp_path / "none"))


def test_neither_a_whole_repository_nor_what_a_link_leads_to_is_thrown_away(tmp_path: Path) -> None:
    """Whatever was forced: all of a repository's history lies in its folder."""
    made, link = make_repository(tmp_path / "repository"), tmp_path / "link"
    link.symlink_to(made)
    with pytest.raises(GitError, match="is a whole repository"):
        folder_removal.remove_plain_folder(str(made))
    with pytest.raises(GitError, match="is a link"):
        folder_removal.remove_worktree_folder(_common(made), str(link))
    assert run_git(link, "status", "--porcelain") == ""

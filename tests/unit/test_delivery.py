"""What an attempt delivered, measured with real git from where the attempt began."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.git import baseline, delivery, repositories, worktrees
from kugetsu_engine.git.baseline import Baseline
from kugetsu_engine.supervisor import outcome
from tests.support.repositories import bare_remote, commit, make_repository, run_git

BRANCH = "fix/issue-1"


class Place:
    """A repository and the worktree of an issue in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = make_repository(folder / "repo")
        self.worktree = folder / "worktrees" / "local-work-1"
        self.ready()

    def ready(self) -> None:
        """Make the worktree, or find it."""
        worktrees.prepare_worktree(str(self.repository), str(self.worktree), BRANCH, None)

    def begin(self) -> Baseline:
        """An attempt begins."""
        return baseline.record_baseline(str(self.repository), str(self.worktree), BRANCH, None)

    def git(self, *args: str) -> str:
        """Act as the agent."""
        return run_git(self.worktree, *args)

    def commit(self, name: str, text: str = "1\n") -> str:
        """Commit as the agent."""
        return commit(self.worktree, name, text)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A repository with one commit, and a worktree made from it."""
    return Place(tmp_path)


def measured(start: Baseline, task_began: str | None = None) -> dict[str, Any]:
    """What was found: only what is there."""
    found, unknown = delivery.measure_delivery(start, task_began)
    assert unknown is None
    assert found is not None
    return {name: value for name, value in found.items() if value}


def test_commits_and_changed_files_are_counted_from_where_the_attempt_began(place: Place) -> None:
    """What an earlier task committed or left uncommitted is not this one's; what main got meanwhile is nobody's."""
    first = place.begin()
    assert measured(first) == {}
    place.commit("two words\t.txt", "1\n2\n3\n")
    (place.worktree / "README.md").unlink()
    (place.worktree / "binary").write_bytes(b"\0" * 10)
    place.git("add", "-A")
    place.git("commit", "--quiet", "-m", "more")
    commit(place.repository, "main.txt", "not the agent's\n")
    (place.worktree / "left.txt").write_text("x", encoding="utf-8")
    (place.worktree / "binary").write_bytes(b"\1")
    assert measured(first) == {"commits": 2, "files": 3, "insertions": 3, "deletions": 1, "dirty": 2, "total": 2}
    second = place.begin()
    assert measured(second) == {"dirty_before": 2, "total": 2}
    place.commit("answer.txt")
    assert measured(second) == {"commits": 1, "files": 1, "insertions": 1, "dirty_before": 2, "total": 3}


@pytest.mark.parametrize("change", ["append", "stage", "remove", "in a folder"])
def test_a_file_that_was_uncommitted_before_counts_only_if_it_was_changed(place: Place, change: str) -> None:
    """Also one inside a folder that git does not know."""
    (place.worktree / "README.md").write_text("changed\n", encoding="utf-8")
    (place.worktree / "notes").mkdir()
    note = place.worktree / "notes" / "a.md"
    note.write_text("old\n", encoding="utf-8")
    start = place.begin()
    if change == "append":
        (place.worktree / "README.md").write_text("changed\nagain\n", encoding="utf-8")
    elif change == "stage":
        place.git("add", "README.md")
    elif change == "remove":
        (place.worktree / "README.md").unlink()
    else:
        note.write_text("old\nnew\n", encoding="utf-8")
    assert measured(start) == {"dirty": 1, "dirty_before": 1}


def test_files_that_git_ignores_are_no_delivery(place: Place) -> None:
    """A build leaves them behind."""
    place.commit(".gitignore", "build/\n")
    start = place.begin()
    (place.worktree / "build").mkdir()
    (place.worktree / "build" / "out.o").write_bytes(b"x")
    assert measured(start) == {"total": 1}


def test_an_empty_commit_is_a_commit_that_changes_nothing(place: Place) -> None:
    """Enough where commits are expected, and not where changes are."""
    start = place.begin()
    place.git("commit", "--quiet", "--allow-empty", "-m", "nothing")
    assert measured(start) == {"commits": 1, "total": 1}
    found, _ = delivery.measure_delivery(start)
    ok = {"outcome": "ok", "failure": None, "reason": "exit code 0", "delivered": found}
    assert outcome.judge_delivery({"expect": "commits", "branch": BRANCH}, ok)["outcome"] == "ok"
    assert "changes no file" in outcome.judge_delivery({"expect": "changes", "branch": BRANCH}, ok)["reason"]


@pytest.mark.parametrize("way", ["merge", "rebase", "fast-forward"])
def test_what_a_merge_or_a_rebase_brings_along_is_not_the_agents(place: Place, tmp_path: Path, way: str) -> None:
    """Fetched during the attempt: three commits of others, and the agent's own."""
    remote = bare_remote(tmp_path / "remote.git", place.repository)
    run_git(place.repository, "remote", "add", "origin", str(remote))
    run_git(place.repository, "fetch", "--quiet", "origin")
    start = place.begin()
    if way != "fast-forward":
        place.commit("own.txt", "1\n2\n")
    other = tmp_path / "other"
    run_git(tmp_path, "clone", "--quiet", str(remote), str(other))
    for name in ("a", "b", "c"):
        commit(other, name, "x\n" * 10)
    run_git(other, "push", "--quiet", "origin", "main")
    place.git("fetch", "--quiet", "origin")
    place.git("rebase" if way == "rebase" else "merge", "--quiet", "origin/main")
    found = measured(start)
    own = {"merge": 2, "rebase": 1, "fast-forward": 0}[way]
    assert (found.get("commits", 0), found.get("brought")) == (own, 3)
    assert found.get("insertions", 0) == (0 if way == "fast-forward" else 2)
    assert "removed" not in found
    assert "elsewhere" not in found


def test_commits_of_another_branch_that_are_merged_are_not_the_agents(place: Place) -> None:
    """They were in the repository before."""
    run_git(place.repository, "switch", "--quiet", "-c", "feature")
    commit(place.repository, "feature.txt", "x\n")
    start = place.begin()
    place.git("merge", "--quiet", "--no-ff", "-m", "take it", "feature")
    assert measured(start) == {"commits": 1, "brought": 1, "total": 2}


def test_an_agent_that_pushes_to_the_base_branch_has_still_made_its_commits(place: Place, tmp_path: Path) -> None:
    """`origin/main` holds them then, and they are the agent's all the same."""
    remote = bare_remote(tmp_path / "remote.git", place.repository)
    run_git(place.repository, "remote", "add", "origin", str(remote))
    start = place.begin()
    place.commit("own.txt")
    place.git("push", "--quiet", "origin", "HEAD:main")
    found = measured(start)
    assert (found["commits"], found.get("unpushed"), found["total"]) == (1, None, 1)


def test_an_amended_a_reset_and_a_moved_branch_are_told(place: Place) -> None:
    """A commit that was there before and is gone is no delivery, and is not passed over."""
    place.commit("one.txt")
    start = place.begin()
    (place.worktree / "two.txt").write_text("2\n", encoding="utf-8")
    place.git("add", "-A")
    place.git("commit", "--quiet", "--amend", "--no-edit")
    assert measured(start) == {"commits": 1, "files": 1, "insertions": 1, "removed": 1, "total": 1}
    place.git("reset", "--quiet", "--hard", "main")
    assert measured(start) == {"removed": 1}
    commit(place.repository, "main.txt", "of main\n")
    place.git("reset", "--quiet", "--hard", "main")
    found = measured(start)
    assert (found.get("commits"), found["removed"], found["brought"]) == (None, 1, 1)


def test_commits_on_no_branch_are_told_as_such(place: Place) -> None:
    """Also when HEAD is back on the branch; and a branch that holds them is named."""
    start = place.begin()
    place.git("switch", "--quiet", "--detach")
    place.commit("a.txt")
    place.commit("b.txt")
    assert measured(start) == {"elsewhere": 2}
    place.git("switch", "--quiet", BRANCH)
    assert measured(start) == {"elsewhere": 2}
    place.git("branch", "rescue", "HEAD@{1}")
    assert measured(start) == {"elsewhere": 2, "elsewhere_on": "rescue"}
    place.git("merge", "--quiet", "rescue")
    assert measured(start) == {"commits": 2, "files": 2, "insertions": 2, "total": 2}


def test_commits_on_another_branch_and_a_renamed_branch_are_told(place: Place) -> None:
    """The issue's branch has none of them."""
    start = place.begin()
    place.git("switch", "--quiet", "-c", "try")
    place.commit("a.txt")
    assert measured(start) == {"elsewhere": 1, "elsewhere_on": "try"}
    place.git("branch", "-D", BRANCH)
    place.git("branch", "-m", "try", "done")
    assert measured(start) == {"elsewhere": 1, "elsewhere_on": "done"}


def test_a_branch_that_was_renamed_has_lost_no_commit(place: Place) -> None:
    """Where HEAD stood when its branch got another name, nothing was made."""
    start = place.begin()
    place.git("branch", "-m", "renamed")
    assert measured(start) == {}
    place.commit("a.txt")
    assert measured(start) == {"elsewhere": 1, "elsewhere_on": "renamed"}


def test_looking_at_another_branch_is_no_commit(place: Place) -> None:
    """HEAD goes to commits of others and stays there."""
    run_git(place.repository, "switch", "--quiet", "-c", "old")
    start = place.begin()
    commit(place.repository, "later.txt", "someone else's\n")
    place.git("switch", "--quiet", "--detach", "old")
    assert measured(start) == {}


def test_a_retry_knows_what_its_task_has_committed_before(place: Place) -> None:
    """The task's sum goes beside the attempt's own, and satisfies what is expected of the task."""
    began = place.begin()
    place.commit("a.txt")
    retry = place.begin()
    found, _ = delivery.measure_delivery(retry, began.commit)
    assert found is not None
    assert (found["commits"], found["task_commits"]) == (0, 1)
    ok = {"outcome": "ok", "failure": None, "reason": "exit code 0", "delivered": found}
    assert outcome.judge_delivery({"expect": "commits", "branch": BRANCH}, ok)["outcome"] == "ok"


def test_a_new_commit_of_a_submodule_is_a_change_and_its_files_are_not_looked_at(place: Place, tmp_path: Path) -> None:
    """The repository records which commit it is at."""
    inner = make_repository(tmp_path / "inner")
    place.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "inner")
    place.git("commit", "--quiet", "-m", "add it")
    start = place.begin()
    (place.worktree / "inner" / "scratch").write_text("x", encoding="utf-8")
    assert measured(start) == {"total": 1}
    commit(place.worktree / "inner", "more.txt", "x\n")
    assert measured(start) == {"dirty": 1, "total": 1}


@pytest.mark.parametrize("damage", ["removed", "no .git", "a pipe as .git", "another repository", "git worktree remove"])
@pytest.mark.parametrize("committed", [True, False])
def test_what_cannot_be_measured_says_so_and_is_no_delivery(place: Place, damage: str, *, committed: bool) -> None:
    """Commits are on the branch whatever became of the worktree; without one there is nothing to go by."""
    start = place.begin()
    if committed:
        place.commit("a.txt")
    if damage == "git worktree remove":
        run_git(place.repository, "worktree", "remove", "--force", str(place.worktree))
    elif damage in ("no .git", "a pipe as .git"):
        (place.worktree / ".git").unlink()
        if damage == "a pipe as .git":  # who reads it waits for ever
            os.mkfifo(place.worktree / ".git")
    else:
        shutil.rmtree(place.worktree)
    if damage == "another repository":
        commit(make_repository(place.worktree), "own.txt", "x\n")
    found, unknown = delivery.measure_delivery(start)
    assert unknown is not None
    assert ("is gone" if "remove" in damage else "belongs to another repository") in unknown
    assert (found["commits"] if found else None) == (1 if committed else None)
    result = {"outcome": "ok", "failure": None, "reason": "exit code 0", "delivered": found, "not_measured": unknown}
    verdict = outcome.judge_delivery({"expect": "changes", "branch": BRANCH}, result)
    assert verdict["failure"] == (None if committed else "nothing_delivered")
    if not committed:
        assert "is not measured" in verdict["reason"]


def test_a_repository_that_is_gone_is_not_measured(place: Place) -> None:
    """Neither branch nor worktree can tell."""
    start = place.begin()
    place.commit("a.txt")
    shutil.rmtree(place.repository)
    found, unknown = delivery.measure_delivery(start)
    assert found is None
    assert unknown


def test_a_clone_made_for_the_attempt_is_measured_too(place: Place, tmp_path: Path) -> None:
    """Its worktree has another shared folder than the repository it came from."""
    remote = bare_remote(tmp_path / "server/o/r.git", place.repository)
    clone, worktree = tmp_path / "clone", tmp_path / "worktrees/forge-o-r-1"
    repositories.clone_repository(str(remote), str(clone))
    worktrees.prepare_worktree(str(clone), str(worktree), BRANCH, None)
    start = baseline.record_baseline(str(clone), str(worktree), BRANCH, None)
    commit(worktree, "a.txt", "1\n")
    assert measured(start) == {"commits": 1, "files": 1, "insertions": 1, "total": 1, "unpushed": 1}
    run_git(worktree, "push", "--quiet", "origin", BRANCH)
    assert "unpushed" not in measured(start)

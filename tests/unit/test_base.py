"""Where work starts: one decision after asking the remote, in repositories and under settings as people have them."""

import os
import shutil
import socket
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.domain import task
from kugetsu_engine.domain.start_point import describe_start_point
from kugetsu_engine.errors import GitError, RepositoryError
from kugetsu_engine.git import baseline, discovery, repositories, worktrees
from kugetsu_engine.git import start_point as bases
from kugetsu_engine.git.start_point import StartPoint, decide_start_point
from tests.support.repositories import bare_remote, commit, make_repository, run_git

BRANCH = "fix/issue-1"


class Place:
    """A remote, the repository that fills it, and a clone in which kugetsu works."""

    def __init__(self, folder: Path, *clone: str) -> None:
        self.folder = folder
        self.source = make_repository(folder / "source")
        self.remote = bare_remote(folder / "server/app.git", self.source)
        self.clone = folder / "clone"
        run_git(folder, "clone", "--quiet", *clone, f"file://{self.remote}", str(self.clone))

    def news(self, name: str = "news", branch: str = "main") -> str:
        """Commit something on a branch and push it; the commit."""
        here = run_git(self.source, "branch", "--list", branch)
        run_git(self.source, "checkout", "--quiet", *([branch] if here else ["-b", branch]))
        made = commit(self.source, name, name)
        run_git(self.source, "push", "--quiet", str(self.remote), branch)
        return made

    def decide(self, base_branch: str | None = None, own: bool = False) -> StartPoint:
        """The decision in the clone."""
        return decide_start_point(str(self.clone), BRANCH, base_branch, own=own)

    def has(self, ref: str) -> str:
        """The commit of a name in the clone; empty where there is none."""
        return run_git(self.clone, "for-each-ref", "--format=%(objectname)", ref)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An ordinary clone."""
    return Place(tmp_path)


@pytest.mark.parametrize("options", [
    [], ["--bare"], ["--mirror"], ["--depth=1"], ["--single-branch"], ["--no-checkout"], ["--origin=upstream"],
    ["--config=remote.origin.fetch=+refs/heads/nothing/*:refs/remotes/origin/nothing/*"], ["--config=fetch.prune=true"],
    ["--config=remote.origin.prune=true"], ["--config=remote.origin.tagOpt=--tags"], ["--filter=blob:none"],
    ["--config=core.hooksPath=/dev/null/none"], ["--config=fetch.recurseSubmodules=true"], ["--config=push.default=nothing"],
], ids=str)  # fmt: skip
def test_work_starts_from_what_the_remote_has_now(tmp_path: Path, options: list[str]) -> None:
    """In any kind of clone; no branch of the clone moves or goes, whatever its refspecs and settings say."""
    place = Place(tmp_path, *options)
    run_git(place.clone, "branch", "fix/issue-9", "HEAD")
    before, other = place.has("refs/heads"), place.has("refs/heads/fix/issue-9")
    place.news()
    found = place.decide("main")
    assert (found.commit, found.fetched) == (run_git(place.source, "rev-parse", "main"), True)
    wanted = place.news("more")
    found = place.decide()
    remote = "upstream" if "upstream" in str(options) else "origin"
    assert (found.commit, found.ref, found.fetched, found.unfetched) == (wanted, f"{remote}/main", True, None)
    assert found.branch == "new"
    assert place.has("refs/heads") == before
    assert place.has("refs/heads/fix/issue-9") == other
    assert "as " in describe_start_point(found._asdict())
    made = worktrees.prepare_worktree(str(place.clone), str(tmp_path / "worktree"), BRANCH, None)
    assert made.commit == run_git(tmp_path / "worktree", "rev-parse", "HEAD") == wanted
    assert (tmp_path / "worktree/news").read_text(encoding="utf-8") == "news"


def test_a_default_branch_that_changed_on_the_server_counts(place: Place) -> None:
    """Renamed, and the old one deleted; what the clone remembers is brought up to date."""
    run_git(place.remote, "branch", "--move", "main", "trunk")
    wanted = place.news(branch="trunk")
    found = place.decide()
    assert (found.ref, found.commit) == ("origin/trunk", wanted)
    assert run_git(place.clone, "symbolic-ref", "refs/remotes/origin/HEAD") == "refs/remotes/origin/trunk"
    run_git(place.clone, "remote", "set-url", "origin", "/nowhere")
    assert place.decide().commit == wanted


def test_a_remote_that_cannot_be_asked_is_told_and_what_is_known_counts(place: Place) -> None:
    """Work goes on with the last known head, and the record says why it may be old."""
    known = place.has("refs/remotes/origin/main")
    run_git(place.clone, "remote", "set-url", "origin", str(place.folder / "gone.git"))
    for named in (None, "main", "origin/main"):
        found = place.decide(named)
        assert (found.commit, found.ref, found.fetched) == (known, "origin/main", False)
        assert "gone.git" in str(found.unfetched)
        assert "not fetched" in describe_start_point(found._asdict())


def test_a_base_that_is_gone_from_the_remote_is_an_error_and_not_its_last_state(place: Place) -> None:
    """The remembered branch of a remote that answered is no base; a branch of the repository's own is."""
    place.news(branch="release")
    assert place.decide("release").ref == "origin/release"
    run_git(place.remote, "branch", "--delete", "--force", "release")
    for named in ("release", "origin/release"):
        with pytest.raises(RepositoryError, match=r"has no branch '.*release', nor has its remote origin"):
            place.decide(named)
    run_git(place.clone, "branch", "release")
    assert place.decide("release").ref == "release"
    with pytest.raises(RepositoryError):
        place.decide("origin/release")


def test_a_name_in_the_way_of_what_is_fetched_hinders_nothing(place: Place) -> None:
    """`release` is remembered, and the remote has `release/1` in its place."""
    place.news(branch="release")
    place.decide("release")
    run_git(place.remote, "branch", "--delete", "--force", "release")
    run_git(place.source, "branch", "--move", "release", "old")
    wanted = place.news("next", branch="release/1")
    found = place.decide("release/1")
    assert (found.commit, found.fetched) == (wanted, True)


def test_a_named_base_with_commits_that_were_never_pushed(place: Place) -> None:
    """The operator's own branch counts where it only has more; one that parted from the remote's does not, nor one in a clone
    that kugetsu made, where agents alone commit."""
    local = commit(place.clone, "local", "not pushed")
    assert place.decide("main").commit == local
    assert place.decide("main").ref == "main"
    assert place.decide().ref == "origin/main"
    assert place.decide("main", own=True).ref == "origin/main"
    wanted = place.news()
    assert place.decide("main").commit == wanted


def test_tags_and_commits_are_bases_too(place: Place) -> None:
    """Also a tag that only the remote has, and an abbreviated commit."""
    wanted = place.news()
    run_git(place.source, "tag", "--annotate", "--message=one", "v1")
    place.news("later")
    run_git(place.source, "push", "--quiet", str(place.remote), "v1")
    assert place.decide("v1").commit == wanted
    first = place.has("refs/heads/main")
    assert place.decide(first[:9]).commit == first


@pytest.mark.parametrize("case", ["ours", "names", "only", "head"])
def test_which_of_several_remotes_it_is(place: Place, case: str) -> None:
    """The issue's own before `origin`, the named one before all, and a single one whatever it is called."""
    fork = bare_remote(place.folder / "fork.git", place.source)
    wanted = place.news()
    run_git(place.clone, "remote", "rename", "origin", "zebra")
    named, issue = None, None
    if case != "only":
        run_git(place.clone, "remote", "add", "origin" if case != "head" else "ant", str(fork))
    if case == "ours":
        run_git(place.clone, "config", f"url.file://{place.remote.parent}/.insteadOf", "https://example.org/acme/")
        run_git(place.clone, "remote", "set-url", "zebra", "https://example.org/acme/app.git")
        assert decide_start_point(str(place.clone), BRANCH, None).remote == "origin"
        issue = "example.org/acme/app"
    if case == "names":
        named = "zebra/main"
    found = decide_start_point(str(place.clone), BRANCH, named, issue)
    assert (found.remote, found.commit) == ("zebra", wanted)


@pytest.mark.parametrize("state", ["only there", "there is more", "here is more", "both", "merged", "gone since"])
def test_the_branch_of_the_issue_on_the_remote(place: Place, state: str) -> None:
    """Work goes on from it; a branch here moves only forward, and what parted stays and says so."""
    if state != "here is more":
        place.news("first", branch=BRANCH)
        there = place.news("second", branch=BRANCH)
    if state in ("there is more", "both", "gone since"):
        run_git(place.clone, "fetch", "--quiet", "origin", BRANCH)
        run_git(place.clone, "branch", BRANCH, "FETCH_HEAD~1")
    if state in ("here is more", "both"):
        run_git(place.clone, "checkout", "--quiet", *([BRANCH] if state == "both" else ["-b", BRANCH]))
        here = commit(place.clone, "ours", "ours")
        run_git(place.clone, "checkout", "--quiet", "main")
    if state == "merged":
        run_git(place.source, "checkout", "--quiet", "main")
        run_git(place.source, "merge", "--quiet", "--ff-only", BRANCH)
        merged = place.news("third")
    if state == "gone since":
        place.decide()
        here = run_git(place.clone, "rev-parse", BRANCH)
        run_git(place.remote, "branch", "--delete", "--force", BRANCH)
    worktree = place.folder / "worktree"
    found = worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None)
    head = run_git(worktree, "rev-parse", "HEAD")
    if state in ("only there", "there is more"):
        assert (head, found.branch) == (there, "remote" if state == "only there" else "moved")
        assert f"origin/{BRANCH}" in describe_start_point(found._asdict())
    elif state == "merged":
        assert (head, found.branch, found.commit) == (merged, "new", merged)
    else:
        assert (head, found.branch) == (here, "kept")
        assert ("a push is refused" in str(found.note)) == (state == "both")
    assert run_git(worktree, "branch", "--show-current") == BRANCH


def test_a_branch_that_is_checked_out_elsewhere_is_not_moved(place: Place) -> None:
    """The operator works on it in the main checkout, and the remote has more."""
    place.news("first", branch=BRANCH)
    run_git(place.clone, "fetch", "--quiet", "origin", BRANCH)
    run_git(place.clone, "checkout", "--quiet", "-b", BRANCH, "FETCH_HEAD")
    before = run_git(place.clone, "rev-parse", "HEAD")
    place.news("second", branch=BRANCH)
    with pytest.raises(Exception, match=r"is checked out in .*; check out another one there"):
        worktrees.prepare_worktree(str(place.clone), str(place.folder / "worktree"), BRANCH, None)
    assert run_git(place.clone, "rev-parse", "HEAD") == before
    assert run_git(place.clone, "status", "--porcelain") == ""


def test_a_repository_with_submodules_under_settings_that_recurse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`submodule.recurse` of the operator makes no worktree fail, and none is entered."""
    place = Place(tmp_path)
    library = make_repository(tmp_path / "library")
    run_git(place.source, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    run_git(place.source, "commit", "--quiet", "-m", "a submodule")
    wanted = place.news()
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[submodule]\n\trecurse = true\n[fetch]\n\trecurseSubmodules = true\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    worktree = tmp_path / "worktree"
    assert worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None).commit == wanted
    assert list((worktree / "lib").iterdir()) == []


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    """Names of commits are longer there."""
    source = tmp_path / "source"
    source.mkdir()
    run_git(source, "init", "--quiet", "--object-format=sha256", "-b", "main")
    commit(source, "a", "a")
    run_git(tmp_path, "clone", "--quiet", f"file://{source}", str(tmp_path / "clone"))
    wanted = commit(source, "b", "b")
    assert len(wanted) == 64
    found = worktrees.prepare_worktree(str(tmp_path / "clone"), str(tmp_path / "worktree"), BRANCH, None)
    assert (found.commit, worktrees.read_base_commit(str(tmp_path / "worktree"))) == (wanted, wanted)


def test_a_remote_without_commits_and_one_with_a_detached_head(tmp_path: Path) -> None:
    """The first leaves the repository's own head, the second is taken by its commit."""
    here = make_repository(tmp_path / "here")
    run_git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    run_git(here, "remote", "add", "origin", str(tmp_path / "empty.git"))
    found = decide_start_point(str(here), BRANCH, None)
    assert (found.commit, found.ref, found.fetched) == (run_git(here, "rev-parse", "HEAD"), "main", True)
    other = make_repository(tmp_path / "other")
    wanted = commit(other, "x", "x")
    run_git(other, "checkout", "--quiet", "--detach")
    commit(other, "y", "y")
    run_git(other, "checkout", "--quiet", wanted)
    run_git(here, "remote", "set-url", "origin", f"file://{other}")
    assert decide_start_point(str(here), BRANCH, None).commit == wanted


def test_a_later_attempt_says_where_the_worktree_began(place: Place) -> None:
    """Nothing is asked then, and nothing moves; the record says when it was."""
    worktree = place.folder / "worktree"
    first = worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None)
    place.news()
    again = worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None)
    assert (again.commit, again.ref, again.remote, again.kept) == (first.commit, "origin/main", "origin", True)
    assert "where its worktree started earlier" in describe_start_point(again._asdict())


def test_a_password_in_an_address_is_not_in_the_record(place: Place) -> None:
    """It goes into the task's file and the log."""
    run_git(place.clone, "remote", "set-url", "origin", "https://me:secret@127.0.0.1:1/app.git")
    assert "secret" not in str(place.decide())
    assert place.decide().address == "https://127.0.0.1:1/app.git"


def test_what_is_remembered_and_refreshed(place: Place) -> None:
    """Looking after worktrees asks for their branches, and moves nothing here."""
    wanted, branch = place.news(), place.news("work", branch=BRANCH)
    assert bases.read_start_point(str(place.clone), None, None) != wanted
    assert bases.fetch_start_point(str(place.clone), None, [BRANCH, "fix/none"]) is None
    assert bases.read_start_point(str(place.clone), None, None) == wanted
    assert place.has(f"refs/remotes/origin/{BRANCH}") == branch
    run_git(place.clone, "remote", "set-url", "origin", str(place.folder / "gone.git"))
    assert "gone.git" in str(bases.fetch_start_point(str(place.clone), None, []))
    run_git(place.clone, "remote", "remove", "origin")
    assert bases.fetch_start_point(str(place.clone), None, []) is None


def test_a_repository_that_lost_its_git_folder_is_not_taken_for_the_one_above(tmp_path: Path) -> None:
    """A home folder under git lies above many things."""
    home = make_repository(tmp_path / "home")
    lost = make_repository(home / "lost")
    (lost / ".git").rename(tmp_path / "away")
    with pytest.raises(RepositoryError, match="is not a git repository"):
        decide_start_point(str(lost), BRANCH, None)
    with pytest.raises(RepositoryError, match="is not a git repository"):
        repositories.ask_common_dir(str(lost))


def test_a_beginning_needs_few_git_processes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand between two agents: eight for a new worktree of which the remote has nothing new, four for a later attempt."""
    place.decide()
    log, program = place.folder / "log", place.folder / "bin/git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec {shutil.which("git")} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for most in (8, 4):
        log.write_text("", encoding="utf-8")
        worktrees.prepare_worktree(discovery.require_repository(str(place.clone)), str(place.folder / "worktree"), BRANCH, None)
        baseline.record_baseline(str(place.clone), str(place.folder / "worktree"), BRANCH, None)
        assert 0 < len(log.read_text(encoding="utf-8").splitlines()) <= most


def test_a_remote_that_refuses_is_told_with_the_reason(place: Place) -> None:
    """git says it on the line after the address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        run_git(place.clone, "remote", "set-url", "origin", f"git://127.0.0.1:{unused.getsockname()[1]}/app")
        found = place.decide()
    assert "Connection refused" in str(found.unfetched)


def test_a_commit_that_a_ref_names_and_nobody_has_is_fetched_again(place: Place) -> None:
    """A clone of which a file was lost is whole again."""
    wanted = place.news()
    place.decide()
    (place.clone / f".git/objects/{wanted[:2]}/{wanted[2:]}").unlink()
    assert place.decide().commit == wanted
    assert run_git(place.clone, "cat-file", "-t", wanted) == "commit"


def test_a_branch_of_the_issue_with_nothing_of_its_own_holds_nobody_to_the_past(place: Place) -> None:
    """It was left by a worktree that was removed, or by a beginning that failed."""
    worktree = place.folder / "worktree"
    assert worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None).branch == "new"
    run_git(place.clone, "worktree", "remove", str(worktree))
    wanted = place.news()
    found = worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None)
    assert (found.commit, found.start, found.branch) == (wanted, wanted, "moved")
    assert run_git(worktree, "rev-parse", "HEAD") == place.has(f"refs/heads/{BRANCH}") == wanted
    own = commit(worktree, "own", "own")
    run_git(place.clone, "worktree", "remove", str(worktree))
    assert place.news("later") == place.decide().commit
    assert (place.decide().start, place.decide().branch) == (own, "kept")


def test_a_beginning_that_fails_leaves_no_branch(place: Place) -> None:
    """A program that the files need is missing; once it is there, work starts from what is new by then."""
    (place.source / ".gitattributes").write_text("*.bin filter=none\n", encoding="utf-8")
    commit(place.source, "a.bin", "a")
    run_git(place.source, "add", "-A")
    run_git(place.source, "commit", "--quiet", "-m", "files of a filter")
    wanted = place.news()
    run_git(place.clone, "config", "filter.none.smudge", "no-such-program")
    run_git(place.clone, "config", "filter.none.required", "true")
    with pytest.raises(GitError, match="no-such-program"):
        worktrees.prepare_worktree(str(place.clone), str(place.folder / "worktree"), BRANCH, None)
    assert place.has(f"refs/heads/{BRANCH}") == ""
    run_git(place.clone, "config", "filter.none.smudge", "cat")
    assert worktrees.prepare_worktree(str(place.clone), str(place.folder / "worktree"), BRANCH, None).start == wanted


def test_a_branch_that_the_operator_has_checked_out_is_told_with_the_cure(place: Place) -> None:
    """git has a branch in one folder only; where that folder is gone, it is taken over."""
    elsewhere, worktree = place.folder / "elsewhere", place.folder / "worktree"
    run_git(place.clone, "worktree", "add", "--quiet", "-b", BRANCH, str(elsewhere))
    with pytest.raises(GitError, match=f"{BRANCH} is checked out in {elsewhere}; check out another one there"):
        worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None)
    run_git(elsewhere, "checkout", "--quiet", "--detach")
    worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None)
    shutil.rmtree(worktree)
    assert worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None).branch == "kept"
    run_git(worktree, "checkout", "--quiet", "--detach")
    run_git(elsewhere, "checkout", "--quiet", BRANCH)
    shutil.rmtree(worktree)
    shutil.rmtree(elsewhere)
    with pytest.raises(GitError, match="that folder is gone: git worktree prune, then retry"):
        worktrees.prepare_worktree(str(place.clone), str(worktree), BRANCH, None)


def test_what_is_kept_of_where_work_started_are_the_fields_of_the_decision() -> None:
    """Supervisors load the standard library only, so the record is there twice; two of its fields serve only the start."""
    kept = {field.name: field.default for field in msgspec.structs.fields(task.Base) if not field.required}
    assert {"commit", *kept} == set(StartPoint._fields) - {"start", "timed_out"}
    assert {name: value for name, value in StartPoint._field_defaults.items() if name != "timed_out"}.items() <= kept.items()

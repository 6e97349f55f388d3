"""S26: an agent leaves traps in its worktree and in the repository's settings, and no look of kugetsu's springs one."""

import contextlib
import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.cli.main import run
from kugetsu_engine.git import baseline, delivery, diff, worktree_state, worktrees
from kugetsu_engine.git.change_counts import count_changes
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.worktrees import destroy, prune
from kugetsu_engine.worktrees.inventory import WorktreeInventory
from tests.security.test_sandbox import WHY_NOT
from tests.support.clients import local_client
from tests.support.fleet import Fleet
from tests.support.repositories import IDENTITY, bare_remote, commit, make_repository, run_git

BRANCH = "fix/issue-1"
HOOKS = (
    "post-index-change", "reference-transaction", "post-checkout", "pre-commit", "post-merge", "pre-auto-gc", "post-rewrite",
    "fsmonitor-watchman", "pre-push",
)  # fmt: skip


class Place:
    """A repository with an issue's worktree, and a program that leaves a mark once it is armed."""

    def __init__(self, folder: Path, state: StatePaths) -> None:
        self.folder = folder
        self.repository = make_repository(folder / "repository")
        bare_remote(folder / "remote.git", self.repository)
        run_git(self.repository, "remote", "add", "origin", str(folder / "remote.git"))
        run_git(self.repository, "fetch", "--quiet", "origin")
        self.worktree = Path(state.worktree("local-work-1"))
        worktrees.prepare_worktree(str(self.repository), str(self.worktree), BRANCH, None)
        self.start = baseline.record_baseline(str(self.repository), str(self.worktree), BRANCH, None)
        commit(self.worktree, "work.txt", "one\n")
        self.mark, self.armed, self.script = folder / "MARK", folder / "armed", folder / "trap.sh"
        self.script.write_text(f'#!/bin/sh\n[ -e {self.armed} ] && echo "$0 $*" >> {self.mark}\ntrue\n', encoding="utf-8")
        self.script.chmod(0o755)

    def set(self, *settings: str, where: Path | None = None) -> None:
        """Set `name=value` in a repository; `TRAP` is the program."""
        for setting in settings:
            name, _, value = setting.partition("=")
            run_git(where or self.repository, "config", "--add", name, value.replace("TRAP", str(self.script)))

    def attributes(self, text: str) -> None:
        """Give all files attributes, in the worktree and in the repository."""
        (self.worktree / ".gitattributes").write_text(f"* {text}\n", encoding="utf-8")
        info = self.repository / ".git/info"
        info.mkdir(exist_ok=True)
        (info / "attributes").write_text(f"* {text}\n", encoding="utf-8")

    def arm(self) -> None:
        """From here on nothing may run; files have been written since git last looked, and are as long as before."""
        for name, text in (("README.md", "# A REPOSITORY\n"), ("work.txt", "two\n")):
            (self.worktree / name).write_text(text, encoding="utf-8")
            os.utime(self.worktree / name, (time.time() + 3, time.time() + 3))
        self.armed.touch()

    def sprung(self) -> str:
        """What ran since it was armed."""
        return self.mark.read_text(encoding="utf-8") if self.mark.exists() else ""


@pytest.fixture
def place(tmp_path: Path, paths: StatePaths) -> Place:
    """A worktree with a commit."""
    return Place(tmp_path, paths)


def _nested(place: Place) -> Path:
    """A repository in the worktree, committed as a gitlink, and one that git does not know."""
    for name in ("linked", "unknown"):
        folder = place.worktree / name
        make_repository(folder)
        (folder / ".git/info").mkdir(exist_ok=True)
        (folder / ".git/info/attributes").write_text("* filter=trap diff=trap\n", encoding="utf-8")
        place.set("filter.trap.clean=TRAP", "filter.trap.process=TRAP", "core.fsmonitor=TRAP", "diff.trap.textconv=TRAP",
                  where=folder)  # fmt: skip
    run_git(place.worktree, "add", "linked")
    run_git(place.worktree, "commit", "--quiet", "-m", "a gitlink")
    (place.worktree / "linked/README.md").write_text("# A REPOSITORY\n", encoding="utf-8")
    return place.worktree / "linked"


def _filters(place: Place) -> None:
    place.attributes("filter=trap")
    place.set("filter.trap.clean=TRAP", "filter.trap.smudge=TRAP", "filter.trap.required=true")


def _process_filter(place: Place) -> None:
    place.attributes("filter=trap")
    place.set("filter.trap.process=TRAP", "filter.other.process=TRAP")


def _diffs(place: Place) -> None:
    place.attributes("diff=trap")
    place.set("diff.trap.textconv=TRAP", "diff.trap.command=TRAP", "diff.external=TRAP", "diff.trap.cachetextconv=true")


def _merge_driver(place: Place) -> None:
    place.attributes("merge=trap")
    place.set("merge.trap.driver=TRAP %A %O %B", "merge.default=trap", "mergetool.trap.cmd=TRAP")
    run_git(place.worktree, "commit", "--all", "--quiet", "--allow-empty", "-m", "x")
    commit(place.repository, "work.txt", "another\n")
    run_git(place.repository, "push", "--quiet", "origin", "main")


def _hooks(place: Place) -> None:
    hooks = place.folder / "hooks"
    for folder in (hooks, place.repository / ".git/hooks"):
        folder.mkdir(exist_ok=True)
        for name in HOOKS:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(place.script)
    place.set(f"core.hooksPath={hooks}")


def _transports(place: Place) -> None:
    place.set("core.sshCommand=TRAP", "remote.origin.uploadpack=TRAP", "remote.other.vcs=trap", "core.gitProxy=TRAP",
              "credential.helper=!TRAP", "core.askPass=TRAP", "core.alternateRefsCommand=TRAP",
              "uploadpack.packObjectsHook=TRAP", "protocol.ext.allow=always")  # fmt: skip


def _missing_objects(place: Place) -> None:
    place.set("remote.trap.url=ext::TRAP", "remote.trap.promisor=true", "remote.trap.partialCloneFilter=blob:none",
              "extensions.partialClone=trap", "protocol.ext.allow=always", "core.repositoryFormatVersion=1")  # fmt: skip
    blob = run_git(place.worktree, "rev-parse", "HEAD:work.txt")
    (place.repository / ".git/objects" / blob[:2] / blob[2:]).unlink()


def _words(place: Place) -> None:
    place.set("alias.status=!TRAP", "alias.rev-parse=!TRAP", "core.pager=TRAP", "pager.diff=TRAP", "pager.status=TRAP",
              "core.editor=TRAP", "sequence.editor=TRAP", "gpg.program=TRAP", "commit.gpgSign=true",
              "log.showSignature=true", "trailer.x.command=TRAP", "gc.auto=1", "maintenance.auto=true")  # fmt: skip


def _included(place: Place) -> None:
    other = place.folder / "other.config"
    for name in ("core.fsmonitor", "filter.trap.clean", "diff.external"):
        run_git(place.folder, "config", "--file", str(other), name, str(place.script))
    place.attributes("filter=trap")
    place.set(f"include.path={other}", f"includeIf.gitdir:{place.repository}/**.path={other}")


def _of_the_worktree(place: Place) -> None:
    place.set("extensions.worktreeConfig=true")
    for setting in ("core.fsmonitor", "diff.external", "core.worktree"):
        run_git(place.worktree, "config", "--worktree", setting, str(place.script))


def _submodule(place: Place) -> None:
    folder = _nested(place)
    (place.worktree / ".gitmodules").write_text(
        f'[submodule "linked"]\n\tpath = linked\n\turl = {folder}\n\tignore = none\n',
        encoding="utf-8",
    )
    place.set(f"submodule.linked.url={folder}", "submodule.linked.update=!TRAP", "submodule.linked.ignore=none",
              "submodule.recurse=true", "diff.submodule=diff", "status.submoduleSummary=true",
              "diff.ignoreSubmodules=none")  # fmt: skip


def _link_elsewhere(place: Place) -> None:
    """The `.git` of the worktree leads to a repository of the agent's own."""
    other = make_repository(place.folder / "other")
    place.set("core.fsmonitor=TRAP", "diff.external=TRAP", "filter.trap.clean=TRAP", where=other)
    run_git(other, "worktree", "add", "--quiet", str(place.folder / "other-worktree"))
    place.attributes("filter=trap")
    (place.worktree / ".git").write_text((place.folder / "other-worktree/.git").read_text("utf-8"), encoding="utf-8")


def _borrowed_objects(place: Place) -> None:
    """Objects of a repository of the agent's own, with settings of its own, are borrowed."""
    other = make_repository(place.folder / "lender")
    place.set("core.fsmonitor=TRAP", "filter.trap.clean=TRAP", "core.alternateRefsCommand=TRAP", where=other)
    (place.repository / ".git/objects/info").mkdir(exist_ok=True)
    (place.repository / ".git/objects/info/alternates").write_text(f"{other}/.git/objects\n", encoding="utf-8")
    place.set("core.alternateRefsCommand=TRAP", "core.fsmonitor=TRAP")


def _signed(place: Place) -> None:
    """Programs for signatures and trailers, and a log that shows them; a commit that says it is signed."""
    programs = ("gpg.program=TRAP", "gpg.ssh.program=TRAP", "gpg.x509.program=TRAP", "trailer.x.cmd=TRAP")
    signs = ("gpg.format=openpgp", "log.showSignature=true", "commit.gpgSign=true", "merge.verifySignatures=true")
    place.set(*programs, *signs, "tag.gpgSign=true")
    text = run_git(place.worktree, "cat-file", "-p", "HEAD")
    head, _, message = text.partition("\n\n")
    pgp = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n aaaa\n -----END PGP SIGNATURE-----"
    path = place.folder / "signed"
    path.write_text(f"{head}\n{pgp}\n\n{message}\n", encoding="utf-8")
    signed = run_git(place.worktree, "hash-object", "-t", "commit", "-w", str(path))
    run_git(place.worktree, "update-ref", f"refs/heads/{BRANCH}", signed)


def _bare_in_its_place(place: Place) -> None:
    """The worktree itself looks like a bare repository, and its link is gone."""
    (place.worktree / ".git").unlink()
    run_git(place.worktree, "init", "--quiet", "--bare", ".")
    place.set("core.fsmonitor=TRAP", "core.bare=false", f"core.worktree={place.worktree}", where=place.worktree)


TRAPS: dict[str, tuple[Callable[[Place], object], str]] = {
    "filters": (_filters, "status"),
    "a filter that stays": (_process_filter, "status"),
    "external diffs and text conversions": (_diffs, "diff"),
    "merge driver": (_merge_driver, "merge-tree --write-tree origin/main HEAD"),
    "monitor": (lambda place: place.set("core.fsmonitor=TRAP"), "status"),
    "hooks": (_hooks, "update-ref refs/heads/x HEAD"),
    "transports and credentials": (_transports, "fetch origin"),
    "objects that are to be fetched": (_missing_objects, "cat-file -p HEAD:work.txt"),
    "aliases, pagers, editors, signatures": (_words, "-c alias.x=!true commit -a -m x"),
    "included settings": (_included, "status"),
    "settings of the worktree": (_of_the_worktree, ""),
    "nested repositories": (_nested, "status"),
    "submodules": (_submodule, "status"),
    "a link to another repository": (_link_elsewhere, "status"),
    "objects of a repository of its own": (_borrowed_objects, "status"),
    "signatures": (_signed, "log --show-signature -1"),
    "a bare repository in its place": (_bare_in_its_place, "status"),
}
"""What sets each trap, and a command of git's that springs it when a person types it."""


def _look_everywhere(place: Place, paths: StatePaths) -> None:
    """Every look there is at a worktree, whatever comes of it."""
    where = str(place.worktree)
    target = run_git(place.folder / "remote.git", "rev-parse", "main")
    client = local_client(paths.root, {})
    looks: tuple[Callable[[], object], ...] = (
        lambda: delivery.measure_delivery(place.start), lambda: baseline.read_checkout_state(where),
        lambda: count_changes(where),
        lambda: diff.read_worktree_diff(where), lambda: worktree_state.read_worktree_state(where, target, BRANCH),
        lambda: WorktreeInventory(paths, {}).list_worktrees(), lambda: prune.find_prunable(client),
        lambda: destroy.inspect_issue(client, "local/work#1"),
        lambda: worktrees.prepare_worktree(str(place.repository), where, BRANCH, None, fetch=False),
        lambda: WorktreeInventory(paths, {}).remove_safe(False, lambda _: None), lambda: prune.prune_orphans(
            client, prune.find_prunable(client), lambda _: None
        ),
        lambda: list(
            destroy.destroy_issue(client, destroy.inspect_issue(client, "local/work#1"), force=True)
        ),
    )  # fmt: skip
    for look in looks:
        with contextlib.suppress(Exception):  # a look may say that it cannot tell; what counts is what ran
            look()
        assert place.sprung() == ""


@pytest.mark.parametrize("kind", TRAPS)
def test_s26_no_look_springs_a_trap(place: Place, paths: StatePaths, kind: str) -> None:
    """From the delivery to the removal of the worktree; typed by a person, git does spring it."""
    trap, control = TRAPS[kind]
    trap(place)
    place.arm()
    if kind == "aliases, pagers, editors, signatures":
        control = "commit --all --message=x"
    _look_everywhere(place, paths)
    if control:
        springs = Place(place.folder / "again", StatePaths(str(place.folder / "again/state")))
        trap(springs)
        springs.arm()
        subprocess.run(
            ["git", *shlex.split(control)], cwd=springs.worktree, env=os.environ | IDENTITY, capture_output=True, check=False,
            stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
        assert springs.sprung() != "", "this is no trap"


@pytest.mark.parametrize("box", ["off", pytest.param("on", marks=pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT))])
def test_s26_an_attempt_that_leaves_traps_springs_none(fleet: Fleet, capsys: pytest.CaptureFixture[str], box: str) -> None:
    """A whole life: the supervisor's look after the agent, and the commands of an operator; in a sandbox and without one."""
    mark = fleet.folder / "MARK"
    trap = fleet.folder / "trap.sh"
    trap.write_text(f'#!/bin/sh\n[ -n "$KUGETSU_TASK_ID" ] || echo "$*" >> {mark}\ntrue\n', encoding="utf-8")
    trap.chmod(0o755)
    who = "git -c user.name=a -c user.email=a@localhost"
    lines = [
        "mkdir nested; cd nested; git init -q; echo a > f; git add f", f"{who} commit -qm nested",
        f"git config filter.x.clean {trap}; echo '* filter=x' > .git/info/attributes; git config core.fsmonitor {trap}",
        "touch -d '+3 seconds' f; cd ..; git add nested; echo x > README.md; git add README.md", f"{who} commit -qm work",
        f"git config core.fsmonitor {trap}; git config diff.external {trap}; git config filter.y.clean {trap}",
        f"git config core.pager {trap}; git config gpg.program {trap}; echo '* filter=y' > .gitattributes",
        "touch -d '+3 seconds' README.md",
    ]  # fmt: skip
    shell = "cat > /dev/null; " + "; ".join(lines)
    fleet.tables = f'[agents.shell]\ncommand = ["sh", "-c", {json.dumps(shell)}]'
    fleet.configure(sandbox=box)
    task_id = fleet.enqueue("local/work#1", options={"agent": "shell"})
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert task.attempts[0].delivered is not None
    assert task.attempts[0].delivered.commits == 1
    fleet.stop_engine(fleet.engines[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUGETSU_DIR", fleet.paths.root)
        for words in (
            ["show", "1"],
            ["worktrees"],
            ["worktrees", "--clean"],
            ["doctor"],
            ["destroy", "local/work#1", "-y", "--force"],
        ):
            run(words)
    assert "destroy" not in capsys.readouterr().err
    assert not mark.exists(), mark.read_text(encoding="utf-8")


@pytest.mark.parametrize("scope", ["repository", "operator"])
def test_s26_files_of_a_filter_are_told_right_without_it(
    tmp_path: Path, paths: StatePaths, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git-lfs has them: what is committed is short, what lies in the worktree is long; nothing is changed at first, and
    then what is written is."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    repository = make_repository(tmp_path / "repository")
    where = ["config", "--file", str(home / ".gitconfig")] if scope == "operator" else ["config"]
    run_git(repository, *where, "filter.short.clean", "sed s/long/short/")
    run_git(repository, *where, "filter.short.smudge", "sed s/short/long/")
    run_git(repository, *where, "filter.short.required", "true")
    filters = [("filter.short.clean", "sed s/long/short/"), ("filter.short.smudge", "sed s/short/long/")]
    own = [word for name, value in filters for word in ("-c", f"{name}={value}")]
    (repository / ".gitattributes").write_text("*.bin filter=short\n", encoding="utf-8")
    for number in range(5):
        (repository / f"{number}.bin").write_text(f"{number} long\n", encoding="utf-8")
    run_git(repository, *own, "add", "-A")
    run_git(repository, *own, "commit", "--quiet", "-m", "files of a filter")
    assert run_git(repository, "cat-file", "-p", "HEAD:1.bin") == "1 short"
    worktree = Path(paths.worktree("local-work-1"))
    worktrees.prepare_worktree(str(repository), str(worktree), BRANCH, None)
    assert (worktree / "1.bin").read_text(encoding="utf-8") == "1 long\n"
    assert baseline.read_checkout_state(str(worktree)).dirty == frozenset()
    assert count_changes(str(worktree))[0].files == 0
    assert diff.read_worktree_diff(str(worktree)).files == ()
    assert worktree_state.read_worktree_state(str(worktree)).dirty == 0
    (worktree / "1.bin").write_text("1 long and longer\n", encoding="utf-8")
    assert count_changes(str(worktree))[1] == frozenset({"1.bin"})
    assert worktree_state.read_worktree_state(str(worktree)).dirty == 1
    run_git(worktree, *own, "commit", "--quiet", "--all", "-m", "one of them")
    found = diff.read_worktree_diff(str(worktree))
    assert [(file.path, file.uncommitted) for file in found.files] == [("1.bin", False)]
    assert "+1 short and longer" in found.lines
    assert worktree_state.read_worktree_state(str(worktree)).dirty == 0


def test_s26_nothing_is_left_of_a_look(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder nor a lock, and the index is as the agent left it."""
    monkeypatch.setenv("TMPDIR", str(place.folder / "tmp"))
    (place.folder / "tmp").mkdir()
    index = Path(run_git(place.worktree, "rev-parse", "--path-format=absolute", "--git-path", "index"))
    os.utime(place.worktree / "work.txt")
    before = index.read_bytes(), index.stat().st_mtime_ns
    count_changes(str(place.worktree))
    diff.read_worktree_diff(str(place.worktree))
    assert list((place.folder / "tmp").iterdir()) == []
    assert (index.read_bytes(), index.stat().st_mtime_ns) == before

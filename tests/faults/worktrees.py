"""Git in the way: many worktrees at once, a repository in disorder, git killed in the middle of its work."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kugetsu_engine.domain.refs import parse_reference
from kugetsu_engine.domain.task import Task
from tests.support.fleet import Fleet
from tests.support.repositories import IDENTITY, commit, run_git
from tests.support.waiting import wait_until

from . import programs
from .ground import Amount, Ground, Report, settle, verify

AT_ONCE = 8
REF = "local/work#1"


def made_at_once(ground: Ground, amount: Amount) -> Report:
    """Eight worktrees of one repository made at once: every attempt goes well the first time."""
    report = Report(amount.number(20))
    for _ in range(report.tries):
        with ground.fleet(max_concurrent_agents=AT_ONCE) as fleet:
            ids = [fleet.enqueue(wait=fleet.waiting_file("all")) for _ in range(AT_ONCE)]
            engine = fleet.start_engine(until_idle=True)
            for task_id in ids:
                fleet.wait_for_started(task_id, limit_s=60)
            fleet.release("all")
            for task in fleet.wait_for_end(ids, 60):
                if task.state != "completed" or len(task.attempts) != 1:
                    report.violations.append(f"{task.id} is {task.state} after {len(task.attempts)} attempts: {task.reason}")
            fleet.stop_engine(engine)
            listed = run_git(fleet.repository, "worktree", "list", "--porcelain").count("worktree ")
            if listed != AT_ONCE + 1:
                report.violations.append(f"git knows {listed} worktrees, not {AT_ONCE + 1}")
            report.violations += verify(fleet, ids)
    return report


# a repository in disorder


@dataclass(frozen=True)
class Disorder:
    """A state that an operator, or a crash, leaves a repository in."""

    name: str
    make: Callable[[Fleet, Path], None]
    """Brings it about; given where the worktree will be."""
    mend: Callable[[Fleet, Path], None] | None = None
    """What the operator does about it; None where the task goes well all the same."""
    gently: bool = False
    """Whether it may also go well without the operator."""
    waits: bool = False
    """Whether the task waits for the operator, with the reason, instead of ending."""

    def __str__(self) -> str:
        return self.name


def in_disorder(ground: Ground, amount: Amount) -> Report:
    """A repository in one of 16 kinds of disorder: the task goes well or names it, nothing of the operator's is touched."""

    def attempt(disorder: Disorder) -> list[str]:
        with ground.fleet(max_attempts=1) as fleet:
            worktree = Path(fleet.paths.worktree(parse_reference(REF).slug))
            disorder.make(fleet, worktree)
            before = _files(fleet.repository, worktree)
            task_id = fleet.enqueue(REF)
            if disorder.waits:
                found = _waits(fleet, task_id)
            else:
                settle(fleet, [task_id], 60)
                found = _ended(fleet.task(task_id), disorder)
            found += [f"I12 {path} was removed or changed" for path in _lost(before, fleet.repository, worktree)]
            if disorder.mend is not None:
                disorder.mend(fleet, worktree)
            if fleet.state(task_id) != "completed":
                if not disorder.waits:
                    fleet.operator.do("retry", task_id)
                settle(fleet, [task_id], 60)
                if fleet.state(task_id) != "completed":
                    found.append(f"after the repair {task_id} is {fleet.state(task_id)}: {fleet.task(task_id).reason}")
            return found + verify(fleet, [task_id])

    return ground.side_by_side(amount.pick(DISORDERS * 5), attempt)


def _ended(task: Task, disorder: Disorder) -> list[str]:
    """What is wrong about how a task has ended in a disorder."""
    wanted = {"error"} if disorder.mend else {"completed"}
    good = task.state in wanted | ({"completed"} if disorder.gently else set()) and task.reason
    return [] if good else [f"{task.id} is {task.state}: {task.reason}"]


def _waits(fleet: Fleet, task_id: str) -> list[str]:
    """Let an engine find that nothing can start; what is wrong about the task that waits, or about what was said."""
    process = programs.start(fleet, programs.command_argv("--headless", "--until-idle"))
    code, _, complained = programs.finish(fleet, process, 60.0)
    state = fleet.state(task_id)
    if (code, state) == (1, "pending") and str(fleet.repository) in complained:
        return []
    return [f"{task_id} is {state}, and the engine ended with {code}: {complained}"]


def _git_file(name: str) -> Callable[[Fleet, Path], None]:
    return lambda fleet, _: (fleet.repository / ".git" / name).touch()


def _no_git_file(name: str) -> Callable[[Fleet, Path], None]:
    return lambda fleet, _: (fleet.repository / ".git" / name).unlink(missing_ok=True)


def _git(*words: str) -> Callable[[Fleet, Path], None]:
    return lambda fleet, _: _done(run_git(fleet.repository, *words))


def _done(_said: str) -> None:
    return


def _dirty(fleet: Fleet, _: Path) -> None:
    (fleet.repository / "README.md").write_text("not committed\n")
    (fleet.repository / "untracked").write_text("mine\n")
    (fleet.repository / "staged").write_text("mine\n")
    run_git(fleet.repository, "add", "staged")


def _branch_in_use(fleet: Fleet, _: Path) -> None:
    run_git(fleet.repository, "checkout", "--quiet", "-b", "fix/issue-1")


def _someones_folder(_: Fleet, worktree: Path) -> None:
    worktree.mkdir(parents=True)
    (worktree / "notes").write_text("mine\n")


def _move_away(_: Fleet, worktree: Path) -> None:
    worktree.rename(worktree.with_name("moved-away"))


def _half_made(fleet: Fleet, worktree: Path) -> None:
    run_git(fleet.repository, "worktree", "add", "--quiet", "--no-checkout", "-b", "fix/issue-1", str(worktree))


def _folder_gone(fleet: Fleet, worktree: Path) -> None:
    _half_made(fleet, worktree)
    shutil.rmtree(worktree)


def _locked_and_gone(fleet: Fleet, worktree: Path) -> None:
    _half_made(fleet, worktree)
    run_git(fleet.repository, "worktree", "lock", str(worktree))
    shutil.rmtree(worktree)


def _unlock(fleet: Fleet, worktree: Path) -> None:
    run_git(fleet.repository, "worktree", "unlock", str(worktree))


def _conflict(fleet: Fleet, _: Path) -> None:
    run_git(fleet.repository, "checkout", "--quiet", "-b", "other")
    commit(fleet.repository, "README.md", "theirs\n")
    run_git(fleet.repository, "checkout", "--quiet", "main")
    commit(fleet.repository, "README.md", "ours\n")
    merge = ["git", "-C", str(fleet.repository), "merge", "--quiet", "other"]
    code = programs.finish(fleet, programs.start(fleet, merge, **IDENTITY))[0]
    assert code != 0, "there is no conflict"


def _bare(fleet: Fleet, _: Path) -> None:
    run_git(fleet.folder, "clone", "--quiet", "--bare", str(fleet.repository), "bare")
    fleet.repository = fleet.folder / "bare"
    fleet.configure()


def _no_commits(fleet: Fleet, _: Path) -> None:
    fleet.repository = fleet.folder / "empty"
    run_git(fleet.folder, "init", "--quiet", "-b", "main", "empty")
    fleet.configure()


def _first_commit(fleet: Fleet, _: Path) -> None:
    commit(fleet.repository, "README.md", "# now\n")


def _gone(fleet: Fleet, _: Path) -> None:
    fleet.repository.rename(fleet.folder / "elsewhere")


def _back(fleet: Fleet, _: Path) -> None:
    (fleet.folder / "elsewhere").rename(fleet.repository)


def _head_broken(fleet: Fleet, _: Path) -> None:
    (fleet.repository / ".git" / "HEAD").write_text("nonsense\n")


def _head_mended(fleet: Fleet, _: Path) -> None:
    (fleet.repository / ".git" / "HEAD").write_text("ref: refs/heads/main\n")


def _remote_gone(fleet: Fleet, _: Path) -> None:
    run_git(fleet.repository, "remote", "add", "origin", str(fleet.folder / "nowhere"))


def _branch_lock(fleet: Fleet, _: Path) -> None:
    heads = fleet.repository / ".git" / "refs" / "heads" / "fix"
    heads.mkdir(parents=True)
    (heads / "issue-1.lock").write_text("")


def _no_branch_lock(fleet: Fleet, _: Path) -> None:
    (fleet.repository / ".git" / "refs" / "heads" / "fix" / "issue-1.lock").unlink(missing_ok=True)


DISORDERS = (
    Disorder("a stale index.lock", _git_file("index.lock")),
    Disorder("a stale config.lock", _git_file("config.lock"), _no_git_file("config.lock"), gently=True),
    Disorder("a stale lock of the branch", _branch_lock, _no_branch_lock),
    Disorder("a half-made worktree", _half_made),
    Disorder("a worktree whose folder is gone", _folder_gone),
    Disorder("a locked worktree whose folder is gone", _locked_and_gone, _unlock),
    Disorder("someone's folder in its place", _someones_folder, _move_away),
    Disorder("uncommitted work", _dirty),
    Disorder("a detached head", _git("checkout", "--quiet", "--detach")),
    Disorder("a merge with conflicts", _conflict),
    Disorder("the branch is checked out", _branch_in_use, _git("checkout", "--quiet", "main")),
    Disorder("a bare repository", _bare),
    Disorder("no commits", _no_commits, _first_commit),
    Disorder("the repository is elsewhere", _gone, _back, waits=True),
    Disorder("a broken HEAD", _head_broken, _head_mended),
    Disorder("a remote that is gone", _remote_gone),
)


def _files(*folders: Path) -> dict[str, bytes]:
    """What the operator has: the files of the checkout, and of whatever lies where the worktree is to be."""
    found: dict[str, bytes] = {}
    for folder in folders:
        for name, below, names in os.walk(folder):
            below[:] = [one for one in below if one != ".git"]
            found |= {str(Path(name) / one): (Path(name) / one).read_bytes() for one in names if one != ".git"}
    return found


def _lost(before: dict[str, bytes], *folders: Path) -> list[str]:
    after = _files(*folders)
    return [path for path, data in before.items() if after.get(path) != data]


# git is killed

WRAPPER = """#!/bin/sh
for word in "$@"; do
  case "$word" in add|reset|checkout) mkdir '{folder}/struck-once' 2>/dev/null || break
    {strace} '{git}' "$@"
    code=$?
    [ {orphan} = 0 ] || kill -9 $PPID
    exit $code;;
  esac
done
exec '{git}' "$@"
"""


def git_is_killed(ground: Ground, amount: Amount) -> Report:
    """SIGKILL of git at each call that makes a worktree, alone or with the supervisor: the next attempt makes it whole."""
    real = shutil.which("git")
    assert real is not None
    with ground.fleet() as fleet:
        trace = fleet.folder / "git-trace"
        _run_with_git(fleet, real, f"strace -f -qq -y -s 400 -o '{trace}' -e trace={NAMES} -e signal=none", orphan=False)
        every = [call for call in _calls(trace) if call.name != "write"]
    cases = [GitCall(call, orphan) for orphan in (False, True) for call in every]
    many = amount.number(200)
    again = many // max(len(cases), 1)
    cases = (cases * (again + 1))[:many] if again else Amount(many).pick(cases)

    by_hand: list[bool] = []

    def attempt(case: GitCall) -> list[str]:
        with ground.fleet() as fleet:
            strike = f"strace -f -qq -o /dev/null -e trace={case.call.name} -e signal=none "
            strike += f"-e inject={case.call.name}:signal=KILL:when={case.call.number}"
            task_id = _run_with_git(fleet, real, strike, case.orphan)
            task = fleet.task(task_id)
            for _ in range(2):  # git's refusals are not tried again by themselves
                if task.state == "error":
                    by_hand.append(_remove_lock(fleet, task.error or ""))
                    fleet.operator.do("retry", task_id)
                    settle(fleet, [task_id])
                    task = fleet.task(task_id)
            worktree = Path(fleet.paths.worktree(parse_reference(REF).slug))
            found = verify(fleet, [task_id])
            if task.state != "completed" or fleet.starts() != [task_id]:
                found.append(f"{task_id} is {task.state} after {len(fleet.starts())} agents: {task.reason}")
            elif run_git(worktree, "status", "--porcelain") or not (worktree / "README.md").exists():
                found.append("the worktree is not whole")
            return found

    report = ground.side_by_side(cases, attempt)
    report.told = (
        f"of {len(every)} calls, each alone and with the supervisor; {sum(by_hand)} left a lock of git to remove by hand"
    )
    return report


def _remove_lock(fleet: Fleet, error: str) -> bool:
    """Do what git's words ask the operator for: whose lock it is nobody else can know."""
    match = re.search(r"'([^']+\.lock)': File exists", error)
    if match is None:
        return False
    assert match[1].startswith(f"{fleet.repository}/.git/")
    Path(match[1]).unlink()
    return True


NAMES = "?openat,?rename,?link,?unlink,?mkdir,?rmdir,?symlink,?fsync"


@dataclass(frozen=True)
class GitCall:
    """A call at which git is killed."""

    call: programs.Call
    orphan: bool
    """Whether its supervisor is killed as well."""

    def __str__(self) -> str:
        return f"{self.call}{' and the supervisor' if self.orphan else ''}"


def _calls(trace: Path) -> list[programs.Call]:
    """Git's calls that change something, by name and number."""
    counts: dict[str, int] = {}
    found = []
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        name = line.split(maxsplit=1)[1].partition("(")[0] if " " in line else ""
        counts[name] = counts.get(name, 0) + 1
        if name.isidentifier() and (name != "openat" or "O_CREAT" in line):
            found.append(programs.Call(name, counts[name], line))
    return found


def _run_with_git(fleet: Fleet, real: str, strace: str, orphan: bool) -> str:
    """Run a task with the first making of its worktree under strace; returns when it has ended."""
    folder = fleet.folder / "bin"
    folder.mkdir()
    script = WRAPPER.format(folder=fleet.folder, strace=strace, git=real, orphan=int(orphan))
    (folder / "git").write_text(script)
    (folder / "git").chmod(0o700)
    task_id = fleet.enqueue(REF)
    process = programs.start(fleet, programs.engine_argv(fleet), PATH=f"{folder}:{os.environ['PATH']}")
    code, said, complained = programs.finish(fleet, process, 45.0)
    assert code == 0, f"the engine ended with {code}: {said} {complained[-300:]}"
    wait_until(lambda: fleet.task(task_id).ended, 5, "the end of the task")
    return task_id

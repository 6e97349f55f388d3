"""What an agent is given, what is kept of it, and where it works."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.domain import refs
from tests.support.fleet import Fleet
from tests.support.repositories import bare_remote, commit, run_git
from tests.support.waiting import wait_until

HOSTILE = (
    "\"'`$(touch /tmp/kugetsu-canary) ${HOME} \\ \t --help\r\n-h\n%s {} \x1b]52;c;x\x07 日本語 \U0001f600\n;rm -rf ~ && |\n"
)


def _dump_folder(fleet: Fleet) -> Path:
    folder = fleet.folder / "dump"
    folder.mkdir()
    return folder


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return facts


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE * 2000, "--version"], ids=["hostile", "200 KB", "like an option"])
def test_the_prompt_arrives_byte_for_byte_on_stdin_and_never_in_argv(fleet: Fleet, text: str) -> None:
    """Quotes, newlines, `$()`, escapes and size change nothing; the agent's command line is the configured one."""
    folder = _dump_folder(fleet)
    task_id = fleet.enqueue(text=text, dump=str(folder))
    fleet.start_engine()
    assert fleet.wait_for_end([task_id])[0].state == "completed"
    assert (folder / "stdin").read_bytes() == fleet.task(task_id).message.encode()
    assert fleet.task(task_id).message.startswith(text)
    assert _facts(folder)["argv"][1:] == [str(fleet.journal_file)]
    assert not os.path.exists("/tmp/kugetsu-canary")


def test_the_agents_environment_is_a_short_list_and_its_own_facts(fleet: Fleet) -> None:
    """The engine's other variables, secrets among them, are absent; the facts of the attempt are there and true."""
    folder = _dump_folder(fleet)
    fleet.tables = '[agents.scripted.env]\nMY_MODE = "batch"'
    fleet.configure()
    Path(fleet.paths.env, "default.env").write_text(
        "API_KEY='from the file'\nMY_MODE=file\nLD_PRELOAD=/evil.so\n", encoding="utf-8"
    )
    operator = {
        "PATH": os.environ["PATH"], "HOME": "/home/operator", "LC_ALL": "C.UTF-8", "SECRET_CANARY": "leaked",
        "GIT_DIR": "/evil", "PYTHONPATH": "/evil", "KUGETSU_TOKEN": "leaked", "AWS_SECRET_ACCESS_KEY": "leaked",
    }  # fmt: skip
    task_id = fleet.enqueue("local/work#8", dump=str(folder))
    fleet.start_engine(environ=operator)
    fleet.wait_for_end([task_id])
    facts = _facts(folder)
    worktree = fleet.paths.worktree(refs.parse_reference("local/work#8").slug)
    token = facts["env"].pop("KUGETSU_TASK")
    assert token.startswith(f"{task_id}:")
    assert len(token) == len(task_id) + 1 + 16
    facts["env"].pop("LC_CTYPE", None)  # Python's own
    assert facts["env"] == {
        "PATH": os.environ["PATH"], "HOME": "/home/operator", "LC_ALL": "C.UTF-8", "API_KEY": "from the file",
        "MY_MODE": "batch", "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0", "PAGER": "cat", "GIT_PAGER": "cat",
        "KUGETSU_TASK_ID": task_id, "KUGETSU_ATTEMPT": "1", "KUGETSU_ISSUE_REF": "local/work#8",
        "KUGETSU_DIR": fleet.paths.root, "KUGETSU_WORKTREE": worktree, "KUGETSU_BRANCH": "fix/issue-8", "PWD": worktree,
        "TMPDIR": f"{fleet.paths.run(task_id, 1)}/tmp",
    }  # fmt: skip
    assert facts["cwd"] == worktree
    assert facts["tmp_there"]
    assert not os.path.exists(f"{fleet.paths.run(task_id, 1)}/tmp")
    assert "leaked" not in "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in Path(fleet.paths.root).rglob("*") if path.is_file()
    )


def test_an_agent_works_on_the_issues_branch_and_its_delivery_is_measured(fleet: Fleet) -> None:
    """One commit and one uncommitted file in the issue's worktree; the repository's own checkout is untouched."""
    task_id = fleet.enqueue("local/work#5", write="notes.txt", commit="work on it")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    delivered = task.attempts[0].delivered
    assert delivered is not None
    assert (delivered.commits, delivered.files, delivered.insertions, delivered.deletions, delivered.dirty) == (1, 1, 1, 0, 0)
    assert task.reason == "1 commit, +1 −0"
    assert run_git(fleet.repository, "log", "-1", "--format=%s", "fix/issue-5") == "work on it"
    assert run_git(fleet.repository, "status", "--porcelain") == ""
    assert run_git(fleet.repository, "branch", "--show-current") == "main"


def test_a_second_task_of_an_issue_goes_on_in_its_worktree(fleet: Fleet) -> None:
    """Uncommitted work of the first task is there for the second one."""
    ids = [fleet.enqueue("local/work#5", write="notes.txt") for _ in range(2)]
    fleet.start_engine()
    first, second = fleet.wait_for_end(ids)
    assert first.attempts[0].delivered is not None
    assert second.attempts[0].delivered is not None
    assert first.attempts[0].delivered.dirty == second.attempts[0].delivered.dirty == 1
    worktree = Path(fleet.paths.worktree(refs.parse_reference("local/work#5").slug))
    assert (worktree / "notes.txt").read_text(encoding="utf-8") == "written by the agent\n" * 2


def test_a_clone_is_made_from_the_server_that_the_settings_name(fleet: Fleet) -> None:
    """`[servers]` with a folder: two issues of one repository share one clone, made once, and branch off its head."""
    bare_remote(fleet.folder / "server/owner/project.git", fleet.repository)
    head = run_git(fleet.repository, "rev-parse", "HEAD")
    fleet.tables = f'[servers]\n"forge.test" = "{fleet.folder}/server"'
    fleet.configure()
    ids = [fleet.enqueue(f"forge.test/owner/project#{number}", write="new.txt", commit="done") for number in (1, 2)]
    fleet.start_engine()
    ended = fleet.wait_for_end(ids)
    assert [task.error for task in ended] == [None, None]
    clone = Path(fleet.paths.repositories, "forge.test/owner/project")
    assert run_git(clone, "rev-parse", "fix/issue-1~1") == run_git(clone, "rev-parse", "fix/issue-2~1") == head
    assert [path.name for path in clone.parent.iterdir()] == ["project"]


def test_a_new_worktree_starts_from_what_the_remote_has_now(fleet: Fleet) -> None:
    """What was pushed after the clone was made is the base of the next issue's branch."""
    remote = bare_remote(fleet.folder / "server/owner/project.git", fleet.repository)
    fleet.tables = f'[servers]\n"forge.test" = "{fleet.folder}/server"'
    fleet.configure()
    fleet.start_engine()
    fleet.wait_for_end([fleet.enqueue("forge.test/owner/project#1")])
    newest = commit(fleet.repository, "later.txt", "pushed later\n")
    run_git(fleet.repository, "push", "--quiet", str(remote), "main")
    fleet.wait_for_end([fleet.enqueue("forge.test/owner/project#2")])
    clone = Path(fleet.paths.repositories, "forge.test/owner/project")
    assert run_git(clone, "rev-parse", "fix/issue-2") == newest


def test_a_clone_that_fails_is_an_error_with_gits_words_and_leaves_nothing(fleet: Fleet) -> None:
    """No such repository on the server: one attempt, git's words, no half-made clone."""
    fleet.tables = f'[servers]\n"forge.test" = "{fleet.folder}/server"'
    fleet.configure()
    task_id = fleet.enqueue("forge.test/owner/missing#1")
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts), task.attempts[0].failure) == ("error", 1, "git")
    assert "does not exist" in (task.error or "")
    assert list(Path(fleet.paths.repositories, "forge.test/owner").iterdir()) == []


def test_output_is_kept_as_it_was_written(fleet: Fleet) -> None:
    """Standard output goes to the log unchanged, escapes included, in a file nobody else can read."""
    task_id = fleet.enqueue(say="colour \x1b[31mred\x1b[0m and a bell \x07")
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    assert fleet.log(task_id) == b"colour \x1b[31mred\x1b[0m and a bell \x07\n"
    assert stat.S_IMODE(os.stat(fleet.paths.log(task_id, 1)).st_mode) == 0o600


def test_a_log_is_capped_while_the_agent_runs_and_says_what_was_dropped(fleet: Fleet) -> None:
    """2 MB of output against a cap of 64 KiB: head and tail are kept, the middle is told, the exit code is unchanged."""
    fleet.configure(log_cap="64KiB", max_attempts=1)
    task_id = fleet.enqueue(lines=20_000, wait=fleet.waiting_file("done"), exit=4)
    fleet.start_engine()
    fleet.wait_for_started(task_id)
    wait_until(lambda: b"bytes dropped here" in fleet.log(task_id), 5, "the cap to act")
    log = fleet.log(task_id)
    assert len(log) < 64 * 1024
    assert log.startswith(b"line 0000000 ")
    assert b"line 0019999 " in log
    fleet.release("done")
    task = fleet.wait_for_end([task_id])[0]
    assert task.exit_code == 4
    assert fleet.result(task_id).dropped_bytes > 1_000_000  # type: ignore[union-attr]


def test_a_log_is_capped_also_when_the_agent_ends_at_once(fleet: Fleet) -> None:
    """An agent that prints 2 MB and ends within a moment leaves no more than the cap either."""
    fleet.configure(log_cap="64KiB")
    task_id = fleet.enqueue(lines=20_000)
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    log = fleet.log(task_id)
    assert len(log) < 64 * 1024 + 200
    assert b"line 0019999 " in log


def test_opencode_writes_its_log_itself_and_is_judged_by_its_words(fleet: Fleet) -> None:
    """A stand-in for opencode that gave up for a permission and yet exits with 0: `blocked`, not retried, log whole."""
    program = fleet.folder / "opencode"
    program.write_text('#!/bin/sh\necho "args: $*"\ncat\necho "! permission requested: bash; auto-rejecting" >&2\n', "utf-8")
    program.chmod(0o755)
    fleet.tables = f'[agents.opencode]\nprogram = "{program}"\nmodel = "p/m"'
    fleet.configure(prompt_template="plain")
    task_id = fleet.enqueue("local/work#4", options={"agent": "opencode"})
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, len(task.attempts), task.attempts[0].failure) == ("error", 1, "blocked")
    assert "a permission nobody could give" in (task.error or "")
    words = b"! permission requested: bash; auto-rejecting\n"
    args = b"args: run --format=json --print-logs --log-level=INFO --title=local/work#4 -m p/m\n"
    assert fleet.log(task_id) == args + task.message.encode() + words


def test_progress_is_told_while_an_agent_runs(fleet: Fleet) -> None:
    """Phase, pid, processes and memory of the attempt are on disk within about a second."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("done"), orphan=True)
    fleet.start_engine()
    line = fleet.wait_for_started(task_id)
    wait_until(lambda: (fleet.progress(task_id) or 0) and fleet.progress(task_id).elapsed_s >= 1, 5, "progress")  # type: ignore[union-attr]
    progress = fleet.progress(task_id)
    assert progress is not None
    assert (progress.phase, progress.pid, progress.processes) == ("agent", line.pid, 2)
    assert (progress.rss_bytes or 0) > 1 << 20
    fleet.release("done")
    assert fleet.wait_for_end([task_id])[0].state == "completed"

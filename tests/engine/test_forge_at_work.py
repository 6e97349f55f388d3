"""A forge beside a running task: the issue's words in the prompt, the pull request in the result; and none of it needed."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.cli.main import run
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.pull_request import KnownPull, PullRequest
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.engine import engine_thread
from kugetsu_engine.process import interpreter
from kugetsu_engine.state import pull_requests
from kugetsu_engine.supervisor import forge_questions
from kugetsu_tui.viewmodels import task_summary
from kugetsu_tui.viewmodels.console_state import ConsoleState
from kugetsu_tui.viewmodels.done import DoneView
from tests.support.fleet import Fleet
from tests.support.forge import FakeForge, Reply
from tests.support.repositories import bare_remote, run_git
from tests.support.waiting import wait_until

REF = "forge.test/o/r#7"
SECRET = "s3cr3t-token"


@pytest.fixture
def forge(fleet: Fleet) -> Iterator[FakeForge]:
    """A Gitea that the fleet's settings name, and a repository whose teardown pushes."""
    found = FakeForge("gitea")
    found.token = SECRET
    found.issues["o/r#7"] = {"title": "Broken login", "body": "Since monday."}
    remote = bare_remote(fleet.folder / "remote.git", fleet.repository)
    run_git(fleet.repository, "remote", "add", "origin", str(remote))
    Path(fleet.paths.env, "forges.env").write_text(f"KUGETSU_TOKEN_FORGE_TEST={SECRET}\n", encoding="utf-8")
    push = json.dumps(["git", "push", "--quiet", "origin", "HEAD"])
    fleet.tables = (
        f'[forges."forge.test"]\nkind = "gitea"\napi = "{found.api}"\n'
        f'[repos."forge.test/o/r"]\npath = "{fleet.repository}"\nteardown = {push}\n'
    )
    fleet.configure(issue_text="true")
    yield found
    found.close()


def test_the_issues_words_are_in_the_prompt_and_the_pull_request_in_the_result(fleet: Fleet, forge: FakeForge) -> None:
    """The token is with the forge alone: in no environment, log, record or argument of the agent's."""
    forge.add_pull("o/r", 9, "fix/issue-7")
    dump = fleet.folder / "dump"
    dump.mkdir()
    how = json.dumps({"dump": str(dump), "write": "a.txt", "commit": "work"})
    forge.issues["o/r#7"]["body"] += f"\n\n{how}"  # the agent does as the last line says
    task_id = fleet.enqueue(REF)
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    prompt = (dump / "stdin").read_text(encoding="utf-8")
    assert prompt.startswith("do it\n")
    assert "### Broken login\n\nSince monday." in prompt
    assert "Others wrote this" in prompt
    last = task.last_attempt
    assert last is not None
    assert last.delivered is not None
    assert (last.delivered.pr, last.delivered.unpushed) == ("https://forge.test/o/r/pulls/9", 0)
    assert (task.reason or "").endswith(", pushed, https://forge.test/o/r/pulls/9")
    known = pull_requests.load_pull_requests(fleet.paths).issues[REF]
    assert known.pull is not None
    assert known.pull.number == 9
    for folder, _, names in os.walk(fleet.folder):
        for name in names:
            path = Path(folder, name)
            assert path.name == "forges.env" or not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("fault", ["refused", "gone"])
def test_without_its_forge_a_task_goes_on(fleet: Fleet, forge: FakeForge, fault: str) -> None:
    """A wrong token, no server: a line in the log says it, and the agent works with the message alone."""
    if fault == "refused":
        forge.token = "another"
    else:
        forge.close()
    task_id = fleet.enqueue(REF, write="a.txt", commit="work")
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    assert task.state == "completed"
    assert b"[kugetsu] the issue's text is not in the prompt: forge.test " in fleet.log(task_id)
    assert task.attempts[0].delivered is not None
    assert task.attempts[0].delivered.pr is None


def test_lists_show_what_the_forge_said_last_and_ask_on_demand(
    fleet: Fleet, forge: FakeForge, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`list` and `show`, for people and scripts, and the console's header; `--refresh` asks, and says what went wrong."""
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    forge.add_pull("o/r", 9, "fix/issue-7", sha="abc")
    forge.statuses["abc"] = ["pending"]
    task_id = fleet.enqueue(REF, write="a.txt", commit="work")
    fleet.configure(issue_text="false")
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    assert run(["list"]) == 0
    shown = capsys.readouterr().out
    assert "PR #9 open, checks under way" in shown
    assert "1 commit, +1 −0, pushed, https://" in shown
    forge.statuses["abc"] = ["success", "failure"]
    assert run(["list", "--refresh", "--json"]) == 0
    [document] = json.loads(capsys.readouterr().out)
    assert (document["delivered"]["commits"], document["delivered"]["unpushed"]) == (1, 0)
    assert document["pull_request"]["checks"] == {"state": "failure", "total": 2, "failed": 1}
    assert run(["show", task_id]) == 0
    assert "PR #9 open, 1 of 2 checks failed, as of 0:0" in capsys.readouterr().out
    assert run(["show", task_id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pull_request"]["number"] == 9
    snapshot = SnapshotReader(fleet.paths, {}).read()
    picture = ConsoleState(snapshot)
    words = "".join(text for line in task_summary.format_header(picture, snapshot.done[0], 1) for text, _ in line)
    assert "PR #9 open, 1 of 2 checks failed" in words
    assert DoneView(picture).row(0).cells[5][0].startswith("PR #9 open, 1 of 2 checks failed, 1 commit")
    forge.token = "another"
    assert run(["list", "--refresh"]) == 0
    told = capsys.readouterr()
    assert "refuses the token (401)" in told.err
    assert "PR #9 open" in told.out


def test_destroy_refuses_an_open_pull_request_and_takes_a_merged_one(
    fleet: Fleet, forge: FakeForge, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks the forge; where that fails, what it said last counts."""
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    forge.add_pull("o/r", 9, "fix/issue-7")
    fleet.configure(issue_text="false")
    engine = fleet.start_engine()
    fleet.wait_for_end([fleet.enqueue(REF, write="a.txt", commit="work")])
    fleet.stop_engine(engine)
    assert run(["destroy", REF, "-y"]) == 3
    assert "its pull request is open" in capsys.readouterr().err
    forge.token = "another"
    assert run(["destroy", REF, "-y"]) == 3
    forge.token = SECRET
    forge.pulls["o/r"][0] |= {"state": "closed", "merged": True}
    assert run(["destroy", REF, "-y"]) == 0
    assert not os.path.exists(fleet.paths.worktree("forge.test-o-r-7"))


def test_the_prompt_of_a_known_agent_has_the_issue_in_its_place(fleet: Fleet, forge: FakeForge) -> None:
    """In the section that the template has for it; a forge that does not answer leaves a word there, no mark."""
    fleet.configure(prompt_template="dev")
    for ref, wanted in ((REF, "### Broken login\n\nSince monday."), ("forge.test/o/r#8", "(Its text could not be fetched.)")):
        task_id = fleet.enqueue(ref)
        fleet.start_engine() if not fleet.engines else None
        fleet.wait_for_end([task_id])
        prompt = Path(fleet.paths.run(task_id, 1), "prompt").read_text(encoding="utf-8")
        issue = prompt.partition("## The issue\n")[2].partition("## Your task")[0]
        assert wanted in issue
        assert "\0" not in prompt


def test_open_pull_requests_are_asked_about_again_by_themselves(
    fleet: Fleet, forge: FakeForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process beside the engine, once the answer has grown old."""
    monkeypatch.setattr(engine_thread, "ASK_FORGES_S", 0.05)
    known = KnownPull(iso(time.time() - 1000), "fix/issue-7", PullRequest(9, "https://forge.test/9", "open"))
    pull_requests.change_pull_requests(fleet.paths, lambda _: pull_requests.PullRequests(issues={REF: known}))
    forge.add_pull("o/r", 9, "fix/issue-7", "merged")
    fleet.start_engine()

    def merged() -> bool:
        found = pull_requests.load_pull_requests(fleet.paths).issues[REF].pull
        return found is not None and found.state == "merged"

    wait_until(merged, 20, "the forge's answer")


def test_without_a_setting_or_a_token_nobody_is_asked(fleet: Fleet, forge: FakeForge) -> None:
    """The same task, with the forge's entry gone."""
    Path(fleet.paths.env, "forges.env").unlink()
    fleet.tables = fleet.tables.replace('[forges."forge.test"]', '[forges."other.test"]')
    fleet.configure()
    task_id = fleet.enqueue(REF, write="a.txt", commit="work")
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    assert forge.asked == []
    assert b"issue's text" not in fleet.log(task_id)


def test_a_stop_while_the_forge_is_asked_ends_the_helper_too(fleet: Fleet, forge: FakeForge) -> None:
    """Nothing is left of the attempt."""
    forge.replies["/repos/o/r/issues/7"] = Reply(hang=True)
    task_id = fleet.enqueue(REF)
    fleet.start_engine()
    wait_until(lambda: forge.asked, 15, "the question")
    fleet.operator.do("kill", task_id, now=True)
    [task] = fleet.wait_for_end([task_id])
    assert task.state == "cancelled"
    assert fleet.starts() == []


def test_a_helper_that_answers_nonsense_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No JSON, another shape, nothing at all."""
    for program, wanted in (
        ("print('{')", {"error": "the request failed"}),
        ("print('[]')", {}),
        ("", {"error": "the request failed"}),
    ):
        monkeypatch.setattr(interpreter, "_BOOT", program)
        question = forge_questions.ForgeQuestion("text")
        assert question.wait_for_answer() == wanted
        question.close()


def test_a_helper_that_answers_nothing_is_waited_for_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """And ended with it."""
    monkeypatch.setattr(interpreter, "_BOOT", "import signal; signal.pause()")
    monkeypatch.setattr(forge_questions, "LIMIT_S", 0.2)
    question = forge_questions.ForgeQuestion("text")
    assert question.wait_for_answer() == {"error": "no answer within 0.2 s"}
    question.close()
    assert question._process.returncode == -9

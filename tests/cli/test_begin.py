"""`start`, `continue` and `delegate`: the exit codes of the bash kugetsu, and the one gate."""

import json
from collections.abc import Callable

import pytest

from tests.support.waiting import wait_until

from .conftest import Shell

CONFIG = 'agent = "demo"\nmax_concurrent_agents = 1\nstop_grace = "1s"\n[agents.demo]\nenv = { KUGETSU_DEMO_SPEED = "50" }\n'
HANG = "x\ndemo: steps=0 end=hang"
QUICK = "work\ndemo: steps=0"


@pytest.fixture
def ready(shell: Shell, quick_agents: Callable[[str], None]) -> Shell:
    """One slot, and quick agents."""
    quick_agents(CONFIG)
    return shell


class TestStart:
    """0: its agent runs, 1: it failed, 2: not now."""

    @pytest.mark.parametrize("with_engine", [True, False])
    def test_the_contract_of_exit_codes(self, ready: Shell, with_engine: bool) -> None:
        """It starts before all that waits; at the limit nothing is left waiting; what cannot work fails."""
        if with_engine:
            assert ready("queue-daemon", "start").returncode == 0
        waiting = ready.enqueue("local/app#9", "later", "--hold")
        done = ready("start", "local/app#1", HANG)
        assert (done.returncode, done.stdout) == (0, "Started: q_2\n"), done.stderr
        assert ("no engine is running" in done.stderr) is not with_engine
        refused = ready("start", "local/app#2", QUICK)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "slots 1/1" in refused.stderr
        assert [task["id"] for task in ready.json("queue", "list")] == ["q_2", waiting]
        assert ready("kill", "local/app#1", "--now").returncode == 0
        wait_until(lambda: ready("start", "local/app#2", QUICK).returncode == 0, 20, "the slot to be free")
        wait_until(lambda: ready("start", "local/app#3", QUICK, "--repo", str(ready.state)).returncode != 2, 20, "the next one")
        failed = ready("start", "local/app#3", QUICK, "--repo", str(ready.state))
        assert (failed.returncode, "is not a git repository" in failed.stderr) == (1, True), failed.stderr

    def test_not_now_also_when_paused_or_when_the_issue_has_an_agent(self, ready: Shell) -> None:
        """Each passes, so each is 2; wrong words are 64."""
        assert ready("pause").returncode == 0
        assert ready("start", "local/app#1", QUICK).returncode == 2
        ready("resume")
        ready("limit", "2")
        assert ready("start", "local/app#1", HANG).returncode == 0
        busy = ready("start", "local/app#1", "more")
        assert (busy.returncode, "already working on the issue" in busy.stderr) == (2, True)
        ready("kill", "local/app#1", "--now")
        for words in (["start", "local/app#1"], ["start", "nonsense", "x"], ["start", "local/app#1", " "], ["start"]):
            assert ready(*words).returncode == 64, words

    def test_the_pull_request_is_known_to_the_agent(self, ready: Shell) -> None:
        """As an option, or as the third word, as in the bash kugetsu."""
        url = "https://forge.test/o/app/pulls/3"
        assert ready("start", "local/app#1", QUICK, url).returncode == 0
        assert ready.json("list")[0]["pr_url"] == url
        assert ready.json("show", "1")["message"] == QUICK
        ready("--headless", "--until-idle")
        assert ready("start", "local/app#1", QUICK, "--pr", url).returncode == 0

    def test_without_an_engine_the_next_one_enters_how_it_ended(self, ready: Shell) -> None:
        """The agent goes on without one; nothing is lost, nothing runs twice."""
        done = ready("start", "local/app#1", QUICK)
        assert done.returncode == 0, done.stderr
        assert ready("--headless", "--until-idle").returncode == 0
        task = ready.json("show", "local/app#1")
        assert (task["state"], len(task["attempts"])) == ("completed", 1)


class TestContinue:
    """The next message to an issue."""

    def test_makes_what_is_missing_and_sends_the_whole_message(self, ready: Shell) -> None:
        """Every word arrives; the repository of the issue is remembered, wherever it is called."""
        first = ready("continue", "local/app#1", "all", "the", "words,", "to the 'last'", "demo: steps=0")
        assert first.returncode == 0, first.stderr
        ready("--headless", "--until-idle")
        assert ready.json("show", "q_1")["message"] == "all the words, to the 'last' demo: steps=0"
        elsewhere = ready("continue", "local/app#1", QUICK, folder=ready.state)
        assert elsewhere.returncode == 0, elsewhere.stderr
        ready("--headless", "--until-idle")
        assert ready.json("show", "q_2")["repo"] == str(ready.folder)
        assert ready("continue", "q_2").returncode == 0
        assert ready.json("show", "q_3")["message"].startswith("Go on with the work")

    def test_a_message_that_waits_already_is_not_sent_twice(self, ready: Shell) -> None:
        """Calling it again is no second task; at the limit it waits as before."""
        assert ready("start", "local/app#2", HANG).returncode == 0
        waiting = ready.enqueue("local/app#1", QUICK)
        assert ready("continue", "local/app#1", QUICK).returncode == 2
        assert ready.json("show", waiting)["state"] == "pending"
        ready("kill", "local/app#2", "--now")
        assert ready("wait", "local/app#2", "--timeout", "0.1s").returncode in (1, 2)
        ready("--headless", "--until-idle")
        assert len(ready.json("queue", "list", "--all")) == 2


class TestDelegate:
    """References in the text become tasks of their issues."""

    def test_each_issue_it_names_gets_the_message(self, ready: Shell) -> None:
        """Once each, in order, with the text as it was written."""
        text = "Look at local/app#3; also https://github.com/o/r/issues/4 and local/app#3 `$(id)`."
        done = ready("delegate", text)
        assert done.stdout == "Enqueued: q_1 for local/app#3\nEnqueued: q_2 for github.com/o/r#4\n"
        assert {task["message"] for task in ready.json("queue", "list")} == {text}

    def test_without_a_reference_it_needs_the_project_manager(self, ready: Shell) -> None:
        """Where there is none yet, that is said, and nothing waits for ever."""
        done = ready("delegate", "what", "is", "up?")
        assert done.returncode == 1
        assert "kugetsu init" in done.stderr
        assert ready.json("queue", "list") == []


def test_references_stand_for_ids(ready: Shell) -> None:
    """`show`, `logs`, `kill`, `hold`, `retry`: the task of the issue that the verb is about."""
    ready.enqueue("local/app#1", QUICK)
    assert ready("hold", "local/app#1").stdout == "holding #1\n"
    assert ready("release", "local/app#1").returncode == 0
    assert ready("--headless", "--until-idle").returncode == 0
    assert "demo agent, local/app#1" in ready("logs", "local/app#1").stdout
    ready.enqueue("local/app#1", "another")
    assert ready.json("show", "local/app#1")["id"] == "q_2"
    assert ready("retry", "local/app#1").stdout.startswith("#1 ")
    assert ready("cancel", "local/app#1").stdout == "cancelled #2\n"
    assert ready("kill", "local/other#1").returncode == 4
    said = json.loads((ready.state / "context/local-app-1.json").read_text())
    assert [message["role"] for message in said["conversation_history"]] == ["user", "note"]
    assert said["conversation_history"][0]["content"] == said["last_message"] == QUICK
    assert "#1 attempt 1: ok" in said["conversation_history"][1]["content"]

"""What a request does to an issue as a whole, and which env files an agent gets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kugetsu_engine.domain import request
from kugetsu_engine.domain.request import Answer, Request
from kugetsu_engine.domain.reserved_refs import PM_AGENT
from kugetsu_engine.domain.session import Session
from kugetsu_engine.domain.task import Task
from kugetsu_engine.engine.loop import Engine
from kugetsu_engine.errors import NoSuchTask
from kugetsu_engine.jobs import environment
from kugetsu_engine.paths import ENV_DEFAULT, ENV_DEV, ENV_PM, StatePaths
from kugetsu_engine.state import contexts, requests, sessions, tasks
from kugetsu_engine.state.contexts import Context, Message
from kugetsu_engine.state.new_tasks import create_task

REF = "local/app#1"


class Desk:
    """An engine that is stepped by hand."""

    def __init__(self, paths: StatePaths, make: Callable[..., Engine]) -> None:
        self.paths = paths
        self.engine = make()

    def ask(self, verb: request.Verb, task: str | None = None, **args: object) -> Answer:
        """Apply a request by way of its file."""
        number = requests.submit_request(self.paths, Request(verb, task, args))
        self.engine.store.rescan()
        self.engine.apply_requests()
        reply = requests.pop_answer(self.paths, number)
        assert reply is not None
        return reply


@pytest.fixture
def desk(paths: StatePaths, engine_factory: Callable[..., Engine]) -> Desk:
    """An engine without tasks."""
    return Desk(paths, engine_factory)


def test_a_pull_request_is_set_changed_and_taken_back(desk: Desk) -> None:
    """The rest of the session stays; what is no address is refused."""
    sessions.save_session(desk.paths, Session("local-app-1", REF, "opencode", "ses_1"))
    first = desk.ask("set_pr", issue_ref=REF, url="https://x/o/r/pulls/1")
    assert first.ok
    assert desk.ask("set_pr", issue_ref=REF, url="https://x/o/r/pulls/1").exit_code == 3
    for bad in ("ftp://x", "https://x y", "x" * 3000, "https://x\n", 7):
        assert desk.ask("set_pr", issue_ref=REF, url=bad).exit_code == 64
    session = sessions.load_session(desk.paths, "local-app-1")
    assert session is not None
    assert (session.pr_url, session.session_id) == ("https://x/o/r/pulls/1", "ses_1")
    assert first.undo is not None
    assert desk.ask(first.undo.verb, None, **first.undo.args).ok
    assert desk.ask("set_pr", issue_ref="nonsense", url="https://x/o/r/pulls/1").exit_code == 64


def test_forgetting_takes_what_waits_and_leaves_what_has_ended(desk: Desk) -> None:
    """Session, messages and waiting tasks of that issue alone; again it finds nothing."""
    mine, other = (create_task(desk.paths, ref, "m", 0.0) for ref in (REF, "local/app#2"))
    for ref in (REF, "local/app#2"):
        contexts.save_context(desk.paths, Context(ref, conversation_history=[Message("user", "hi")]))
        sessions.save_session(desk.paths, Session(ref.replace("/", "-").replace("#", "-"), ref))
    done = desk.ask("forget", issue_ref=REF)
    assert done.text == f"{REF}: 1 waiting task cancelled, its session removed, its messages removed"
    assert tasks.find_task(desk.paths, mine).state == "cancelled"
    assert tasks.find_task(desk.paths, other).state == "pending"
    assert [session.slug for session in sessions.list_sessions(desk.paths)] == ["local-app-2"]
    assert contexts.load_context(desk.paths, REF).conversation_history == []
    assert contexts.load_context(desk.paths, "local/app#2").conversation_history
    assert desk.ask("forget", issue_ref=REF).text == f"{REF}: there is nothing to remove"


def test_start_of_what_cannot_start_takes_it_back_or_leaves_it(desk: Desk) -> None:
    """One made for it is cancelled; one that waited anyway waits on, held as it was."""
    desk.ask("pause")
    made, waiting = (create_task(desk.paths, ref, "m", 0.0, held=True) for ref in (REF, "local/app#2"))
    assert desk.ask("start", made).exit_code == 2
    assert tasks.find_task(desk.paths, made).state == "cancelled"
    assert desk.ask("start", waiting, keep=True).exit_code == 2
    task = tasks.find_task(desk.paths, waiting)
    assert (task.state, task.held) == ("pending", True)
    assert desk.ask("start", made).exit_code == 3
    assert desk.ask("start", "q_99").exit_code == NoSuchTask.exit_code


@pytest.mark.parametrize(
    ("issue_ref", "wanted"),
    [(REF, {"A": "default", "B": "dev", "C": "dev"}), (PM_AGENT, {"A": "default", "B": "manager", "D": "manager"})],
)
def test_each_agent_gets_its_own_env_files(paths: StatePaths, issue_ref: str, wanted: dict[str, str]) -> None:
    """All get the default one; those of issues never see the project manager's, nor the other way round."""
    Path(paths.env, ENV_DEFAULT).write_text("A=default\nB=default\n")
    Path(paths.env, ENV_DEV).write_text("B=dev\nC=dev\n")
    Path(paths.env, ENV_PM).write_text("B=manager\nD=manager\n")
    built = environment.build_environment(paths, {}, [], {}, Task("q_1", issue_ref), {}, "run")
    assert {name: value for name, value in built.items() if name in "ABCD"} == wanted
    assert ("PATH" in built) is (issue_ref == PM_AGENT)  # where kugetsu itself is

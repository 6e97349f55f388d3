"""`start` goes through the one gate: however many ask at once, never more agents than slots, and everyone gets an answer."""

import json
import threading

import pytest

from kugetsu_engine.client import start as beginning
from kugetsu_engine.domain.request import Request
from kugetsu_engine.domain.states import ACTIVE
from kugetsu_engine.errors import TryLater
from kugetsu_engine.state import requests, tasks
from kugetsu_engine.storage import files
from tests.support.clients import local_client
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until


def start(fleet: Fleet, number: int, **how: object) -> str:
    """Start a task on an issue of its own; its id, or `later`."""
    try:
        return beginning.start_issue(local_client(fleet.paths.root), f"local/work#{number}", f"do it\n{json.dumps(how)}")
    except TryLater:
        return "later"


@pytest.mark.parametrize("with_engine", [True, False])
def test_many_at_once_get_no_more_than_the_slots(fleet: Fleet, with_engine: bool) -> None:
    """Two of six start, four are told to try later, and nothing of those waits."""
    fleet.configure(max_concurrent_agents=2)
    if with_engine:
        fleet.start_engine()
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda number=number: answers.append(start(fleet, number, wait=fleet.waiting_file("all"))))
        for number in range(1, 7)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    started = [answer for answer in answers if answer != "later"]
    assert (len(started), len(answers)) == (2, 6)
    for task_id in started:
        fleet.wait_for_started(task_id)
    states = [tasks.read_task(fleet.paths.item(name), name).state for name in files.list_documents(fleet.paths.items)]
    assert len(states) == 2
    assert set(states) <= ACTIVE
    fleet.release("all")
    if not with_engine:
        fleet.start_engine()
    fleet.wait_for_end(started)
    assert fleet.most_at_once() <= 2
    assert sorted(fleet.starts()) == sorted(started)


def test_it_does_not_wait_for_what_waits(fleet: Fleet) -> None:
    """It starts before tasks of a higher priority; a paused queue and a busy issue say so."""
    fleet.configure(max_concurrent_agents=2)
    fleet.operator.do("pause")
    waiting = fleet.enqueue("local/work#50", options={"priority": 9})
    assert start(fleet, 1) == "later"
    fleet.operator.do("resume")
    first = start(fleet, 1, wait=fleet.waiting_file("all"))
    assert start(fleet, 1) == "later"
    fleet.wait_for_started(first)
    assert fleet.state(waiting) == "pending"
    fleet.release("all")
    wait_until(lambda: fleet.result(first) is not None, 15, "the agent to end")


def test_the_request_may_be_applied_twice(fleet: Fleet) -> None:
    """After a crash between doing and answering the same request comes again: the task still has one attempt."""
    started = start(fleet, 1, wait=fleet.waiting_file("all"))
    fleet.wait_for_started(started)
    assert fleet.operator.send_request("start", started).ok
    assert fleet.starts() == [started]
    fleet.release("all")
    wait_until(lambda: fleet.result(started) is not None, 15, "the agent to end")
    assert fleet.operator.send_requests([Request("forget", None, {"issue_ref": "local/work#1"})])[0].ok
    assert fleet.state(started) == "completed"
    assert requests.list_waiting(fleet.paths) == []


def test_of_an_issues_tasks_the_one_is_meant_that_the_verb_is_about(fleet: Fleet) -> None:
    """By state, then by age."""
    done = start(fleet, 1)
    wait_until(lambda: fleet.result(done) is not None, 15, "the agent to end")
    fleet.operator.settle_attempts()
    first, second = fleet.enqueue("local/work#1"), fleet.enqueue("local/work#1")
    meant = {verb: tasks.find_issue_task(fleet.paths, "local/work#1", kinds).id for verb, kinds in tasks.PREFERRED.items()}
    assert (meant["retry"], meant["logs"], meant["hold"], meant["show"]) == (done, done, second, second)
    assert [task.id for task in tasks.list_issue_tasks(fleet.paths, "local/work#1")] == [second, first, done]

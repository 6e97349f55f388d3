"""Never more agents than slots, and tasks start in their order."""

from kugetsu_engine.storage import files
from tests.support.fleet import Fleet
from tests.support.observer import Observer
from tests.support.waiting import wait_until


def test_of_six_tasks_with_limit_three_three_run_and_three_wait(fleet: Fleet) -> None:
    """With limit 3, three agents run and three tasks wait; observer and journal never see a fourth, and all complete."""
    ids = [fleet.enqueue(wait=fleet.waiting_file("all")) for _ in range(6)]
    with Observer(fleet.paths.root) as observer:
        fleet.start_engine()
        for task_id in ids[:3]:
            fleet.wait_for_started(task_id)
            fleet.wait_for(task_id, "running")
        wait_until(lambda: observer.most_at_once >= 3, 5, "three agents in sight")
        assert [fleet.state(task_id) for task_id in ids] == ["running"] * 3 + ["pending"] * 3
        fleet.release("all")
        ended = fleet.wait_for_end(ids)
    assert {task.state for task in ended} == {"completed"}
    assert fleet.most_at_once() == 3
    assert observer.most_at_once == 3
    assert observer.doubled == set()
    assert sorted(fleet.starts()) == sorted(ids)


def test_a_higher_priority_starts_first_and_equals_start_in_the_order_of_their_enqueue(fleet: Fleet) -> None:
    """With one slot, agents start by priority, then by age, whatever the names of the files say."""
    fleet.configure(max_concurrent_agents=1)
    priorities = [5, 5, 0, 9, 5, 7, 9, 5]
    ids = [fleet.enqueue(options={"priority": priority}) for priority in priorities]
    fleet.start_engine()
    fleet.wait_for_end(ids)
    assert fleet.starts() == [ids[place] for place in (3, 6, 5, 0, 1, 4, 7, 2)]
    assert fleet.most_at_once() == 1


def test_a_moved_task_starts_at_its_new_place(fleet: Fleet) -> None:
    """What the operator moves to the top of the queue starts before what was enqueued earlier."""
    fleet.configure(max_concurrent_agents=1)
    ids = [fleet.enqueue() for _ in range(4)]
    fleet.operator.do("move", ids[3], to="top")
    fleet.operator.do("move", ids[0], to="bottom")
    fleet.start_engine()
    fleet.wait_for_end(ids)
    assert fleet.starts() == [ids[3], ids[1], ids[2], ids[0]]


def test_lowering_the_limit_kills_nobody_and_holds_for_the_next_starts(fleet: Fleet) -> None:
    """From 3 to 1 the three agents go on; once they have ended, one runs at a time."""
    first = [fleet.enqueue(wait=fleet.waiting_file("first")) for _ in range(3)]
    fleet.start_engine()
    starts = [fleet.wait_for_started(task_id) for task_id in first]
    fleet.operator.do("limit", limit=1)
    later = [fleet.enqueue(wait=fleet.waiting_file("later")) for _ in range(3)]
    fleet.release("first")
    assert [task.state for task in fleet.wait_for_end(first)] == ["completed"] * 3
    assert [line.pid for line in fleet.journal("end")] != []
    assert {line.pid for line in fleet.journal("end")} == {line.pid for line in starts}
    with Observer(fleet.paths.root) as observer:
        fleet.wait_for_started(later[0])
        fleet.release("later")
        fleet.wait_for_end(later)
    assert observer.most_at_once <= 1
    own = [line for line in fleet.journal() if line.task in later]
    assert [line.event for line in own] == ["start", "end"] * 3


def test_raising_the_limit_starts_more_at_once(fleet: Fleet) -> None:
    """From 1 to 3 two more agents start without anything else happening."""
    fleet.configure(max_concurrent_agents=1)
    ids = [fleet.enqueue(wait=fleet.waiting_file("all")) for _ in range(4)]
    fleet.start_engine()
    fleet.wait_for_started(ids[0])
    assert fleet.starts() == [ids[0]]
    fleet.operator.do("limit", limit=3)
    wait_until(lambda: len(fleet.starts()) == 3, 5, "three agents")
    fleet.release("all")
    fleet.wait_for_end(ids)
    assert fleet.most_at_once() == 3


def test_a_changed_setting_acts_at_once_and_a_bad_one_keeps_the_last_good(fleet: Fleet) -> None:
    """`max_concurrent_agents` is taken from the file while the engine runs; garbage changes nothing but raises an alert."""
    fleet.configure(max_concurrent_agents=1)
    ids = [fleet.enqueue(wait=fleet.waiting_file("all")) for _ in range(4)]
    engine = fleet.start_engine()
    fleet.wait_for_started(ids[0])
    fleet.configure(max_concurrent_agents=2)
    fleet.wait_for_started(ids[1], limit_s=8)
    fleet.configure(max_concurrent_agents="many")
    engine.wake()
    wait_until(lambda: b"max_concurrent_agents" in files.read(fleet.paths.engine), 8, "the alert in engine.json")
    fleet.release("all")
    fleet.wait_for_end(ids)
    assert fleet.most_at_once() == 2


def test_an_issue_never_has_two_agents_and_keeps_no_one_else_from_starting(fleet: Fleet) -> None:
    """Three tasks of one issue run one after another, while a task of another issue passes them by."""
    same = [fleet.enqueue("local/work#1", wait=fleet.waiting_file("same")) for _ in range(3)]
    other = fleet.enqueue("local/work#2")
    fleet.start_engine()
    fleet.wait_for_started(same[0])
    fleet.wait_for_end([other])
    assert [fleet.state(task_id) for task_id in same[1:]] == ["pending", "pending"]
    assert fleet.starts().count(same[0]) == 1
    fleet.release("same")
    fleet.wait_for_end(same)
    own = [line for line in fleet.journal() if line.task in same]
    assert [(line.event, line.task) for line in own] == [(event, task) for task in same for event in ("start", "end")]


def test_nothing_starts_while_the_queue_is_paused(fleet: Fleet) -> None:
    """Paused, the running agent goes on and nothing new starts; resumed, it does."""
    fleet.configure(max_concurrent_agents=1)
    first, second = fleet.enqueue(wait=fleet.waiting_file("first")), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_started(first)
    fleet.operator.do("pause")
    fleet.release("first")
    fleet.wait_for_end([first])
    fleet.operator.do("limit", limit=2)  # the engine has taken further turns since the slot became free
    assert fleet.state(second) == "pending"
    fleet.operator.do("resume")
    assert fleet.wait_for_end([second])[0].state == "completed"


def test_a_drained_headless_engine_ends_with_its_last_agent(fleet: Fleet) -> None:
    """Draining, nothing new starts; when the last agent has ended, the engine ends and the rest still waits."""
    fleet.configure(max_concurrent_agents=1)
    first, second = fleet.enqueue(wait=fleet.waiting_file("first")), fleet.enqueue()
    engine = fleet.start_engine()
    fleet.wait_for_started(first)
    fleet.operator.do("drain")
    assert not engine.ended.is_set()
    fleet.release("first")
    assert engine.join(60), "the engine did not end"
    assert fleet.state(first) == "completed"
    assert fleet.state(second) == "pending"
    assert fleet.starts() == [first]


def test_a_held_task_starts_only_when_it_is_released(fleet: Fleet) -> None:
    """A later task passes a held one; released, it starts at once."""
    held = fleet.enqueue(options={"hold": True})
    other = fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([other])
    assert fleet.state(held) == "pending"
    fleet.operator.do("release", held)
    assert fleet.wait_for_end([held])[0].state == "completed"


def test_a_task_held_while_it_waits_does_not_start(fleet: Fleet) -> None:
    """`hold` reaches a task that already waits for a slot."""
    fleet.configure(max_concurrent_agents=1)
    first, second, third = fleet.enqueue(wait=fleet.waiting_file("first")), fleet.enqueue(), fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_started(first)
    fleet.operator.do("hold", second)
    fleet.release("first")
    fleet.wait_for_end([first, third])
    assert fleet.state(second) == "pending"
    assert second not in fleet.starts()


def test_a_task_comes_after_those_it_waits_for(fleet: Fleet) -> None:
    """With free slots, a task with `after` starts only when all of the others have completed, and then at once."""
    one, two = (fleet.enqueue(wait=fleet.waiting_file(name)) for name in ("one", "two"))
    last = fleet.enqueue(options={"after": [one, two], "priority": 9})
    fleet.start_engine()
    fleet.wait_for_started(one)
    fleet.release("one")
    fleet.wait_for_end([one])
    assert fleet.state(last) == "pending"
    fleet.release("two")
    fleet.wait_for_end([two, last], limit_s=4)
    assert fleet.starts()[-1] == last
    ends = {line.task: line.at for line in fleet.journal("end")}
    assert fleet.journal("start", last)[0].at > max(ends[one], ends[two])


def test_a_task_after_one_that_failed_waits_until_that_one_is_retried_and_completes(fleet: Fleet) -> None:
    """A failed forerunner starts nothing; its successful retry does."""
    fleet.configure(max_attempts=1)
    first = fleet.enqueue(exits=[1, 0])
    last = fleet.enqueue(options={"after": [first]})
    fleet.start_engine()
    assert fleet.wait_for_end([first])[0].state == "error"
    assert fleet.state(last) == "pending"
    fleet.operator.do("retry", first)
    assert [task.state for task in fleet.wait_for_end([first, last])] == ["completed", "completed"]
    assert fleet.starts() == [first, first, last]


def test_a_timed_task_does_not_start_before_its_time(fleet: Fleet) -> None:
    """`at` in two seconds: the agent starts then, not before, although slots are free."""
    fleet.start_engine()
    timed = fleet.enqueue(options={"at": "+2s"})
    task = fleet.wait_for_end([timed], limit_s=8)[0]
    assert task.notified_at is not None
    assert task.not_before is not None
    assert task.not_before <= task.notified_at


def test_what_waits_too_long_expires_with_a_notice_and_what_is_held_does_not(fleet: Fleet) -> None:
    """A task that waits behind a full queue longer than `queue_expiry` ends as `expired`; a held one stays."""
    fleet.configure(max_concurrent_agents=1)
    first = fleet.enqueue(wait=fleet.waiting_file("first"))
    fleet.start_engine()
    fleet.wait_for(first, "running")
    fleet.configure(queue_expiry="1s")  # from now on, as the first one waited too
    waiting, held = fleet.enqueue(), fleet.enqueue(options={"hold": True})
    expired = fleet.wait_for_end([waiting], limit_s=8)[0]
    assert expired.state == "expired"
    assert expired.reason is not None
    assert "0:01" in expired.reason
    assert len(fleet.notices("task_expired", waiting)) == 1
    assert fleet.state(held) == "pending"
    assert fleet.state(first) == "running"
    fleet.release("first")
    fleet.wait_for_end([first])
    assert fleet.starts() == [first]

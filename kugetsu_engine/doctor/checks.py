"""The invariants of a state directory, as pure functions of the evidence.

I1  every acknowledged task is in exactly one place          I7   a final state changes only when the operator asks
I2  never more agents than slots                             I8   no process outlives its attempt
I3  no task has two agents at once                           I9   first come, first served: not here, see below
I4  at most one engine                                       I10  every state file can be read
I5  at most `max_attempts` attempts, one if it succeeded     I11  problems are reported
I6  tasks agree with the results of their attempts           I12  no file is open to others or left over

I9 is checked by tests only: the state does not record what the operator has moved.
"""

from collections.abc import Callable, Iterator

from ..domain import states
from ..domain.new_task import format_id
from ..domain.task import Task
from ..domain.text.quantities import choose_form, format_count
from ..paths import JSON, StatePaths
from .evidence import Evidence, Run
from .findings import Finding

ENGINE_FIXES = "an engine does this when it starts"


def run_checks(seen: Evidence, *, strict: bool = False) -> list[Finding]:
    """Find all problems, in the order of the invariants.

    Args:
        strict: also check what is only true if the settings have not changed meanwhile.
    """
    rules = (*RULES, _attempts_within_limit) if strict else RULES
    return [finding for rule in rules for finding in rule(seen)]


def _in_one_place(seen: Evidence) -> Iterator[Finding]:
    for task_id in sorted(seen.open.keys() & seen.done.keys()):
        yield Finding(
            "task_twice", f"{format_id(task_id)} is among the open and among the ended tasks", "I1", task=task_id,
            path=StatePaths(seen.root).item(task_id), fix="set the open one aside", remedy="aside",
        )  # fmt: skip
    kept = {*seen.open, *seen.done, *(bad.path.rpartition("/")[2][:-5] for bad in seen.unreadable)}
    for task_id in seen.enqueued:
        if task_id not in kept and not any(f"-{task_id}{JSON}" in name for name in seen.set_aside):
            yield Finding("task_lost", f"{format_id(task_id)} was enqueued and is gone", "I1", task=task_id)
    for task_id in sorted(seen.open):
        if seen.open[task_id].ended and not seen.engine_runs:
            yield Finding(
                "not_filed", f"{format_id(task_id)} has ended and is among the open tasks", "I1", task=task_id,
                fix=ENGINE_FIXES, remedy="file",
            )  # fmt: skip
    for task_id, task in sorted(seen.done.items()):
        if not task.ended:
            yield Finding(
                "not_final", f"{format_id(task_id)} is {task.state} and is among the ended tasks", "I1", task=task_id,
                path=StatePaths(seen.root).ended(task_id), fix="move it to queue/items to run it",
            )  # fmt: skip


def _within_limit(seen: Evidence) -> Iterator[Finding]:
    alive = len(seen.held_tasks - seen.without_slot)
    if alive > seen.held_slots:
        verbs = choose_form(alive, "is running with", "are running with")
        yield Finding("no_slot", f"{format_count(alive, 'attempt')} {verbs} {format_count(seen.held_slots, 'slot')}", "I2")
    ended = {(line.task, line.pid) for line in seen.journal if line.event == "end"}
    running: set[tuple[str, int]] = set()
    most = 0
    for line in seen.journal:
        if line.event == "start" and (line.task, line.pid) in ended:  # a killed one has written no end
            running.add((line.task, line.pid))
        running -= {(line.task, line.pid)} if line.event == "end" else set()
        most = max(most, len(running))
    if seen.limit and most > seen.limit:
        yield Finding("too_many_agents", f"{most} agents ran at once, the limit is {seen.limit}", "I2")


def _one_agent_per_task(seen: Evidence) -> Iterator[Finding]:
    started: dict[tuple[str, int], int] = {}
    for line in seen.journal:
        if line.event == "start":
            started[line.task, line.attempt] = started.get((line.task, line.attempt), 0) + 1
    for (task_id, attempt), count in sorted(started.items()):
        if count > 1:
            text = f"attempt {attempt} of {format_id(task_id)} had {count} agents"
            yield Finding("attempt_started_twice", text, "I3", task=task_id)
    for task_id in sorted(seen.held_tasks & seen.open.keys()):
        if seen.open[task_id].state == states.PENDING and not seen.engine_runs:
            text = f"{format_id(task_id)} waits in the queue and has an agent"
            yield Finding("waits_with_agent", text, "I3", task=task_id, fix="it will not start before that agent has ended")


def _one_engine(seen: Evidence) -> Iterator[Finding]:
    if seen.engine_without_lock and seen.engine is not None:
        text = f"the engine (pid {seen.engine.pid}) is running without its lock: engine.lock was replaced"
        yield Finding("engine_without_lock", text, "I4", fix="it ends by itself within seconds; see engine.log")


def _attempts_within_limit(seen: Evidence) -> Iterator[Finding]:
    for task_id, task in _all(seen):
        allowed = task.attempts_before + max(seen.max_attempts, 1)
        if task.attempt > allowed:
            text = f"{format_id(task_id)} is at attempt {task.attempt}, allowed are {allowed}"
            yield Finding("too_many_attempts", text, "I5", task=task_id)


def _attempts(seen: Evidence) -> Iterator[Finding]:
    went_well: dict[str, list[int]] = {}
    for run in seen.runs:
        if run.result is not None and run.result.outcome == "ok":
            went_well.setdefault(run.task_id, []).append(run.number)
    for task_id, task in _all(seen):
        for number in went_well.get(task_id, ()):
            if task.attempts_before < number < task.attempt:
                text = f"attempt {number} of {format_id(task_id)} succeeded, but attempt {task.attempt} was started"
                yield Finding("ran_again", text, "I5", task=task_id)
        numbers = [attempt.number for attempt in task.attempts]
        if numbers != sorted(set(numbers)):
            yield Finding("attempts_mixed_up", f"the attempts of {format_id(task_id)} are {numbers}", "I5", task=task_id)


def _results_agree(seen: Evidence) -> Iterator[Finding]:
    by_attempt: dict[tuple[str, int], Run] = {(run.task_id, run.number): run for run in seen.runs}
    for task_id, task in _all(seen):
        last = task.last_attempt
        if task.state == states.COMPLETED and task.attempt and (last is None or last.outcome != "ok"):
            text = f"{format_id(task_id)} is completed, but none of its attempts succeeded"
            yield Finding("completed_without_success", text, "I6", task=task_id)
        went_well = last is not None and last.outcome == "ok" and last.number > task.attempts_before
        if task.ended and went_well and task.state != states.COMPLETED:
            text = f"the last attempt of {format_id(task_id)} succeeded, but it is {task.state}"
            yield Finding("success_not_taken", text, "I6", task=task_id)
        for attempt in task.attempts:
            run = by_attempt.get((task_id, attempt.number))
            if run is None or run.result is None or attempt.outcome == "cancelled":
                continue
            if run.result.outcome != attempt.outcome:
                text = (
                    f"attempt {attempt.number} of {format_id(task_id)} ended as {run.result.outcome}, "
                    f"its task says {attempt.outcome}"
                )
                yield Finding("result_disagrees", text, "I6", task=task_id)
        if task.state in states.ACTIVE and not seen.engine_runs and task_id not in seen.held_tasks:
            text = f"{format_id(task_id)} is {task.state}, but no agent works on it"
            yield Finding("not_settled", text, "I6", task=task_id, fix="record how it ended", remedy="settle")


def _final_stays_final(seen: Evidence) -> Iterator[Finding]:
    ended: dict[str, str] = {}
    for notice in seen.notices:
        if notice.id is None:
            continue
        if notice.type in FINAL_EVENTS:
            ended[notice.id] = notice.type
        elif notice.type == states.RETRY_EVENT:
            ended.pop(notice.id, None)
    for task_id, kind in sorted(ended.items()):
        task = seen.done.get(task_id) or seen.open.get(task_id)
        # A crash may lose the notification of a retry, but not the retry itself.
        if task is None or not task.ended or states.EVENTS[task.state] == kind or task.attempts_before:
            continue
        yield Finding(
            "changed_after_end", f"{format_id(task_id)} was reported as {kind} and is {task.state}", "I7", task=task_id
        )


def _no_leftovers(seen: Evidence) -> Iterator[Finding]:
    for left in seen.leftovers:
        one = left.process
        if left.surely_ours:
            text = f"process {one.pid} outlived attempt {left.attempt} of {format_id(one.task_id)}"
            yield Finding("leftover", text, "I8", task=one.task_id, fix="end it", remedy="leftovers")
        else:
            text = f"process {one.pid} has the mark of {one.task_id[:40]}, but of no known attempt"
            yield Finding("leftover_unsure", text, "I8", fix=f"inspect it, and end it yourself: kill {one.pid}")


def _can_be_read(seen: Evidence) -> Iterator[Finding]:
    for path, fault, newer in seen.unreadable:
        if newer:
            yield Finding("newer_schema", fault, "I10", path=path, fix="use the kugetsu that wrote it")
        else:
            sets_aside = path.startswith(f"{StatePaths(seen.root).items}/")
            fix = "repair it; an engine sets it aside" if sets_aside else "repair it or move it away"
            yield Finding("unreadable", fault, "I10", path=path, fix=fix)


def _problems_reported(seen: Evidence) -> Iterator[Finding]:
    present = set(seen.set_aside)
    for name in seen.set_aside:
        if name[0] != "." and not name.endswith(".reason") and f"{name}.reason" not in present:
            path = f"{StatePaths(seen.root).corrupt}/{name}"
            yield Finding("no_reason", f"{name[:80]} was set aside without a reason", "I11", path=path, fix="inspect it")
    if seen.requests and not seen.engine_runs:
        count = len(seen.requests)
        text = f"{format_count(count, 'request')} {choose_form(count, 'waits', 'wait')} for an engine"
        yield Finding("requests_wait", text, "I11", fix="apply them", remedy="requests")


def _tidy(seen: Evidence) -> Iterator[Finding]:
    for path in seen.open_to_others:
        yield Finding(
            "open_to_others", f"other users can access {path}", "I12", path=path, fix=f"chmod go= {path}", remedy="modes"
        )
    for path in seen.litter:
        yield Finding("litter", f"a crashed process left {path}", "I12", path=path, fix="remove it", remedy="tidy")
    for task_id in seen.half_removed:
        text = f"the removal of {format_id(task_id)} was interrupted"
        yield Finding("half_removed", text, "I12", task=task_id, fix="remove the rest", remedy="tidy")


RULES: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    _in_one_place, _within_limit, _one_agent_per_task, _one_engine, _attempts, _results_agree, _final_stays_final,
    _no_leftovers, _can_be_read, _problems_reported, _tidy,
)  # fmt: skip
FINAL_EVENTS = frozenset(states.EVENTS[state] for state in states.FINAL)


def _all(seen: Evidence) -> Iterator[tuple[str, Task]]:
    yield from sorted({**seen.done, **seen.open}.items())

"""What keeps a large queue small and fast: entries of few bytes, an order that is sorted once, expiry by the minute."""

import gc
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.domain.decisions.scheduling import Timing, compute_expiry
from kugetsu_engine.domain.decisions.waiting_reasons import SchedulingFacts
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.queue.entry import Entry, make_entry
from kugetsu_engine.queue.expiry import SPARE, Expiry
from kugetsu_engine.queue.ready_queue import ReadyQueue

NOW = 1_790_000_000.0
odd_times = st.one_of(
    st.none(), st.text(max_size=30), st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z"),
    st.sampled_from(
        ["2026-09-21T14:13:21.000Z", "2026-09-21T14:13:21Z", "2026-09-21T24:13:21.000Z", "2026-02-30T00:00:00.000Z",
         "2026-09-21T14:13:21.000z", "٢٠٢٦-09-21T14:13:21.000Z", "0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z"]
    ),
)  # fmt: skip
odd_references = st.one_of(
    st.text(max_size=20),
    st.builds("{}#{}".format, st.sampled_from(["local/a", "github.com/o/r", "", "a#b"]), st.text(max_size=4)),
    st.sampled_from(["local/a#0", "local/a#007", "local/a#", "local/a", "#", "local/a#²", "local/a#٣", f"local/a#{9 * '99'}"]),
)  # fmt: skip


@given(reference=odd_references, since=odd_times)
def test_an_entry_gives_back_what_was_written(reference: str, since: str | None) -> None:
    """However a reference or a time is written, the compact form loses nothing."""
    task = Task("q_1", reference, pending_since=since)
    entry = make_entry(task, 7)
    for name in (*(set(Entry.__struct_fields__) & set(Task.__struct_fields__)), "issue_ref", "pending_since"):
        assert getattr(entry, name) == (tuple(task.after) if name == "after" else getattr(task, name)), name
    assert (entry.key, entry.issue_key, entry.repository) == (task.order, task.issue_key, task.repository)
    assert entry.pending_since_s == task.pending_since_s


@given(since=odd_times, not_before=odd_times, expires_at=odd_times, held=st.booleans())
def test_an_entry_expires_when_its_task_does(
    since: str | None, not_before: str | None, expires_at: str | None, held: bool
) -> None:
    """The engine expires by the entry what the console shows by the task."""
    task = Task("q_1", "local/a#1", pending_since=since, not_before=not_before, expires_at=expires_at, held=held)
    timing = Timing(3, 5.0, 600.0, 3600.0)
    assert compute_expiry(make_entry(task, 1), timing) == compute_expiry(task, timing)


def test_what_repeats_is_kept_once() -> None:
    """Repository, agent and folder of 1,000 tasks are one object each."""
    entries = [
        make_entry(Task(f"q_{n}", f"github.com/own{''.join('er')}/r#{n}", agent=f"a{n % 1}", repo=f"/r{n % 1}"), n)
        for n in range(1000)
    ]
    assert len({id(entry.issue_repository) for entry in entries}) == len({id(entry.agent) for entry in entries}) == 1
    assert len({id(entry.repo) for entry in entries}) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_waiting_task_costs_half_a_kibibyte(tmp_path: Path) -> None:
    """The growth of the resident set in a fresh process, as `make bench` measures it."""
    code = f"""
import os
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files
from kugetsu_engine.domain.new_task import make_task
from kugetsu_engine.domain.text.times import iso
import json
paths = StatePaths({str(tmp_path / "s")!r})
files.create_folders(paths.folders())
for number in range(1, 10001):
    with open(paths.item(f"q_{{number}}"), "w") as file:
        json.dump(make_task(number, f"github.com/bench/repository#{{number}}", "do it", iso({NOW} + number)), file)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    argv = [sys.executable, "-m", "tests.benchmarks.probes", "books", str(tmp_path / "s"), "1"]
    out = subprocess.run(argv, check=True, capture_output=True, cwd=Path(__file__).parents[2]).stdout
    assert msgspec.json.decode(out)["memory_kib"] / 10_000 < 0.62  # 0.5 of 100,000; fixed costs weigh more among these


def test_the_order_is_that_of_a_plain_sort() -> None:
    """Random adding, dropping, changing and starting, in small steps and in bulk, against a sorted list."""
    rng = random.Random(7)
    entries: dict[str, Entry] = {}
    ready = ReadyQueue(entries)
    facts = SchedulingFacts(limit=10**6, used=0)
    for step in range(3000):
        what = rng.random()
        if what < 0.05:
            for _ in range(rng.randrange(200)):
                _put(entries, ready, rng)
        elif what < 0.5:
            _put(entries, ready, rng)
        elif what < 0.7 and entries:
            name = rng.choice(list(entries))
            ready.drop(name)
            del entries[name]
        elif entries:
            first = ready.next_to_start(facts, NOW)
            assert first is not None
            assert first.id == min(entries.values(), key=lambda entry: entry.key).id, step
            ready.drop(first.id)
            del entries[first.id]
    while entries:
        first = ready.next_to_start(facts, NOW)
        assert first is not None
        assert first.key == min(entry.key for entry in entries.values())
        ready.drop(first.id)
        del entries[first.id]
    assert ready.next_to_start(facts, NOW) is None


def _put(entries: dict[str, Entry], ready: ReadyQueue, rng: random.Random) -> None:
    name = f"q_{rng.randrange(2000)}"
    ready.drop(name)
    entries[name] = make_entry(Task(name, "local/a#1", priority=rng.randrange(10), position=rng.random()), 1)
    ready.add(entries[name])


def test_expiry_is_neither_early_nor_late_nor_twice() -> None:
    """Tasks with random times, changed and removed meanwhile: each expires at the first look after its time."""
    rng, clock = random.Random(3), [NOW]
    entries: dict[str, Entry] = {}
    expiry = Expiry(entries, lambda: clock[0])
    expiry.set_timing(Timing(3, 5.0, 600.0, 600.0))
    due: dict[str, float] = {}
    for number in range(4000):
        clock[0] += rng.random() * 2
        name = f"q_{rng.randrange(800)}"
        if rng.random() < 0.1:
            entries.pop(name, None)
            due.pop(name, None)
        else:
            entries[name] = make_entry(Task(name, "local/a#1", pending_since=iso(clock[0])), number)
            due[name] = (entries[name].pending_since_s or 0) + 600.0
            expiry.track(entries[name])
        assert (expiry.next_check() or 0) <= min(due.values(), default=float("inf"))
        late = {task_id for task_id, when in due.items() if when <= clock[0]}
        expired = [entry.id for entry in expiry.list_expired()]
        assert sorted(expired) == sorted(late)
        for task_id in expired:
            del due[task_id], entries[task_id]
    gc.collect()
    assert expiry._noted <= SPARE + 2 * len(entries) + 1

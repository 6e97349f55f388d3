"""What is measured in a process of its own: `python -m tests.benchmarks.probes NAME …` prints one JSON document."""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

from .measure import environment, rss_kib


def books(root: str, claims: str) -> dict[str, float]:
    """An engine's start on a state directory, the memory of its index, and claims from it."""
    from kugetsu_engine.domain.decisions.scheduling import Timing
    from kugetsu_engine.domain.decisions.waiting_reasons import SchedulingFacts
    from kugetsu_engine.paths import StatePaths
    from kugetsu_engine.queue.task_store import TaskStore

    store = TaskStore(StatePaths(root), time.time, lambda _code, _text: None)
    store.expiry.set_timing(Timing(3, 5.0, 600.0, 1e9))
    gc.collect()
    memory, began = rss_kib(os.getpid()), time.perf_counter()
    store.rescan()
    first = time.perf_counter() - began
    gc.collect()
    memory = rss_kib(os.getpid()) - memory
    began = time.perf_counter()
    store.rescan()
    again = time.perf_counter() - began
    waiting = len(store.entries)
    facts = SchedulingFacts(limit=10**6, used=0, paused=False, draining=False, busy_refs=frozenset(), states=store.states)
    index_us, durable_us = [], []
    for _ in range(int(claims)):
        began = time.perf_counter()
        entry = store.next_to_start(facts)
        assert entry is not None
        store._drop_from_index(entry.id)
        index_us.append((time.perf_counter() - began) * 1e6)
    for _ in range(min(int(claims), 40)):
        began = time.perf_counter()
        entry = store.next_to_start(facts)
        assert entry is not None
        claimed = store.change(store.get(entry.id), "notified", attempt=1, token="bench")
        durable_us.append((time.perf_counter() - began) * 1e6)
        store.change(claimed, "pending", "back again", attempt=0, token=None)  # so that the next round finds it
    return {
        "waiting": waiting, "start_s": first, "again_s": again, "memory_kib": memory,
        "claim_us": statistics.median(index_us), "durable_us": statistics.median(durable_us),
    }  # fmt: skip


def parse(root: str) -> dict[str, float]:
    """A bare read-and-parse of the folder of open tasks, into the same type."""
    import msgspec

    from kugetsu_engine.domain.task import Task
    from kugetsu_engine.paths import StatePaths

    decode = msgspec.json.Decoder(Task).decode
    began, count = time.perf_counter(), 0
    with os.scandir(StatePaths(root).items) as folder:
        for item in folder:
            with open(item.path, "rb", buffering=0) as file:
                count += decode(file.read()) is not None
    return {"waiting": count, "start_s": time.perf_counter() - began}


def enqueue(root: str, name: str, count: str) -> dict[str, object]:
    """Many tasks from one of several processes; waits for a line on stdin, so that all begin together."""
    from tests.support.clients import local_client

    operator = local_client(root, environment())
    print("ready", flush=True)
    sys.stdin.readline()
    ids, slowest = [], 0.0
    for number in range(int(count)):
        began = time.perf_counter()
        ids.append(operator.enqueue(f"local/bench-{name}#{number + 1}", "do it")[0])
        slowest = max(slowest, time.perf_counter() - began)
    return {"ids": ids, "slowest_ms": slowest * 1000}


PROBES: dict[str, Callable[..., object]] = {"books": books, "parse": parse, "enqueue": enqueue}


if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](*sys.argv[2:])))

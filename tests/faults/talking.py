"""Agents are written to and asked, while engines and supervisors are killed."""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from kugetsu_engine.errors import KugetsuError
from kugetsu_engine.state import message_files as stored
from tests.support.fleet import ROOT, Fleet
from tests.support.waiting import wait_until

from .ground import Amount, Ground, Report, settle, verify

PROGRAM = ROOT / "tests" / "support" / "talking_agent.py"
TASKS = 3
MESSAGES = 6
"""To each task, each a word of its own."""


def spoken_to_and_killed(ground: Ground, amount: Amount) -> Report:
    """Messages at any moment, answered questions, and SIGKILL of an engine or a supervisor: no message is lost or doubled."""
    tries = amount.number(60)
    kills = sent = 0
    report = Report(tries)
    for _ in range(tries):
        with ground.fleet(max_attempts=60, agent="claude", questions="ask") as fleet:
            talks = _install(fleet)
            ids = [fleet.enqueue(steps=30, ask="make" if place else "") for place in range(TASKS)]
            words: dict[str, list[str]] = {task_id: [] for task_id in ids}
            while any(len(said) < MESSAGES for said in words.values()):
                engine = fleet.start_engine_process()
                for _ in range(ground.random.randint(1, 3)):
                    _wait(ground.random.uniform(0.0, 0.4))
                    sent += _speak(fleet, ground.random.choice(ids), words)
                    _answer(fleet, ids)
                    kills += ground.random.random() < 0.4 and _kill_supervisor(fleet, ground.random.choice(ids))
                fleet.kill_engine(engine)
                kills += 1
            fleet.configure(questions="refuse")
            followers = _settle(fleet, ids)
            report.violations += _find_faults(fleet, talks, words) + verify(fleet, [*ids, *followers])
    report.told = f"{sent} messages, {kills} kills"
    return report


def _install(fleet: Fleet) -> Path:
    talks, program = fleet.folder / "talks", fleet.folder / "talking"
    talks.mkdir()
    program.write_text(f"#!{sys.executable} -IS\n{PROGRAM.read_text(encoding='utf-8')}", encoding="utf-8")
    program.chmod(0o755)
    fleet.tables = f'[agents.claude]\nprogram = "{program}"\nenv = {{ TALKS = "{talks}" }}\n'
    fleet.configure()
    return talks


def _wait(seconds: float) -> None:
    wait_until(iter([False] * int(seconds / 0.01) + [True]).__next__, 10, "a moment")


def _speak(fleet: Fleet, task_id: str, words: dict[str, list[str]]) -> int:
    word = f"word-{task_id}-{len(words[task_id])}-"
    words[task_id].append(word)
    try:
        fleet.operator.say(task_id, word)
    except KugetsuError:  # it has ended
        words[task_id][-1] = ""
        return 0
    return 1


def _answer(fleet: Fleet, ids: list[str]) -> None:
    for task_id in ids:
        try:
            fleet.operator.answer(task_id, "yes")
        except KugetsuError:
            continue


def _kill_supervisor(fleet: Fleet, task_id: str) -> bool:
    record = fleet.record(task_id, fleet.task(task_id).attempt)
    if record is None or fleet.result(task_id, fleet.task(task_id).attempt) is not None:
        return False
    try:
        os.kill(record.supervisor_pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _settle(fleet: Fleet, ids: list[str]) -> list[str]:
    """Let all tasks end, and those that were made for late messages; returns the latter."""
    engine = fleet.start_engine()

    def ended() -> bool:
        _answer(fleet, ids)
        return all(fleet.task(task_id).ended for task_id in ids)

    wait_until(ended, 90, "the tasks to end")
    fleet.stop_engine(engine)
    settle(fleet, ids, 60)
    late = [one for task_id in ids for one in stored.read_late(fleet.paths, task_id).values()]
    followers = sorted({str(one["task"]) for one in late if one.get("task")})
    settle(fleet, followers, 60)
    return followers


def _find_faults(fleet: Fleet, talks: Path, words: dict[str, list[str]]) -> list[str]:
    """Each word must be in some conversation, and in none twice."""
    heard: Counter[str] = Counter()
    faults = []
    for file in talks.iterdir():
        texts = [str(json.loads(line)["text"]) for line in file.read_text(encoding="utf-8").splitlines()]
        for word in (word for said in words.values() for word in said if word):
            count = sum(text.count(word) for text in texts)
            heard[word] += count
            faults += [f"{word} {count} times in {file.name}"] if count > 1 else []
    states = {task_id: [message.state for message in stored.load_messages(fleet.paths, task_id, fleet.task(task_id).attempt)]
              for task_id in words}  # fmt: skip
    lost = [word for said in words.values() for word in said if word and not heard[word]]
    return faults + [f"{word} was lost: {states}" for word in lost]

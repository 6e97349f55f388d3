"""Valid files, and what becomes of them: cut short, bits turned, pieces doubled, dropped, swapped with others'."""

import json
import random
from typing import Any

STAMP = "2026-11-21T09:00:00.000Z"
TASK: dict[str, Any] = {
    "schema": 1, "id": "q_1", "issue_ref": "local/a#1", "message": "do \u00fc it\n", "agent": None, "state": "pending",
    "reason": None, "priority": 5, "position": 1.0, "held": False, "after": ["q_7"], "not_before": None, "retry_at": None,
    "attempt": 1, "attempts_before": 0, "stop": None, "pending_since": STAMP, "notified_at": None, "started_at": None,
    "completed_at": None, "error": None, "exit_code": 1, "expires_at": None, "timeout_s": 60.0, "repo": None, "token": "ab",
    "pid": 77, "x_unknown": {"a": [1, 2]},
    "attempts": [{"number": 1, "started_at": STAMP, "outcome": "failed", "failure": "exit", "reason": "exit code 1",
                  "delivered": {"commits": 1, "files": 2, "insertions": 3, "deletions": 4, "dirty": 0, "pr": None},
                  "usage": {"tokens": 5, "cost": 0.5}, "elapsed_s": 1.5}],
}  # fmt: skip
RUN = {"task_id": "q_1", "attempt": 1, "token": "ab", "supervisor_pid": 4_000_000, "start_ticks": 1, "boot_id": "b",
       "started_at": STAMP, "timeout_s": 60.0, "worktree": "/w"}  # fmt: skip
PROGRESS = {"phase": "agent", "pid": 5_000_000, "elapsed_s": 1.0, "processes": 1, "cpu_percent": 0.5, "rss_bytes": 9,
            "log_bytes": 3, "quiet_s": 0.1, "written_at": 5.0, "stopping_s": None}  # fmt: skip
RESULT = {"task_id": "q_1", "attempt": 1, "token": "ab", "outcome": "ok", "failure": None, "reason": "exit code 0",
          "exit_code": 0, "started_at": STAMP, "ended_at": STAMP, "elapsed_s": 1.0, "swept": 0,
          "agent_pid": 5_000_000}  # fmt: skip
CONTROL = {"paused": False, "limit": 2, "limit_over": 2}
ENGINE = {"pid": 1, "mode": "headless", "since": STAMP, "boot_id": "b", "start_ticks": 1, "heartbeat": 1.0, "limit": 2,
          "alerts": [{"code": "disk", "text": "full", "since": STAMP}]}  # fmt: skip
REQUEST = {"verb": "move", "task": "q_1", "args": {"to": "number", "number": 2}, "at": STAMP}
ANSWER = {"ok": True, "text": "done", "hint": "", "exit_code": 0}
NOTICE = {"time": STAMP, "type": "task_started", "text": "#1 started", "level": "info", "id": "q_1", "issue_ref": "local/a#1"}
RUN_TIMES = {"schema": 1, "runs": [{"repository": "local/a", "agent": "fake", "seconds": [1.0, 2.5]}]}
REMEMBERED = {"lists": {"queue": {"sort": "age", "backwards": True, "filter": "!x"}}, "typed": ["limit 4"]}
CONFIG = b"""max_concurrent_agents = 2
queue_expiry = "1d"
agent = "fake"
[agents.fake]
command = ["true"]
env = { A = "b" }
[repos]
"local/a" = "/nowhere"
[keys]
quit = "q"
"""
ENV = b'# comment\nA=b\nexport C=\'d e\'\nF="g\\n\\"h"\n'
HOT = (b"", b"\0", b"\xff", b"\n", b'"', b"{", b"}", b"[", b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 30, b"\\ud800",
       b"\x1b]52;c;eA==\x07", b"../" * 8, b"\xe2\x80\xae")  # fmt: skip


def dump(document: dict[str, Any]) -> bytes:
    """A document as a file."""
    return json.dumps(document, ensure_ascii=False).encode()


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to four changes to some bytes."""
    for _ in range(chance.randint(1, 4)):
        place, other = chance.randint(0, len(data)), chance.randint(0, len(data))
        kind = chance.randrange(7)
        if kind == 0:
            data = data[:place]
        elif kind == 1 and data:
            place = min(place, len(data) - 1)
            data = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        elif kind == 2:
            data = data[:place] + chance.choice(HOT) + data[place:]
        elif kind == 3:
            data = data[: min(place, other)] + data[max(place, other) :]
        elif kind == 4:
            data = data[:place] + data[min(place, other) : max(place, other)] + data[place:]
        elif kind == 5:
            data = data[:place] + bytes(chance.randrange(256) for _ in range(chance.randint(1, 8))) + data[place:]
        else:
            data = data[:place] + b"\0" * (len(data) - place)  # what a power cut leaves
    return data


def changed_value(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The document with another value in one field: of another type, out of range, hostile."""
    values: list[Any] = [
        None, True, -1, 0, 1.5, 2**63, 2**64, -(2**70), 1e308, "", "x", "\0", "\x1b[2J", "../../x", [], [1], {}, {"a": 1},
        "running", "completed", "pending", "9999-99-99", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "q_1",
        ["q_1"], "x" * 70_000, 10**15, "\u202e",
    ]  # fmt: skip
    return document | {chance.choice(list(document)): chance.choice(values)}

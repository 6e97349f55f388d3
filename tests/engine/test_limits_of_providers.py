"""A provider that refuses lets its own tasks wait, and no others; what each failure is called, wherever it is shown."""

import errno
import json
import os
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kugetsu_engine.cli.commands import show, status
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.domain.decisions.duration_model import RunTimes
from kugetsu_engine.domain.task import Task
from kugetsu_engine.domain.text.times import epoch, iso
from kugetsu_engine.engine import loop as engine
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import tasks
from kugetsu_engine.storage import json_files
from tests.support.fleet import AGENT, Fleet
from tests.support.processes import kill_hard
from tests.support.waiting import patience, wait_until

LIMIT = "API Error: 429 Too Many Requests"


def two_agents(fleet: Fleet, **settings: str | int) -> None:
    """Beside `scripted` an agent `other`, which is the same program."""
    command = json.dumps([sys.executable, "-I", "-S", str(AGENT), str(fleet.journal_file)])
    fleet.tables = f"[agents.other]\ncommand = {command}"
    fleet.configure(**{"rate_limit_delay": "1h", **settings})


def later(fleet: Fleet, task_id: str) -> bool:
    """Whether a task grows old from a time far ahead."""
    return (epoch(fleet.task(task_id).pending_since) or 0) > time.time() + 1000


def picture(fleet: Fleet) -> Snapshot:
    """How it stands."""
    return SnapshotReader(fleet.paths, {}).read()


def wait_for_rest(fleet: Fleet, agent: str = "scripted") -> None:
    """Wait until an agent's provider rests."""
    wait_until(lambda: agent in picture(fleet).cooldowns, 10, f"a rest of {agent}")


def test_a_rate_limit_lets_the_agents_tasks_wait_and_the_others_go_on(fleet: Fleet) -> None:
    """The limited attempt costs the task nothing; reason, countdown, notice and alert say what is going on."""
    two_agents(fleet, max_concurrent_agents=1)
    limited, waits = fleet.enqueue(say=LIMIT, exits=[1, 0]), fleet.enqueue()
    good = fleet.enqueue(options={"agent": "other"})
    fleet.start_engine()
    fleet.wait_for_end([good])
    wait_until(lambda: picture(fleet).alerts, 5, "the alert")
    assert fleet.starts() == [limited, good]
    task = fleet.task(limited)
    assert (task.state, task.attempts_before, task.retry_at) == ("pending", 1, None)
    assert task.reason == f"attempt 1: rate limit: exit code 1: {LIMIT}"
    assert [attempt.failure for attempt in task.attempts] == ["rate_limit"]
    seen = picture(fleet)
    for waiting in (limited, waits):
        why = seen.explain_wait(fleet.task(waiting))
        assert why.code == "rate_limit"
        assert why.text.startswith("scripted: rate limit, resumes in ")
        assert why.until is not None
        assert 3000 < why.until - seen.taken_at <= 3600
    assert [alert.code for alert in seen.alerts] == ["rate_limit"]
    assert "scripted: rate limit, its tasks wait until" in seen.alerts[0].text
    (notice,) = fleet.notices("engine_rate_limit")
    assert (notice.level, notice.failure) == ("warning", "rate_limit")
    assert "kugetsu resume --agent scripted" in notice.text
    assert fleet.notices("task_retry", limited)[0].failure == "rate_limit"


def test_a_limited_provider_goes_on_by_itself_when_the_time_of_its_reset_has_come(fleet: Fleet) -> None:
    """The agent said when; not before, and not long after. The alert is taken back and the end is told."""
    two_agents(fleet)
    limited = fleet.enqueue(say=f"{LIMIT}, retry-after: 2", exits=[1, 0])
    fleet.start_engine()
    task = fleet.wait_for_end([limited])[0]
    assert (task.state, task.attempt) == ("completed", 2)
    one, two = (line.at for line in fleet.journal("start"))
    assert 2 <= two - one < 5 * patience()
    wait_until(lambda: not picture(fleet).alerts, 5, "the end of the alert")
    assert len(fleet.notices("engine_rate_limit_over")) == 1


def test_limited_attempts_do_not_use_up_the_tasks_attempts(fleet: Fleet) -> None:
    """Four limits in a row and then a success, with `max_attempts = 2`."""
    two_agents(fleet, max_attempts=2, rate_limit_delay="20ms")
    task_id = fleet.enqueue(say=LIMIT, exits=[1, 1, 1, 1, 0])
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.attempt, task.attempts_before) == ("completed", 5, 4)


def test_a_rest_outlives_the_engine_and_the_operator_can_end_it(fleet: Fleet) -> None:
    """The next engine starts nothing of that agent either; `resume --agent` lets it go on at once."""
    two_agents(fleet)
    limited = fleet.enqueue(say=LIMIT, exits=[1, 0])
    engine = fleet.start_engine()
    wait_for_rest(fleet)
    fleet.stop_engine(engine)
    assert [alert.code for alert in picture(fleet).alerts] == ["rate_limit"]
    fleet.start_engine()
    good = fleet.enqueue(options={"agent": "other"})
    fleet.wait_for_end([good])
    assert fleet.starts() == [limited, good]
    assert fleet.operator.do("resume", agent="scripted") == "the tasks of scripted go on"
    assert fleet.wait_for_end([limited], limit_s=5)[0].state == "completed"
    assert fleet.operator.send_request("resume", agent="scripted").exit_code == 3
    assert picture(fleet).cooldowns == {}


def test_without_an_engine_a_rest_is_ended_by_the_command_itself(fleet: Fleet) -> None:
    """By the same request; a plain `resume` says what it does not do."""
    two_agents(fleet)
    limited = fleet.enqueue(say=LIMIT, exits=[1, 0])
    engine = fleet.start_engine()
    wait_for_rest(fleet)
    fleet.stop_engine(engine)
    plain = fleet.operator.send_request("resume")
    assert (plain.exit_code, plain.hint) == (3, "to end the cooldown after a rate limit: kugetsu resume --agent scripted")
    fleet.operator.do("resume", agent="scripted")
    fleet.start_engine()
    assert fleet.wait_for_end([limited], limit_s=5)[0].state == "completed"


def test_a_refused_key_ends_the_task_at_once_and_keeps_the_queue_from_burning(fleet: Fleet) -> None:
    """Another attempt would end the same, so there is none; the other tasks of the agent wait for a mended key."""
    two_agents(fleet, max_concurrent_agents=1)
    refused, waits = fleet.enqueue(say="API Error: 401 Unauthorized", exit=1), fleet.enqueue()
    fleet.start_engine()
    task = fleet.wait_for_end([refused])[0]
    assert (task.state, task.attempt, task.attempts[0].failure) == ("error", 1, "credentials")
    assert task.error == "credentials: exit code 1: API Error: 401 Unauthorized (not retried)"
    wait_for_rest(fleet)
    assert picture(fleet).explain_wait(fleet.task(waits)).text.startswith("scripted: credentials, resumes in ")
    assert fleet.starts() == [refused]


def test_the_class_of_a_failure_is_shown_wherever_the_task_is(
    fleet: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`show`, `show --json`, `status --json`; and notifications."""
    two_agents(fleet, max_attempts=2)
    task_id = fleet.enqueue(say="connect ECONNREFUSED 127.0.0.1:443", exits=[1, 0], wait=fleet.waiting_file("go"))
    fleet.start_engine()
    fleet.wait_for_started(task_id)
    fleet.release("go")
    fleet.wait_for(task_id, "completed")
    monkeypatch.setenv("KUGETSU_DIR", fleet.paths.root)
    show.main("show", [task_id])
    assert "attempt 1     failed (network), exit code 1: connect ECONNREFUSED" in capsys.readouterr().out
    show.main("show", [task_id, "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["failure"], shown["attempts"][0]["failure"]) == (None, "network")
    assert fleet.notices("task_retry", task_id)[0].failure == "network"
    assert "network: exit code 1" in fleet.notices("task_retry", task_id)[0].text


def test_patterns_of_the_settings_come_before_the_drivers_own(fleet: Fleet) -> None:
    """Those of one agent before those for all; a bad one is told and the last good ones stay."""
    two_agents(fleet)
    fleet.tables += '\n[agents.other.failures]\n"out of (tokens|luck)" = "blocked"\n[failures]\n"out of" = "disk"'
    fleet.configure(max_attempts=1)
    fleet.start_engine()
    one = fleet.enqueue(say="out of luck", exit=1, options={"agent": "other"})
    two = fleet.enqueue(say="out of luck", exit=1)
    ended = fleet.wait_for_end([one, two])
    assert [task.attempts[0].failure for task in ended] == ["blocked", "disk"]
    fleet.tables = fleet.tables.replace('"out of" = "disk"', '"out of (" = "disk"')
    fleet.configure()
    wait_until(lambda: any(alert.code == "config" for alert in picture(fleet).alerts), 8, "the alert")
    (alert,) = (alert for alert in picture(fleet).alerts if alert.code == "config")
    assert "[failures] out of (: 'out of (' is not a valid regular expression" in alert.text
    three = fleet.enqueue(say="out of luck: 429 Too Many Requests", exit=1)
    assert fleet.wait_for_end([three])[0].attempts[0].failure == "disk"


def test_nothing_delivered_is_a_failure_only_where_that_is_asked_for(fleet: Fleet) -> None:
    """Exit code 0 and no change completes by default."""
    plain = fleet.enqueue()
    fleet.start_engine()
    assert fleet.wait_for_end([plain])[0].state == "completed"
    fleet.configure(require_delivery=1, max_attempts=2)
    idle, busy = fleet.enqueue(), fleet.enqueue(write="new.txt")
    ended = fleet.wait_for_end([idle, busy])
    assert [task.state for task in ended] == ["error", "completed"]
    assert [attempt.failure for attempt in ended[0].attempts] == ["nothing_delivered"] * 2


def test_the_command_of_a_shell_that_is_not_there_is_not_tried_three_times(fleet: Fleet) -> None:
    """Exit code 127."""
    fleet.tables = '[agents.shell]\ncommand = ["sh", "-c", "exec no-such-agent-anywhere"]'
    fleet.configure()
    task_id = fleet.enqueue(options={"agent": "shell"})
    fleet.start_engine()
    task = fleet.wait_for_end([task_id])[0]
    assert (task.state, task.attempt, task.attempts[0].failure) == ("error", 1, "no_program")


def test_a_limit_that_was_reached_while_no_engine_ran_counts_from_then(fleet: Fleet) -> None:
    """The next engine lets the provider rest only for what is left."""
    two_agents(fleet, rate_limit_delay="10m")
    task_id = fleet.enqueue(say=LIMIT, exits=[1, 0], wait=fleet.waiting_file("go"))
    engine = fleet.start_engine()
    fleet.wait_for(task_id, "running")
    fleet.stop_engine(engine)
    fleet.release("go")
    result = wait_until(lambda: fleet.result(task_id), 5, "the result")
    assert result is not None
    fleet.start_engine()
    wait_for_rest(fleet)
    until = picture(fleet).cooldowns["scripted"].until
    assert until == pytest.approx((epoch(result.ended_at) or 0) + 600, abs=0.1), iso(until)


def test_a_limit_on_a_full_disk_is_one_limit_and_a_run_time_is_learned_once(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses the ends of two attempts several times: one warning, the first rest, one run time."""
    two_agents(fleet, rate_limit_delay="10m")
    limited, good = fleet.enqueue(say=LIMIT, exits=[1, 0]), fleet.enqueue(options={"agent": "other"})
    save, refusals = tasks.save_task, dict.fromkeys((limited, good), 3)

    def refuse(paths: StatePaths, task: Task, durable: bool = True) -> bytes:
        if task.attempts and refusals[task.id]:
            refusals[task.id] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return save(paths, task, durable)

    monkeypatch.setattr(tasks, "save_task", refuse)
    monkeypatch.setattr(engine, "REFUSED_AGAIN_S", 0.1)
    fleet.start_engine()
    fleet.wait_for_end([good])
    wait_until(lambda: fleet.task(limited).attempts, 10, "the limited attempt to be entered")
    assert refusals == {limited: 0, good: 0}
    assert len(fleet.notices("engine_rate_limit")) == 1
    until, ended = picture(fleet).cooldowns["scripted"].until, epoch(fleet.task(limited).attempts[0].ended_at)
    assert until == pytest.approx((ended or 0) + 600, abs=1)
    wait_until(lambda: os.path.exists(fleet.paths.run_times), 5, "the run time to be learned")
    assert [len(known.seconds) for known in json_files.read(fleet.paths.run_times, RunTimes).runs] == [1]


def test_the_status_names_the_failure_before(fleet: Fleet) -> None:
    """While the second attempt runs, the class of the first is told."""
    task_id = fleet.enqueue(wait=fleet.waiting_file("never"))
    fleet.start_engine()
    fleet.wait_for_started(task_id)
    record = fleet.record(task_id)
    assert record is not None
    kill_hard(record.supervisor_pid)
    fleet.wait_for_started(task_id, attempt=2)
    (shown,) = status.build_document(picture(fleet))["active"]
    assert (shown["attempt"], shown["failure"], shown["stalled"]) == (2, "lost", None)
    fleet.operator.do("kill", task_id)
    fleet.wait_for_end([task_id])


def test_a_task_whose_provider_rests_does_not_grow_old(fleet: Fleet) -> None:
    """`queue_expiry` counts from the end of the rest; a time of expiry set by hand holds all the same."""
    two_agents(fleet, max_concurrent_agents=1)
    limited = fleet.enqueue(say=LIMIT, exits=[1, 0])
    fleet.start_engine()
    wait_for_rest(fleet)
    fleet.configure(queue_expiry="500ms")
    waits, timed = fleet.enqueue(), fleet.enqueue()
    fleet.operator.do("edit", timed, expires_at=iso(time.time() + 0.5))
    fleet.wait_for(timed, "expired")
    for waiting in (limited, waits):
        wait_until(partial(later, fleet, waiting), 10, "its time to be put off")
    fleet.operator.do("resume", agent="scripted")
    assert {task.state for task in fleet.wait_for_end([limited, waits])} == {"completed"}


class Refusing(BaseHTTPRequestHandler):
    """A server that wants a password."""

    def do_GET(self) -> None:
        """Refuse."""
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def test_what_git_is_refused_is_no_fault_of_the_agents_provider(fleet: Fleet) -> None:
    """A clone that wants a password ends its task at once, with the class, and lets no other task wait."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fleet.tables = f'[servers]\n"forge.test" = "http://127.0.0.1:{server.server_port}"'
        fleet.configure()
        refused, good = fleet.enqueue("forge.test/user/repo#1"), fleet.enqueue()
        fleet.start_engine()
        ended = fleet.wait_for_end([refused, good])
        server.shutdown()
    assert [task.state for task in ended] == ["error", "completed"]
    assert ended[0].attempts[0].failure == "credentials"
    assert "could not read Username" in (ended[0].error or "")
    assert picture(fleet).cooldowns == {}

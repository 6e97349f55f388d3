"""What the program decides by is a field: a sentence may say anything, and may be reworded."""

import os
import time
from collections.abc import Callable

import msgspec
import pytest

from kugetsu_engine.client import edit as editing
from kugetsu_engine.config import loader
from kugetsu_engine.config.loader import NotifySettings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.doctor import agent_logins, checks
from kugetsu_engine.doctor.evidence import Evidence, Unreadable, gather_evidence
from kugetsu_engine.domain.decisions.recovery_report import WORDS, Recovered, RecoveryCounts
from kugetsu_engine.domain.decisions.waiting_reasons import WaitingReason
from kugetsu_engine.domain.failures import classify_git_error
from kugetsu_engine.domain.text.quantities import format_moment
from kugetsu_engine.errors import GitTimeout, KugetsuError
from kugetsu_engine.notifications.channels import send_test_messages
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import slots
from kugetsu_engine.state.issue_names import name_of
from kugetsu_engine.state.new_tasks import create_task
from kugetsu_engine.state.slots import SlotRefusal
from kugetsu_engine.storage import files, locks
from kugetsu_engine.supervisor import outcome
from kugetsu_tui.viewmodels.queue import format_reason

REF = "local/web#1"


@pytest.mark.parametrize(
    ("refusal", "lock"),
    [
        (SlotRefusal.SLOTS, lambda paths: paths.slot_lock(1)),
        (SlotRefusal.TASK, lambda paths: paths.task_lock("q_1")),
        (SlotRefusal.ISSUE, lambda paths: paths.issue_lock(name_of(paths, REF))),
    ],
)
def test_the_gate_names_the_lock_it_did_not_get(
    paths: StatePaths, refusal: SlotRefusal, lock: Callable[[StatePaths], str]
) -> None:
    """And holds none of the others any more."""
    fd = locks.try_lock(lock(paths))
    assert fd is not None
    assert slots.acquire_slot(paths, "q_1", REF, 1) is refusal
    locks.unlock(fd)
    entered = slots.acquire_slot(paths, "q_1", REF, 1)
    assert isinstance(entered, slots.SlotLease)
    entered.release()


def test_every_count_of_a_recovery_has_a_field_and_words() -> None:
    """The fields are those of `engine.json`, which scripts read."""
    assert list(RecoveryCounts.__struct_fields__) == ["adopted", "ended_meanwhile", "lost", "given_back", "set_aside"]
    assert {*map(str, Recovered), "set_aside"} == {*RecoveryCounts.__struct_fields__} == {*map(str, WORDS)}
    assert RecoveryCounts(adopted=1, ended_meanwhile=2, set_aside=3).text == "1 adopted, 2 ended meanwhile, 3 set aside"


def test_a_file_of_a_later_version_is_told_by_its_schema(paths: StatePaths) -> None:
    """Not by words: what only looks like the sentence is a broken file."""
    task_id = create_task(paths, REF, "Do it", time.time())
    document = msgspec.json.decode(files.read(paths.item(task_id)))
    files.replace(paths.item(task_id), msgspec.json.encode(document | {"schema": 99}))
    assert [bad.newer for bad in gather_evidence(paths, Settings()).unreadable] == [True]
    seen = Evidence(
        paths.root, unreadable=[Unreadable("/a", "it speaks of schema 2"), Unreadable("/b", "reworded", newer=True)]
    )
    assert [finding.code for finding in checks._can_be_read(seen)] == ["unreadable", "newer_schema"]


def test_settings_that_cannot_be_read_as_a_whole_say_so_in_a_field(paths: StatePaths) -> None:
    """One value that is wrong does not."""
    files.replace(paths.config, b"max_concurrent_agents = [")
    assert [fault.unread for fault in loader.load_settings(paths, {})[1]] == [True]
    files.replace(paths.config, b'max_concurrent_agents = "config.toml cannot be read"')
    assert [fault.unread for fault in loader.load_settings(paths, {})[1]] == [False]


def test_an_edit_that_comes_to_nothing_says_where_its_text_is_by_its_type(paths: StatePaths) -> None:
    """Whether the hint names the file or not."""
    edit = editing.start_edit(paths, create_task(paths, REF, "Do it", time.time()), time.time)
    with pytest.raises(editing.TextKept, match=edit.path):
        editing.judge_text(edit, -9)
    with pytest.raises(KugetsuError, match="returned at once") as failed:
        editing.judge_text(edit, 0, 0.0)
    assert not isinstance(failed.value, editing.TextKept)
    files.replace(edit.path, b"\xff\xfe\x00")
    with pytest.raises(editing.TextKept):
        editing.judge_text(edit, 0)
    edit.finish()


@pytest.mark.parametrize(("script", "sent"), [("exit 0", True), ("echo 'well: sent' >&2; exit 1", False)])
def test_a_test_message_counts_as_sent_only_if_it_was(script: str, sent: bool) -> None:
    """The complaint of a program may end like the good news."""
    (tried,) = send_test_messages(NotifySettings(command=["sh", "-c", script]), os.environ)
    assert tried.sent is sent
    assert tried.text.endswith("sent")
    assert [one.sent for one in send_test_messages(NotifySettings(), {})] == [False]


def test_a_login_may_be_there_whatever_the_advice_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two agents that can do without one, and claude where there is a keychain."""
    monkeypatch.setattr(agent_logins, "LOG_IN", dict.fromkeys(agent_logins.LOG_IN, "reworded"))
    systems = {
        kind: [agent_logins.may_have_login(kind, system) for system in ("linux", "darwin")] for kind in agent_logins.INSTALL
    }
    assert systems == {
        "aider": [True, True], "claude": [False, True], "codex": [False, False], "gemini": [False, False],
        "opencode": [True, True],
    }  # fmt: skip


def test_a_rest_is_shown_with_a_time_of_day_however_it_is_worded() -> None:
    """The countdown's own sentence is not taken apart."""
    why = WaitingReason(
        "rate_limit", "in four minutes, goes on in earnest", 1_790_000_000.0, "anthropic: no more for now, goes on strike"
    )
    now = 1_790_000_000.0 - 300
    assert format_reason(why, now) == f"{why.without_time}, {format_moment(1_790_000_000.0, now, seconds=True)}"
    assert format_reason(msgspec.structs.replace(why, without_time=""), now) == why.text


@pytest.mark.parametrize(
    ("verb", "failure"), [("clone", "network"), ("fetch", "network"), ("ls-remote", "network"), ("reset", "git")]
)
def test_what_git_did_not_finish_is_classed_by_what_it_was_asked(
    verb: str, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what asks a remote is the network's fault; our own sentence is not looked at."""
    monkeypatch.setattr(outcome, "_is_full", lambda folder: False)
    error = GitTimeout(verb, 60.0)
    error.message = "reworded"
    assert outcome.judge_preparation(error)["failure"] == failure
    assert classify_git_error(str(GitTimeout(verb, 60.0))) is None

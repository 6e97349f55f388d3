"""The operator is told who does not look: by commands, the desktop and apprise, in time, once, and never in a flood."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.config.loader import NotifySettings, load_settings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain.decisions import notification_rules
from kugetsu_engine.domain.task import Level, Notice
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.errors import NoSuchTask
from kugetsu_engine.notifications.channels import NotSent, list_channels
from kugetsu_engine.notifications.message import Message
from kugetsu_engine.notifications.sender import NotificationSender
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import notifications
from kugetsu_engine.storage import files
from tests.support.clients import local_client
from tests.support.waiting import wait_until

NOW = 1_800_000_000.0
ENVIRON = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}


def notice(number: int, kind: str = "task_error", level: Level = "error", text: str = "") -> Notice:
    """One notification about task `number`."""
    return Notice(iso(NOW + number), kind, text or f"#{number} local/app#{number} {kind}", level, f"q_{number}", "local/app#1")


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    """A state directory with its folders."""
    paths = StatePaths(str(tmp_path / "state"))
    files.create_folders(paths.folders())
    return paths


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    """A program that appends what it is given, a line each."""
    program = tmp_path / "mailbox"
    program.write_text(
        f'#!/bin/sh\nprintf "%s|%s|" "$1" "$2" >> {tmp_path}/mail\ncat >> {tmp_path}/mail\necho >> {tmp_path}/mail\n'
    )
    program.chmod(0o755)
    return program


def lines(program: Path) -> list[str]:
    """What the program was given so far."""
    mail = program.parent / "mail"
    return mail.read_text().split("\n")[:-1] if mail.exists() else []  # whole lines


@pytest.fixture
def tell(paths: StatePaths) -> Iterator[object]:
    """Messengers that are closed afterwards."""
    made: list[NotificationSender] = []

    def messenger(settings: NotifySettings, log: list[str] | None = None) -> NotificationSender:
        kept = log if log is not None else []
        one = NotificationSender(paths, lambda: Settings(notify=settings), ENVIRON, kept.append, lambda: NOW)
        one.start()
        made.append(one)
        return one

    yield messenger
    for one in made:
        one.close()


def test_only_what_needs_a_person_is_told_unless_more_is_asked_for() -> None:
    failed, stalled = notice(1), notice(2, "task_stalled", "warning")
    empty, good, begun = (
        notice(3, "task_completed", "warning"),
        notice(4, "task_completed", "good"),
        notice(5, "task_started", "info"),
    )
    gone = notice(6, "task_dequeued", "info")
    heard = {
        mode: [one.id for one in (failed, stalled, empty, good, begun, gone) if notification_rules.is_worth_sending(one, mode)]
        for mode in notification_rules.WORTHS
    }
    assert heard == {
        "needs_you": ["q_1", "q_2", "q_3"], "ended": ["q_1", "q_2", "q_3", "q_4"], "all": ["q_1", "q_2", "q_3", "q_4", "q_5"],
    }  # fmt: skip


def test_a_digest_counts_and_names_what_needs_a_person() -> None:
    many = [notice(n, "task_completed", "good") for n in range(9)] + [
        notice(20),
        notice(21),
        notice(22, "engine_rate_limit", "warning"),
    ]
    assert notification_rules.format_digest(many) == "9 done, 2 failed, 1 more: see #20, #21"
    assert notification_rules.format_digest([notice(n) for n in range(8)]).endswith("see #0, #1, #2, #3, #4 …")


@pytest.mark.parametrize(
    ("hours", "now", "quiet"),
    [("22:00-07:00", (23, 0), True), ("22:00-07:00", (6, 59), True), ("22:00-07:00", (7, 0), False),
     ("22:00-07:00", (12, 0), False), ("12:00-13:00", (12, 30), True), ("12:00-13:00", (13, 0), False), (None, (3, 0), False)],
)  # fmt: skip
def test_quiet_hours_also_reach_over_midnight(hours: str | None, now: tuple[int, int], quiet: bool) -> None:
    assert notification_rules.is_quiet(hours, now) is quiet


def test_a_command_gets_words_and_json_and_no_shell(paths: StatePaths, mailbox: Path, tell: object) -> None:
    messenger = tell(NotifySettings(command=[str(mailbox), "{ref}", "{text}"]))  # type: ignore[operator]
    messenger.submit(notice(7, text="#7 $(touch x) `id` failed\x1b]52;c;aGk=\x07"))
    wait_until(lambda: lines(mailbox), what="the message")
    ref, text, document = lines(mailbox)[0].split("|", 2)
    assert (ref, text) == ("local/app#1", "#7 $(touch x) `id` failed")
    assert json.loads(document) == {
        "title": "kugetsu", "text": "#7 $(touch x) `id` failed", "kind": "task_error", "id": "q_7", "issue_ref": "local/app#1",
        "count": 1,
    }  # fmt: skip


def test_a_flood_is_one_message(mailbox: Path, tell: object) -> None:
    messenger = tell(NotifySettings(command=[str(mailbox), "{kind}", "{text}"], digest_after=3))  # type: ignore[operator]
    for number in range(40):
        messenger.submit(notice(number))
    wait_until(lambda: lines(mailbox), what="the digest")
    messenger.close()
    assert [line.split("|")[:2] for line in lines(mailbox)] == [["digest", "40 failed: see #0, #1, #2, #3, #4 …"]]


def test_after_as_many_messages_as_are_allowed_in_a_minute_the_rest_waits_for_its_end(mailbox: Path, tell: object) -> None:
    messenger = tell(NotifySettings(command=[str(mailbox), "{kind}", "{text}"], digest_after=2))  # type: ignore[operator]
    messenger.submit(notice(1))
    wait_until(lambda: len(lines(mailbox)) == 1, what="the first")
    messenger.submit(notice(2))
    wait_until(lambda: len(lines(mailbox)) == 2, what="the second")
    for number in range(3, 8):
        messenger.submit(notice(number))
    messenger.close()  # the end of the engine is the end of the wait
    assert [line.split("|")[0] for line in lines(mailbox)] == ["task_error", "task_error", "digest"]


def test_what_is_muted_is_not_told_and_a_mute_ends(paths: StatePaths, mailbox: Path, tell: object) -> None:
    notifications.set_mute(paths, "q_1", iso(NOW + 60), NOW)
    notifications.set_mute(paths, "q_2", iso(NOW - 60), NOW)
    messenger = tell(NotifySettings(command=[str(mailbox), "{id}", ""]))  # type: ignore[operator]
    for number in (1, 2, 3):
        messenger.submit(notice(number))
    messenger.close()
    assert [line.split("|")[0] for line in lines(mailbox)] == ["q_2", "q_3"]


def test_muting_goes_by_the_operator_and_knows_its_tasks(paths: StatePaths) -> None:
    operator = local_client(paths.root, ENVIRON, clock=lambda: NOW)
    with pytest.raises(NoSuchTask):
        operator.mute("41", None)
    assert operator.mute("all", 3600.0).startswith("everything is muted until ")
    assert notifications.read_mutes(paths, NOW + 3599).covers(None)
    assert not notifications.read_mutes(paths, NOW + 3601).covers(None)
    assert operator.mute("all", 0.0) == "everything is no longer muted"
    assert not os.path.exists(paths.notifications_mute)


@pytest.mark.parametrize("broken", [b"", b"{", b'{"until": 3}', b'{"until": {"all": 5}}', b"\xff\xfe", b"[" * 9000])
def test_a_broken_file_of_mutes_mutes_nothing(paths: StatePaths, broken: bytes) -> None:
    Path(paths.notifications_mute).write_bytes(broken)
    assert not notifications.read_mutes(paths, NOW).covers("q_1")


def test_a_way_that_fails_is_logged_in_a_sentence_and_the_others_go_on(
    paths: StatePaths, mailbox: Path, tmp_path: Path
) -> None:
    operator_log: list[str] = []
    settings = NotifySettings(command=["/nonexistent/program"], desktop=True)
    messenger = NotificationSender(
        paths, lambda: Settings(notify=settings), {"PATH": str(tmp_path)}, operator_log.append, lambda: NOW
    )
    messenger.start()
    messenger.submit(notice(1))
    messenger.close()
    assert operator_log == [
        "sending by command failed: /nonexistent/program could not be run: No such file or directory",
        "sending by desktop failed: notify-send is not installed: install libnotify, or set desktop = false in [notify]",
    ]


def test_a_failure_of_its_own_is_logged_and_ends_no_telling(paths: StatePaths, mailbox: Path) -> None:
    log: list[str] = []
    faults = [ValueError("a fault")]

    def settings() -> Settings:
        if threading.current_thread().name == "kugetsu-notifications" and faults:
            raise faults.pop()
        return Settings(notify=NotifySettings(command=[str(mailbox), "{id}", ""]))

    messenger = NotificationSender(paths, settings, ENVIRON, log.append, lambda: NOW)
    messenger.start()
    messenger.submit(notice(1))
    wait_until(lambda: log, what="the failure in the log")
    messenger.submit(notice(2))
    messenger.close(60)
    assert [line.split("|")[0] for line in lines(mailbox)] == ["q_2"]
    assert len(log) == 1
    assert log[0].startswith("sending notifications failed: Traceback")
    assert "ValueError: a fault" in log[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what apprise is made of
def test_a_plug_in_that_fails_otherwise_than_it_should_is_a_way_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    apprise = pytest.importorskip("apprise")

    def notify(*_given: object, **_options: object) -> bool:
        raise TypeError("topsecret")

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    with pytest.raises(NotSent, match=r"apprise failed with TypeError$"):
        list_channels(NotifySettings(urls=["json://localhost"]), ENVIRON)["apprise"](Message("kugetsu", "x", "test"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what apprise is made of
def test_apprise_reaches_a_server_and_no_error_tells_an_address(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    got: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/ok" else 500)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"json://user:topsecret@127.0.0.1:{server.server_port}"
        list_channels(NotifySettings(urls=[f"{base}/ok"]), ENVIRON)["apprise"](Message("kugetsu", "it works", "test"))
        assert b"it works" in got[0]
        for bad in (f"{base}/broken", "nosuchservice://topsecret"):
            with pytest.raises(NotSent) as raised:
                list_channels(NotifySettings(urls=[bad]), ENVIRON)["apprise"](Message("kugetsu", "x", "test"))
            assert "topsecret" not in str(raised.value)
    finally:
        server.shutdown()
        server.server_close()


def test_settings_that_make_no_sense_are_told_and_change_nothing(paths: StatePaths) -> None:
    for text in (
        'quiet_hours = "all night"',
        'on = "sometimes"',
        "belll = true",
        'command = "sh -c x"',
        "digest_after = 0",
        "digest_after = -3",
    ):
        Path(paths.config).write_text(f"[notify]\n{text}\n")
        settings, problems = load_settings(paths, {})
        assert settings.notify == NotifySettings()
        assert len(problems) == 1
        assert str(problems[0]).startswith("config.toml, line 2: [notify] ")
    Path(paths.config).write_text('[notify]\nquiet_hours = "22:00-07:00"\ncommand = ["notify-me"]\n')
    assert load_settings(paths, {})[1] == []

"""The scene of the pictures and of the snapshots: a state directory laid out by hand, and a connection at a frozen time."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from kugetsu_engine.client.api import Client
from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.changes import Changes
from kugetsu_engine.domain.engine_state import EngineState
from kugetsu_engine.domain.history.journal_entries import STARTED, Act
from kugetsu_engine.domain.job import Progress, RunRecord
from kugetsu_engine.domain.task import Attempt, Delivered, Notice, Task, Usage
from kugetsu_engine.domain.text.log_stamps import Stamp, format_stamp
from kugetsu_engine.domain.text.times import epoch, iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import identity
from kugetsu_engine.storage import files, json_files
from kugetsu_engine.storage.engine_lock import EngineLock
from kugetsu_engine.storage.locks import try_lock, unlock
from kugetsu_tui.app import KugetsuApp
from kugetsu_tui.backend.connection import Connection
from kugetsu_tui.backend.engine_host import EngineHost
from kugetsu_tui.backend.poller import Poller
from kugetsu_tui.viewmodels.console_state import ConsoleState

NOW = epoch("2026-11-21T14:02:31Z") or 0.0
CURVES = {"q_41": (12.0, 40.0, 88.0, 61.0, 35.0, 72.0, 90.0, 41.0), "q_45": (70.0, 44.0, 10.0, 4.0, 3.0, 2.0, 3.0, 3.0),
          "q_44": (30.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)}  # fmt: skip
CHANGED = {"q_41": Changes(3, 80, 12), "q_45": Changes(1, 12, 0), "q_44": Changes()}

LOG = """\
opencode 1.0.82  model provider/large  session ses_4f1c
task  fix the login loop after the cookie expires
read  src/auth.py (312 lines)
read  src/session.py (148 lines)
think the redirect is decided before the cookie is refreshed
$ pytest -q tests/test_auth.py
  ....F....                                                    [100%]
  FAILED tests/test_auth.py::test_expired_cookie_goes_to_login_once
  1 failed, 8 passed in 0.41s
think the loop comes from the cookie path: "/login" shadows "/"
edit  src/auth.py +14 −3
  def refresh(cookie, now):
+     if cookie.expires <= now:
+         return renew(cookie, path="/")
$ pytest -q tests/test_auth.py
  .........                                                    [100%]
  9 passed in 0.39s
think one path is left: a cookie that was set by the old release
read  src/migrations/0007_cookie_path.py (21 lines)
edit  tests/test_auth.py +22 −0
$ pytest -q
  ........................................................     [ 81%]
  .............                                                [100%]
  69 passed in 3.12s
edit  docs/changes/88.md +3 −0
$ git commit -m "Renew an expired cookie for the whole site"
  [fix/issue-88 7d1e0c2] Renew an expired cookie for the whole site
  3 files changed, 39 insertions(+), 3 deletions(-)
think is the old cookie dropped on logout, too?
read  src/logout.py (44 lines)
"""

DOES = {41: "read src/logout.py", 45: "7 passed in 0.21s", 44: "waiting for http://localhost:6006"}
"""What the agents do."""
LOGS = {
    44: """\
read  src/settings/page.css (211 lines)
think the page takes its colours from the old palette, in 14 places
edit  src/settings/page.css +31 −14
$ npm run -s lint
  ok
read  src/theme/tokens.ts (88 lines)
edit  src/theme/tokens.ts +12 −2
$ npm test -- settings
  PASS src/settings/page.test.ts
  12 passed in 1.98s
think are the charts dark, too? their colours stand in a canvas
$ npm run -s storybook
  waiting for http://localhost:6006
""",
    45: """\
read  src/api/middleware.py (96 lines)
think one bucket per key, refilled by the clock of the database
edit  src/api/limits.py +64 −0
edit  src/api/middleware.py +9 −1
$ pytest -q tests/test_limits.py
  ..F....
  FAILED tests/test_limits.py::test_a_burst_is_let_through
  1 failed, 6 passed in 0.22s
think the first refill comes too late: the bucket must start full
edit  src/api/limits.py +2 −1
$ pytest -q tests/test_limits.py
  .......
  7 passed in 0.21s
""",
}
"""What the others printed."""


class Scene:
    """A state directory with a fleet in the middle of its work."""

    def __init__(self, root: str, restarted: bool = False) -> None:
        """Lay it out; `restarted`: its engine has just started and found agents at work."""
        self.paths = StatePaths(root)
        files.create_folders(self.paths.folders())
        Path(self.paths.config).write_text("max_concurrent_agents = 3\nmax_attempts = 3\n", encoding="utf-8")
        self._lock = EngineLock(self.paths)
        self._lock.acquire()
        taken = (try_lock(self.paths.slot_lock(number)) for number in (1, 2, 3))
        self._slots = [slot for slot in taken if slot is not None]
        state = EngineState(
            4242, "console", "2026-11-21T09:12:00.000Z", identity.read_boot_id(), heartbeat=time.monotonic() + 3600, limit=3,
            changes=CHANGED,
        )  # fmt: skip
        if restarted:
            state = msgspec.structs.replace(
                state, since="2026-11-21T14:02:29.000Z", recovered="found 2 adopted, 1 ended meanwhile",
                found={"adopted": 2, "ended_meanwhile": 1},
            )  # fmt: skip
        self._write(self.paths.engine, state)
        self._fleet()
        self._queue()
        self._done()
        self._notices()

    def close(self) -> None:
        """Release the locks."""
        self._lock.release()
        for slot in self._slots:
            unlock(slot)

    @staticmethod
    def _write(path: str, record: msgspec.Struct) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(msgspec.json.encode(record))

    def _running(
        self, number: int, ref: str, words: str, began: str, quiet: float, cpu: float, rss: int, attempt: int = 1
    ) -> None:
        started = f"2026-11-21T{began}.000Z"
        task = Task(
            f"q_{number}", ref, words, agent="opencode", state="running", attempt=attempt, notified_at=started,
            started_at=started, token="t", position=float(number), pending_since="2026-11-21T13:01:00.000Z",
            attempts=[
                Attempt(1, "2026-11-21T13:20:11.000Z", "2026-11-21T13:30:22.000Z", outcome="failed",
                        failure="exit", reason="the checks fail: 1 of 69", exit_code=1, elapsed_s=611.0,
                        delivered=Delivered(1, 2, 31, 2))
            ] if attempt > 1 else [],
        )  # fmt: skip
        self._write(self.paths.item(task.id), task)
        worktree = self.paths.worktree(ref.replace("/", "-").replace("#", "-")).replace(self.paths.root, "~/.kugetsu")
        record = RunRecord(task.id, attempt, "t", 1, 1, "", started, 3600.0, worktree)
        self._write(f"{self.paths.run(task.id, attempt)}/run.json", record)
        elapsed = NOW - (epoch(started) or 0)
        progress = Progress(
            "agent", 9, started, elapsed, 4, cpu, rss, 4096, quiet, time.monotonic() + 3600, activity=DOES.get(number, ""),
        )  # fmt: skip
        self._write(f"{self.paths.run(task.id, attempt)}/progress.json", progress)
        for each in range(1, attempt + 1):
            log = Path(self.paths.log(task.id, each))
            log.parent.mkdir(exist_ok=True)
            log.write_text(LOGS.get(number, LOG), encoding="utf-8")
            self._times(task.id, each, log, NOW - elapsed, NOW - quiet)

    def _times(self, task_id: str, attempt: int, log: Path, since: float, until: float) -> None:
        """Give the lines of a log times at even distances."""
        lines, length = log.read_bytes().splitlines(keepends=True), 0
        stamps = [Stamp(since, 0, 0)]
        for number, line in enumerate(lines, 1):
            length += len(line)
            stamps.append(Stamp(since + (until - since) * number / len(lines), length, 0))
        Path(self.paths.times(task_id, attempt)).write_bytes(b"".join(format_stamp(stamp) + b"\n" for stamp in stamps))

    def _fleet(self) -> None:
        api, web = "github.com/moon/api", "github.com/moon/web"
        self._running(41, f"{api}#88", "Fix the login loop after the cookie expires", "13:41:10", 2.0, 41.0, 430 << 20, 2)
        self._running(45, f"{api}#91", "Add a rate limiter to the public API", "13:57:02", 1.0, 3.0, 310 << 20)
        self._running(44, f"{web}#210", "Dark theme for the settings page", "13:14:20", 552.0, 0.0, 295 << 20)

    def pause_agents(self) -> None:
        """Pause two agents, one of them for long, and park a waiting task."""
        for number, since in ((45, "14:01:30"), (44, "13:40:00")):
            item, run = self.paths.item(f"q_{number}"), self.paths.run_files(f"q_{number}", 1)
            task, progress = json_files.read(item, Task), json_files.read(run.progress, Progress)
            self._write(item, msgspec.structs.replace(task, pause="operator"))
            at = f"2026-11-21T{since}.000Z"
            self._write(run.progress, msgspec.structs.replace(
                progress, phase="paused", paused_at=at, paused_s=NOW - (epoch(at) or 0), cpu_percent=0.0
            ))  # fmt: skip
        parked = Attempt(1, outcome="cancelled", failure="parked", reason="parked by you", session_id="ses_1")
        item = self.paths.item("q_52")
        self._write(item, msgspec.structs.replace(
            json_files.read(item, Task), held=True, park="parked by you", attempt=1, attempts=[parked], reason="parked by you"
        ))  # fmt: skip

    def talk_to_agents(self) -> None:
        """One agent has read a message and has another one before it, another asks for a permission."""
        said = [
            ("keep the old cookie valid for a day", "14:02:10",
             {"state": "answered", "answered_at": "2026-11-21T14:03:02.000Z"}),
            ("and mention it in the changelog", "14:05:40",
             {"state": "read", "read_at": "2026-11-21T14:05:52.000Z", "step": 7}),
            ("the test of the logout may go", "14:06:05", {}),
        ]  # fmt: skip
        messages = [
            {"number": number, "text": text, "at": f"2026-11-21T{at}.000Z", "record": record}
            for number, (text, at, record) in enumerate(said, 1)
        ]
        question = {
            "id": "1-a", "what": "may it use Bash?", "about": "rm -rf build/ dist/", "where": "",
            "since": "2026-11-21T14:05:00.000Z",
        }  # fmt: skip
        for number, attempt, agent, more in (
            (41, 2, "claude", {"messages": messages, "messages_waiting": 1}),
            (45, 1, "claude", {"question": question, "phase": "asks", "cpu_percent": 0.0}),
        ):
            item, run = self.paths.item(f"q_{number}"), self.paths.run_files(f"q_{number}", attempt)
            self._write(item, msgspec.structs.replace(json_files.read(item, Task), agent=agent))
            record = json_files.read(run.record, RunRecord)
            self._write(run.record, msgspec.structs.replace(record, can=["messages"], talk="live"))
            self._write(run.progress, msgspec.structs.replace(json_files.read(run.progress, Progress), **more))  # type: ignore[arg-type]

    def _queue(self) -> None:
        api, web = "github.com/moon/api", "github.com/moon/web"
        waiting = [
            Task("q_46", f"{web}#211", "Write the release notes for 2.1", priority=7, tags=["release"]),
            Task("q_47", f"{api}#92", "Find out why the nightly job hangs", retry_at="2026-11-21T14:05:12.000Z", attempt=1,
                 attempts=[Attempt(1, outcome="timeout", failure="timeout", reason="ran longer than 3600 s")]),
            Task("q_48", f"{web}#9", "Move the icons to one sprite", held=True),
            Task("q_49", f"{api}#93", "Upgrade the date library", tags=["deps"]),
            Task("q_50", f"{api}#94", "Remove the old date helpers", after=["q_49"]),
            Task("q_51", f"{web}#213", "Translate the error pages: 日本語 and Ελληνικά"),
            Task("q_52", f"{api}#95", "Check whether the cache needs a lock"),
            Task("q_53", f"{web}#214", "Speed up the search index", not_before="2026-11-21T22:00:00.000Z"),
            Task("q_54", "local/dotfiles#3", "Tidy the shell functions"),
        ]  # fmt: skip
        for place, task in enumerate(waiting):
            made = msgspec.structs.replace(task, position=float(place), pending_since="2026-11-21T13:50:00.000Z")
            self._write(self.paths.item(task.id), made)

    def _done(self) -> None:
        api, web = "github.com/moon/api", "github.com/moon/web"
        ended = (
            (40, f"{web}#208", "Keep the scroll position", "completed", "13:58", Delivered(2, 4, 66, 18), 840.0, None),
            (39, f"{api}#80", "Rotate the signing keys", "error", "14:01", None, 4.0, "401 from the provider (not retried)"),
            (38, f"{web}#205", "Lazy images in the gallery", "completed", "14:00", Delivered(3, 6, 120, 41), 720.0, None),
            (37, f"{api}#79", "Page the audit log", "completed", "13:31", Delivered(1, 2, 34, 5), 610.0, None),
            (36, f"{web}#201", "Print style sheet", "cancelled", "13:05", None, 95.0, None),
        )
        for number, ref, words, state, at, delivered, took, error in ended:
            end = epoch(f"2026-11-21T{at}:12.000Z") or 0.0
            attempt = Attempt(
                1, iso(end - took), iso(end), outcome="ok" if state == "completed" else "failed", delivered=delivered,
                elapsed_s=took, usage=Usage(int(took * 400), round(took / 900, 3)),
            )  # fmt: skip
            task = Task(
                f"q_{number}", ref, words, state=state, completed_at=f"2026-11-21T{at}:12.000Z", error=error, attempt=1,
                attempts=[attempt],
            )  # type: ignore[arg-type]  # fmt: skip
            self._write(self.paths.ended(task.id), task)

    def _notices(self) -> None:
        api, web = "github.com/moon/api", "github.com/moon/web"
        told = (
            ("13:41:10", "task_started", f"#41 {api}#88 started", "info", 41, f"{api}#88"),
            ("13:57:00", "task_retry", f"#47 {api}#92 waits again: attempt 1 failed: ran longer than 3600 s", "warning", 47,
             f"{api}#92"),
            ("13:57:02", "task_started", f"#45 {api}#91 started", "info", 45, f"{api}#91"),
            ("13:58:12", "task_completed", f"#40 {web}#208 completed: 2 commits, +66 −18", "good", 40, f"{web}#208"),
            ("14:00:12", "task_completed", f"#38 {web}#205 completed: 3 commits, +120 −41", "good", 38, f"{web}#205"),
            ("14:01:12", "task_error", f"#39 {api}#80 failed: 401 from the provider (not retried)",
             "error", 39, f"{api}#80"),
        )  # fmt: skip
        with open(self.paths.notifications, "wb") as file:
            for at, kind, text, level, number, ref in told:
                notice = Notice(f"2026-11-21T{at}.000Z", kind, text, level, f"q_{number}", ref)  # type: ignore[arg-type]
                file.write(msgspec.json.encode(notice) + b"\n")
        begun = Act("2026-11-21T09:12:00.000Z", STARTED, engine={"pid": 812, "mode": "console", "flow": {"limit": 3}})
        Path(self.paths.journal).write_bytes(msgspec.json.encode(begun) + b"\n")
        Path(self.paths.notifications_read).write_text("2026-11-21T13:57:30.000Z", encoding="ascii")


class StillEngine(EngineHost):
    """An engine that seems to run here, so that leaving asks about it."""

    is_running = True


class StillPoller(Poller):
    """Reads a machine that never changes."""

    def _make_state(self, snapshot: Snapshot) -> ConsoleState:
        return replace(super()._make_state(snapshot), load=0.6, free_bytes=4200 << 20, cpu=CURVES)


class StillConnection(Connection):
    """A connection to a machine that never changes; in the pictures the engine runs here."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        super().__init__(client, embed=False, clock=clock)
        self.engine = StillEngine(client, resume=False, post=self.post, on_change=self.poller.wake)
        self.poller = StillPoller(client, self.engine, self.post, clock)


AUTH = '''"""Who is logged in."""

import log


def login(request):
    """Send to the login page, once."""
    cookie = request.cookies.get("session", path="/login")
    if cookie is None:
        return redirect("/login")
    return refresh(cookie, request.now)


def refresh(cookie, now):
    """Renew a cookie before the redirect is decided."""
    log.debug("no cookie")
    return cookie


def logout(request):
    """Drop the cookie."""
    return redirect("/").without("session")
'''


def make_worktree(paths: StatePaths) -> None:
    """Give the selected task a worktree with work in it."""
    from kugetsu_engine.domain.refs import parse_reference
    from kugetsu_engine.git import worktrees
    from tests.support.repositories import commit, make_repository

    os.environ |= {"GIT_AUTHOR_DATE": "2026-11-21T12:00:00Z", "GIT_COMMITTER_DATE": "2026-11-21T12:00:00Z"}
    repository = make_repository(Path(paths.root).parent / "api")
    for folder in ("src", "tests"):
        (repository / folder).mkdir()
    commit(repository, "src/auth.py", AUTH)
    commit(repository, "tests/test_auth.py", "def test_login():\n    assert login()\n")
    worktree = Path(paths.worktree(parse_reference("github.com/moon/api#88").slug))
    worktrees.prepare_worktree(str(repository), str(worktree), "fix/issue-88", None)
    renewed = '    if cookie.expires <= now:\n        return renew(cookie, path="/")\n'
    commit(worktree, "src/auth.py", AUTH.replace('    log.debug("no cookie")\n', renewed).replace('"/login"', '"/"'))
    (worktree / "docs").mkdir()
    commit(worktree, "docs/88.md", "An expired cookie is renewed for the whole site.\n")
    words = "\n\ndef test_expired_cookie_goes_to_login_once():\n    assert redirects(expired()) == 1\n"
    with open(worktree / "tests/test_auth.py", "a", encoding="utf-8") as file:
        file.write(words)
    (worktree / "notes.txt").write_text("look at logout, too\n", encoding="utf-8")


async def diff_read(app: KugetsuApp) -> None:
    """Wait for git."""
    from kugetsu_tui.screens.diff import DiffScreen

    deadline = time.monotonic() + 20
    while not (isinstance(app.screen, DiffScreen) and app.screen.has_diff):
        assert time.monotonic() < deadline, "the diff was never read"
        await asyncio.sleep(0.05)


async def found(app: KugetsuApp) -> None:
    """Wait until a search reports its position."""
    from kugetsu_tui.widgets.bars import MessageBar

    deadline = time.monotonic() + 20
    while app.active_screen is None or "match " not in app.active_screen.query_one(MessageBar).said:
        assert time.monotonic() < deadline, "nothing was found"
        await asyncio.sleep(0.05)


async def in_the_past(app: KugetsuApp) -> None:
    """Show the scene as it was a while ago."""
    from kugetsu_tui.widgets.bars import MessageBar

    app.replay.open("2026-11-21T14:00:20Z")
    deadline = time.monotonic() + 20
    while app.state is None or app.state.replaying is None:
        assert time.monotonic() < deadline, "the past was never shown"
        await asyncio.sleep(0.01)
    assert app.active_screen is not None
    app.active_screen.query_one(MessageBar).hush()  # what was said goes by itself, after a while


async def fill_form(app: KugetsuApp) -> None:
    """Type a task."""
    from textual.widgets import Input, TextArea

    app.screen.query_one("#reference", Input).value = "moon/api#96"
    message = "Cache the currency rates for an hour\n\nThe rates come from one slow endpoint. Keep them in memory,\n"
    app.screen.query_one("#message", TextArea).text = f"{message}and serve the old ones when it does not answer."
    app.screen.query_one("#priority", Input).value = "7"
    app.screen.query_one("#after", Input).value = "49"

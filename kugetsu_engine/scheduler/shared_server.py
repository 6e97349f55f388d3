"""Starts the keeper of the shared opencode server when it is needed; a running keeper is recognized by its lock."""

import itertools
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping

from ..agents import program_versions
from ..agents.opencode import keeper_protocol, server_mode
from ..config.loader import AgentSettings
from ..domain.task import Task
from ..errors import ConfigError
from ..jobs import environment
from ..paths import RunPaths
from ..process import marks
from ..queue.entry import Entry
from ..queue.task_store import TaskStore
from ..storage import locks
from ..supervisor.launcher import open_log
from .engine_context import EngineContext

CHECK_S = 2.0
HEALTH_S = 60.0
"""The server counts as dead after this time without an answer; on a busy machine it may need seconds."""
HEALTH_CHECK_S = 5.0
MOST_LOST = 2
"""Attempts in a row that lost the server, after which `auto` gives a task a process of its own."""
MOST_ENTRIES = 500
"""Open tasks that are searched for another one that would share the server."""


class SharedServer:
    """Provides the shared server to the attempts that need it."""

    def __init__(self, context: EngineContext, *, store: TaskStore, slots: Callable[[], int]) -> None:
        """`slots` returns how many agents may run at once."""
        self._paths = context.paths
        self._environ = context.environ
        self._settings = context.settings
        self._alerts = context.alerts
        self._store = store
        self._slots = slots
        self._keepers: list[subprocess.Popen[bytes]] = []
        self._next_check = 0.0

    def check_keeper(self) -> None:
        """Start a keeper if active attempts need one, and report a server that does not start; at most every 2 seconds."""
        if time.monotonic() < self._next_check:
            return
        self._next_check = time.monotonic() + CHECK_S
        self._keepers = [keeper for keeper in self._keepers if keeper.poll() is None]
        if any(map(self._uses, self._store.list_active())):
            self.ensure_keeper()
        elif self._keepers or os.path.exists(self._paths.server):
            state = keeper_protocol.read_status(self._paths.root)
            self._alerts.warn("opencode_server", str((state or {}).get("fault") or ""))
        else:
            self._alerts.clear("opencode_server")

    def ensure_keeper(self) -> None:
        """Make sure that a keeper runs with the current settings. Nothing is started if they cannot be read fully."""
        gaps = self._settings.current.gaps
        if gaps.everything or "opencode" in gaps.agents:
            return
        own = self._own
        token = secrets.token_hex(8)
        try:
            env = self._environment(own, token)
            argv = server_mode.build_server_command(own)
            limits = {"memory": own.server_memory, "idle_s": own.server_idle}
            digest = server_mode.compute_digest([*argv, str(limits)], env | {marks.MARK: ""})
            lock = locks.try_lock(self._paths.server_lock)
            if lock is None:
                self._renew(digest)
                return
            try:
                life_lock = locks.try_lock(self._paths.server_life(token))
                assert life_lock is not None
                spec = {
                    "state_dir": self._paths.root, "token": token, "argv": argv,
                    "starter": server_mode.build_starter_command(), "digest": digest, **limits,
                    "health_s": HEALTH_S, "look_s": HEALTH_CHECK_S,
                }  # fmt: skip
                try:
                    self._start(lock, life_lock, spec, env)
                finally:
                    os.close(life_lock)
            finally:
                os.close(lock)
            self._alerts.clear("opencode_server")
        except (OSError, ConfigError) as error:
            self._alerts.warn("opencode_server", f"the shared opencode server could not be started: {error}")

    def _renew(self, digest: str) -> None:
        """Ask the running keeper to retire if the settings have changed, and report its faults."""
        state = keeper_protocol.read_status(self._paths.root)
        if state is None:
            return
        self._alerts.warn("opencode_server", str(state.get("fault") or ""))
        if state.get("digest") != digest:
            try:
                with keeper_protocol.connect_to_keeper(state["socket"], 1.0) as end:
                    keeper_protocol.send_line(end, {"verb": "retire"})
                    keeper_protocol.receive_line(end)
            except (OSError, ValueError):
                return  # it is about to end

    def _start(self, lock: int, life_lock: int, spec: Mapping[str, object], env: Mapping[str, str]) -> None:
        with open_log(self._paths.supervisor_log) as log:
            self._keepers.append(subprocess.Popen(
                server_mode.build_keeper_command(lock, life_lock, spec), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(env), cwd="/", pass_fds=(lock, life_lock), start_new_session=True,
            ))  # fmt: skip

    def _environment(self, own: AgentSettings, token: str) -> dict[str, str]:
        base = environment.build_server_environment(
            self._paths, self._environ, self._settings.current.pass_env, token, own.unset
        )
        return server_mode.add_server_variables(own, base)

    def count_users(self, task: Task) -> int:
        """Return how many attempts may share the server with the next one of a task; `mode = "auto"` takes it for two or more.

        It is one if no other task could share a server and none runs, if the server does not start, if its version is untested,
        if each attempt must have a cgroup, or if the task lost it twice in a row: it may be the one that kills it.
        """
        slots = self._slots()
        if self._own.mode != "auto" or slots < 2 or not self._is_opencode(task.agent):
            return slots
        lost = [attempt.failure for attempt in task.attempts[-MOST_LOST:]] == ["server_lost"] * MOST_LOST
        status = keeper_protocol.read_public_status(self._paths.root)
        if (
            lost
            or self._settings.current.memory_cap_by == "cgroup"
            or not self._is_tested()
            or (status is not None and status["fault"])
        ):
            return 1
        return slots if status is not None or self._has_other(task.id) else 1

    def _has_other(self, task_id: str) -> bool:
        """Whether another task of opencode runs or waits."""
        waiting = (entry for entry in itertools.islice(self._store.entries.values(), MOST_ENTRIES) if not entry.held)
        entries = itertools.chain(self._store.list_active(), waiting)
        return any(self._is_opencode(entry.agent) and entry.id != task_id for entry in entries)

    def _is_tested(self) -> bool:
        """Whether the installed program is of a version whose server is known."""
        path = shutil.which(os.path.expanduser(self._own.program or "opencode"), path=self._environ.get("PATH"))
        if path is None:
            return False
        version = program_versions.read_version("opencode", path, self._environ, self._paths.root, ask=False) or ""
        return version.startswith(f"{program_versions.TESTED['opencode']}.")

    def _is_opencode(self, agent: str | None) -> bool:
        return (agent or self._settings.current.agent) == "opencode"

    def _uses(self, entry: Entry) -> bool:
        """Whether the client of an active attempt needs a keeper, which it tells by a file."""
        return self._is_opencode(entry.agent) and os.path.exists(
            f"{RunPaths(self._paths.run(entry.id, entry.attempt)).temporary}/{keeper_protocol.ENTERED_FILE}"
        )

    @property
    def _own(self) -> AgentSettings:
        return self._settings.current.agents.get("opencode", AgentSettings())

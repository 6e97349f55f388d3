"""Pauses a running agent: its processes stand still, or on a shared server its session before its next step.

A pause lasts as long as the engine's wish for it. While it lasts the clocks of the attempt stand still, and whoever moves is
stopped again. Standard library only.
"""

import os
import time
from typing import Any

from ..domain.supervisor_messages import SupervisorMessage
from ..domain.text.times import iso
from ..process import freezing, tree
from ..storage import files
from .attempt import Attempt
from .parts import Part
from .wishes import WishFile

PAUSED = "paused"
AT_NEXT_STEP = "pauses at its next step"
_WORKING = ("agent", "asks")
"""Phases in which the agent works."""


class PausePart(Part):
    """The pauses of one attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._wishes = WishFile(attempt.files.wish, str(attempt.job["token"]))
        self._at_steps = bool(attempt.job.get("after"))
        """Whether its work is done by a server that other attempts use too."""
        self._since: float | None = None
        """When the pause began, by the monotonic clock; None if it is not paused."""
        self._since_text: str | None = None
        self._phase = "agent"
        """The phase to return to."""
        self._stood: set[int] = set()
        """Processes that stood before, such as one that the agent stopped itself."""
        self._refusal = ""
        """Why it could not be paused; stays as long as the wish."""

    def build_record(self) -> dict[str, Any]:
        """Later versions may not ask an attempt for what it cannot do."""
        return {"can": ["pause"]}

    def build_progress(self) -> dict[str, Any]:
        """What the row of the agent shows."""
        return {"paused_at": self._since_text, "pause_note": self._refusal or self._describe()}

    def tick(self, now: float) -> None:
        """Do as the engine wishes."""
        if self._attempt.stop_reason is not None:
            return
        if not self._wishes.read().get("pause"):
            self._refusal = ""
            self._resume()
        elif not self._refusal:
            self._pause()

    def handle_stop(self, reason: str) -> None:
        """Let the agent go on, so that it sees the SIGTERM; one that is killed never goes on."""
        if reason != "kill":
            self._resume()

    def handle_end(self) -> None:
        """Let what the agent has left go on, so that it can end; nothing could start where a cgroup stands."""
        if self._attempt.stop_reason != "kill":
            self._resume()

    def close(self) -> None:
        """Its processes have ended."""
        files.remove(self._attempt.files.hold)
        self._attempt.clocks.release(PAUSED)

    def _pause(self) -> None:
        """Pause the agent, or make sure that it still is."""
        attempt = self._attempt
        first = self._since is None
        if self._at_steps:
            files.replace(attempt.files.hold, b"", durable=False)
        elif not self._freeze(first):
            self._refusal = f"could not be paused: {self._find_reason()}"
            self._thaw()
            attempt.log.note(self._refusal)
            attempt.notify_engine(SupervisorMessage.NOT_PAUSED)
            self._end_pause()
            return
        if first:
            self._since, self._since_text = time.monotonic(), iso(time.time())
            attempt.clocks.hold(PAUSED)
            attempt.log.note("paused" if not self._at_steps else AT_NEXT_STEP)
        if attempt.phase in _WORKING:
            self._phase, attempt.phase = attempt.phase, PAUSED

    def _freeze(self, first: bool) -> bool:
        """Stop the processes, by the cgroup of the agent where there is one; return whether they stand."""
        if self._cgroup and freezing.freeze_cgroup(self._cgroup):
            return True
        return freezing.freeze(os.getpid(), self._attempt.agent_pid, self._stood if first else None)

    @property
    def _cgroup(self) -> str:
        """The folder of the agent's cgroup; empty if it has none."""
        return os.path.dirname(str(self._attempt.job.get("cgroup_procs") or ""))

    def _resume(self) -> None:
        """Let a paused agent go on."""
        if self._since is None:
            return
        self._thaw()
        self._attempt.log.note(f"resumed after {time.monotonic() - self._since:.0f} s")
        self._end_pause()

    def _thaw(self) -> None:
        if self._at_steps:
            files.remove(self._attempt.files.hold)
        else:
            if self._cgroup:
                freezing.thaw_cgroup(self._cgroup)
            freezing.thaw(os.getpid(), self._attempt.agent_pid, self._stood)

    def _end_pause(self) -> None:
        self._attempt.clocks.release(PAUSED)
        self._since, self._since_text = None, None
        self._stood = set()
        if self._attempt.phase == PAUSED:
            self._attempt.phase = self._phase

    def _describe(self) -> str:
        if self._since is None or not self._at_steps or os.path.exists(self._attempt.files.held):
            return ""
        return AT_NEXT_STEP

    def _find_reason(self) -> str:
        """Say why it does not stand still."""
        for pid in freezing.find_moving(os.getpid()) if tree.LINUX else ():
            try:
                foreign = os.stat(f"/proc/{pid}").st_uid != os.geteuid()
            except OSError:
                continue
            if foreign:
                name = (read_command_name(pid) or "a process")[:40]
                return f"{name} (pid {pid}) runs as another user"
        return "it starts processes faster than they can be stopped"


def read_command_name(pid: int) -> str:
    """Return the name of a process's program; empty if it has ended."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""

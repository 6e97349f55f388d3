"""What a part of a running attempt offers. A feature that watches the agent, such as a limit, is one part."""

import select
from typing import Any


class Part:
    """One feature of an attempt. Each method does nothing by default; a failure in one is logged and does not end the agent."""

    due: float | None = None
    """Monotonic time at which `tick` is wanted before the next whole second; None if that is soon enough."""

    def prepare(self) -> None:
        """Refuse the attempt before its worktree is made, with `AttemptFailed`, if it cannot be run as the settings say."""

    def before_agent(self) -> None:
        """The agent's process is about to be started, with the prompt of the job. An `OSError` ends the attempt."""

    def start(self, agent_pid: int) -> None:
        """The agent's process has been started."""

    def watch(self, poller: "select.poll") -> None:
        """Register descriptors that end the wait of the attempt; called once, when the agent runs."""

    def handle_ready(self, fd: int) -> None:
        """A descriptor may be ready: of this part, or of another one."""

    def tick(self, now: float) -> None:
        """Look at the agent: once a second, and when it is `due`. `now` is the monotonic clock."""

    def find_stop(self) -> tuple[str, str] | None:
        """Return a class of failure and its evidence if the agent must be stopped; asked after each tick."""
        return None

    def explain_exit(self, code: int) -> tuple[str, str] | None:
        """Return a class of failure and a reason if this part knows why the agent has ended with a failure.

        Args:
            code: exit code, or the negative number of a signal.
        """
        return None

    def handle_stop(self, reason: str) -> None:
        """The agent has just been sent SIGTERM, for the attempt's reason to stop; after `kill` it is killed at once."""

    def handle_end(self) -> None:
        """The agent's process has ended, by itself or not; what it has started may still run."""

    def build_record(self) -> dict[str, Any]:
        """Return fields for `run.json`. `can` is a list of what the attempt can do; the lists of all parts are joined."""
        return {}

    def build_progress(self) -> dict[str, Any]:
        """Return fields for `progress.json`."""
        return {}

    def build_result(self) -> dict[str, Any]:
        """Return fields for `exit.json`."""
        return {}

    def close(self) -> None:
        """The agent and all its processes have ended."""

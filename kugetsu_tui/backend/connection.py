"""One console's connection to one state directory: its poller, its requests, its engine and its log feeds.

Everything slow happens in threads of its own; what comes back is posted to the app as a message.
"""

import time
from collections.abc import Callable

from textual.message import Message

from kugetsu_engine.client.api import Client
from kugetsu_engine.config.settings import Settings

from .engine_host import EngineHost
from .log_feed import LogFeed
from .merged_feed import MergedFeed
from .poller import Poller
from .request_sender import RequestSender


class Connection:
    """Composes what the console reads and changes a state directory with."""

    def __init__(
        self, client: Client, *, embed: bool = True, clock: Callable[[], float] = time.time, folder: str | None = None,
        resume: bool = False,
    ) -> None:  # fmt: skip
        """Connect to a state directory; nothing is read or started before `start`.

        Args:
            client: the only way to change anything; it knows whether this console may.
            embed: run the engine in this process unless another process does; a read-only console never does.
            folder: where the console was started, for tasks that name no repository.
            resume: go on even if the machine was restarted while there was work.
        """
        self.client = client
        self.folder = folder
        self.now = clock
        self.replay_moment: float | None = None
        """The moment up to which logs are shown while the past is replayed; None: all of them."""
        self._embed = embed and not client.read_only
        self._send_to_app: Callable[[Message], object] | None = None
        self.engine = EngineHost(client, resume=resume, post=self.post, on_change=lambda: self.poller.wake())
        self.poller = Poller(client, self.engine, self.post, clock)
        self.requests = RequestSender(client, folder, self.post, lambda: self.poller.wake())

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.poller.settings

    def start(self, send_to_app: Callable[[Message], object]) -> None:
        """Begin to read, and to run the engine; called on the event loop.

        Args:
            send_to_app: takes a message for the app, from any thread.
        """
        self._send_to_app = send_to_app
        if self._embed:
            self.engine.plan()
        self.poller.start()

    def post(self, message: Message) -> None:
        """Send the app a message, from any thread."""
        if self._send_to_app is not None:
            self._send_to_app(message)

    def close(self) -> None:
        """Stop reading and sending; the engine's thread is asked to end and not waited for. Agents go on."""
        self.engine.close()
        self.poller.close()
        self.requests.close()

    def make_log_feed(self) -> LogFeed:
        """Make a reader of logs for one pane, which closes it."""
        return LogFeed(self.client.paths, self.client.environ, self.now, lambda: self.replay_moment)

    def make_merged_feed(self) -> MergedFeed:
        """Make a reader of the logs of all running agents for one pane, which closes it."""

        def list_running() -> list[tuple[str, int]]:
            snapshot = self.poller.snapshot
            return [(agent.task.id, agent.task.attempt) for agent in snapshot.active] if snapshot is not None else []

        return MergedFeed(self.client.paths, self.client.environ, list_running, self.now)

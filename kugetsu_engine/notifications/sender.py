"""Sends notifications from a separate thread, so that a slow channel never delays the engine."""

import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping

from ..config.settings import Settings
from ..domain.decisions import notification_rules
from ..domain.task import Notice
from ..paths import StatePaths
from ..state import notifications
from .channels import NotSent, list_channels
from .message import Message

SETTLE_S = 1.0
"""How long to wait for more notifications before sending, as they often come together."""
FLOOD_S = 60.0
"""At most `digest_after` messages are sent in this time; further notifications become one message at its end."""
MOST_WAITING = 10_000


class NotificationSender:
    """The thread that sends notifications to the operator."""

    def __init__(
        self, paths: StatePaths, settings: Callable[[], Settings], environ: Mapping[str, str], log: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._paths = paths
        self._settings = settings
        self._environ = environ
        self._log = log
        self._clock = clock
        self._incoming: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._sent_at: deque[float] = deque()
        self._thread = threading.Thread(target=self._run, name="kugetsu-notifications", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, notice: Notice) -> None:
        """Queue a notification for sending, if the settings select it. Called from any thread; never blocks."""
        settings = self._settings().notify
        if (
            settings.outward
            and notification_rules.is_worth_sending(notice, settings.on)
            and self._incoming.qsize() < MOST_WAITING
        ):
            self._incoming.put(notice)

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what is queued and end the thread, waiting no longer than the timeout."""
        self._incoming.put(None)
        if self._thread.ident is not None:  # otherwise it could not be started
            self._thread.join(timeout_s)

    def _run(self) -> None:
        ended = False
        while (first := self._incoming.get()) is not None:
            try:
                batch, ended = self._gather(first)
                self._send(batch)
            except Exception:  # the thread's boundary: the next notifications are still sent
                self._log(f"sending notifications failed: {traceback.format_exc()}")
            if ended:
                return

    def _gather(self, first: Notice) -> tuple[list[Notice], bool]:
        """Collect what comes shortly after the first, or later if too many were sent. Return it, and whether to end."""
        batch = [first]
        now = time.monotonic()
        until = now + SETTLE_S
        most = self._settings().notify.digest_after
        while self._sent_at and now - self._sent_at[0] > FLOOD_S:
            self._sent_at.popleft()
        if len(self._sent_at) >= most:
            until = self._sent_at[0] + FLOOD_S
        while (left := until - time.monotonic()) > 0:
            try:
                more = self._incoming.get(timeout=left)
            except queue.Empty:
                break
            if more is None:
                return batch, True
            batch.append(more)
        return batch, False

    def _send(self, batch: list[Notice]) -> None:
        settings = self._settings().notify
        muted = notifications.read_mutes(self._paths, self._clock())
        notices = [notice for notice in batch if not muted.covers(notice.id)]
        local = time.localtime(self._clock())
        if notification_rules.is_quiet(settings.quiet_hours, (local.tm_hour, local.tm_min)):
            return
        batches = [notices] if len(notices) > settings.digest_after else [[notice] for notice in notices]
        for message in map(_message, batches):
            self._sent_at.append(time.monotonic())
            for name, send in list_channels(settings, self._environ).items():
                try:
                    send(message)
                except NotSent as error:
                    self._log(f"sending by {name} failed: {error}")


def _message(notices: list[Notice]) -> Message:
    urgent = any(map(notification_rules.needs_you, notices))
    if len(notices) > 1:
        text = notification_rules.format_digest(notices)
        return Message(notification_rules.TITLE, text, "digest", count=len(notices), urgent=urgent)
    notice, text = notices[0], notification_rules.format_notice(notices[0])
    return Message(notification_rules.TITLE, text, notice.type, notice.id, notice.issue_ref, urgent=urgent)

"""Sends what is worth it, from a thread of its own, so that no provider of messages ever holds up the engine."""

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
from ..state import notification_mutes
from .channels import NotSent, list_channels
from .message import Message

SETTLE_S = 1.0
"""So long more may come before a message leaves, as things rarely happen alone."""
FLOOD_S = 60.0
"""Within this time at most `digest_after` messages leave; what comes beyond is one message at its end."""
MOST_WAITING = 10_000


class NotificationSender:
    """The thread that tells the operator, who may be away."""

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
        self._thread = threading.Thread(target=self._run, name="kugetsu-telling", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def submit(self, notice: Notice) -> None:
        """Take a notification; from any thread, never waits."""
        settings = self._settings().notify
        if (
            settings.outward
            and notification_rules.is_worth_sending(notice, settings.on)
            and self._incoming.qsize() < MOST_WAITING
        ):
            self._incoming.put(notice)

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what waits, if that is quick, and end."""
        self._incoming.put(None)
        if self._thread.ident is not None:  # else it could not be started
            self._thread.join(timeout_s)

    def _run(self) -> None:
        ended = False
        while (first := self._incoming.get()) is not None:
            try:
                batch, ended = self._gather(first)
                self._send(batch)
            except Exception:  # the thread's boundary: what is told next is told all the same
                self._log(f"telling failed: {traceback.format_exc()}")
            if ended:
                return

    def _gather(self, first: Notice) -> tuple[list[Notice], bool]:
        """What comes within a moment of the first; longer, while too much has left already. And whether it is the end."""
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
        muted = notification_mutes.read_mutes(self._paths, self._clock())
        heard = [notice for notice in batch if not muted.covers(notice.id)]
        local = time.localtime(self._clock())
        if notification_rules.is_quiet(settings.quiet_hours, (local.tm_hour, local.tm_min)):
            return
        messages = [_message(heard)] if len(heard) > settings.digest_after else [_message([notice]) for notice in heard]
        for message in messages:
            self._sent_at.append(time.monotonic())
            for name, send in list_channels(settings, self._environ).items():
                try:
                    send(message)
                except NotSent as error:
                    self._log(f"telling by {name} failed: {error}")


def _message(notices: list[Notice]) -> Message:
    if len(notices) == 1:
        one = notices[0]
        return Message(
            notification_rules.TITLE,
            notification_rules.format_notice(one),
            one.type,
            one.id,
            one.issue_ref,
            1,
            notification_rules.needs_you(one),
        )
    urgent = any(notification_rules.needs_you(notice) for notice in notices)
    return Message(
        notification_rules.TITLE, notification_rules.format_digest(notices), "digest", None, None, len(notices), urgent
    )

"""Applies the requests in the state directory in order and answers each; other files there are set aside."""

from ..domain.request import Answer, Request
from ..errors import BadFile, TransientReadError
from ..scheduler.engine_context import EngineContext
from ..state import requests
from ..storage import files
from ..storage.quarantine import Quarantine
from .flow_recorder import FlowRecorder
from .request_handlers import RequestHandlers

TURN_S = 0.5
"""Time limit per turn for requests: each is flushed to disk, and starting and collecting agents has to wait."""


class RequestInbox:
    """The requests of one engine."""

    def __init__(
        self, context: EngineContext, *, handlers: RequestHandlers, quarantine: Quarantine, flow: FlowRecorder
    ) -> None:  # fmt: skip
        self._paths = context.paths
        self._alerts = context.alerts
        self._monotonic = context.monotonic
        self.handlers = handlers
        self._quarantine = quarantine
        self._flow = flow
        self._unanswered: dict[int, Answer] = {}
        """Answers that could not be written: their requests are not applied again."""
        self._partly_done: dict[int, list[Answer]] = {}
        """Answers to the first parts of requests whose other parts wait for the next turn."""
        self.settled = True
        """Whether all requests have been applied. Nothing starts before, as a request may be about the next task."""
        self._cannot_read = False

    def apply_requests(self, within_s: float) -> bool:
        """Apply the waiting requests in order and answer each; returns whether some are left because of the time limit.

        Args:
            within_s: no request is started after this time; the first one always is.

        Raises:
            OSError: writing failed; requests without an answer are kept.
        """
        self.settled = False
        left = self._apply_requests(within_s)
        self.settled = not left and not self._cannot_read
        return left

    def _apply_requests(self, within_s: float) -> bool:
        self._cannot_read = False
        for path in requests.list_foreign_files(self._paths):
            self._quarantine.set_aside(path, "not a request by its name")
        until = self._monotonic() + within_s
        answered = 0
        try:
            for number in requests.list_waiting(self._paths):
                if answered and self._monotonic() >= until:
                    return True
                try:
                    reply = self._unanswered.get(number) or self._answer_request(number, until)
                except FileNotFoundError:
                    continue
                except TransientReadError as error:
                    self._alerts.warn("disk", error.message)
                    self._cannot_read = True
                    return False
                if reply is None:
                    return True
                if reply.ok:
                    self._unanswered[number] = reply
                requests.write_answer(self._paths, number, reply)
                self._unanswered.pop(number, None)
                answered += 1
        finally:
            if answered:  # else a power cut could bring them back after their tasks have run
                files.flush_folder(self._paths.requests)
        return False

    def _answer_request(self, number: int, until: float) -> Answer | None:
        """Apply and journal a request; None if parts of it must wait for the next turn."""
        try:
            request = requests.load_request(self._paths, number)
        except TransientReadError:
            raise
        except BadFile as error:
            self._quarantine.set_aside(requests.file_of(self._paths, number), error.message)
            return Answer(False, error.message, "", 1)
        if request.verb != "many":
            return self._apply_one(request, str(number))
        done = self._partly_done.setdefault(number, [])
        while len(done) < len(request.parts):
            done.append(self._apply_one(request.parts[len(done)], f"{number}.{len(done)}"))
            if self._monotonic() >= until and len(done) < len(request.parts):
                return None
        del self._partly_done[number]
        ok = all(reply.ok for reply in done)
        return Answer(ok, f"{sum(reply.ok for reply in done)} of {len(done)} done", "", 0 if ok else 1, parts=done)

    def _apply_one(self, request: Request, name: str) -> Answer:
        self._flow.open_entry()
        reply = self.handlers.apply_request(request, name)
        self._flow.record_request(request, reply)
        return reply

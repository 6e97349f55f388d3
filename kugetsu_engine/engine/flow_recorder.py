"""Journals the start and end of an engine, and each change of what controls the whole queue: limit, pause, cooldowns."""

import os
from typing import Any

import msgspec

from ..domain.decisions.waiting_reasons import Cooldown
from ..domain.engine_state import EngineState
from ..domain.history.journal_entries import ENDED, STARTED, Change, Flow, find_differences
from ..domain.request import Answer, Request
from ..domain.text.times import iso
from ..errors import BadFile
from ..queue.journal_writer import JournalWriter
from ..scheduler.engine_context import EngineContext
from ..scheduler.provider_backoff import ProviderBackoff
from ..scheduler.queue_control import QueueControl
from ..scheduler.resource_gate import ResourceGate
from ..storage import json_files


class FlowRecorder:
    """The recorder of one engine. The engine of a command records no start and no end."""

    def __init__(
        self, context: EngineContext, *, journal: JournalWriter, controls: QueueControl, gate: ResourceGate,
        backoff: ProviderBackoff,
    ) -> None:  # fmt: skip
        self._paths = context.paths
        self._mode = context.mode
        self._lasts = context.lasts
        self._journal = journal
        self._controls = controls
        self._gate = gate
        self._backoff = backoff
        self._cooldowns: tuple[int, tuple[Cooldown, ...]] = (-1, ())
        """The current cooldowns, and the version of the backoff they were read from."""
        self._last = Flow()
        self._last = self._now()
        if self._lasts:
            journal.record_engine(STARTED, self._start())

    def open_entry(self) -> None:
        """Begin the journal entry of a request."""
        self._journal.open_entry()

    def record_request(self, request: Request, reply: Answer) -> None:
        """Journal a request with its answer and all that it changed."""
        self.record_changes()
        self._journal.record_request(request, reply)

    def record_changes(self) -> None:
        """Journal what has changed since the last call."""
        flow = self._now()
        if flow == self._last:
            return
        was, now = find_differences(self._last, flow, Flow.__struct_fields__)
        self._last = flow
        self._journal.record_changes([Change(msgspec.to_builtins(was), msgspec.to_builtins(now))])

    def record_end(self) -> None:
        """Journal the orderly end of the engine."""
        if self._lasts:
            self._journal.record_engine(ENDED, {"pid": os.getpid()})

    def _now(self) -> Flow:
        if self._cooldowns[0] != self._backoff.version:
            self._cooldowns = (
                self._backoff.version,
                (*self._backoff.list_cooldowns().values(), *self._backoff.list_unreachable_hosts().values()),
            )
        controls, pressure = self._controls, self._gate.pressure
        # The text of a shortage changes with every figure, so the first one is kept while it lasts.
        pressure = pressure and (self._last.pressure or pressure)
        return Flow(
            controls.limit,
            controls.paused,
            controls.draining,
            controls.pause_reason,
            pressure,
            self._cooldowns[1],
            controls.pause,
        )

    def _start(self) -> dict[str, Any]:
        facts = {"pid": os.getpid(), "mode": self._mode, "flow": msgspec.to_builtins(self._last)}
        try:
            before = json_files.read(self._paths.engine, EngineState)
            if not before.stopped:  # the file's time is its last heartbeat
                facts["last_alive"] = iso(os.stat(self._paths.engine).st_mtime)
        except (OSError, BadFile):
            pass
        return facts

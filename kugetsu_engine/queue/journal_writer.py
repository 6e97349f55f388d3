"""Writes requests and changes to the journal. If that fails, the entry is lost and an alert is raised; the engine goes on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..domain.history.journal_entries import CHANGED, CHANGES_IN_LINE, CUT, REMOVED, Act, Change, shorten_arguments
from ..domain.request import Answer, Request
from ..domain.text.times import iso
from ..paths import StatePaths
from ..state import journal_file
from ..storage import json_lines


class LineGuard:
    """Appends to a file of lines, and repairs it after failed writes or changes by others."""

    def __init__(self, path: str, what: str, set_aside: Callable[[str, str], None], alert: Callable[[str, str], None]) -> None:
        """Guard the file at a path; `what` names the lines in alerts."""
        self._path = path
        self._what = what
        self._set_aside = set_aside
        self._alert = alert
        self._torn = True

    def write(self, append: Callable[[], None]) -> None:
        """Append by a function; if that fails, raise an alert."""
        try:
            if self._torn:
                json_lines.repair_last_line(self._path)
            self._torn = False
            if json_lines.is_misplaced(self._path):
                self._set_aside(self._path, f"it is not the file of the {self._what}")
            append()
        except OSError as error:
            self._torn = True
            self._alert("disk", f"cannot write {self._what}: {error.strerror}")


class JournalWriter:
    """Writes `acts.jsonl`, for one engine."""

    def __init__(
        self, paths: StatePaths, now: Callable[[], float], set_aside: Callable[[str, str], None],
        alert: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._paths = paths
        self._now = now
        self._guard = LineGuard(paths.journal, "journal", set_aside, alert)
        self._asked: list[Change] | None = None
        """What the current request has changed so far; None between requests."""

    def open_entry(self) -> None:
        """Start the entry of a request: changes until `record_request` belong to it."""
        self._asked = []

    def record_request(self, request: Request, reply: Answer) -> None:
        """Write a request, its answer, and what it changed."""
        changes, self._asked = self._asked or [], None
        task = request.task[:CUT] if request.task else None
        self._write(
            request.verb, changes, task=task, args=shorten_arguments(request.args), ok=reply.ok, text=reply.text[: CUT * 2]
        )

    def record_changes(self, changes: Sequence[Change], verb: str = CHANGED) -> None:
        """Write changes, as part of the current request if there is one."""
        if self._asked is not None and verb == CHANGED:
            self._asked += changes
        elif changes:
            self._write(verb, changes)

    def record_removal(self, ended_before: float, count: int) -> None:
        """Write that ended tasks were removed; from any thread."""
        self._write(REMOVED, (), args={"ended_before": iso(ended_before), "count": count})

    def record_engine(self, verb: str, facts: Mapping[str, Any]) -> None:
        """Write that an engine starts or ends."""
        self._write(verb, (), engine=dict(facts))

    def _write(self, verb: str, changes: Sequence[Change], **fields: Any) -> None:
        stamp = iso(self._now())
        act = Act(stamp, verb, changes=tuple(changes[:CHANGES_IN_LINE]), **fields)
        self._guard.write(lambda: journal_file.append_entry(self._paths, act))
        for start in range(CHANGES_IN_LINE, len(changes), CHANGES_IN_LINE):
            more = Act(stamp, CHANGED, changes=tuple(changes[start : start + CHANGES_IN_LINE]))
            self._guard.write(lambda more=more: journal_file.append_entry(self._paths, more))  # type: ignore[misc]

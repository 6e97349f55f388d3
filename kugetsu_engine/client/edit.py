"""Editing a waiting task as a text. It cannot start meanwhile, errors are shown in the text, and no text is lost."""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from ..domain import states, task_document
from ..domain.new_task import format_id, parse_task_id
from ..domain.task import Task
from ..errors import BadFile, Conflict, KugetsuError, UsageError
from ..paths import StatePaths
from ..state import edit_locks, tasks
from ..state.new_tasks import check_message
from ..storage import wakeup_fifo

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
UNFINISHED = "# From an unfinished edit: delete this line to continue it, or empty the file to discard it.\n"
_UNFINISHED_LINE = re.compile(r"# (?:From an unfinished edit|Of an edit that was not finished): .*\n")
"""That line, also as earlier versions wrote it."""
RETURNED_AT_ONCE_S = 3.0
"""An editor that returns this soon without a change may still be open in its own window."""


class Unreadable(UsageError):
    """The file that an editor wrote is not text, or too large."""


class TextKept(KugetsuError):
    """An edit failed; the error says where the text is kept."""


class Edit:
    """One edit of one task; the task waits until `finish` or `keep_text` ends it."""

    def __init__(self, paths: StatePaths, lock: edit_locks.EditLock, task: Task, clock: Callable[[], float]) -> None:
        self.task = task
        self.path = lock.path
        """The file to edit."""
        self._paths = paths
        self._lock = lock
        self._clock = clock
        self._original = task_document.format_document(task)
        left = lock.read_abandoned_text()
        if left is None:
            lock.move_aside()  # an unreadable text is not overwritten either
        left = _UNFINISHED_LINE.sub("", left or "")
        self.unfinished = bool(left.strip()) and left != self._original
        """Whether it starts with the text of an earlier, unfinished edit."""
        self._last_text = f"{UNFINISHED}{left}" if self.unfinished else self._original
        lock.write(self._last_text)

    @property
    def touched(self) -> bool:
        """Whether the text has changed since it was last shown."""
        return self._text() != self._last_text

    @property
    def has_text(self) -> bool:
        """Whether there is a text that could be lost."""
        try:
            return self._text().strip() not in ("", self._original.strip())
        except UsageError:
            return True

    def read_changes(self) -> dict[str, Any]:
        """Return what the text changes, as the arguments of an `edit`; empty if it changes nothing or is empty.

        Raises:
            UsageError: it is not valid.
        """
        text = self._text()
        if not text.strip():
            return {}
        fields, message = task_document.parse_document(text)
        changes = task_document.list_changes(self.task, fields, message, self._clock())
        if "message" in changes:
            check_message(changes["message"])
        if changes.get("repo"):
            changes["repo"] = os.path.abspath(os.path.expanduser(changes["repo"]))
        return changes

    def read_form(self) -> tuple[dict[str, str], str]:
        """Return fields and message of the text, for a form; those of the task if the text is not valid."""
        try:
            fields, message = task_document.parse_document(self._text())
        except UsageError:
            return task_document.format_fields(self.task), self.task.message
        return task_document.format_fields(self.task) | fields, message

    def write_form(self, fields: Mapping[str, str], message: str) -> None:
        """Replace the text by the contents of a form."""
        self._lock.write(task_document.compose_document(self.task, fields, message))

    def add_complaint(self, problem: str) -> None:
        """Add a problem at the top of the text."""
        self._last_text = task_document.add_complaint(self._text(), problem)
        self._lock.write(self._last_text)

    def _text(self) -> str:
        try:
            return self._lock.read_text()
        except FileNotFoundError:
            return self._last_text
        except BadFile as error:
            raise Unreadable(error.message) from None

    def set_text_aside(self) -> str:
        """Move an unreadable text where it is not overwritten; returns a sentence that says where."""
        where = self._lock.move_aside()
        self._lock.write(self._original)
        return f"nothing was changed; the text is kept as {where}" if where else "nothing was changed"

    def finish(self) -> None:
        """End the edit, and remove the text."""
        self._end(False)

    def keep_text(self) -> None:
        """End the edit, and keep the text for the next one."""
        self._end(True)

    def _end(self, keep_text: bool) -> None:
        self._lock.release(keep_text)
        wakeup_fifo.notify(self._paths.wakeup_fifo, self.task.id)


def start_edit(paths: StatePaths, text: str, clock: Callable[[], float]) -> Edit:
    """Start to edit a task named `41`, `#41` or `q_41`.

    Raises:
        NoSuchTask: there is no such task.
        Conflict: it is not waiting, or is already being edited.
    """
    task_id = parse_task_id(text)
    if task_id is None or not os.path.lexists(paths.item(task_id)):
        ended = tasks.find_task(paths, text)
        raise Conflict(f"{ended.shown} has already ended ({ended.state})")
    lock = edit_locks.acquire_edit_lock(paths, task_id)
    if lock is None:
        what = (
            "is already being edited" if task_id in edit_locks.list_edited(paths) else "has an agent, or had one a moment ago"
        )
        raise Conflict(f"{format_id(task_id)} {what}")
    try:
        task = tasks.find_task(paths, task_id)  # with the lock it cannot start any more
        if task.state != states.PENDING:
            raise Conflict(f"{task.shown} is {task.state}; only a waiting task can be edited")
        return Edit(paths, lock, task, clock)
    except BaseException:
        lock.release(keep_text=True)
        raise


def find_editor(environ: Mapping[str, str]) -> list[str] | None:
    """Return the command line of the operator's editor; None if none is set.

    It may have options, start with `~` or with variables (`FOO=1 vim`), or be the path of a program with a blank in it.

    Raises:
        UsageError: the variable cannot be read.
    """
    text = (environ.get("VISUAL") or environ.get("EDITOR") or "").strip()
    if os.path.isfile(path := _expanded(text, environ)):
        return [path]
    try:
        argv = shlex.split(text)
    except ValueError:
        raise UsageError(f"$VISUAL or $EDITOR cannot be read: {text[:60]}", "close the quote") from None
    program = next((at for at, word in enumerate(argv) if not _ASSIGNMENT.match(word)), None)
    if program is None:
        return None
    argv[program] = _expanded(argv[program], environ)
    return ["env", *argv] if program else argv


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    return f"{home}{text[1:]}" if home and text.startswith("~/") else text


def run_editor(edit: Edit, run: Callable[[str], int]) -> dict[str, Any]:
    """Open the editor until the text is valid; returns what it changes, empty if nothing was changed.

    Args:
        run: opens the editor on a file and returns its exit code.

    Raises:
        KugetsuError: the text was left invalid; it is kept.
    """
    while (changes := judge_text(edit, run(edit.path))) is None:
        pass
    return changes


def judge_text(edit: Edit, code: int, took_s: float = RETURNED_AT_ONCE_S) -> dict[str, Any] | None:
    """Read a text after the editor has ended; returns what it changes, None if it is not valid and is to be edited again.

    Args:
        code: the editor's exit code, negative for a signal.
        took_s: how long it was open.

    Raises:
        KugetsuError: the editor failed, or left the text invalid; it is kept.
    """
    if code < 0:
        raise TextKept(f"the editor was killed by signal {-code}", describe_kept_text(edit))
    try:
        if code > 0:  # such as vim's :cq
            if edit.touched and edit.has_text:
                raise TextKept(f"nothing was changed, as the editor ended with code {code}", describe_kept_text(edit))
            return {}
        if edit.unfinished and not edit.touched:
            raise TextKept("nothing was changed", describe_kept_text(edit))
        if took_s < RETURNED_AT_ONCE_S and not edit.touched:
            raise KugetsuError(
                "nothing was changed: the editor returned at once",
                "an editor with its own window needs an option to wait (code --wait, gvim -f); "
                f"the next edit of {edit.task.shown} continues with what you still save there",
            )
        return edit.read_changes()
    except Unreadable as error:
        raise TextKept(edit.set_text_aside(), error.message) from None
    except UsageError as error:
        if not edit.touched:
            raise TextKept(f"nothing was changed: {error.message}", describe_kept_text(edit)) from None
        edit.add_complaint(str(error))
        return None


def describe_kept_text(edit: Edit) -> str:
    """Say where the text is kept."""
    return f"the text is kept, and the next edit of {edit.task.shown} continues with it: {edit.path}"

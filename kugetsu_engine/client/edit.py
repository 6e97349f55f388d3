"""Editing a waiting task by hand: it cannot start meanwhile, a broken text is told, and nothing that was typed is lost."""

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
UNFINISHED = "# Of an edit that was not finished: take this line out to go on with it, or empty the file to forget it.\n"


RETURNED_AT_ONCE_S = 3.0
"""An editor that changed nothing and took no longer may still be open, in a window of its own."""


class Unreadable(UsageError):
    """What an editor has written is no text, or too much."""


class TextKept(KugetsuError):
    """An edit came to nothing; the error says where the text is kept."""


class Edit:
    """One edit of one task; the task waits until it is ended by `done`, `cancel` or `keep`."""

    def __init__(self, paths: StatePaths, hands: edit_locks.EditLock, task: Task, clock: Callable[[], float]) -> None:
        self.task = task
        self.path = hands.path
        """The file to edit."""
        self._paths = paths
        self._lock = hands
        self._clock = clock
        self._original = task_document.format_document(task)
        left = hands.read_abandoned_text()
        if left is None:
            hands.move_aside()  # what cannot be read is not to be written over either
        left = (left or "").replace(UNFINISHED, "")
        self.unfinished = bool(left.strip()) and left != self._original
        """Whether it begins with the text of an earlier edit that came to no end."""
        self._last_text = f"{UNFINISHED}{left}" if self.unfinished else self._original
        hands.write(self._last_text)

    @property
    def touched(self) -> bool:
        """Whether the text is another one than when it was shown last."""
        return self._text() != self._last_text

    @property
    def has_text(self) -> bool:
        """Whether something was typed that would be lost."""
        try:
            return self._text().strip() not in ("", self._original.strip())
        except UsageError:
            return True

    def read_changes(self) -> dict[str, Any]:
        """What the text changes, as the arguments of an `edit`; empty when it changes nothing, or is empty itself.

        Raises:
            UsageError: it makes no sense.
        """
        text = self._text()
        if not text.strip():
            return {}
        fields, message = task_document.parse_document(text)
        found = task_document.list_changes(self.task, fields, message, self._clock())
        if "message" in found:
            check_message(found["message"])
        if found.get("repo"):
            found["repo"] = os.path.abspath(os.path.expanduser(found["repo"]))
        return found

    def read_form(self) -> tuple[dict[str, str], str]:
        """Fields and message as they stand in the text, for a form; those of the task where the text is broken."""
        try:
            fields, message = task_document.parse_document(self._text())
        except UsageError:
            return task_document.format_fields(self.task), self.task.message
        return task_document.format_fields(self.task) | fields, message

    def write_form(self, fields: Mapping[str, str], message: str) -> None:
        """Write what stands in a form as the text."""
        self._lock.write(task_document.compose_document(self.task, fields, message))

    def add_complaint(self, words: str) -> None:
        """Put what is wrong at the top of the text."""
        self._last_text = task_document.add_complaint(self._text(), words)
        self._lock.write(self._last_text)

    def _text(self) -> str:
        try:
            return self._lock.read_text()
        except FileNotFoundError:
            return self._last_text
        except BadFile as error:
            raise Unreadable(error.message) from None

    def set_text_aside(self) -> str:
        """Keep a text that cannot be read where nothing writes over it; returns where, in words."""
        where = self._lock.move_aside()
        self._lock.write(self._original)
        return f"nothing was changed; the text is kept as {where}" if where else "nothing was changed"

    def finish(self) -> None:
        """It came to its end; the text is not needed any more."""
        self._end(False)

    cancel = finish

    def keep_text(self) -> None:
        """It came to no end: the text stays, and the next edit takes it up."""
        self._end(True)

    def _end(self, keep_text: bool) -> None:
        self._lock.release(keep_text)
        wakeup_fifo.notify(self._paths.wakeup_fifo, self.task.id)


def start_edit(paths: StatePaths, text: str, clock: Callable[[], float]) -> Edit:
    """Begin to edit the task an operator means by `41`, `#41` or `q_41`.

    Raises:
        NoSuchTask: there is none.
        AlreadySo: it does not wait, or someone edits it already.
    """
    task_id = parse_task_id(text)
    if task_id is None or not os.path.lexists(paths.item(task_id)):
        found = tasks.find_task(paths, text)
        raise Conflict(f"{found.shown} has ended already ({found.state})")
    hands = edit_locks.acquire_edit_lock(paths, task_id)
    if hands is None:
        what = (
            "is being edited already" if task_id in edit_locks.list_edited(paths) else "has an agent, or had one a moment ago"
        )
        raise Conflict(f"{format_id(task_id)} {what}")
    try:
        task = tasks.find_task(paths, task_id)  # with the lock: from here on it cannot start
        if task.state != states.PENDING:
            raise Conflict(f"{task.shown} is {task.state}; only a waiting task can be edited")
        return Edit(paths, hands, task, clock)
    except BaseException:
        hands.release(keep_text=True)
        raise


def find_editor(environ: Mapping[str, str]) -> list[str] | None:
    """The operator's editor as words of a command; None when none is set.

    It may have options, begin with `~` or with variables (`FOO=1 vim`), or be the path of a program with a blank in it.

    Raises:
        UsageError: the variable cannot be read.
    """
    text = (environ.get("VISUAL") or environ.get("EDITOR") or "").strip()
    if os.path.isfile(path := _expanded(text, environ)):
        return [path]
    try:
        words = shlex.split(text)
    except ValueError:
        raise UsageError(f"$VISUAL or $EDITOR cannot be read: {text[:60]}", "close the quote") from None
    program = next((at for at, word in enumerate(words) if not _ASSIGNMENT.match(word)), None)
    if program is None:
        return None
    words[program] = _expanded(words[program], environ)
    return ["env", *words] if program else words


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME")
    return f"{home}{text[1:]}" if home and text.startswith("~/") else text


def run_editor(edit: Edit, run: Callable[[str], int]) -> dict[str, Any]:
    """Have a text edited until it makes sense; returns what it changes, nothing where it was left as it is.

    Args:
        run: opens the editor on a file and returns its exit code when it is closed.

    Raises:
        KugetsuError: it was left broken; the text is kept.
    """
    while (changes := judge_text(edit, run(edit.path))) is None:
        pass
    return changes


def judge_text(edit: Edit, code: int, took_s: float = RETURNED_AT_ONCE_S) -> dict[str, Any] | None:
    """Judge a text that came back from an editor: what it changes; None when it makes no sense and is to be edited again.

    Args:
        code: the editor's exit code, negative for a signal.
        took_s: how long it was open.

    Raises:
        KugetsuError: the editor failed, or left it broken; the text is kept and named.
    """
    if code < 0:
        raise TextKept(f"the editor was killed by signal {-code}", describe_kept_text(edit))
    try:
        if code > 0:  # the editor's own way to say no, such as vim's :cq
            if edit.touched and edit.has_text:
                raise TextKept(f"nothing was changed, as the editor ended with code {code}", describe_kept_text(edit))
            return {}
        if edit.unfinished and not edit.touched:
            raise TextKept("nothing was changed", describe_kept_text(edit))
        if took_s < RETURNED_AT_ONCE_S and not edit.touched:
            raise KugetsuError(
                "nothing was changed: the editor returned at once",
                "one with a window of its own must be told to wait (code --wait, gvim -f); what you still save there, "
                f"the next edit of {edit.task.shown} takes up",
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
    """Where the text is, in words."""
    return f"the text is kept, editing {edit.task.shown} again takes it up: {edit.path}"

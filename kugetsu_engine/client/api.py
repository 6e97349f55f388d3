"""What an operator can ask for: the only door by which console and command line change anything.

Importing it is cheap, so that `enqueue` starts fast; the rest is loaded when it is asked for.
"""

from __future__ import annotations

import os
import time

from ..domain import refs
from ..domain.new_task import SESSION_CHOICES, check_expectation, check_priority, check_tags, format_id, parse_task_id
from ..errors import ConfigError, Conflict, KugetsuError, NoAnswer, NoSuchTask, QueueFull, ReadOnlyError, TryLater, UsageError
from ..git import discovery
from ..paths import StatePaths, is_utf8
from ..state import new_tasks as creating
from ..state.issue_names import name_of
from ..storage import files, wakeup_fifo
from .preflight import ProgramCheck

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from ..config.settings import Settings
    from ..domain.changes import WorktreeDiff
    from ..domain.request import Answer, Request, Verb
    from ..notifications.channels import ChannelResult
    from .edit import Edit
    from .preflight import Obstacle

    class LocalEngine(Protocol):
        """The engine for a moment, where none runs."""

        def apply_requests(self) -> None:
            """Apply the waiting requests."""

        def settle_attempts(self) -> None:
            """Enter how attempts ended."""


ANSWER_WAIT_S = 10.0
ANSWER_WAIT_MORE_S = 0.05
"""For each request of an act: a slow disk takes its time for each."""
COUNTED_AGAIN_AFTER = 1000
"""New tasks after which a command that adds many counts the open ones again."""


class Client:
    """Acts on one state directory."""

    def __init__(
        self, root: str, environ: Mapping[str, str] = os.environ, local_engine: LocalEngine | None = None, *,
        read_only: bool = False, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """Begin.

        Args:
            local_engine: does what is asked for where no engine runs; without one, requests wait for an engine.
        """
        self.paths = StatePaths(root)
        self.environ = environ
        self.read_only = read_only
        self._clock = clock
        self._local_engine = local_engine
        self._prepared = False
        self._programs = ProgramCheck(self.paths, environ)
        self._room_left = 0
        """Tasks that may be added before they are counted again."""

    def count_taken_slots(self) -> int:
        """How many slots are held at this moment, by agents or by hand."""
        from ..state import slots

        return slots.count_taken_slots(self.paths)

    def enqueue(
        self, reference: str, message: str, *, repo: str | None = None, folder: str | None = None,
        agent: str | None = None, priority: int = 5, after: list[str] | None = None, at: str | None = None,
        timeout: str | None = None, hold: bool = False, session: str | None = None, expect: str | None = None,
        tags: list[str] | None = None,
    ) -> tuple[str, str | None]:  # fmt: skip
        """Put a task on disk; returns its id and the repository it will work in, None where `[repos]` or a clone decides.

        Args:
            reference: the issue, in any accepted form.
            repo: a local repository; relative to `folder`.
            folder: where the command was run; its repository is used if it can be the issue's.
            priority: 0 to 9, 9 starts first.
            after: ids of tasks that must have completed before.
            at: earliest start: `22:00`, `+2h`, ISO 8601.
            timeout: time limit of one attempt.
            session: `new`, `continue` (the issue's) or `fork` (the base); None leaves it to the engine.
            expect: what an attempt must leave: `anything`, `none`, `changes` or `commits`.
            tags: words to find it by.

        Raises:
            KugetsuError: something about it is wrong; there is no task then.
        """
        self.refuse_if_read_only()
        now = self._clock()
        ref = refs.parse_reference(reference, self.default_server)
        if session is not None and session not in SESSION_CHOICES:
            raise UsageError(f"{session!r} is not a valid value of session", f"use one of {', '.join(SESSION_CHOICES)}")
        options: dict[str, object] = {"priority": check_priority(priority), "held": hold, "session": session}
        if expect is not None:
            options["expect"] = check_expectation(expect)
        if agent is not None:
            options["agent"] = self._check_agent(agent)
        if tags:
            options["tags"] = check_tags(tags)
        self._programs.refuse_wrong_program(agent)
        options["after"] = [self._check_earlier_task(earlier) for earlier in after or ()]
        options |= _times(at, timeout, now)
        options["repo"] = found = self._find_repository(ref, repo, folder)
        if found is not None and not is_utf8(found):
            raise UsageError(
                f"the name of the repository {found!r} is not UTF-8", "rename its folder, or name another with --repo"
            )
        self._prepare()
        self._reserve_room()
        try:
            task_id = creating.create_task(self.paths, str(ref), message, now, **options)
        except OSError as error:
            raise KugetsuError(
                f"the task was not written: {error.strerror}", f"look at the disk of {self.paths.root}"
            ) from None
        creating.announce_task(self.paths, task_id, str(ref), now)
        wakeup_fifo.notify(self.paths.wakeup_fifo, task_id)
        repository = options["repo"]
        return task_id, str(repository) if repository else None

    def _reserve_room(self) -> None:
        """Count one more open task; others add to them too, so now and then they are counted anew."""
        if self._room_left <= 0:
            self._room_left = min(creating.count_room(self.paths), COUNTED_AGAIN_AFTER)
        if self._room_left <= 0:
            raise QueueFull(
                f"{creating.MAX_OPEN} tasks are open, no more are taken", "wait until some have ended, or cancel some"
            )
        self._room_left -= 1

    def send_request(self, verb: Verb, task: str | None = None, wait_s: float = ANSWER_WAIT_S, **args: Any) -> Answer:
        """Make a request and return the answer. Without an engine it is applied here, by the engine's own code.

        Raises:
            NoAnswer: an engine runs and has not answered in time; the request stands.
            KugetsuError: the request could not be made.
        """
        from ..domain.request import Request

        return self.send_requests([Request(verb, task, args)], wait_s)[0]

    def send_requests(self, wishes: Sequence[Request], wait_s: float = ANSWER_WAIT_S) -> list[Answer]:
        """Make several requests as one act and return their answers in order, as `ask` does for one.

        They are one file, which the engine applies as a whole before it starts anything: a slot that the first of them frees
        is not given to a task that the second one is about.

        Raises:
            NoAnswer: they were not answered within `wait_s`, and longer where they are many; they stand.
            KugetsuError: one of them cannot be made; none stands.
        """
        from ..domain.request import Request
        from ..state import requests

        self.refuse_if_read_only()
        self._prepare()
        parts = []
        for wish in wishes:
            if wish.args.get("agent") is not None and wish.verb != "resume":  # it also takes the name of a provider
                self._check_agent(wish.args["agent"])
            task_id = self.resolve_task(wish.task, wish.verb) if wish.task is not None else None
            parts.append(Request(wish.verb, task_id, wish.args, _now(self._clock())))
        if not parts:
            return []
        whole = parts[0] if len(parts) == 1 else Request("many", at=_now(self._clock()), parts=parts)
        number = requests.submit_request(self.paths, whole)
        wakeup_fifo.notify(self.paths.wakeup_fifo)
        reply = self._wait_for_answer(number, wait_s + len(parts) * ANSWER_WAIT_MORE_S)
        return reply.parts or [reply] * len(parts)

    def _wait_for_answer(self, number: int, wait_s: float) -> Answer:
        from ..process.waiting import pause
        from ..state import requests

        deadline = time.monotonic() + wait_s
        look_s = 0.002
        while True:
            reply = requests.pop_answer(self.paths, number)
            if reply is not None:
                return reply
            if look_s > 0.005:
                self._apply_here()
            if time.monotonic() >= deadline:
                raise NoAnswer(
                    f"the engine has not answered within {wait_s:g} s",
                    "the request stands and will be applied; see kugetsu status",
                )
            pause(look_s)
            look_s = min(look_s * 2, 0.1)

    def do(self, verb: Verb, task: str | None = None, **args: Any) -> str:
        """Make a request; returns what was done, in one line.

        Raises:
            KugetsuError: it was refused; `exit_code` tells why.
        """
        reply = self.send_request(verb, task, **args)
        if reply.ok:
            return reply.text
        kind = {2: TryLater, 3: Conflict, 4: NoSuchTask, 64: UsageError}.get(reply.exit_code, KugetsuError)
        raise kind(reply.text, reply.hint)

    def start_edit(self, task: str) -> Edit:
        """Begin to edit a waiting task by hand: it cannot start before the edit is ended.

        Raises:
            NoSuchTask: there is none.
            AlreadySo: it does not wait, or someone edits it already.
        """
        from . import edit

        self.refuse_if_read_only()
        self._prepare()
        return edit.start_edit(self.paths, self.resolve_task(task, "edit"), self._clock)

    def resolve_task(self, text: str, verb: str = "") -> str:
        """The id of the task a person means, by its id or by its issue: of several the newest that the verb is about.

        Raises:
            NoSuchTask: no task of that issue.
        """
        if "/" not in text:
            return parse_task_id(text) or text
        from ..state import issue_tasks

        ref = str(refs.parse_reference(text, self.default_server))
        return issue_tasks.find_issue_task(self.paths, ref, issue_tasks.PREFERRED.get(verb, ()), self.default_server).id

    def resolve_reference(self, text: str) -> str:
        """The whole form of an issue reference.

        Raises:
            UsageError: it is none.
        """
        return str(refs.parse_reference(text, self.default_server))

    def mark_read(self, until: str) -> None:
        """Remember that notifications up to a time have been read."""
        from ..state import notifications

        self.refuse_if_read_only()
        self._prepare()
        notifications.mark_read(self.paths, until)

    def mark_seen(self) -> None:
        """Remember that the operator is here now."""
        self.refuse_if_read_only()
        self._prepare()
        files.touch(self.paths.last_seen)

    def read_last_seen(self) -> float | None:
        """Seconds since 1970 at which the operator was last here; None before the first time."""
        try:
            return os.lstat(self.paths.last_seen).st_mtime
        except OSError:
            return None

    def mute(self, name: str, for_s: float | None) -> str:
        """Send nothing about a task, or about anything (`all`), out of the console; returns what was done.

        Args:
            for_s: how long; None without an end, 0 no longer.

        Raises:
            NoSuchTask: there is no such task.
        """
        from ..domain.decisions import notification_rules
        from ..domain.text.quantities import format_upcoming
        from ..state import notification_mutes, tasks

        self.refuse_if_read_only()
        self._prepare()
        known = name if name == notification_rules.ALL else tasks.find_task(self.paths, name).id
        now = self._clock()
        until = notification_mutes.FOR_EVER if for_s is None else _now(now + for_s) if for_s else None
        notification_mutes.set_mute(self.paths, known, until, now)
        what = "everything" if known == notification_rules.ALL else format_id(known)
        if until is None:
            return f"{what} is told again"
        return f"{what} is muted" + (f" until {format_upcoming(now + for_s, now)}" if for_s else "")

    def send_test_notifications(self) -> list[ChannelResult]:
        """Send a test message by every way that is set up; a sentence on each."""
        from ..notifications.channels import send_test_messages

        self.refuse_if_read_only()
        return send_test_messages(self.settings.notify, self.environ)

    def read_diff(self, task: str) -> WorktreeDiff:
        """Compare the worktree of a task's issue with what its work began from; changes nothing.

        Raises:
            NoSuchTask: there is no such task.
            KugetsuError: it has no worktree yet, or git refused.
        """
        from ..git import diff
        from ..state import tasks

        found = tasks.find_task(self.paths, self.resolve_task(task))
        worktree = self.worktree_path(found.issue_ref)
        if not os.path.isdir(worktree):
            from ..domain.task import make_no_worktree_error

            raise make_no_worktree_error(found)
        return diff.read_worktree_diff(worktree)

    def worktree_path(self, issue_ref: str) -> str:
        """Where the agents of an issue work, whether or not it is there yet."""
        return self.paths.worktree(name_of(self.paths, str(refs.parse_reference(issue_ref, self.default_server))))

    def settle_attempts(self) -> None:
        """Enter how attempts ended, where no engine runs to do it."""
        if self._local_engine is not None:
            self._local_engine.settle_attempts()

    def _apply_here(self) -> None:
        """Apply the waiting requests if no engine does."""
        if self._local_engine is not None:
            self._local_engine.apply_requests()

    def _prepare(self) -> None:
        if not self._prepared:
            files.create_folders(self.paths.folders())
            self._prepared = True

    def refuse_if_read_only(self) -> None:
        if self.read_only:
            raise ReadOnlyError("read-only: nothing is changed", "start without --read-only")

    def default_server(self) -> str:
        """The host of references that name none.

        Raises:
            ConfigError: the settings do not say it in a way that can be read.
        """
        found = self.settings.default_server
        if not found:
            raise ConfigError(
                "default_server cannot be read, so owner/repo#N has no host", "correct it: kugetsu doctor says more"
            )
        return found

    def list_obstacles(
        self, reference: str, agent: str | None = None, repo: str | None = None, folder: str | None = None
    ) -> Sequence[Obstacle]:
        """What would keep a task from running as things stand, see `preflight`; the arguments are those of `enqueue`.

        Raises:
            KugetsuError: something about it is wrong; it would be refused.
        """
        from . import preflight

        ref = refs.parse_reference(reference, self.default_server)
        repository = self._find_repository(ref, repo, folder)
        return preflight.list_obstacles(self.paths, self.environ, str(ref), agent, repository)

    @property
    def settings(self) -> Settings:
        """The settings as they stand now."""
        from ..config import loader

        return loader.load_settings(self.paths, self.environ)[0]

    def _has_configured_path(self, repository: str) -> bool:
        own = self.settings.repos.get(repository)
        return own is not None and own.path is not None

    def _check_agent(self, agent: str) -> str:
        from ..agents import registry as known
        from ..config import loader

        settings, faults = loader.load_settings(self.paths, self.environ)
        names = known.list_agent_names(settings)
        if agent not in names and not any(fault.unread for fault in faults):
            raise UsageError(
                f"there is no agent {agent!r}", f"use one of {', '.join(names)}, or add [agents.{agent}] to config.toml"
            )
        return agent

    def _check_earlier_task(self, text: str) -> str:
        task_id = parse_task_id(text)
        if task_id is None or not any(os.path.lexists(path(task_id)) for path in (self.paths.item, self.paths.ended)):
            raise NoSuchTask(f"no task {text!r} to come after", "kugetsu queue list --all shows them")
        return task_id

    def _find_repository(self, ref: refs.IssueRef, repo: str | None, folder: str | None) -> str | None:
        if repo is not None:
            path = os.path.abspath(os.path.join(folder or "", os.path.expanduser(repo)))
            if not os.path.isdir(path):
                raise UsageError(f"the repository {path} is not there", "name an existing folder")
            return discovery.find_named_repository(path)
        if os.path.exists(self.paths.config) and self._has_configured_path(ref.repository_key):
            return None
        begun_in = discovery.find_worktree_repository(self.paths.worktree(name_of(self.paths, str(ref))))
        if begun_in is not None:  # work on the issue goes on where it is
            return None if begun_in.startswith(f"{os.path.realpath(self.paths.repositories)}/") else begun_in
        enclosing = discovery.find_enclosing_repository(folder) if folder is not None else None
        if enclosing is None or enclosing.startswith(f"{os.path.realpath(self.paths.root)}/"):
            return None
        if ref.is_local:
            return enclosing
        from ..git.remotes import can_be_issue_repository

        return enclosing if can_be_issue_repository(enclosing, ref.repository) else None


def _times(at: str | None, timeout: str | None, now: float) -> dict[str, object]:
    from ..domain.text import times

    found: dict[str, object] = {}
    if at is not None:
        found["not_before"] = times.iso(times.parse_moment(at, now))
    if timeout is not None:
        found["timeout_s"] = times.parse_time_limit(timeout)
    return found


def _now(epoch_s: float) -> str:
    from ..domain.text.times import iso

    return iso(epoch_s)

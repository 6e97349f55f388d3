"""Judges how an attempt ended: outcome, class of failure and reason, as fields of its result."""

import os
import re
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, NamedTuple

from ..domain.failures import EXIT_CODES, classify_errno, classify_git_error
from ..domain.text.times import iso
from ..errors import AttemptFailed, GitBusy
from .agent_log import LogFile

Fields = dict[str, Any]
MATCHING_S = 1.0
"""CPU time that all patterns together may take, as an operator's pattern may run for ever."""
NO_ROOM, NO_FILES = 1 << 20, 16
"""A disk with less, in bytes or files, counts as full: what git could not write may have been larger than that."""
LAST_LINES = 3
"""Lines at the end of a plain-text agent's log that are searched for what holds it up."""
NEARBY = 5
"""Lines around the one that names the failure that are searched for a reset time."""


class _TooLong(Exception):
    """The patterns used up their time."""


def judge_exit(
    job: dict[str, Any], log: LogFile, code: int, reported: tuple[str, str] | None = None, killed: tuple[str, str] | None = None
) -> Fields:
    """Judge an agent that ended by itself, from its exit code or signal and the end of its log.

    Args:
        reported: class and reason of a failure in its events.
        killed: class and reason of its end if they are known, such as a lack of memory.
    """
    facts: Fields = {"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None}
    if killed is not None:
        return facts | _failed(*killed)
    if code < 0:
        return facts | _failed("crash", f"the agent was ended by {format_signal(-code)}")
    if reported is None and not code:
        return facts | {"outcome": "ok", "failure": None, "reason": "exit code 0"}
    lines = [reported[1]] if reported is not None else log.read_last_lines()
    try:
        place, failure = find_failure(lines, job.get("patterns", ()))
    except _TooLong:
        log.note("the patterns of [failures] took too long and were skipped: simplify them")
        place, failure = 0, None
    if reported is not None:
        failure = reported[0] if reported[0] != "exit" else failure
        verdict = _failed(failure or "exit", reported[1])
    else:
        text = lines[place][:300] if lines else ""
        verdict = _failed(failure or EXIT_CODES.get(code, "exit"), f"exit code {code}" + (f": {text}" if text else ""))
    resets_at = _reset_near(lines, place) if failure in ("rate_limit", "quota") else None
    return facts | verdict | {"resets_at": resets_at}


STOPS = {
    "timeout": "time limit reached", "stalled": "", "finished": "it has reported its result, but its process has not ended",
}  # fmt: skip
"""Reasons to end an agent that nobody stopped, with a text for its log. A result that it has reported counts then."""


def describe_end_of_process(stop_reason: str | None, code: int, grace_s: float) -> str:
    """Describe how the process of an agent ended that had reported its result."""
    if stop_reason is None:
        return f"was then ended by {format_signal(-code)}"
    after = {"timeout": "at the time limit", "stalled": "as it was stalled"}.get(stop_reason, f"after {grace_s:g}s")
    return f"did not end and was stopped {after}"


def judge_result(job: dict[str, Any], log: LogFile, code: int, reported: tuple[str, str] | None, end: str) -> Fields:
    """Judge an agent that reported its result, by that and not by how its process ended.

    Args:
        reported: class and reason of a failure in its events.
        end: how its process ended, see `describe_end_of_process`.
    """
    verdict = judge_exit(job, log, 0, reported)
    text = "reported success" if reported is None else verdict["reason"]
    facts = {"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None}
    return verdict | facts | {"reason": f"{text}; its process {end}"}


class Activity(NamedTuple):
    """What an agent was doing when a limit ended it."""

    text: str = ""
    failure: str | None = None
    """Class of failure that held it up; None if none is certain."""
    resets_at: str | None = None


NOTHING = Activity()
PHASES = {
    "waiting for git": "another attempt was using git in its repository", "worktree": "git was making its worktree",
    "issue": "the forge was asked for its issue", "setup": "its setup commands were running",
    "session": "its session was being prepared",
}  # fmt: skip
"""What an attempt is doing before its agent starts, by phase."""
CAUSES = frozenset({"rate_limit", "quota", "credentials", "network", "server_lost"})
"""Classes that explain an attempt that reached a limit better than the limit does."""


def describe_activity(job: dict[str, Any], log: LogFile, hindrance: tuple[str, str] | None, activity: str) -> Activity:
    """Find out what an agent that has reached a limit is doing, and whether a known failure holds it up.

    Args:
        hindrance: class and text from its events. For a plain-text agent its last lines are searched instead.
        activity: what it is doing, in a few words.
    """
    lines = [hindrance[1]] if hindrance else [] if job.get("reader") else log.read_last_lines(LAST_LINES)
    failure = hindrance[0] if hindrance and hindrance[0] != "exit" else None
    place = 0
    if failure is None:
        try:
            place, failure = find_failure(lines, job.get("patterns", ()))
        except _TooLong:
            failure = None
    if failure not in CAUSES:
        return Activity(hindrance[1] if hindrance else activity)
    return Activity(lines[place][:300], failure, _reset_near(lines, place) if failure in ("rate_limit", "quota") else None)


def judge_stop(stop_reason: str, timeout_s: float, evidence: str, facts: Fields | None, activity: Activity = NOTHING) -> Fields:
    """Judge an attempt that was stopped: by its time limit, as it was stalled, by a signal, or for a class of failure."""
    known = facts or {}
    if stop_reason in ("stop", "kill", ""):
        return known | _failed("stopped", "stopped by a signal")
    last = f"; {'held up by' if activity.failure else 'last activity'}: {activity.text}" if activity.text else ""
    if stop_reason not in ("timeout", "stalled"):
        return known | _failed(stop_reason, evidence + last)
    reason = f"ran longer than {timeout_s:g} s" if stop_reason == "timeout" else f"it was stalled: {evidence}"
    failure = activity.failure or stop_reason
    return known | {"outcome": stop_reason, "failure": failure, "reason": reason + last, "resets_at": activity.resets_at}


def judge_preparation(error: AttemptFailed | OSError | ValueError | OverflowError, folder: str = "/") -> Fields:
    """Judge an attempt whose preparation failed; `folder` is on the disk that it uses."""
    if isinstance(error, (ValueError, OverflowError)):  # a NUL in a command, a time limit of a million years
        return {"outcome": "not_started", "failure": "config", "reason": f"invalid settings: {error}"}
    if isinstance(error, AttemptFailed):
        kind = classify_git_error(error.message) if error.failure == "git" else None
        failure = kind or error.failure
        if failure == "git" and _is_full(folder):  # git does not always say that the disk is full
            failure = "disk"
        holder = {"git_holder": error.holder} if isinstance(error, GitBusy) else {}
        return {"outcome": "not_started", "failure": failure, "reason": error.message, **holder}
    return {"outcome": "not_started", "failure": classify_errno(error.errno), "reason": str(error)}


def judge_lost_agent(error: Exception) -> Fields:
    """Judge an attempt whose supervisor failed while the agent was running."""
    return _failed("unknown", f"its supervisor failed, so the agent was ended: {error}")


def _is_full(folder: str) -> bool:
    """Whether a disk counts as full."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < NO_ROOM or (disk.f_files > 0 and disk.f_favail < NO_FILES)


def judge_missing_program(job: dict[str, Any], error: OSError) -> Fields:
    """Judge an attempt whose agent could not be executed."""
    name = job["argv"][0]
    if str(error.filename) == str(job["worktree"]):
        reason = f"the worktree {job['worktree']} is not there"
    elif isinstance(error, FileNotFoundError):
        reason = f"no such program: {name} (install it, or set [agents.{job['agent']}] in config.toml)"
    else:
        reason = f"{name} may not be executed: {error.strerror}"
    return {"outcome": "not_started", "failure": "no_program", "reason": reason}


def judge_delivery(job: dict[str, Any], result: Fields) -> Fields:
    """Judge again by the delivery, if the task sets what is expected."""
    delivered, expect = result.get("delivered"), job.get("expect")
    if result["outcome"] != "ok" or expect not in ("changes", "commits"):
        return result
    if delivered is None:
        lacking = f"its delivery is not measured ({result.get('not_measured')})"
    else:
        commits = delivered["commits"] or delivered["task_commits"]  # a retry need not repeat earlier work
        empty = delivered["commits"] and not (delivered["files"] or delivered["brought"] or delivered["task_commits"])
        changed = (commits and not empty) or delivered["dirty"] or delivered.get("task_dirty")
        if commits if expect == "commits" else changed:
            return result
        nothing = "a commit that changes no file" if empty else "no commit and no changed file"
        lacking = "no commit" if expect == "commits" else nothing
        if delivered["elsewhere"]:
            lacking += f" on {job['branch']} ({delivered['elsewhere']} on {delivered['elsewhere_on'] or 'no branch'})"
    return result | _failed("nothing_delivered", f"{result['reason']}, but {lacking}: {expect} were expected")


def find_failure(lines: Sequence[str], patterns: Sequence[Sequence[str]]) -> tuple[int, str | None]:
    """Return the index of the newest line that a pattern matches, and the pattern's class; 0 and None if none does.

    Args:
        lines: newest first.
        patterns: pairs of regular expression and class.

    Raises:
        _TooLong: the patterns used up their time.
    """
    before = signal.signal(signal.SIGVTALRM, _give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, MATCHING_S)
    try:
        compiled = [(re.compile(pattern, re.IGNORECASE), failure) for pattern, failure in patterns]
        for index, line in enumerate(lines):
            for pattern, failure in compiled:
                if pattern.search(line):
                    return index, failure
        return 0, None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong


def _reset_near(lines: Sequence[str], place: int) -> str | None:
    """The reset time in the line of the failure, or else in a line nearby."""
    from ..domain.text.reset_times import parse_reset_time

    now = time.time()
    for line in (lines[place], *lines[max(place - NEARBY, 0) : place + NEARBY + 1]):
        reset = parse_reset_time(line, now)
        if reset is not None:
            return iso(reset)
    return None


def _failed(failure: str, reason: str) -> Fields:
    return {"outcome": "failed", "failure": failure, "reason": reason}


def format_signal(number: int) -> str:
    """`SIGSEGV` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

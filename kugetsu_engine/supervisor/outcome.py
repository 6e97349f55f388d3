"""How an attempt ended, in the words of its result: outcome, class of failure, reason. For a supervisor, which asks once."""

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

Found = dict[str, Any]
MATCHING_S = 1.0
"""Processor time that all patterns together may take: an operator's pattern may be one that never ends."""
NO_ROOM, NO_FILES = 1 << 20, 16
"""A disk with less, in bytes or files, is full: what git could not write may have been larger than what is left."""
LAST_LINES = 3
"""Lines at the end of the log of an agent that only prints in which it is looked for what keeps it from its work."""
NEARBY = 5
"""Lines around the one that names the failure in which the time of a reset is looked for."""


class _TooLong(Exception):
    """The patterns used up their time."""


def judge_exit(job: dict[str, Any], log: LogFile, code: int, told: tuple[str, str] | None = None) -> Found:
    """Judge an agent that ended by itself, from its exit code or signal and the end of its log.

    Args:
        told: class and reason of a failure that its events tell.
    """
    facts: Found = {"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None}
    if code < 0:
        return facts | _failed("crash", f"the agent was ended by {format_signal(-code)}")
    if told is None and not code:
        return facts | {"outcome": "ok", "failure": None, "reason": "exit code 0"}
    lines = [told[1]] if told is not None else log.read_last_lines()
    try:
        place, failure = find_failure(lines, job.get("patterns", ()))
    except _TooLong:
        log.note("the patterns of [failures] took too long and were given up: simplify them")
        place, failure = 0, None
    if told is not None:
        failure = told[0] if told[0] != "exit" else failure
        found = _failed(failure or "exit", told[1])
    else:
        said = lines[place][:300] if lines else ""
        found = _failed(failure or EXIT_CODES.get(code, "exit"), f"exit code {code}" + (f": {said}" if said else ""))
    resets_at = _reset_near(lines, place) if failure in ("rate_limit", "quota") else None
    return facts | found | {"resets_at": resets_at}


STOPS = {
    "timeout": "time limit reached", "stalled": "", "finished": "it has told its result, and its process does not end",
}  # fmt: skip
"""What ends an agent though nobody wants its work stopped, with words for its log: a result that it told counts then."""


def describe_end_of_process(asked: str | None, code: int, grace_s: float) -> str:
    """How the process of an agent ended that had told its result, in words."""
    if asked is None:
        return f"was then ended by {format_signal(-code)}"
    after = {"timeout": "at the time limit", "stalled": "as it was stalled"}.get(asked, f"after {grace_s:g}s")
    return f"did not end and was stopped {after}"


def judge_result(job: dict[str, Any], log: LogFile, code: int, told: tuple[str, str] | None, why: str) -> Found:
    """Judge an agent that told how its work ended, by that and not by how its process ended.

    Args:
        told: class and reason of a failure that its events tell.
        why: what became of its process.
    """
    found = judge_exit(job, log, 0, told) | {"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None}
    said = "told success" if told is None else found["reason"]
    return found | {"reason": f"{said}; its process {why}"}


class Activity(NamedTuple):
    """What an agent was doing when a limit ended it."""

    text: str = ""
    failure: str | None = None
    """Class of what kept it from its work; None where nothing did, or that is not certain."""
    resets_at: str | None = None


NOTHING = Activity()
PHASES = {
    "waiting for git": "another attempt was using git in its repository", "worktree": "git was making its worktree",
    "issue": "its forge was asked for the issue", "setup": "its setup commands were running",
    "session": "its session was being made ready",
}  # fmt: skip
"""What an attempt is at before its agent starts."""
CAUSES = frozenset({"rate_limit", "quota", "credentials", "network", "server_lost"})
"""Classes that say more about an attempt that ran into a limit than the limit does."""


def describe_activity(job: dict[str, Any], log: LogFile, hindrance: tuple[str, str] | None, activity: str) -> Activity:
    """Find out what an agent is doing that has reached a limit, and whether something known keeps it from its work.

    Args:
        hindrance: class and words that its events tell. Of an agent that only prints, its last lines are looked at.
        activity: what it does, in a few words.
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


def judge_stop(asked: str, timeout_s: float, evidence: str, facts: Found | None, at: Activity = NOTHING) -> Found:
    """Judge an attempt that was ended: by its time limit, for standing still, by a signal, or for a class of failure."""
    known = facts or {}
    if asked in ("stop", "kill", ""):
        return known | _failed("stopped", "stopped by a signal")
    last = f"; {'what kept it' if at.failure else 'last'}: {at.text}" if at.text else ""
    if asked not in ("timeout", "stalled"):
        return known | _failed(asked, evidence + last)
    reason = f"ran longer than {timeout_s:g} s" if asked == "timeout" else f"it was stalled: {evidence}"
    return known | {"outcome": asked, "failure": at.failure or asked, "reason": reason + last, "resets_at": at.resets_at}


def judge_preparation(error: AttemptFailed | OSError | ValueError | OverflowError, folder: str = "/") -> Found:
    """Judge an attempt whose worktree could not be made; `folder` lies on the disk it was to be on."""
    if isinstance(error, (ValueError, OverflowError)):  # a NUL in a command, a time limit of a million years
        return {"outcome": "not_started", "failure": "config", "reason": f"the settings make no sense: {error}"}
    if isinstance(error, AttemptFailed):
        words = classify_git_error(error.message)
        failure = words if words and error.failure == "git" else error.failure
        if failure == "git" and _is_full(folder):  # git does not always say why it cannot write
            failure = "disk"
        holder = {"git_holder": error.holder} if isinstance(error, GitBusy) else {}
        return {"outcome": "not_started", "failure": failure, "reason": error.message, **holder}
    return {"outcome": "not_started", "failure": classify_errno(error.errno), "reason": str(error)}


def judge_lost_agent(error: Exception) -> Found:
    """Judge an attempt whose agent was at work when its supervisor could not go on."""
    return _failed("unknown", f"the agent could not be watched any longer and was ended: {error}")


def _is_full(folder: str) -> bool:
    """Whether a disk has no room worth mentioning."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < NO_ROOM or (disk.f_files > 0 and disk.f_favail < NO_FILES)


def judge_missing_program(job: dict[str, Any], error: OSError) -> Found:
    """Judge an attempt whose agent could not be executed."""
    name = job["argv"][0]
    if str(error.filename) == str(job["worktree"]):
        reason = f"the worktree {job['worktree']} is not there"
    elif isinstance(error, FileNotFoundError):
        reason = f"no such program: {name} (install it, or set [agents.{job['agent']}] in config.toml)"
    else:
        reason = f"{name} may not be executed: {error.strerror}"
    return {"outcome": "not_started", "failure": "no_program", "reason": reason}


def judge_delivery(job: dict[str, Any], result: Found) -> Found:
    """Judge again once it is known what was delivered: an operator may ask for something."""
    delivered, expect = result.get("delivered"), job.get("expect")
    if result["outcome"] != "ok" or expect not in ("changes", "commits"):
        return result
    if delivered is None:
        lacking = f"what it delivered is not measured ({result.get('not_measured')})"
    else:
        commits = delivered["commits"] or delivered["task_commits"]  # a retry need not do again what is done
        empty = delivered["commits"] and not (delivered["files"] or delivered["brought"] or delivered["task_commits"])
        changed = (commits and not empty) or delivered["dirty"] or delivered.get("task_dirty")
        if commits if expect == "commits" else changed:
            return result
        lacking = (
            "no commit"
            if expect == "commits"
            else "a commit that changes no file"
            if empty
            else "no commit and no changed file"
        )
        if delivered["elsewhere"]:
            lacking += f" on {job['branch']} ({delivered['elsewhere']} on {delivered['elsewhere_on'] or 'no branch'})"
    return result | _failed("nothing_delivered", f"{result['reason']}, but {lacking}: it was to leave {expect}")


def find_failure(lines: Sequence[str], patterns: Sequence[Sequence[str]]) -> tuple[int, str | None]:
    """Index of the newest line that a pattern matches and the class it names; 0 and None where no line does.

    Args:
        lines: the newest first.
        patterns: pairs of regular expression and class.

    Raises:
        _TooLong: the patterns used up their time.
    """
    before = signal.signal(signal.SIGVTALRM, _give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, MATCHING_S)
    try:
        known = [(re.compile(pattern, re.IGNORECASE), failure) for pattern, failure in patterns]
        for place, line in enumerate(lines):
            for pattern, failure in known:
                if pattern.search(line):
                    return place, failure
        return 0, None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong


def _reset_near(lines: Sequence[str], place: int) -> str | None:
    """The time of the reset that the line of the failure names, or else one nearby."""
    from ..domain.text.reset_times import parse_reset_time

    now = time.time()
    for line in (lines[place], *lines[max(place - NEARBY, 0) : place + NEARBY + 1]):
        found = parse_reset_time(line, now)
        if found is not None:
            return iso(found)
    return None


def _failed(failure: str, reason: str) -> Found:
    return {"outcome": "failed", "failure": failure, "reason": reason}


def format_signal(number: int) -> str:
    """`SIGSEGV` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

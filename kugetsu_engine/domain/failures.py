"""The classes of failure and their policies, as data. Standard library only, as supervisors load it.

A class is found in three steps: from how the attempt ended (a signal, the time limit, git), from a pattern that matches a
line at the end of the log, and from the exit code.
"""

import errno
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MAX_UNCOUNTED = 20
"""So many attempts in a row that do not count against `max_attempts` end the task."""
PARKED = "parked"
"""The class of an attempt that was ended to go on later."""
MAX_MEMORY_RETRIES = 2
"""So many attempts in a row that ran out of their memory limit are retried."""
MEMORY_HINT = 'raise memory_cap, at the top of config.toml or in [repos."HOST/OWNER/REPO"]'
MAX_PATTERN = 500
"""Maximum length of a pattern in characters."""


class Policy(NamedTuple):
    """How kugetsu reacts to a class of failure."""

    label: str
    """How it is shown; short, for lists."""
    retried: bool
    """Whether another attempt may succeed."""
    counts: bool = True
    """Whether the attempt counts against `max_attempts`."""
    pause: float = 0.0
    """The provider's cooldown in units of `rate_limit_delay` when no reset time is known; doubles each time in a row.

    0: no cooldown.
    """
    prefixed: bool = False
    """Whether the reason is the agent's own text, so that the class is put in front of it."""


CLASSES: dict[str, Policy] = {
    "rate_limit": Policy("rate limit", retried=True, counts=False, pause=1, prefixed=True),
    "quota": Policy("quota", retried=True, counts=False, pause=10, prefixed=True),
    "credentials": Policy("credentials", retried=False, pause=10, prefixed=True),
    "network": Policy("network", retried=True, prefixed=True),
    "exit": Policy("failed", retried=True),  # the agent failed, and no pattern matches its output
    "crash": Policy("crash", retried=True),  # the agent was killed by a signal
    "no_program": Policy("no program", retried=False),
    "wrong_program": Policy("version", retried=False, counts=False),  # a version that kugetsu cannot run
    "repository": Policy("repository", retried=False),
    "git": Policy("git", retried=False),
    "git_busy": Policy("git busy", retried=True, counts=False),  # with another attempt in that repository
    "sandbox": Policy("sandbox", retried=False, counts=False),  # it could not be made, so the agent was not started
    "setup": Policy("setup", retried=True),
    "disk": Policy("disk", retried=True),
    "memory": Policy("memory cap", retried=True),  # its processes used more than `memory_cap`
    "machine_memory": Policy("no memory", retried=True, counts=False),  # the machine ran out, and it was ended for that
    "machine": Policy("machine", retried=True),  # no more processes, memory or descriptors
    "timeout": Policy("timeout", retried=True),
    "stalled": Policy("stalled", retried=True),
    "nothing_delivered": Policy("no delivery", retried=True),
    "endless": Policy("endless", retried=False, prefixed=True),  # more than `max_steps` steps
    "budget": Policy("budget", retried=False, prefixed=True),
    "refused": Policy("refused", retried=False, prefixed=True),  # the provider will not take this request, now or later
    "session": Policy("session", retried=True),  # the session to continue is gone, or belongs to another directory
    "locked": Policy("locked", retried=True, counts=False, prefixed=True),  # another process of the agent locks its database
    "blocked": Policy("blocked", retried=False, prefixed=True),  # the agent asked a question that nobody can answer
    "lost": Policy("lost", retried=True),  # the supervisor or the machine went away
    "server_lost": Policy("server lost", retried=True, prefixed=True),  # the shared server went away
    "stopped": Policy("stopped", retried=True),  # a signal that no operator asked for
    "parked": Policy("parked", retried=True, counts=False),  # ended by the operator, or for lack of memory, to go on later
    "config": Policy("settings", retried=False),
    "unknown": Policy("unknown", retried=True),
}
"""The policy of each class."""

EXIT_CODES: dict[int, str] = {
    126: "no_program", 127: "no_program",  # a shell that cannot run the command
    132: "crash", 134: "crash", 135: "crash", 136: "crash", 137: "crash", 139: "crash",  # a shell whose child was killed
}  # fmt: skip
"""Exit codes with the same meaning for every program; patterns take precedence."""

GIT: tuple[tuple[str, str], ...] = (
    (r"No space left on device|Disk quota exceeded|Read-only file system|Input/output error", "disk"),
    (r"Resource temporarily unavailable|Cannot allocate memory|Too many open files", "machine"),
    (r"Could not resolve host|Temporary failure in name resolution|Name or service not known", "network"),
    (r"Connection (refused|timed out|reset|closed)|Failed to connect|unable to (connect to|look up)", "network"),
    (r"Network is unreachable|No route to host|Operation timed out|Timeout was reached|early EOF", "network"),
    (r"kex_exchange_identification|SSL_ERROR_SYSCALL|gnutls_handshake|TLS connect", "network"),
    (r"The requested URL returned error: (429|5\d\d)|RPC failed|remote end hung up", "network"),
    (r"Authentication failed|could not read (Username|Password)|Permission denied \(publickey", "credentials"),
    (r"The requested URL returned error: 40[13]|Host key verification failed", "credentials"),
)
"""Patterns of git's messages and their classes."""


ERRNOS: dict[int, str] = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO), "disk") | dict.fromkeys(
    (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE), "machine"
)
"""System errors caused by a full disk or a busy machine, not by the task."""
REFUSALS = frozenset(ERRNOS.values())


def classify_errno(number: int | None) -> str:
    """Return the class of a system error."""
    return ERRNOS.get(number or 0, "unknown")


def was_refused(outcome: str, failure: str | None) -> bool:
    """Whether an attempt never began because disk or machine had no room; it is not the task's fault and does not count."""
    return outcome == "not_started" and failure in REFUSALS


def was_unreachable(outcome: str, failure: str | None) -> bool:
    """Whether an attempt never began because the network or the host did not answer; it is not the task's fault."""
    return outcome == "not_started" and failure == "network"


def classify_git_error(message: str) -> str | None:
    """Return the class of git's message; None when no pattern matches."""
    import re

    return next((kind for pattern, kind in GIT if re.search(pattern, message)), None)


def get_policy(failure: str | None) -> Policy:
    """Return the policy of a class; that of `unknown` for a class this version does not know."""
    return CLASSES.get(failure or "unknown", CLASSES["unknown"])


def describe_failure(failure: str | None) -> str:
    """Write a class in a word or two, for lists; empty for None."""
    if failure is None:
        return ""
    known = CLASSES.get(failure)
    return known.label if known else failure


def prefix_class(failure: str | None, reason: str) -> str:
    """Put the class in front of a reason that is the agent's own text."""
    known = CLASSES.get(failure or "")
    return f"{known.label}: {reason}" if known and known.prefixed else reason


def count_uncounted(failures: Iterable[str | None]) -> int:
    """Count the newest attempts in a row that do not count; `failures` are their classes, oldest first."""
    count = 0
    for failure in failures:
        count = count + 1 if failure is not None and not get_policy(failure).counts else 0
    return count


def find_pattern_fault(patterns: Mapping[str, str]) -> str | None:
    """Return what is wrong with an operator's patterns, in a sentence; None when they are valid."""
    import re

    for pattern, failure in patterns.items():
        if failure not in CLASSES:
            return f"{failure!r} is not a class of failure: use one of {', '.join(CLASSES)}"
        if not pattern or len(pattern) > MAX_PATTERN:
            return f"a pattern has 1 to {MAX_PATTERN} characters"
        try:
            re.compile(pattern, re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:
            return f"{pattern!r} is not a valid regular expression: {error}"
    return None

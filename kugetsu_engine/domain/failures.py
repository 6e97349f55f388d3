"""The classes of failure and what follows from each, as data; standard library only, as supervisors load it.

A class is found in three steps: how the attempt ended (a signal, the time limit, git's refusal), then a pattern that a line at
the end of the log matches, then the exit code.
"""

import errno
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MAX_UNCOUNTED = 20
"""Attempts in a row that do not count against `max_attempts`; the next one ends the task."""
MAX_PATTERN = 500
"""Characters of a pattern."""


class Policy(NamedTuple):
    """What follows from a class of failure."""

    words: str
    """How it is shown: short, as lists have little room."""
    retried: bool
    """Whether another attempt could end differently."""
    counts: bool = True
    """Whether the attempt counts against `max_attempts`."""
    pause: float = 0.0
    """How long the agent's provider rests after it, in units of `rate_limit_delay`, where no time of a reset is known.

    Doubles with each time in a row. 0: the provider's tasks go on.
    """
    prefixed: bool = False
    """Whether the reason, being the agent's own words, is told with the class in front."""


CLASSES: dict[str, Policy] = {
    "rate_limit": Policy("rate limit", retried=True, counts=False, pause=1, prefixed=True),
    "quota": Policy("quota", retried=True, counts=False, pause=10, prefixed=True),
    "credentials": Policy("credentials", retried=False, pause=10, prefixed=True),
    "network": Policy("network", retried=True, prefixed=True),
    "exit": Policy("failed", retried=True),  # the agent said no, and nothing in its words is known
    "crash": Policy("crash", retried=True),  # the agent died of a signal
    "no_program": Policy("no program", retried=False),
    "wrong_program": Policy("version", retried=False, counts=False),  # a version that kugetsu cannot drive
    "repository": Policy("repository", retried=False),
    "git": Policy("git", retried=False),
    "git_busy": Policy("git busy", retried=True, counts=False),  # with another attempt in that repository
    "setup": Policy("setup", retried=True),
    "disk": Policy("disk", retried=True),
    "machine": Policy("machine", retried=True),  # no more processes, memory or descriptors
    "timeout": Policy("timeout", retried=True),
    "stalled": Policy("stalled", retried=True),
    "nothing_delivered": Policy("no delivery", retried=True),
    "endless": Policy("endless", retried=False, prefixed=True),  # step after step and no end
    "budget": Policy("budget", retried=False, prefixed=True),
    "refused": Policy("refused", retried=False, prefixed=True),  # the provider will not take this request, now or later
    "session": Policy("session", retried=True),  # the one to go on with is gone, or belongs elsewhere
    "locked": Policy("locked", retried=True, counts=False, prefixed=True),  # the agent's own database, by another process of it
    "blocked": Policy("blocked", retried=False, prefixed=True),  # a question that nobody is there to answer
    "lost": Policy("lost", retried=True),  # the supervisor or the machine went away
    "server_lost": Policy("server lost", retried=True, prefixed=True),  # the shared server of many agents went away
    "stopped": Policy("stopped", retried=True),  # a signal from outside that no operator asked for
    "config": Policy("settings", retried=False),
    "unknown": Policy("unknown", retried=True),
}
"""For each class what follows from it."""

EXIT_CODES: dict[int, str] = {
    126: "no_program", 127: "no_program",  # a shell that cannot run what it was told to
    132: "crash", 134: "crash", 135: "crash", 136: "crash", 137: "crash", 139: "crash",  # a shell whose child died of a signal
}  # fmt: skip
"""Exit codes that mean the same for every program; what a pattern finds comes first."""

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
"""What git's own words mean where they are more than a refusal."""


ERRNOS: dict[int, str] = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO), "disk") | dict.fromkeys(
    (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE), "machine"
)
"""What the system says when it has no room, and does not mean the task that asked."""
REFUSALS = frozenset(ERRNOS.values())


def classify_errno(number: int | None) -> str:
    """The class of an error of the system."""
    return ERRNOS.get(number or 0, "unknown")


def was_refused(outcome: str, failure: str | None) -> bool:
    """Whether an attempt never began because disk or machine had no room: that is not the task's fault, and does not count."""
    return outcome == "not_started" and failure in REFUSALS


def was_unreachable(outcome: str, failure: str | None) -> bool:
    """Whether an attempt never began because no network or no host answered: a reason to wait, and not the task's fault."""
    return outcome == "not_started" and failure == "network"


def classify_git_error(words: str) -> str | None:
    """The class that git's own words name; None where they are no more than a refusal."""
    import re

    return next((kind for pattern, kind in GIT if re.search(pattern, words)), None)


def get_policy(failure: str | None) -> Policy:
    """What follows from a class; one that this version does not know is treated like `unknown`."""
    return CLASSES.get(failure or "unknown", CLASSES["unknown"])


def describe_failure(failure: str | None) -> str:
    """A class in a word or two, for lists; empty for none."""
    if failure is None:
        return ""
    known = CLASSES.get(failure)
    return known.words if known else failure


def prefix_class(failure: str | None, reason: str) -> str:
    """A reason with its class in front, where the reason alone would not name it."""
    known = CLASSES.get(failure or "")
    return f"{known.words}: {reason}" if known and known.prefixed else reason


def count_uncounted(failures: Iterable[str | None]) -> int:
    """How many of the newest attempts did not count; `failures` are the classes, oldest first."""
    count = 0
    for failure in failures:
        count = count + 1 if failure is not None and not get_policy(failure).counts else 0
    return count


def find_pattern_fault(patterns: Mapping[str, str]) -> str | None:
    """What is wrong with patterns an operator wrote, in a sentence; None when nothing is."""
    import re

    for pattern, failure in patterns.items():
        if failure not in CLASSES:
            return f"{failure!r} is no class of failure: use one of {', '.join(CLASSES)}"
        if not pattern or len(pattern) > MAX_PATTERN:
            return f"a pattern has 1 to {MAX_PATTERN} characters"
        try:
            re.compile(pattern, re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:
            return f"{pattern!r} is no regular expression: {error}"
    return None

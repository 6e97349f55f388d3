"""The one place that runs git: fixed environment and settings, no hooks, no questions, no shell, a time limit.

Settings of the operator are for the git he types. What ours needs of them (who he is at a remote, which program reads his
files) it has; what would change the meaning of a call (prune, recursion, refspecs) it overrides. See decision 0017.
"""

import os
import re
import subprocess
import time
from collections.abc import Mapping

from ..errors import GitError, GitNotStarted, GitTimeout

TIMEOUT_S = 120.0
"""For what stays on this machine."""
NETWORK_TIMEOUT_S = 1800.0
"""For a clone of a large repository."""
ASK_TIMEOUT_S = 60.0
"""For a question to a remote, which has little to send."""
NO_VARIABLES: dict[str, str] = {}
"""The repository is where git is run."""

_NEUTRAL = (
    # Programs that a repository's settings can name, and that none of our calls needs.
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never", "commit.gpgSign=false",
    "log.showSignature=false", "gc.auto=0", "maintenance.auto=false",
    # The operator's own taste, which is for what he types and not for what we do.
    "fetch.prune=false", "fetch.pruneTags=false", "fetch.all=false", "fetch.recurseSubmodules=false", "submodule.recurse=false",
    "fetch.writeCommitGraph=false", "status.showStash=false", "advice.detachedHead=false", "color.ui=false",
    "column.ui=never", "core.quotePath=true", "branch.autoSetupMerge=false", "safe.bareRepository=all",
)  # fmt: skip
"""Settings of every call. A bare repository is only ever entered by its own path, so it is as explicit as can be."""
_WORDS = ("git", "--no-pager", *(word for setting in _NEUTRAL for word in ("-c", setting)))

_LOGIN = re.compile(r"://[^/@\s]+@")
"""User and password in an address; git's words go into tasks and notifications."""


_OF_TRANSPORT = "fatal: Could not read from remote repository"

_remotes_until: float | None = None
"""Monotonic time by which every call that speaks with a remote must have ended; None: each has its own limit."""


def limit_remote_time(seconds: float) -> None:
    """Let all calls of this process that speak with a remote end within a time, from now on: together, not each."""
    global _remotes_until
    _remotes_until = time.monotonic() + seconds


def _limit(timeout_s: float, remote: bool) -> float:
    if not remote or _remotes_until is None:
        return timeout_s
    return max(min(timeout_s, _remotes_until - time.monotonic()), 0.1)


_OF_REMOTES = re.compile(
    r"GIT_(?:ASKPASS|SSH|SSH_COMMAND|SSH_VARIANT|PROXY_COMMAND|SSL_\w+|HTTP_\w+|CONFIG_COUNT|CONFIG_(?:KEY|VALUE)_[0-9]+)"
    r"|SSH_(?:ASKPASS|ASKPASS_REQUIRE|AUTH_SOCK)|(?i:https?|all|no)_(?i:proxy)"
)
"""Variables that say how to reach a remote, and how to log in there."""
_passed: dict[str, str] = {}


def set_remote_variables(variables: Mapping[str, str]) -> None:
    """Give git, wherever it may speak with remotes, those of these variables that are about that; for this process.

    Args:
        variables: what the operator named in `pass_env`, or an attempt was given. What merely stands in our own environment
            is not enough: an editor's terminal has a `GIT_ASKPASS` of its own, which waits for a person.
    """
    _passed.clear()
    _passed.update({name: value for name, value in variables.items() if _OF_REMOTES.fullmatch(name)})


def build_environment() -> dict[str, str]:
    """The variables git gets: ours without `GIT_*`, and none that would let it ask."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


def git(
    folder: str, *args: str, feed: str = "", timeout_s: float = TIMEOUT_S, remote: bool = False, upwards: bool = False,
    where: dict[str, str] = NO_VARIABLES, names: bool = False,
) -> str:  # fmt: skip
    """Run git in a folder and return what it printed.

    Args:
        feed: its input.
        remote: it may speak with remotes, and so run the programs that the operator has set for that.
        upwards: the repository may lie above the folder; else only the folder itself can be one.
        where: variables that name the repository, in place of looking for it.
        names: it prints names of files, which are opened: bytes that are not UTF-8 are kept, as surrogates.

    Raises:
        GitError: git refused, is not there, or took too long; with git's own words.
    """
    timeout_s = _limit(timeout_s, remote)
    try:
        done = subprocess.run(
            [*_WORDS, *args], cwd=folder, env=_bounded(folder, remote, upwards) | where,
            input=feed.encode("utf-8", "surrogateescape"), capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        missing = folder if error.filename == folder else "git"
        raise GitError(f"{missing} is not there") from None
    except OSError as error:
        raise GitNotStarted(f"git cannot run in {folder}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise GitTimeout(_verb(args), timeout_s) from None
    if done.returncode:
        raise _refused(_verb(args), done.returncode, done.stderr)
    return done.stdout.decode("utf-8", "surrogateescape" if names else "replace")


def _bounded(folder: str, remote: bool, upwards: bool) -> dict[str, str]:
    """The variables of one call: it finds no repository above the folder, and asks no remote, unless it may."""
    environ = build_environment()
    if not upwards:
        environ["GIT_CEILING_DIRECTORIES"] = os.path.dirname(os.path.realpath(folder))
    if remote:
        environ |= _passed
    else:  # a partial clone would fetch what it lacks, with whatever program its settings name
        environ |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}
    return environ


def run_git_limited(
    folder: str, *args: str, limit: int, timeout_s: float = TIMEOUT_S, where: dict[str, str] = NO_VARIABLES
) -> tuple[bytes, bool]:
    """Run git in a folder and return the first `limit` bytes it printed, and whether there was more; git then stops.

    Raises:
        GitError: as for `git`.
    """
    import tempfile  # a supervisor, which starts often, has no need of these
    import threading

    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [*_WORDS, *args], cwd=folder, env=_bounded(folder, False, False) | where, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise GitError(f"{folder if error.filename == folder else 'git'} is not there") from None
        except OSError as error:
            raise GitError(f"git cannot run in {folder}: {error.strerror}") from None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout_s, end)
        timer.daemon = True
        timer.start()
        try:
            assert process.stdout is not None
            data = process.stdout.read(limit + 1)
            more = len(data) > limit
            if more:
                process.kill()
            process.stdout.close()
            code = process.wait()
        finally:
            timer.cancel()
        if late.is_set():
            raise GitTimeout(_verb(args), timeout_s)
        if code and not more:
            errors.seek(0)
            raise _refused(_verb(args), code, errors.read(1 << 16))
    return data[:limit], more


def _verb(args: tuple[str, ...]) -> str:
    """What git was to do, without the settings before it."""
    words = iter(args)
    for word in words:
        if word == "-c":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return "nothing"


def _refused(verb: str, code: int, stderr: bytes) -> GitError:
    words = stderr.decode("utf-8", "replace").strip().splitlines()
    said = next((line for line in words if line.startswith(("fatal:", "error:"))), words[-1] if words else "")
    if said.startswith(_OF_TRANSPORT):  # the program that git spoke through has said what is wrong, before
        said = next((line.strip() for line in reversed(words[: words.index(said)]) if line.strip()), said)
    if said.endswith(":"):  # the reason is on the next line
        said = " ".join([said, *(line.strip() for line in words[words.index(said) + 1 :][:1])])
    said = _LOGIN.sub("://***@", said)
    return GitError(f"git {verb}: {said[:500] or f'exit {code}'}")


def git_succeeds(folder: str, *args: str) -> bool:
    """Whether git says yes to a question."""
    try:
        git(folder, *args)
    except GitError:
        return False
    return True

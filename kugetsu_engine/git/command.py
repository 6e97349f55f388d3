"""The one place that runs git: fixed environment and settings, no hooks, no prompts, no shell, a time limit.

The operator's settings that git needs apply (identity, credentials, filters); those that would change what a command does
(prune, recursion, refspecs) are overridden. See decision 0017.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping

from ..errors import GitError, GitNotStarted, GitTimeout

TIMEOUT_S = 120.0
"""For a command that stays on this machine."""
NETWORK_TIMEOUT_S = 1800.0
"""For a clone of a large repository."""
ASK_TIMEOUT_S = 60.0
"""For a small request to a remote."""
NO_VARIABLES: dict[str, str] = {}

_NEUTRAL = (
    # Programs that settings can name and that we do not need.
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never", "commit.gpgSign=false",
    "log.showSignature=false", "gc.auto=0", "maintenance.auto=false",
    # Preferences of the operator for commands typed by hand.
    "fetch.prune=false", "fetch.pruneTags=false", "fetch.all=false", "fetch.recurseSubmodules=false", "submodule.recurse=false",
    "fetch.writeCommitGraph=false", "status.showStash=false", "advice.detachedHead=false", "color.ui=false",
    "column.ui=never", "core.quotePath=true", "branch.autoSetupMerge=false", "safe.bareRepository=all",
)  # fmt: skip
"""Settings of every command. A bare repository is only used by its own path, so it may be entered."""
_GIT = ("git", "--no-pager", *(argument for setting in _NEUTRAL for argument in ("-c", setting)))

_LOW_PRIORITY = ("nice", "-n", "5")
_prefix: tuple[str, ...] = ()


def run_in_background(low: bool) -> None:
    """Give later commands of this process a low priority, or the usual one."""
    global _prefix
    _prefix = _LOW_PRIORITY if low and shutil.which(_LOW_PRIORITY[0]) else ()


_LOGIN = re.compile(r"://[^/@\s]+@")
"""User and password in an address; git's messages go into tasks and notifications."""
_TRANSPORT_ERROR = "fatal: Could not read from remote repository"

_remotes_until: float | None = None
"""Monotonic time by which all commands that contact a remote must end; None: each has its own limit."""


def limit_remote_time(seconds: float) -> None:
    """Set the time that all later commands of this process that contact a remote may take together."""
    global _remotes_until
    _remotes_until = time.monotonic() + seconds


def _limit(timeout_s: float, remote: bool) -> float:
    if not remote or _remotes_until is None:
        return timeout_s
    return max(min(timeout_s, _remotes_until - time.monotonic()), 0.1)


_REMOTE_VARIABLE = re.compile(
    r"GIT_(?:ASKPASS|SSH|SSH_COMMAND|SSH_VARIANT|PROXY_COMMAND|SSL_\w+|HTTP_\w+|CONFIG_COUNT|CONFIG_(?:KEY|VALUE)_[0-9]+)"
    r"|SSH_(?:ASKPASS|ASKPASS_REQUIRE|AUTH_SOCK)|(?i:https?|all|no)_(?i:proxy)"
)
"""Variables that say how to reach a remote and how to log in."""
_remote_variables: dict[str, str] = {}


def set_remote_variables(variables: Mapping[str, str]) -> None:
    """Choose the variables that later git commands of this process get when they contact a remote.

    Args:
        variables: those of `pass_env`, or of an attempt; only the ones about remotes are used. Our own environment is not used:
            an editor's terminal sets a `GIT_ASKPASS` that waits for a person.
    """
    _remote_variables.clear()
    _remote_variables.update({name: value for name, value in variables.items() if _REMOTE_VARIABLE.fullmatch(name)})


def build_environment() -> dict[str, str]:
    """Return git's variables: ours without `GIT_*`, and prompts switched off."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


def git(
    folder: str, *args: str, feed: str = "", timeout_s: float = TIMEOUT_S, remote: bool = False, upwards: bool = False,
    where: dict[str, str] = NO_VARIABLES, names: bool = False,
) -> str:  # fmt: skip
    """Run git in a folder and return its output.

    Args:
        feed: standard input.
        remote: it may contact remotes, and so run the programs the operator has set for that.
        upwards: the folder may be inside the repository; else it must be the repository itself.
        where: variables that name the repository.
        names: the output holds file names: bytes that are not UTF-8 are kept as surrogates.

    Raises:
        GitError: git failed, is not installed, or took too long; with git's own message.
    """
    timeout_s = _limit(timeout_s, remote)
    try:
        done = subprocess.run(
            [*_prefix, *_GIT, *args], cwd=folder, env=_call_environment(folder, remote, upwards) | where,
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
        raise _build_error(_verb(args), done.returncode, done.stderr)
    return done.stdout.decode("utf-8", "surrogateescape" if names else "replace")


def _call_environment(folder: str, remote: bool, upwards: bool) -> dict[str, str]:
    """The variables of one command: it uses no repository above the folder and no remote, unless allowed."""
    environ = build_environment()
    if not upwards:
        environ["GIT_CEILING_DIRECTORIES"] = os.path.dirname(os.path.realpath(folder))
    if remote:
        environ |= _remote_variables
    else:  # else a partial clone fetches missing objects, with a program from its settings
        environ |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}
    return environ


def run_git_limited(
    folder: str, *args: str, limit: int, timeout_s: float = TIMEOUT_S, where: dict[str, str] = NO_VARIABLES
) -> tuple[bytes, bool]:
    """Run git in a folder; return the first `limit` bytes of its output, and whether there was more. Git is stopped then.

    Raises:
        GitError: as for `git`.
    """
    import tempfile  # not loaded by supervisors, which must start fast
    import threading

    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [*_GIT, *args], cwd=folder, env=_call_environment(folder, False, False) | where, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise GitError(f"{folder if error.filename == folder else 'git'} is not there") from None
        except OSError as error:
            raise GitError(f"git cannot run in {folder}: {error.strerror}") from None
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
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
        if timed_out.is_set():
            raise GitTimeout(_verb(args), timeout_s)
        if code and not more:
            errors.seek(0)
            raise _build_error(_verb(args), code, errors.read(1 << 16))
    return data[:limit], more


def _verb(args: tuple[str, ...]) -> str:
    """Git's subcommand, after the settings."""
    arguments = iter(args)
    for argument in arguments:
        if argument == "-c":
            next(arguments, None)
        elif not argument.startswith("-"):
            return argument
    return "nothing"


def _build_error(verb: str, code: int, stderr: bytes) -> GitError:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    message = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    if message.startswith(_TRANSPORT_ERROR):  # ssh or the like has printed the reason before
        message = next((line.strip() for line in reversed(lines[: lines.index(message)]) if line.strip()), message)
    if message.endswith(":"):  # the reason is on the next line
        message = " ".join([message, *(line.strip() for line in lines[lines.index(message) + 1 :][:1])])
    message = _LOGIN.sub("://***@", message)
    return GitError(f"git {verb}: {message[:500] or f'exit {code}'}")


def git_succeeds(folder: str, *args: str) -> bool:
    """Run git; return whether it succeeded."""
    try:
        git(folder, *args)
    except GitError:
        return False
    return True

"""Finds out which version of an agent program is installed, and whether kugetsu supports it. Standard library only.

The version is read from the program's package, or else the program is run with `--version`. It then has no terminal and a proxy
that does not exist, so that it downloads nothing. The answer is cached until the program's file changes.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..domain.text.safe_text import safe_line
from ..errors import AttemptFailed, BadFile
from ..paths import StatePaths
from ..storage import files

if TYPE_CHECKING:
    import subprocess

TESTED = {"aider": "0.86", "claude": "2.1", "codex": "0.169", "gemini": "0.61", "opencode": "1.18"}
"""The versions that kugetsu is tested with. Another major version is worth a note."""
PACKAGES = {
    "claude": "@anthropic-ai/claude-code", "codex": "@openai/codex", "gemini": "@google/gemini-cli", "opencode": "opencode-",
}  # fmt: skip
"""What the names of their npm packages start with."""
ASK_LIMIT_S = 20.0
"""Seconds that a program may take to print its version; aider takes ten on a busy machine."""
OUTPUT_BYTES = 4096
DEAD_PROXY = "http://127.0.0.1:9"
"""A proxy that does not exist, so that nothing is downloaded."""
SCRIPT_CACHE_S = 600.0
"""How long the version of a script is cached: the same file may start another program tomorrow."""
_LINE = re.compile(
    r"(?:[A-Za-z][\w-]*(?:\s+|/))?(?:version:?\s+)?v?(\d+\.\d+(?:\.\d+)?[\w.+-]*)(?:\s+\(.*\)|\s+\w+-\w+ node-v[\d.]+)?"
)
"""A line with a version and nothing else, so that numbers in a traceback do not count."""
_SERVICE = re.compile(r"^\s*(?:opencode\d? )?service\b.*\bbackground\b|^\s*--standalone\b", re.IGNORECASE | re.MULTILINE)
"""What the help of opencode 2 has and that of opencode 1 has not: the command that manages the server of the account."""
_NUMBER = re.compile(r"\d+\.\d+(\.\d+)?[\w.+-]*")


class WrongProgram(AttemptFailed):
    """The program's version is not supported."""

    failure = "wrong_program"


def detect_kind(kind: str | None, program: str) -> str | None:
    """Return the known program that is started; an operator's own command may start one too.

    Args:
        kind: the agent's kind, None for an operator's own command.
    """
    name = os.path.basename(program)
    return kind or (name if name in TESTED else None)


def check(job: dict[str, Any], note: Callable[[str], None]) -> None:
    """Check the program of an attempt before it is started, and note an untested version in its log.

    Without a package only opencode is run for its version, as no other program's versions are refused.

    Raises:
        WrongProgram: the version is not supported.
    """
    import shutil

    kind, env = detect_kind(job["kind"], str(job["program"])) or "", dict(job["env"])
    path = shutil.which(os.path.expanduser(str(job["program"])), path=env.get("PATH"))
    if path is None:
        return
    job["version"] = version = read_version(kind, path, env, str(job["state_dir"]), ask=kind == "opencode")
    if refusal := describe_refusal(kind, version):
        raise WrongProgram(refusal)
    if untested := describe_untested(kind, version):
        note(untested)


def read_version(
    kind: str, path: str, env: Mapping[str, str], state_dir: str, *, ask: bool, limit_s: float = ASK_LIMIT_S
) -> str | None:
    """Return the version of a program; None if it is not known.

    Args:
        path: the program's file.
        ask: whether the program may be run to find out.
    """
    if (version := _read_package_version(kind, path)) is not None:
        return version
    cache = StatePaths(state_dir).programs
    identity = _identity(path)
    cached = _read_cache(cache).get(path)
    if isinstance(cached, dict) and cached.get("identity") == identity and _is_still_valid(path, cached.get("at")):
        return str(cached["version"]) if cached.get("version") else None
    if not ask or identity is None:
        return None
    version = ask_version(path, env, limit_s)
    if kind == "opencode" and (version is None or _major(version) == 0) and _has_background_server(path, env, limit_s):
        version = f"2 ({version or 'preview'})"
    try:
        entry = {"identity": identity, "version": version, "at": time.time()}
        files.replace(cache, json.dumps(_read_cache(cache) | {path: entry}).encode(), durable=False)
    except OSError:
        pass  # it is only run again next time
    return version


def describe_refusal(kind: str | None, version: str | None) -> str | None:
    """Return why a version is not supported and what to do; None if it is, or is not known."""
    if kind == "opencode" and (major := _major(version)) is not None and major >= 2:
        return (
            f"opencode {version} is not supported yet: it works in a background server of your account, which kugetsu could"
            " neither limit nor stop; install opencode 1 (npm install -g opencode-ai@1.18.33), or set `program` in"
            " [agents.opencode] to one"
        )
    return None


def describe_untested(kind: str | None, version: str | None) -> str:
    """Return a note about a version that kugetsu is not tested with; empty if there is nothing to say."""
    tested = TESTED.get(kind or "")
    if tested is None or (major := _major(version)) is None or major == _major(tested):
        return ""
    return f"{kind} {version}: kugetsu is tested with {kind} {tested}, so its output may not be fully understood"


def ask_version(path: str, env: Mapping[str, str], limit_s: float = ASK_LIMIT_S) -> str | None:
    """Run a program with `--version` and return what it prints; None if it prints no version in time."""
    output = _ask(path, "--version", env, limit_s)
    match = next((match for line in output.splitlines() if (match := _LINE.fullmatch(line.strip()))), None)
    return safe_line(match[1], 40) if match else None


def _has_background_server(path: str, env: Mapping[str, str], limit_s: float) -> bool:
    """Whether an opencode without a telling version manages a server of the account: a preview or a build of opencode 2."""
    return _SERVICE.search(_ask(path, "--help", env, limit_s)) is not None


def _ask(path: str, option: str, env: Mapping[str, str], limit_s: float) -> str:
    """Run a program with one option and return what it prints until the time is up."""
    import signal
    import subprocess  # not needed by `enqueue` if the version is cached

    safe_env = dict(env) | {
        name: DEAD_PROXY for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    }
    safe_env |= {"NO_PROXY": "", "no_proxy": "", "NO_COLOR": "1", "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    try:
        process = subprocess.Popen(
            [path, option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=safe_env, cwd="/", start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError):
        return ""
    try:
        return _read(process, time.monotonic() + limit_s).decode("utf-8", "replace")
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _read(process: "subprocess.Popen[bytes]", until: float) -> bytes:
    """Read its output until it ends, the time is up, or the buffer is full."""
    import select

    output, pipe = b"", process.stdout
    while pipe is not None and len(output) < OUTPUT_BYTES and (left := until - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            break
        data = os.read(pipe.fileno(), OUTPUT_BYTES)
        if not data:
            break
        output += data
    return output[:OUTPUT_BYTES]


def _read_package_version(kind: str, path: str) -> str | None:
    """Return the version in the `package.json` that npm installed with the program."""
    name, folder = PACKAGES.get(kind), os.path.dirname(os.path.realpath(path))
    for _ in range(4 if name is not None else 0):
        try:
            package = json.loads(files.read(f"{folder}/package.json", 1 << 20))
        except (OSError, BadFile, ValueError, RecursionError):
            package = None
        if isinstance(package, dict) and str(package.get("name")).startswith(str(name)):
            match = _NUMBER.match(str(package.get("version")))
            return safe_line(match[0], 40) if match else None
        folder = os.path.dirname(folder)
    return None


def _identity(path: str) -> str | None:
    """Return what changes when a program is installed again."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (
        f"{os.path.realpath(path)} {status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    )


def _is_still_valid(path: str, at: Any) -> bool:
    """Whether a cached version can still be used."""
    try:
        with open(path, "rb") as file:
            is_binary = file.read(4) in (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
            small = os.fstat(file.fileno()).st_size < 4 << 20  # a launcher that starts the selected version
    except OSError:
        return False
    return (is_binary and not small) or (isinstance(at, (int, float)) and 0 <= time.time() - at < SCRIPT_CACHE_S)


def _read_cache(cache: str) -> dict[str, Any]:
    try:
        versions = json.loads(files.read(cache, 1 << 20))
    except (OSError, BadFile, ValueError, RecursionError):
        return {}
    return versions if isinstance(versions, dict) else {}


def _major(version: str | None) -> int | None:
    match = re.match(r"\d{1,6}", version or "")
    return int(match[0]) if match else None

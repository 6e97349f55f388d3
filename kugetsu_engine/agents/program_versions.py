"""Which version of a known agent program is installed, and whether kugetsu can drive it. Standard library only.

It is read from the package that the program belongs to, which costs nothing, or else the program is asked. That is done
without a terminal and with a proxy that is not there, so that nothing is fetched, and is kept by the identity of its file.
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
"""The versions that kugetsu is tested with; another first number is worth a word."""
PACKAGES = {
    "claude": "@anthropic-ai/claude-code", "codex": "@openai/codex", "gemini": "@google/gemini-cli", "opencode": "opencode-",
}  # fmt: skip
"""What the names of their packages begin with."""
ASK_LIMIT_S = 20.0
"""Seconds that a program may take to tell its version; aider loads for ten on a busy machine."""
OUTPUT_BYTES = 4096
DEAD_PROXY = "http://127.0.0.1:9"
"""A proxy that is not there: nothing is fetched for the sake of a version."""
SCRIPT_CACHE_S = 600.0
"""How long the answer of a script counts: it may start another program tomorrow and stay the same file."""
_LINE = re.compile(
    r"(?:[A-Za-z][\w-]*(?:\s+|/))?(?:version:?\s+)?v?(\d+\.\d+(?:\.\d+)?[\w.+-]*)(?:\s+\(.*\)|\s+\w+-\w+ node-v[\d.]+)?"
)
"""A line that tells a version and nothing else: numbers in a traceback are none."""
_NUMBER = re.compile(r"\d+\.\d+(\.\d+)?[\w.+-]*")


class WrongProgram(AttemptFailed):
    """The program is a version that kugetsu cannot drive."""

    failure = "wrong_program"


def detect_kind(kind: str | None, program: str) -> str | None:
    """The known program that is started; a command of the operator's own may name one too.

    Args:
        kind: of the agent, None for one of a command.
    """
    name = os.path.basename(program)
    return kind or (name if name in TESTED else None)


def check(job: dict[str, Any], note: Callable[[str], None]) -> None:
    """Look at the program of an attempt before it is started; what is worth a word goes into its log.

    Only opencode is asked where no package tells: of no other one a version is refused.

    Raises:
        WrongProgram: it is a version that kugetsu cannot drive.
    """
    import shutil

    kind, env = detect_kind(job["kind"], str(job["program"])) or "", dict(job["env"])
    path = shutil.which(os.path.expanduser(str(job["program"])), path=env.get("PATH"))
    if path is None:
        return
    job["version"] = version = read_version(kind, path, env, str(job["state_dir"]), ask=kind == "opencode")
    if refused := describe_refusal(kind, version):
        raise WrongProgram(refused)
    if untested := describe_untested(kind, version):
        note(untested)


def read_version(
    kind: str, path: str, env: Mapping[str, str], state_dir: str, *, ask: bool, limit_s: float = ASK_LIMIT_S
) -> str | None:
    """The version of a program; None where it is not known.

    Args:
        path: where the program is.
        ask: whether the program may be run for it.
    """
    found = _of_package(kind, path)
    if found is not None:
        return found
    cache = StatePaths(state_dir).programs
    identity = _identity(path)
    kept = _kept(cache).get(path)
    if isinstance(kept, dict) and kept.get("identity") == identity and _counts(path, kept.get("at")):
        return str(kept["version"]) if kept.get("version") else None
    if not ask or identity is None:
        return None
    version = ask_version(path, env, limit_s)
    try:
        entry = {"identity": identity, "version": version, "at": time.time()}
        files.replace(cache, json.dumps(_kept(cache) | {path: entry}).encode(), durable=False)
    except OSError:
        pass  # it is asked again
    return version


def describe_refusal(kind: str | None, version: str | None) -> str | None:
    """Why a version cannot be driven, and what to do; None where it can, or nobody knows."""
    if kind == "opencode" and (first := _first(version)) is not None and first >= 2:
        return (
            f"opencode {version} is not supported yet: it works in a background server of your account, which kugetsu could"
            " neither limit nor stop; install opencode 1 (npm install -g opencode-ai@1.18.33), or name one as `program` in"
            " [agents.opencode]"
        )
    return None


def describe_untested(kind: str | None, version: str | None) -> str:
    """A word about a version that kugetsu was never tried with; empty where there is none."""
    tested = TESTED.get(kind or "")
    if tested is None or (first := _first(version)) is None or first == _first(tested):
        return ""
    return f"{kind} {version}: kugetsu is tested with {kind} {tested}, so what it tells may not all be understood"


def ask_version(path: str, env: Mapping[str, str], limit_s: float = ASK_LIMIT_S) -> str | None:
    """The version a program tells; None when it tells none in time."""
    import signal
    import subprocess  # `enqueue` has no need of it where the answer is kept

    given = dict(env) | {name: DEAD_PROXY for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    given |= {"NO_PROXY": "", "no_proxy": "", "NO_COLOR": "1", "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    try:
        asking = subprocess.Popen(
            [path, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=given, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError):
        return None
    try:
        said = _read(asking, time.monotonic() + limit_s).decode("utf-8", "replace")
    finally:
        try:
            os.killpg(asking.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        asking.wait()
        if asking.stdout is not None:
            asking.stdout.close()
    found = next((found for line in said.splitlines() if (found := _LINE.fullmatch(line.strip()))), None)
    return safe_line(found[1], 40) if found else None


def _read(asking: "subprocess.Popen[bytes]", until: float) -> bytes:
    """What it prints until it ends, as far as there is room and time."""
    import select

    said, pipe = b"", asking.stdout
    while pipe is not None and len(said) < OUTPUT_BYTES and (left := until - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            break
        data = os.read(pipe.fileno(), OUTPUT_BYTES)
        if not data:
            break
        said += data
    return said[:OUTPUT_BYTES]


def _of_package(kind: str, path: str) -> str | None:
    """The version that the package of a program names, as npm installs it."""
    name, folder = PACKAGES.get(kind), os.path.dirname(os.path.realpath(path))
    for _ in range(4 if name is not None else 0):
        try:
            told = json.loads(files.read(f"{folder}/package.json", 1 << 20))
        except (OSError, BadFile, ValueError, RecursionError):
            told = None
        if isinstance(told, dict) and str(told.get("name")).startswith(str(name)):
            found = _NUMBER.match(str(told.get("version")))
            return safe_line(found[0], 40) if found else None
        folder = os.path.dirname(folder)
    return None


def _identity(path: str) -> str | None:
    """What changes when a program is installed anew."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (
        f"{os.path.realpath(path)} {status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    )


def _counts(path: str, at: Any) -> bool:
    """Whether an answer still counts."""
    try:
        with open(path, "rb") as file:
            is_binary = file.read(4) in (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
            small = os.fstat(file.fileno()).st_size < 4 << 20  # a launcher of versions that others manage
    except OSError:
        return False
    return (is_binary and not small) or (isinstance(at, (int, float)) and 0 <= time.time() - at < SCRIPT_CACHE_S)


def _kept(cache: str) -> dict[str, Any]:
    try:
        found = json.loads(files.read(cache, 1 << 20))
    except (OSError, BadFile, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _first(version: str | None) -> int | None:
    found = re.match(r"\d{1,6}", version or "")
    return int(found[0]) if found else None

"""Which agents are installed, in which version, and whether they could run: told without running more than `--version`.

A version is asked for without a terminal and with a proxy that is not there, so that nothing is fetched, and given up after
some seconds. A command of the operator's own is not run at all: who knows what it does with `--version`.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from ..agents import environment, known
from ..config import AgentSettings, Settings
from ..domain.safe_text import safe_line
from ..domain.task import Task
from ..errors import KugetsuError
from ..paths import StatePaths
from .logins import INSTALL, unattended, where_logged_in

VERSION_S = 20.0
"""Seconds that a program may take to tell its version; aider loads for ten on a busy machine."""
OUTPUT_BYTES = 4096
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: nothing is fetched for the sake of a version."""
Ready = Literal["yes", "no", "unknown"]


class Program(msgspec.Struct, frozen=True):
    """One agent that could be asked for."""

    name: str
    kind: str | None
    """The known program it is; None for a command of the operator's own."""
    program: str
    path: str | None
    """Where it is; None: it is not there."""
    version: str | None
    login: str | None
    """Where its login or key was found."""
    ready: Ready
    todo: str = ""
    """What to do where it cannot run, or where that is not known."""
    advice: str = ""
    """What it would not do unattended, as far as that can be seen."""


def look(paths: StatePaths, settings: Settings, environ: Mapping[str, str]) -> list[Program]:
    """Every agent that can be asked for, by name.

    Args:
        environ: the variables of whoever asks; an engine that runs elsewhere may have others.
    """
    names = known.names(settings)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda name: _look_at(name, paths, settings, environ), names))


def _look_at(name: str, paths: StatePaths, settings: Settings, environ: Mapping[str, str]) -> Program:
    own = settings.agents.get(name, AgentSettings())
    kind = known.kind_of(name, own)
    try:
        drive = known.drive(name, settings, "local/doctor#1")
        task = Task(id="q_0", issue_ref="local/doctor#1")
        env = environment.build(paths, environ, settings.pass_env, drive.env, task, {}, paths.root, drive.unset)
    except (KugetsuError, OSError) as error:
        what = error if isinstance(error, KugetsuError) else KugetsuError(str(error))
        return Program(name, kind, own.program or name, None, None, None, "no", f"{what.message}: {what.hint}".rstrip(": "))
    program = os.path.expanduser(drive.program or drive.argv[0])
    path = shutil.which(program, path=env.get("PATH"))
    if path is None:
        return Program(name, kind, program, None, None, None, "no", INSTALL.get(kind or "", f"install {program}"))
    if kind is None or kind == "demo":
        return Program(name, kind, program, path, None, None, "yes" if kind else "unknown")
    login, todo = where_logged_in(kind, env, sys.platform)
    ready: Ready = "yes" if login else "unknown" if todo.startswith("perhaps ") else "no"
    told = version(path, env)
    if told is None and ready == "yes":
        ready, todo = "unknown", f"it does not tell its version: look whether `{program} --version` works"
    return Program(
        name, kind, program, path, told, login, ready, "" if ready == "yes" else todo, unattended(kind, drive.argv, env)
    )  # fmt: skip


def version(path: str, env: Mapping[str, str], limit_s: float = VERSION_S) -> str | None:
    """The version a program tells; None when it tells none in time."""
    asked = dict(env) | {name: NOWHERE for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    asked |= {"NO_PROXY": "", "no_proxy": "", "NO_COLOR": "1", "TMPDIR": tempfile.gettempdir()}
    try:
        asking = subprocess.Popen(
            [path, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=asked, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    except OSError:
        return None
    try:
        said = _read(asking, time.monotonic() + limit_s).decode("utf-8", "replace")
    finally:
        _end(lambda: os.killpg(asking.pid, signal.SIGKILL))
        asking.wait()
        if asking.stdout is not None:
            asking.stdout.close()
    found = re.search(r"\d+\.\d+(\.\d+)?[\w.+-]*", "\n".join(line for line in said.splitlines() if "WARN" not in line))
    return safe_line(found[0], 40) if found else None


def _read(asking: "subprocess.Popen[bytes]", until: float) -> bytes:
    """What it prints until it ends, as far as there is room and time."""
    said, pipe = b"", asking.stdout
    while pipe is not None and len(said) < OUTPUT_BYTES and (left := until - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            break
        data = os.read(pipe.fileno(), OUTPUT_BYTES)
        if not data:
            break
        said += data
    return said[:OUTPUT_BYTES]


def _end(send: Callable[[], None]) -> None:
    try:
        send()
    except ProcessLookupError:
        return

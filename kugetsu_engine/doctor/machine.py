"""What the machine gives kugetsu to work with: programs, the file system, an engine."""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Mapping

import msgspec

from ..agents import auto_approval, registry
from ..agents.opencode import keeper_protocol
from ..client.snapshot_reader import SnapshotReader
from ..config import env_files
from ..config.loader import TOML, SettingsSource
from ..domain.text.quantities import format_size
from ..errors import KugetsuError, StateDirError
from ..paths import StatePaths
from ..storage import files
from ..storage.engine_lock import read_holder
from ..storage.locks import locks_work
from .findings import Finding

OLDEST_PYTHON = (3, 11)


class Fact(msgspec.Struct, frozen=True):
    """One thing about the surroundings."""

    name: str
    text: str
    ok: bool = True


def inspect_machine(paths: StatePaths, environ: Mapping[str, str]) -> tuple[list[Fact], list[Finding]]:
    """The surroundings as facts, and what is wrong about them as findings; changes nothing."""
    facts: list[Fact] = []
    found: list[Finding] = []

    def say(name: str, text: str, trouble: Finding | None = None) -> None:
        facts.append(Fact(name, text, trouble is None))
        if trouble is not None:
            found.append(trouble)

    version = ".".join(map(str, sys.version_info[:3]))
    old = Finding("python", f"Python {version} is too old, kugetsu needs 3.11", fix="install a newer one")
    say("python", f"{version} ({sys.executable})", old if sys.version_info < OLDEST_PYTHON else None)
    path = environ.get("PATH")
    git = shutil.which("git", path=path)
    say(
        "git",
        git or "missing",
        None if git else Finding("git", "git is not on the PATH", fix="install git: every agent needs it"),
    )
    say("tmux", shutil.which("tmux", path=path) or "missing; only wanted where the console is to outlive its terminal")
    _state_dir(paths, say)
    settings = SettingsSource(paths, environ)
    for fault in (*settings.faults, *env_files.find_env_faults(paths)):
        where = paths.config if fault.source == TOML else None
        found.append(Finding("config", str(fault), path=where, fix=f"correct it in {where or fault.source}"))
    facts.append(Fact("settings", paths.config if os.path.exists(paths.config) else "defaults", not settings.faults))
    _engine(paths, environ, say)
    approving = auto_approval.list_auto_approving_agents(paths, settings.current)
    _server(paths, say)
    for name in sorted({settings.current.agent, *settings.current.agents}):
        text, trouble = _agent(name, settings, path, wanted=name == settings.current.agent)
        mark = f"; approves everything by itself ({approving[name]})" if name in approving else ""
        say(f"agent {name}", f"{text}{mark}", trouble)
    return facts, found


def _state_dir(paths: StatePaths, say: Callable[..., None]) -> None:
    if not os.path.lexists(paths.root):
        say("state directory", f"{paths.root}, not there yet: the first task makes it")
        return
    try:
        files.check_root(paths.root)
    except StateDirError as error:
        say("state directory", paths.root, Finding("state_dir", error.message, path=paths.root, fix=error.hint))
        return
    mode = stat.S_IMODE(os.stat(paths.root).st_mode)
    say("state directory", f"{paths.root} ({mode:04o})")
    lock = paths.task_number  # not the engine's own: an engine that starts at this moment must not think it taken
    if not os.path.exists(lock):
        return
    broken = None
    try:
        works = locks_work(lock)
    except OSError as error:
        works, broken = False, error.strerror
    trouble = Finding(
        "locks", f"locks do not work on the file system of {paths.root}" + (f": {broken}" if broken else ""),
        path=lock, fix="set KUGETSU_DIR to a local file system",
    )  # fmt: skip
    say("locks", "flock works" if works else "flock does not work", None if works else trouble)


def _engine(paths: StatePaths, environ: Mapping[str, str], say: Callable[..., None]) -> None:
    engine = SnapshotReader(paths, environ).read(with_history=False).engine
    if not engine.running:
        say("engine", "none runs: start `kugetsu`, `kugetsu --headless` or `kugetsu queue-daemon start`")
        return
    stale = None
    if engine.stale:
        text = f"the engine (pid {engine.pid}) has not answered for {engine.heartbeat_age_s:.0f} s"
        stale = Finding("engine_stale", text, fix="end it, with kill -9 if need be, and start another; agents go on")
    say("engine", read_holder(paths), stale)


def _server(paths: StatePaths, say: Callable[..., None]) -> None:
    """The shared opencode server, where there is one at this moment."""
    server = keeper_protocol.read_public_status(paths.root)
    if server is None:
        return
    trouble = None
    if server["fault"]:
        log = paths.server_log
        trouble = Finding("opencode_server", str(server["fault"]), path=log, fix='mend it, or set mode = "process"')
    text = f"{server['state']}, pid {server['pid']}, {format_size(server['rss_bytes'] or 0)}, since {server['since']}"
    say("opencode server", f"{text}, {server['restarts']} restarts", trouble)


def _agent(name: str, settings: SettingsSource, path: str | None, wanted: bool) -> tuple[str, Finding | None]:
    """Where the program of an agent is; only a missing one of the agent that is used by default is a finding."""
    if gap := settings.current.gaps.agents.get(name):
        return gap, None  # a finding already
    try:
        drive = registry.build_launch_spec(name, settings.current, "local/doctor#1")
        program = drive.program or drive.argv[0]
    except KugetsuError as error:
        return error.message, Finding("agent", error.message, fix=error.hint)
    where = shutil.which(os.path.expanduser(program), path=path)
    if where is not None:
        return where, None
    text = f"no such program: {program}"
    needed = f"{program}, which the agent {name} is, is not on the PATH"
    fix = f"install it, or set [agents.{name}] or another `agent` in config.toml"
    return text, Finding("agent", needed, fix=fix) if wanted else None

"""Inspection of the machine: programs, the file system, the engine."""

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
from ..config.settings import AUTO
from ..domain.text.quantities import format_size
from ..errors import KugetsuError, SandboxFailed, StateDirError
from ..paths import StatePaths
from ..process import cgroup, tree, user_scope
from ..process.sandbox_probe import probe
from ..storage import files
from ..storage.engine_lock import read_holder
from ..storage.locks import locks_work
from ..supervisor import template_client
from ..supervisor.memory_limit import choose_cap
from .findings import Finding

OLDEST_PYTHON = (3, 11)


class Fact(msgspec.Struct, frozen=True):
    """One fact about the surroundings."""

    name: str
    text: str
    ok: bool = True


def inspect_machine(paths: StatePaths, environ: Mapping[str, str]) -> tuple[list[Fact], list[Finding]]:
    """Inspect the surroundings; returns facts, and problems as findings. Changes nothing."""
    facts: list[Fact] = []
    found: list[Finding] = []

    def add(name: str, text: str, problem: Finding | None = None) -> None:
        facts.append(Fact(name, text, problem is None))
        if problem is not None:
            found.append(problem)

    version = ".".join(map(str, sys.version_info[:3]))
    old = Finding("python", f"Python {version} is too old, kugetsu needs 3.11", fix="install a newer one")
    add("python", f"{version} ({sys.executable})", old if sys.version_info < OLDEST_PYTHON else None)
    path = environ.get("PATH")
    git = shutil.which("git", path=path)
    add(
        "git",
        git or "missing",
        None if git else Finding("git", "git is not on the PATH", fix="install git: every agent needs it"),
    )
    add("tmux", shutil.which("tmux", path=path) or "missing; only needed if the console should outlive its terminal")
    _state_dir(paths, add)
    settings = SettingsSource(paths, environ)
    for fault in (*settings.faults, *env_files.find_env_faults(paths)):
        where = paths.config if fault.source == TOML else None
        found.append(Finding("config", str(fault), path=where, fix=f"correct it in {where or fault.source}"))
    facts.append(Fact("settings", paths.config if os.path.exists(paths.config) else "defaults", not settings.faults))
    _engine(paths, environ, add)
    add("supervisors", "forked from a template" if template_client.SUPPORTED else "started one by one: no pidfds here")
    _memory_limit(settings, environ, add)
    _sandbox(settings, path, add)
    approving = auto_approval.list_auto_approving_agents(paths, settings.current)
    _server(paths, add)
    for name in sorted({settings.current.agent, *settings.current.agents}):
        text, problem = _agent(name, settings, path, wanted=name == settings.current.agent)
        mark = f"; approves everything by itself ({approving[name]})" if name in approving else ""
        add(f"agent {name}", f"{text}{mark}", problem)
    return facts, found


def _state_dir(paths: StatePaths, add: Callable[..., None]) -> None:
    if not os.path.lexists(paths.root):
        add("state directory", f"{paths.root} does not exist yet; the first task creates it")
        return
    try:
        files.check_root(paths.root)
    except StateDirError as error:
        add("state directory", paths.root, Finding("state_dir", error.message, path=paths.root, fix=error.hint))
        return
    mode = stat.S_IMODE(os.stat(paths.root).st_mode)
    add("state directory", f"{paths.root} ({mode:04o})")
    lock = paths.task_number  # not the engine's own lock, which an engine that starts now would find held
    if not os.path.exists(lock):
        return
    broken = None
    try:
        works = locks_work(lock)
    except OSError as error:
        works, broken = False, error.strerror
    problem = Finding(
        "locks", f"locks do not work on the file system of {paths.root}" + (f": {broken}" if broken else ""),
        path=lock, fix="set KUGETSU_DIR to a local file system",
    )  # fmt: skip
    add("locks", "flock works" if works else "flock does not work", None if works else problem)


def _engine(paths: StatePaths, environ: Mapping[str, str], add: Callable[..., None]) -> None:
    engine = SnapshotReader(paths, environ).read(with_history=False).engine
    if not engine.running:
        add("engine", "not running: start `kugetsu`, `kugetsu --headless` or `kugetsu queue-daemon start`")
        return
    stale = None
    if engine.stale:
        text = f"the engine (pid {engine.pid}) has not responded for {engine.heartbeat_age_s:.0f} s"
        stale = Finding("engine_stale", text, fix="stop it, with kill -9 if necessary, and start another; agents continue")
    add("engine", read_holder(paths), stale)


def _sandbox(settings: SettingsSource, path: str | None, add: Callable[..., None]) -> None:
    """Whether a sandbox can be made here; that it cannot is a finding only if the settings ask for one."""
    now = settings.current
    levels = [*now.agents.values(), *now.repos.values()]
    wanted = now.sandbox or any(level.sandbox for level in levels)
    network = all(net in (None, "on") for net in (now.sandbox_net, *(level.sandbox_net for level in levels)))
    mode = "on for all" if now.sandbox else "on for some agents or repositories" if wanted else "off"
    try:
        own_proc = probe({"PATH": path or os.defpath}, network)
    except SandboxFailed as error:
        problem = (
            Finding("sandbox", f"no sandbox can be made: {error.why}", fix='cure it, or set sandbox = "off"')
            if wanted
            else None
        )
        add("sandbox", f"{mode}; not possible here: {error.why}", problem)
        return
    note = "" if own_proc else ", with the system's /proc in it"
    add("sandbox", f"{mode}; possible here{note}")


def _memory_limit(settings: SettingsSource, environ: Mapping[str, str], add: Callable[..., None]) -> None:
    """Say how the memory of agents is limited here, and what would make it better."""
    wanted = settings.current.memory_cap_by
    limit = format_size(choose_cap(None if settings.current.memory_cap == AUTO else settings.current.memory_cap))
    if settings.current.memory_cap == 0:
        add("memory limit", "off: memory_cap")
        return
    if not tree.LINUX:
        add("memory limit", "none: this system does not show the processes of an agent")
        return
    scope = user_scope.choose_scope(environ, "kugetsu-doctor")
    try:
        base = cgroup.find_base(change=False)
    except cgroup.NoCgroup as error:
        why, by_kernel = f"{error}; {scope.why}" if scope.why else "", bool(scope.prefix)
    else:
        why, by_kernel = f"below {base}", True
    cure = f"to have it held by the kernel: {scope.cure}, or a unit with Delegate=yes" if scope.cure else ""
    if by_kernel and wanted != "watch":
        add("memory limit", f"{limit} for each attempt, held by the kernel" + (f" ({why})" if why else ""))
    elif wanted == "cgroup":
        problem = Finding("memory limit", f'memory_cap_by is "cgroup", and the kernel cannot hold it here: {why}', fix=cure)
        add("memory limit", f"cannot be held by the kernel: {why}", problem)
    else:
        reason = 'memory_cap_by is "watch"' if wanted == "watch" else f"{why}: {cure}"
        add("memory limit", f"{limit} for each attempt, watched by its supervisor ({reason})")


def _server(paths: StatePaths, add: Callable[..., None]) -> None:
    """The shared opencode server, if there is one now."""
    server = keeper_protocol.read_public_status(paths.root)
    if server is None:
        return
    problem = None
    if server["fault"]:
        log = paths.server_log
        problem = Finding("opencode_server", str(server["fault"]), path=log, fix='repair it, or set mode = "process"')
    text = f"{server['state']}, pid {server['pid']}, {format_size(server['rss_bytes'] or 0)}, since {server['since']}"
    add("opencode server", f"{text}, {server['restarts']} restarts", problem)


def _agent(name: str, settings: SettingsSource, path: str | None, wanted: bool) -> tuple[str, Finding | None]:
    """Where an agent's program is. If it is missing, that is a finding only for the default agent."""
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
    needed = f"{program}, the program of the agent {name}, is not on the PATH"
    fix = f"install it, or set [agents.{name}] or another `agent` in config.toml"
    return text, Finding("agent", needed, fix=fix) if wanted else None

"""Which agents are installed, in which version, and whether they can run. Runs nothing but `--version`.

It runs without a terminal and with a proxy that does not exist, so that nothing is fetched, and with a timeout. A command from
the settings is not run at all, as it may do anything with `--version`.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from ..agents import program_versions, registry
from ..config.loader import AgentSettings
from ..config.settings import Settings
from ..domain.task import Task
from ..errors import KugetsuError
from ..jobs import environment
from ..paths import StatePaths
from .agent_logins import INSTALL, describe_refusals, find_login, may_have_login

Ready = Literal["yes", "no", "unknown"]


class Program(msgspec.Struct, frozen=True):
    """One agent."""

    name: str
    kind: str | None
    """The known program it is; None for a command from the settings."""
    program: str
    path: str | None
    """Its path; None if it is not installed."""
    version: str | None
    login: str | None
    """Where its login or key was found."""
    ready: Ready
    todo: str = ""
    """What to do if it cannot run, or if that is unknown."""
    advice: str = ""
    """What it would refuse to do unattended, as far as known."""


def inspect_programs(paths: StatePaths, settings: Settings, environ: Mapping[str, str]) -> list[Program]:
    """Inspect every agent, by name.

    Args:
        environ: the caller's environment; an engine started elsewhere may have another.
    """
    names = registry.list_agent_names(settings)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda name: _inspect(name, paths, settings, environ), names))


def _inspect(name: str, paths: StatePaths, settings: Settings, environ: Mapping[str, str]) -> Program:
    own = settings.agents.get(name, AgentSettings())
    kind = registry.find_kind(name, own)
    try:
        drive = registry.build_launch_spec(name, settings, "local/doctor#1")
        task = Task(id="q_0", issue_ref="local/doctor#1")
        env = environment.build_environment(paths, environ, settings.pass_env, drive.env, task, {}, paths.root, drive.unset)
    except (KugetsuError, OSError) as error:
        what = error if isinstance(error, KugetsuError) else KugetsuError(str(error))
        return Program(name, kind, own.program or name, None, None, None, "no", f"{what.message}: {what.hint}".rstrip(": "))
    program = os.path.expanduser(drive.program or drive.argv[0])
    path = shutil.which(program, path=env.get("PATH"))
    if path is None:
        return Program(name, kind, program, None, None, None, "no", INSTALL.get(kind or "", f"install {program}"))
    if kind is None or kind == "demo":
        version = refused = None
        if (started := program_versions.detect_kind(kind, program)) in program_versions.TESTED:
            version = program_versions.read_version(started, path, env, paths.root, ask=started == "opencode")
            refused = program_versions.describe_refusal(started, version)
        return Program(
            name, kind, program, path, version, None, "no" if refused else "yes" if kind else "unknown", refused or ""
        )
    login, todo = find_login(kind, env, sys.platform)
    ready: Ready = "yes" if login else "unknown" if may_have_login(kind, sys.platform) else "no"
    version = program_versions.read_version(kind, path, env, paths.root, ask=True)
    if refused := program_versions.describe_refusal(kind, version):
        return Program(name, kind, program, path, version, login, "no", refused)
    if version is None and ready == "yes":
        ready, todo = "unknown", f"it does not print its version: check that `{program} --version` works"
    return Program(
        name, kind, program, path, version, login, ready, "" if ready == "yes" else todo,
        "; ".join(filter(None, (program_versions.describe_untested(kind, version), describe_refusals(kind, drive.argv, env)))),
    )  # fmt: skip

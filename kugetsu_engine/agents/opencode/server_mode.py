"""opencode on one shared server: which attempts use it, and how their client, the server and its keeper are started."""

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache

from ...config.loader import AgentSettings
from ...domain.reserved_refs import PM_AGENT
from ...errors import ConfigError
from ...process import interpreter
from ..launch_spec import Invocation, LaunchSpec
from . import process_mode

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugin.js")
OPTIONS_WITH_VALUE, FLAGS = ("--agent", "--variant", "--model", "-m"), ("--auto",)
"""Arguments of `opencode run` that the run client understands too."""
FAILURES = ((r'"name": ?"ServerLost"', "server_lost"), *process_mode.FAILURES)
_LOGIN_VARIABLES = ("XDG_SESSION", "XDG_VTNR", "XDG_SEAT", "SSH_", "TERM", "COLORTERM", "SHELL", "LC_", "LANG")
"""Variables that differ from login to login: a change in them needs no new server."""


def uses_server(settings: AgentSettings, call: Invocation) -> bool:
    """Whether an attempt runs on the shared server. The project manager never does, as it has its own environment.

    Raises:
        ConfigError: the settings ask for it, but have arguments that only `opencode run` understands.
    """
    if call.boxed and settings.command is None and settings.mode == "server" and call.issue_ref != PM_AGENT:
        raise ConfigError(
            '[agents.opencode] has mode = "server", and its sandbox is on: a shared server cannot be in the sandbox of each',
            'set mode = "process" or "auto", or sandbox = "off" for this repository',
        )
    unknown = _find_unknown_argument(settings.args)
    alone = call.slots < 1 or call.issue_ref == PM_AGENT
    if (
        settings.command is not None
        or settings.mode in ("process", "private")
        or alone
        or (settings.mode == "auto" and (call.slots < 2 or unknown or call.boxed))
    ):
        return False
    if unknown:
        raise ConfigError(
            f"[agents.opencode] args: {unknown!r} is not supported with the shared server",
            'remove it, or set mode = "process"',
        )
    return True


def build_launch_spec(settings: AgentSettings, call: Invocation) -> LaunchSpec:
    """Return how to run an attempt on the server: by the run client, which prints what `opencode run` prints."""
    live, ask = settings.messages == "live", ["--ask"] if settings.questions == "ask" else []
    return LaunchSpec(
        _build_client_command(settings, call, ["--live", *ask] if live else []), program=settings.program or "opencode",
        talk="opencode-live" if live else None,
        errors_apart=True, reader="opencode", reader_options={"directory": call.worktree}, max_steps=process_mode.MAX_STEPS,
        prepare="opencode-server" if call.session.mode != "new" else None, resumes_itself=True, after="opencode-server",
        patterns=FAILURES,
    )  # fmt: skip


def build_private_spec(settings: AgentSettings, call: Invocation) -> LaunchSpec:
    """Return how to run an attempt on a server of its own, which its run client starts: it can be spoken to.

    Raises:
        ConfigError: the settings have arguments that only `opencode run` understands.
    """
    if unknown := _find_unknown_argument(settings.args):
        raise ConfigError(
            f"[agents.opencode] args: {unknown!r} is not supported with a private server",
            'remove it, or set mode = "process"',
        )
    program, ask = settings.program or "opencode", ["--ask"] if settings.questions == "ask" else []
    return LaunchSpec(
        _build_client_command(settings, call, ["--live", f"--private={program}", *ask]), process_mode.ENVIRONMENT,
        program=program,
        errors_apart=True, reader="opencode", reader_options={"directory": call.worktree}, max_steps=process_mode.MAX_STEPS,
        prepare="opencode-live", resumes_itself=True, patterns=FAILURES, talk="opencode-live",
    )  # fmt: skip


def _build_client_command(settings: AgentSettings, call: Invocation, more: list[str]) -> list[str]:
    argv = [f"--title={call.issue_ref}", *(["-m", settings.model] if settings.model else []), *more, *settings.args]
    return interpreter.build_command("opencode-client", *argv)


def build_server_command(settings: AgentSettings) -> list[str]:
    """Return the command line of the server; port 0 means any free one."""
    return [settings.program or "opencode", "serve", "--hostname=127.0.0.1", "--port=0"]


def add_server_variables(settings: AgentSettings, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the server and of its tools, with our plugin configured.

    Snapshots, for undoing what an agent did, cost memory and a process of git at each step; git shows what it changed.
    """
    env = {**base, **process_mode.ENVIRONMENT, **settings.env}
    try:
        content = json.loads(env.get("OPENCODE_CONFIG_CONTENT") or "{}")
        content = {"snapshot": False, **content, "plugin": [*content.get("plugin", ()), f"file://{PLUGIN}"]}
    except (ValueError, TypeError):
        return env  # opencode reports what is wrong with it
    return env | {"OPENCODE_CONFIG_CONTENT": json.dumps(content)}


def build_keeper_command(active_lock: int, alive_lock: int, spec: Mapping[str, object]) -> list[str]:
    """Return the command line of the keeper, which holds no secrets; the locks are open descriptors."""
    return interpreter.build_command("opencode-keeper", str(active_lock), str(alive_lock), json.dumps(spec))


def build_starter_command() -> list[str]:
    """Return the command that starts the server; the keeper appends its own pid and the server's command line."""
    return interpreter.build_command("opencode-server")


def compute_digest(argv: list[str], env: Mapping[str, str]) -> str:
    """Return a digest of what a server is started with, to see whether the running one still matches the settings."""
    kept = {name: value for name, value in env.items() if not name.startswith(_LOGIN_VARIABLES)}
    return hashlib.sha256(json.dumps([argv, kept, _read_plugin()], sort_keys=True).encode()).hexdigest()[:16]


@cache
def _read_plugin() -> str:
    """Return the text of our plugin: a server with an earlier one is replaced."""
    with open(PLUGIN, encoding="utf-8") as file:
        return file.read()


def _find_unknown_argument(args: list[str]) -> str | None:
    """Return the first argument that the run client does not understand."""
    remaining = iter(args)
    for arg in remaining:
        name, equals, _ = arg.partition("=")
        if name in OPTIONS_WITH_VALUE and not equals:
            next(remaining, None)
        elif arg not in FLAGS and name not in OPTIONS_WITH_VALUE:
            return arg
    return None

"""opencode on one shared server: which attempts use it, what their client and the server are started with."""

import hashlib
import json
import os
from collections.abc import Mapping

from ...config.loader import AgentSettings
from ...domain.reserved_refs import PM_AGENT
from ...errors import ConfigError
from ...process import interpreter
from ..launch_spec import Invocation, LaunchSpec
from .process_mode import ENVIRONMENT, MAX_STEPS

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugin.js")
OPTIONS_WITH_VALUE, FLAGS = ("--agent", "--variant", "--model", "-m"), ("--auto",)
"""Arguments of `opencode run` that mean the same to the client of the server."""
FAILURES = ((r'"name": ?"ServerLost"', "server_lost"),)
_OF_A_TERMINAL = ("XDG_SESSION", "XDG_VTNR", "XDG_SEAT", "SSH_", "TERM", "COLORTERM", "SHELL", "LC_", "LANG")
"""Variables that differ from login to login, and are no reason for another server."""


def uses_server(own: AgentSettings, call: Invocation) -> bool:
    """Whether an attempt runs on the shared server; the project manager's never does, as it has variables of its own.

    Raises:
        ConfigError: it is to, but has arguments that only a process understands.
    """
    strange = _strange(own.args)
    alone = call.slots < 1 or call.issue_ref == PM_AGENT
    if own.command is not None or own.mode == "process" or alone or (own.mode == "auto" and (call.slots < 2 or strange)):
        return False
    if strange:
        raise ConfigError(
            f"[agents.opencode] args has {strange!r}, which the shared server does not know",
            'leave it out, or mode = "process"',
        )
    return True


def build_launch_spec(own: AgentSettings, call: Invocation) -> LaunchSpec:
    """How an attempt is made on the server: by a small client that prints what `opencode run` prints."""
    words = [f"--title={call.issue_ref}", *(["-m", own.model] if own.model else []), *own.args]
    return LaunchSpec(
        interpreter.build_command("opencode-client", *words), program=own.program or "opencode",
        errors_apart=True, reader="opencode", reader_options={"directory": call.worktree}, max_steps=MAX_STEPS,
        prepare="opencode-server" if call.session.mode != "new" else None, resumes_itself=True, after="opencode-server",
    )  # fmt: skip


def build_server_command(own: AgentSettings) -> list[str]:
    """The command line of the server; port 0 stands for one that is free."""
    return [own.program or "opencode", "serve", "--hostname=127.0.0.1", "--port=0"]


def add_server_variables(own: AgentSettings, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of the server, and so of all its tools, with our plugin in it."""
    env = {**base, **ENVIRONMENT, **own.env}
    try:
        content = json.loads(env.get("OPENCODE_CONFIG_CONTENT") or "{}")
        content["plugin"] = [*content.get("plugin", ()), f"file://{PLUGIN}"]
    except (ValueError, TypeError):
        return env  # opencode will say what is wrong with it
    return env | {"OPENCODE_CONFIG_CONTENT": json.dumps(content)}


def build_keeper_command(seat: int, life: int, spec: Mapping[str, object]) -> list[str]:
    """The command line of the keeper; nothing of it is secret."""
    return interpreter.build_command("opencode-keeper", str(seat), str(life), json.dumps(spec))


def build_starter_command() -> list[str]:
    """What the keeper starts the server with: its own pid and the server's command line follow."""
    return interpreter.build_command("opencode-server")


def compute_digest(argv: list[str], env: Mapping[str, str]) -> str:
    """Tells whether a server was started with what one would be started with now."""
    kept = {name: value for name, value in env.items() if not name.startswith(_OF_A_TERMINAL)}
    return hashlib.sha256(json.dumps([argv, kept], sort_keys=True).encode()).hexdigest()[:16]


def _strange(args: list[str]) -> str | None:
    """The first argument that the client does not know."""
    words = iter(args)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in OPTIONS_WITH_VALUE and not equals:
            next(words, None)
        elif word not in FLAGS and name not in OPTIONS_WITH_VALUE:
            return word
    return None

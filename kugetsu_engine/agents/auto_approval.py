"""Finds agents that run every command without approval: then text written by a stranger in an issue can become a command.

Kugetsu never sets such an option itself. If the operator's settings do, it is shown.
"""

import json
import os
from collections.abc import Mapping, Sequence

from ..config import env_files
from ..config.settings import Settings
from ..errors import KugetsuError
from ..paths import StatePaths
from ..storage import files
from . import registry

FLAGS = frozenset({
    "--auto", "--yolo", "--full-auto", "--yes", "--yes-always", "--trust-all-tools", "--allow-all-tools", "--allow-all",
    "--dangerously-skip-permissions", "--allow-dangerously-skip-permissions", "--dangerously-bypass-approvals-and-sandbox",
    "--dangerously-allow-all", "--auto-approve", "--skip-permissions-unsafe", "--always-approve",
})  # fmt: skip
"""Options of opencode, gemini, codex, claude, aider and others that approve everything."""
OPTIONS_WITH_VALUE = frozenset({
    ("--permission-mode", "bypassPermissions"), ("--permission-mode", "dontAsk"), ("--approval-mode", "yolo"),
    ("--ask-for-approval", "never"), ("-a", "never"), ("--sandbox", "danger-full-access"), ("-s", "danger-full-access"),
    ("-c", "approval_policy=never"), ("-c", 'approval_policy="never"'),
})  # fmt: skip
"""Options that approve everything with this value, which is the next argument or follows `=`."""
SHORT_FLAGS = {"gemini": "-y", "cursor-agent": "-f", "agent": "-f"}
"""Short options that approve everything, by program."""
VARIABLES = {"AIDER_YES_ALWAYS": ("1", "true", "yes"), "AIDER_YES": ("1", "true", "yes"), "GOOSE_MODE": ("auto",)}
"""Variables that approve everything with one of these values."""
RISKY_TOOLS = ("*", "bash")


def find_approval(argv: Sequence[str], env: Mapping[str, str]) -> str | None:
    """Return the option or variable by which an agent approves everything; None if there is none."""
    for arg, following in zip(argv[1:], [*argv[2:], ""], strict=False):
        option, _, value = arg.partition("=")
        if (option in FLAGS and value.lower() not in ("false", "0", "no")) or (option, value) in OPTIONS_WITH_VALUE:
            return arg
        if (arg, following) in OPTIONS_WITH_VALUE:
            return f"{arg} {following}"
        if arg == SHORT_FLAGS.get(os.path.basename(argv[0])):
            return arg
    for name, values in VARIABLES.items():
        if env.get(name, "").lower() in values:
            return f"{name}={env[name]}"
    if _allows_all(_json(env.get("OPENCODE_PERMISSION", ""))):
        return "OPENCODE_PERMISSION"
    content = _json(env.get("OPENCODE_CONFIG_CONTENT", ""))
    if isinstance(content, dict) and _allows_all(content.get("permission")):
        return "OPENCODE_CONFIG_CONTENT"
    return None


def _allows_all(permission: object) -> bool:
    """Whether opencode's `permission` allows every command."""
    if isinstance(permission, dict):
        rules = [permission[tool] for tool in RISKY_TOOLS if tool in permission]
        return any(rule == "allow" or (isinstance(rule, dict) and rule.get("*") == "allow") for rule in rules)
    return permission == "allow"


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


class ApprovalReader:
    """Caches which agents approve everything, until the settings or an env file change."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._files = [f"{paths.env}/{name}" for name in env_files.NAMES]
        self._seen: object = None
        self._settings: Settings | None = None
        self._agents: dict[str, str] = {}

    def list_agents(self, settings: Settings) -> dict[str, str]:
        """As `list_auto_approving_agents`."""
        seen = [files.read_signature(path) for path in self._files]
        if settings is not self._settings or seen != self._seen:
            self._seen, self._settings, self._agents = seen, settings, list_auto_approving_agents(self._paths, settings)
        return self._agents


def list_auto_approving_agents(paths: StatePaths, settings: Settings) -> dict[str, str]:
    """Return the agents that approve everything, with the option or variable that says so."""
    env, agents = env_files.read_readable_env(paths), dict[str, str]()
    for name in registry.list_agent_names(settings):
        try:
            spec = registry.build_launch_spec(name, settings, "local/any#1")
        except KugetsuError:
            continue
        if (approval := find_approval(spec.argv, {**env, **spec.env})) is not None:
            agents[name] = approval
    return agents

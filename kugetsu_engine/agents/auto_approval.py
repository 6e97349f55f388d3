"""Whether an agent is told to approve everything it wants to do. Such an agent has nobody to ask: what a stranger wrote in an
issue can become a command that runs. Kugetsu never says so by itself; where the operator's settings do, it is shown."""

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
"""Options that approve everything: of opencode, gemini, codex, claude, aider and others."""
OPTIONS_WITH_VALUE = frozenset({
    ("--permission-mode", "bypassPermissions"), ("--permission-mode", "dontAsk"), ("--approval-mode", "yolo"),
    ("--ask-for-approval", "never"), ("-a", "never"), ("--sandbox", "danger-full-access"), ("-s", "danger-full-access"),
    ("-c", "approval_policy=never"), ("-c", 'approval_policy="never"'),
})  # fmt: skip
"""Options that do so with a certain value, in the next word or after `=`."""
SHORT_FLAGS = {"gemini": "-y", "cursor-agent": "-f", "agent": "-f"}
"""Short options that mean it for one program."""
VARIABLES = {"AIDER_YES_ALWAYS": ("1", "true", "yes"), "AIDER_YES": ("1", "true", "yes"), "GOOSE_MODE": ("auto",)}
"""Variables that mean it with one of these values."""
RISKY_TOOLS = ("*", "bash")


def find_approval(argv: Sequence[str], env: Mapping[str, str]) -> str | None:
    """By which word an agent is told to approve everything; None where it is not."""
    for word, following in zip(argv[1:], [*argv[2:], ""], strict=False):
        option, _, value = word.partition("=")
        if (option in FLAGS and value.lower() not in ("false", "0", "no")) or (option, value) in OPTIONS_WITH_VALUE:
            return word
        if (word, following) in OPTIONS_WITH_VALUE:
            return f"{word} {following}"
        if word == SHORT_FLAGS.get(os.path.basename(argv[0])):
            return word
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
    """Whether opencode's `permission` lets every command run."""
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
    """Tells which agents approve everything; the env files are read again when they or the settings have changed."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._files = [f"{paths.env}/{name}" for name in env_files.NAMES]
        self._seen: object = None
        self._settings: Settings | None = None
        self._found: dict[str, str] = {}

    def list_agents(self, settings: Settings) -> dict[str, str]:
        """As the function `by_agent`."""
        seen = [files.read_signature(path) for path in self._files]
        if settings is not self._settings or seen != self._seen:
            self._seen, self._settings, self._found = seen, settings, list_auto_approving_agents(self._paths, settings)
        return self._found


def list_auto_approving_agents(paths: StatePaths, settings: Settings) -> dict[str, str]:
    """For each agent that approves everything the word that says so, in its command line, its settings or the env files."""
    env, found = env_files.read_readable_env(paths), dict[str, str]()
    for name in registry.list_agent_names(settings):
        try:
            drive = registry.build_launch_spec(name, settings, "local/any#1")
        except KugetsuError:
            continue
        word = find_approval(drive.argv, {**env, **drive.env})
        if word is not None:
            found[name] = word
    return found

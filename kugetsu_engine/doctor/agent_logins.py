"""Where the known agents keep their logins, and what lets them work unattended; nothing is read but whether it is there.

Seen in claude 2.1.197, codex 0.169.0, gemini 0.61.0, aider 0.86.2, opencode 1.18.33.
"""

import os
from collections.abc import Mapping, Sequence

INSTALL = {
    "aider": "pip install aider-chat, or pipx install aider-chat",
    "claude": "npm install -g @anthropic-ai/claude-code",
    "codex": "npm install -g @openai/codex",
    "gemini": "npm install -g @google/gemini-cli",
    "opencode": "npm install -g opencode-ai",
}
"""How a known agent is installed."""
KEYS = {
    "claude": (
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
    ),
    "codex": ("CODEX_API_KEY", "CODEX_ACCESS_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"),
    "opencode": ("OPENCODE_AUTH_CONTENT",),
}  # fmt: skip
"""Variables that are a login, or lead to one."""
FILES = {
    "claude": ("{CLAUDE_CONFIG_DIR:~/.claude}/.credentials.json",),
    "codex": ("{CODEX_HOME:~/.codex}/auth.json",),
    "gemini": (
        "{GEMINI_CLI_HOME:~}/.gemini/oauth_creds.json", "{GEMINI_CLI_HOME:~}/.gemini/gemini-credentials.json",
    ),
    "opencode": ("{XDG_DATA_HOME:~/.local/share}/opencode/auth.json",),
}  # fmt: skip
"""Files of a login: variable, and the folder without it."""
LOG_IN = {
    "aider": "perhaps its own settings have a key: none of the variables that it gets is one; put it into env/default.env",
    "claude": "log in: run `claude` once by hand, or put ANTHROPIC_API_KEY into env/default.env",
    "codex": "log in: `codex login`, or put CODEX_API_KEY into env/default.env",
    "gemini": "log in: run `gemini` once by hand, or put GEMINI_API_KEY into env/default.env",
    "opencode": "perhaps its configuration or model needs none: else `opencode auth login`, or a key in env/default.env",
}
"""What to do where none is found."""
ANY_KEY = ("aider", "opencode")
"""Programs that take the key of any provider."""
CLAUDE = frozenset({"--permission-mode", "--allowedTools", "--allowed-tools", "--settings", "--dangerously-skip-permissions"})
CODEX = frozenset({"-s", "--sandbox", "-p", "--profile", "--approve-for-me", "--dangerously-bypass-approvals-and-sandbox"})
GEMINI = frozenset({"-y", "--yolo", "--approval-mode", "--policy", "--allowed-tools"})
"""Options of each program that say what it may do unasked."""


def find_login(kind: str, env: Mapping[str, str], platform: str) -> tuple[str | None, str]:
    """Where a login was found, and what to do where it was not.

    Args:
        env: the variables that the agent would get.
    """
    for name in KEYS.get(kind, ()):
        if env.get(name):
            return f"${name}", ""
    key = next((name for name in sorted(env) if name.endswith("_API_KEY") and env[name]), None)
    if kind in ANY_KEY and key is not None:
        return f"${key}", ""
    for template in FILES.get(kind, ()):
        path = _path(template, env)
        if os.path.exists(path):
            return path, ""
    if kind == "claude" and platform == "darwin":
        return None, "perhaps the keychain has its login: else run `claude` once by hand"
    return None, LOG_IN.get(kind, "")


def may_have_login(kind: str, platform: str) -> bool:
    """Whether there may be a login where none was found: in settings of its own, or in the system's keychain."""
    return kind in ANY_KEY or (kind == "claude" and platform == "darwin")


def describe_refusals(kind: str, argv: Sequence[str], env: Mapping[str, str]) -> str:
    """What it would not do with nobody there, as far as its command line and settings tell; empty where it would."""
    options = {word.partition("=")[0] for word in argv}
    if kind == "gemini":
        if "--skip-trust" not in options and env.get("GEMINI_CLI_TRUST_WORKSPACE") != "true":
            return "refuses worktrees that it does not trust: set GEMINI_CLI_TRUST_WORKSPACE in its env"
        if not GEMINI & options:
            return "offers no tool that writes to the model: set --approval-mode in its args"
    settings = _path("{CODEX_HOME:~/.codex}/config.toml", env)
    if kind == "codex" and not CODEX & options and not any(_names_sandbox(word) for word in (*argv, _text(settings))):
        return 'only reads: set args = ["-s", "workspace-write"]'
    if kind == "claude" and not CLAUDE & options:
        return "refuses tools that need a permission, unless settings of the repository or of yours allow them"
    return ""


def _path(template: str, env: Mapping[str, str]) -> str:
    inside, _, rest = template[1:].partition("}")
    name, _, otherwise = inside.partition(":")
    home = env.get("HOME") or os.path.expanduser("~")
    return (env.get(name) or otherwise.replace("~", home, 1)) + rest


def _names_sandbox(text: str) -> bool:
    return "sandbox_mode" in text


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""

"""Where known agents keep their logins, and which options let them work unattended. No login is read, only looked for.

Valid for claude 2.1.197, codex 0.169.0, gemini 0.61.0, aider 0.86.2, opencode 1.18.33.
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
"""How to install a known agent."""
KEYS = {
    "claude": (
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
    ),
    "codex": ("CODEX_API_KEY", "CODEX_ACCESS_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"),
    "opencode": ("OPENCODE_AUTH_CONTENT",),
}  # fmt: skip
"""Variables with a login, or that lead to one."""
FILES = {
    "claude": ("{CLAUDE_CONFIG_DIR:~/.claude}/.credentials.json",),
    "codex": ("{CODEX_HOME:~/.codex}/auth.json",),
    "gemini": (
        "{GEMINI_CLI_HOME:~}/.gemini/oauth_creds.json", "{GEMINI_CLI_HOME:~}/.gemini/gemini-credentials.json",
    ),
    "opencode": ("{XDG_DATA_HOME:~/.local/share}/opencode/auth.json",),
}  # fmt: skip
"""Login files: a variable with their folder, and the folder if it is not set."""
LOG_IN = {
    "aider": "no variable has a key; if its own settings have none either, put one into env/default.env",
    "claude": "log in: run `claude` once by hand, or put ANTHROPIC_API_KEY into env/default.env",
    "codex": "log in: `codex login`, or put CODEX_API_KEY into env/default.env",
    "gemini": "log in: run `gemini` once by hand, or put GEMINI_API_KEY into env/default.env",
    "opencode": "unless its configuration or model needs none: `opencode auth login`, or a key in env/default.env",
}
"""What to do if none is found."""
ANY_KEY = ("aider", "opencode")
"""Programs that work with any provider's key."""
CLAUDE = frozenset({"--permission-mode", "--allowedTools", "--allowed-tools", "--settings", "--dangerously-skip-permissions"})
CODEX = frozenset({"-s", "--sandbox", "-p", "--profile", "--approve-for-me", "--dangerously-bypass-approvals-and-sandbox"})
GEMINI = frozenset({"-y", "--yolo", "--approval-mode", "--policy", "--allowed-tools"})
"""Options that set what the program may do without asking."""


def find_login(kind: str, env: Mapping[str, str], platform: str) -> tuple[str | None, str]:
    """Find a login; returns where it is, and what to do if there is none.

    Args:
        env: the agent's environment.
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
        return None, "unless the keychain has its login, run `claude` once by hand"
    return None, LOG_IN.get(kind, "")


def may_have_login(kind: str, platform: str) -> bool:
    """Whether there may be a login that was not found: in the agent's settings, or in the system's keychain."""
    return kind in ANY_KEY or (kind == "claude" and platform == "darwin")


def describe_refusals(kind: str, argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Describe what it would refuse to do unattended, by its command line and settings; empty for nothing."""
    options = {word.partition("=")[0] for word in argv}
    if kind == "gemini":
        if "--skip-trust" not in options and env.get("GEMINI_CLI_TRUST_WORKSPACE") != "true":
            return "refuses untrusted worktrees: set GEMINI_CLI_TRUST_WORKSPACE in its env"
        if not GEMINI & options:
            return "gives the model no tool that writes: set --approval-mode in its args"
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

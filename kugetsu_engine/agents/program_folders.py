"""What each known agent program keeps below the home directory, and what of it a sandbox lets it write."""

import os
from collections.abc import Mapping
from typing import NamedTuple


class ProgramFolders(NamedTuple):
    """The folders of one program."""

    written: tuple[str, ...]
    read: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    """Files that are made before, and their text, as the agent cannot make them where it only reads."""
    fixed: tuple[str, ...] = ()
    """Files and folders in those that it writes which it only reads: they name programs that it would run outside later."""


def find_folders(kind: str, environ: Mapping[str, str]) -> ProgramFolders:
    """Return the folders of a known program; none for a command of the operator's own.

    Args:
        environ: the agent's environment, which may name other places.
    """
    home = environ.get("HOME") or os.path.expanduser("~")

    def xdg(name: str, usual: str) -> str:
        return environ.get(f"XDG_{name}_HOME") or f"{home}/{usual}"

    if kind == "opencode":
        settings = f"{xdg('CONFIG', '.config')}/opencode"
        written = (("DATA", ".local/share"), ("STATE", ".local/state"), ("CACHE", ".cache"))
        # Without it the first start fails, as the folder is read-only.
        ignored = "node_modules\npackage.json\npackage-lock.json\nbun.lock\n.gitignore"
        return ProgramFolders(
            tuple(f"{xdg(*one)}/opencode" for one in written), (settings,), ((f"{settings}/.gitignore", ignored),)
        )
    if kind == "claude":
        own = environ.get("CLAUDE_CONFIG_DIR") or f"{home}/.claude"
        fixed = ("settings.json", "CLAUDE.md", "hooks", "plugins", "commands", "agents", "skills")
        return _with_settings(own, fixed, "{}\n", (f"{home}/.claude.json",))
    if kind == "codex":
        own = environ.get("CODEX_HOME") or f"{home}/.codex"
        return _with_settings(own, ("config.toml", "AGENTS.md", "hooks.json", "prompts", "rules", "skills"), "")
    if kind == "gemini":
        own = f"{environ.get('GEMINI_CLI_HOME') or home}/.gemini"
        return _with_settings(own, ("settings.json", "GEMINI.md", "commands", "extensions"), "{}\n")
    if kind == "aider":
        return ProgramFolders((f"{home}/.aider",))
    return ProgramFolders(())


def _with_settings(own: str, fixed: tuple[str, ...], empty: str, read: tuple[str, ...] = ()) -> ProgramFolders:
    """One folder, in which the settings (the first of `fixed`) exist and are only read."""
    return ProgramFolders((own,), read, ((f"{own}/{fixed[0]}", empty),), tuple(f"{own}/{name}" for name in fixed))


def list_other_folders(kind: str | None, environ: Mapping[str, str]) -> list[str]:
    """Return the folders of all known programs but one, which hold logins and conversations."""
    others = [find_folders(other, environ) for other in ("opencode", "claude", "codex", "gemini", "aider") if other != kind]
    own = find_folders(kind, environ) if kind else ProgramFolders(())
    kept = {*own.written, *own.read}
    return [path for other in others for path in (*other.written, *other.read) if path not in kept]

"""Decides which hosts are forges that may be asked, of which kind, with which token. Each needs a setting or a token."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..config import env_files
from ..config.loader import ForgeSettings
from ..config.settings import Settings
from ..errors import ForgeError, TransientReadError
from ..paths import ENV_FORGES, StatePaths

TOKEN_FILES = (*env_files.NAMES, ENV_FORGES)
"""In the folder `env`; later ones win. Agents do not get `forges.env`."""
GITHUB_NAMES = ("GITHUB_TOKEN", "GH_TOKEN")
GITEA_NAMES = ("FORGEJO_TOKEN", "GITEA_TOKEN")
PUBLIC_KINDS = {"github.com": "github", "codeberg.org": "gitea"}
"""Kind of well-known public forges."""


class Forge(NamedTuple):
    """A forge that may be asked, as the settings or a token enable it."""

    host: str
    kind: str
    """`github`, or `gitea` for Gitea and Forgejo alike."""
    api: str
    token: str | None
    source: str
    """Name of the variable that the token comes from, for messages."""

    def __repr__(self) -> str:
        return f"Forge({self.host!r}, {self.kind!r}, {self.api!r})"  # no token in tracebacks


def find_forge(host: str, settings: Settings, tokens: Mapping[str, str]) -> Forge | None:
    """Return the forge at a host; None if neither a setting nor a token enables it.

    A token is used for one host only: the one in its name, github.com for GitHub's, or the only Gitea host for Gitea's.
    """
    setting = settings.forges.get(host)
    if setting is not None and setting.kind == "off":
        return None
    own = build_token_name(host)
    kind = _kind(host, setting, settings, tokens)
    if kind is None:
        return None
    names = [own]
    if kind == "github" and host == "github.com":
        names += GITHUB_NAMES
    if kind == "gitea" and _gitea_hosts(settings) == {host}:
        names += GITEA_NAMES
    source = next((name for name in names if tokens.get(name)), "")
    if setting is None and not source:
        return None
    return Forge(
        host,
        kind,
        (setting.api if setting and setting.api else _api(host, kind)).rstrip("/"),
        tokens.get(source),
        source or own,
    )


def _kind(host: str, setting: ForgeSettings | None, settings: Settings, tokens: Mapping[str, str]) -> str | None:
    if setting is not None:
        return "github" if setting.kind == "github" else "gitea"
    if host in PUBLIC_KINDS:
        return PUBLIC_KINDS[host]
    return "gitea" if tokens.get(build_token_name(host)) or host == settings.default_server else None


def _gitea_hosts(settings: Settings) -> set[str]:
    """Return the hosts that a token without a host in its name may be for."""
    hosts = {host for host, forge in settings.forges.items() if forge.kind in ("gitea", "forgejo")}
    default = settings.default_server
    return hosts if default in PUBLIC_KINDS or default in settings.forges else hosts | {default}


def build_token_name(host: str) -> str:
    """Return the name of a host's own token: `KUGETSU_TOKEN_GIT_EXAMPLE_ORG` for `git.example.org`."""
    return f"KUGETSU_TOKEN_{re.sub('[^A-Za-z0-9]', '_', host).upper()}"


def _api(host: str, kind: str) -> str:
    if kind == "gitea":
        return f"https://{host}/api/v1"
    return "https://api.github.com" if host == "github.com" else f"https://{host}/api/v3"


def read_tokens(paths: StatePaths) -> dict[str, str]:
    """Return the variables in the env files, which include the tokens.

    Raises:
        ForgeError: a file cannot be read, so its tokens are unknown.
    """
    try:
        return env_files.read_env_files(paths, TOKEN_FILES, {})
    except (env_files.BrokenEnvFile, TransientReadError) as error:
        raise ForgeError(error.message, error.hint) from None


def may_be_usable(paths: StatePaths, settings: Settings, host: str) -> bool:
    """Whether a host is an enabled forge, or may be one: a file with tokens cannot be read."""
    try:
        return find_forge(host, settings, read_tokens(paths)) is not None
    except ForgeError:
        return True  # asking it will report which file that is

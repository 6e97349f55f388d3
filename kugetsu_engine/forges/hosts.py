"""Which host is a forge that may be asked, of which kind, and with which token. Without a setting or a token none is."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..config import env_files
from ..config.loader import ForgeSettings
from ..config.settings import Settings
from ..errors import ForgeError, TransientReadError
from ..paths import ENV_FORGES, StatePaths

TOKEN_FILES = (*env_files.NAMES, ENV_FORGES)
"""In the folder `env`; later ones win. `forges.env` is for kugetsu alone: agents do not get it."""
GITHUB_NAMES = ("GITHUB_TOKEN", "GH_TOKEN")
GITEA_NAMES = ("FORGEJO_TOKEN", "GITEA_TOKEN")
PUBLIC_KINDS = {"github.com": "github", "codeberg.org": "forgejo"}
"""What is known without being told."""


class Forge(NamedTuple):
    """A forge that may be asked."""

    host: str
    kind: str
    """`github`, or `gitea` for Gitea and Forgejo alike."""
    api: str
    token: str | None
    source: str
    """Name of the variable the token comes from, for words about it."""

    def __repr__(self) -> str:
        return f"Forge({self.host!r}, {self.kind!r}, {self.api!r})"  # a token belongs in no traceback


def find_forge(host: str, settings: Settings, tokens: Mapping[str, str]) -> Forge | None:
    """The forge at a host; None when nobody asked for its use.

    A token is only ever meant for one host: its own by name, GitHub's for github.com, Gitea's for the one such host there is.
    """
    told = settings.forges.get(host)
    if told is not None and told.kind == "off":
        return None
    own = build_token_name(host)
    kind = _kind(host, told, settings, tokens)
    if kind is None:
        return None
    names = [own]
    if kind == "github" and host == "github.com":
        names += GITHUB_NAMES
    if kind == "gitea" and _gitea_hosts(settings) == {host}:
        names += GITEA_NAMES
    source = next((name for name in names if tokens.get(name)), "")
    if told is None and not source:
        return None
    return Forge(
        host, kind, (told.api if told and told.api else _api(host, kind)).rstrip("/"), tokens.get(source), source or own
    )


def _kind(host: str, told: ForgeSettings | None, settings: Settings, tokens: Mapping[str, str]) -> str | None:
    known: str
    if told is not None:
        known = told.kind
    elif host in PUBLIC_KINDS:
        known = PUBLIC_KINDS[host]
    elif tokens.get(build_token_name(host)) or host == settings.default_server:
        known = "gitea"
    else:
        return None
    return "github" if known == "github" else "gitea"


def _gitea_hosts(settings: Settings) -> set[str]:
    """The hosts a token without a host's name can be meant for."""
    told = {host for host, one in settings.forges.items() if one.kind in ("gitea", "forgejo")}
    default = settings.default_server
    return told if default in PUBLIC_KINDS or default in settings.forges else told | {default}


def build_token_name(host: str) -> str:
    """`KUGETSU_TOKEN_GIT_EXAMPLE_ORG` for `git.example.org`."""
    return f"KUGETSU_TOKEN_{re.sub('[^A-Za-z0-9]', '_', host).upper()}"


def _api(host: str, kind: str) -> str:
    if kind == "gitea":
        return f"https://{host}/api/v1"
    return "https://api.github.com" if host == "github.com" else f"https://{host}/api/v3"


def read_tokens(paths: StatePaths) -> dict[str, str]:
    """What the env files say, among it the tokens.

    Raises:
        ForgeError: a file cannot be read, so nobody knows which token it has.
    """
    try:
        return env_files.read_env_files(paths, TOKEN_FILES, {})
    except (env_files.BrokenEnvFile, TransientReadError) as error:
        raise ForgeError(error.message, error.hint) from None


def may_be_usable(paths: StatePaths, settings: Settings, host: str) -> bool:
    """Whether a host is a forge whose use was asked for, or may be, as a file of tokens cannot be read."""
    try:
        return find_forge(host, settings, read_tokens(paths)) is not None
    except ForgeError:
        return True  # whoever asks it is told which file it is

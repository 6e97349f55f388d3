"""Collects the secrets that agents get, to mask them where logs are shown: from env files, `[agents.….env]` and `pass_env`,
and passwords in addresses."""

from collections.abc import Mapping

from ..domain.text.masking import Mask, find_secrets
from ..paths import StatePaths
from ..storage import files
from . import env_files
from .loader import load_settings
from .settings import Settings

_PROXIES = tuple(f"{kind}_{end}" for kind in ("HTTP", "HTTPS", "ALL", "http", "https", "all") for end in ("PROXY", "proxy"))


def collect_secrets(paths: StatePaths, settings: Settings, client: Mapping[str, str]) -> set[str]:
    """Collect all secrets that an agent may know.

    Args:
        client: the operator's environment, for `pass_env`.
    """
    secrets = find_secrets({name: client[name] for name in (*settings.pass_env, *_PROXIES) if name in client})
    secrets |= find_secrets({f"{host}_URL": address for host, address in settings.servers.items()})
    for agent in settings.agents.values():
        secrets |= find_secrets(agent.env)
    return secrets | find_secrets(env_files.read_readable_env(paths))


class Secrets:
    """The mask of a state directory, made again when its files change. Not thread-safe."""

    def __init__(self, paths: StatePaths, environ: Mapping[str, str]) -> None:
        self._paths = paths
        self._environ = environ
        self._files = [paths.config, *(f"{paths.env}/{name}" for name in env_files.NAMES)]
        self._seen: object = None
        self._mask = Mask()

    def mask(self) -> Mask:
        """The mask for the current secrets."""
        seen = [files.read_signature(path) for path in self._files]
        if seen != self._seen:
            self._seen = seen
            self._mask = Mask(collect_secrets(self._paths, load_settings(self._paths, self._environ)[0], self._environ))
        return self._mask

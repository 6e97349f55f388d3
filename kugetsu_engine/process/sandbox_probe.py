"""Finds out whether a sandbox can be made on this machine, by making one for nothing. Standard library only."""

import os
import shutil
import subprocess

from ..errors import SandboxFailed
from .bubblewrap import NO_PROC, PROGRAM, Facts, build_probe, explain
from .tree import LINUX

PROBE_S = 10.0
_known: dict[tuple[str, bool], bool] = {}


def remember_probe(environ: dict[str, str], network: bool, limit_s: float) -> bool | None:
    """Probe once for this process: whether a sandbox has a `/proc` of its own; None if none could be made this time."""
    key = environ.get("PATH", ""), network
    if key not in _known:
        try:
            _known[key] = probe(environ, network, limit_s)
        except SandboxFailed:
            return None
    return _known[key]


def probe(environ: dict[str, str], network: bool, limit_s: float = PROBE_S) -> bool:
    """Make a sandbox for nothing; return whether it has a `/proc` of its own.

    Raises:
        SandboxFailed: none can be made; with the cure.
    """
    if not LINUX:
        raise SandboxFailed('there is none for this system: set sandbox = "off", or run kugetsu in a virtual machine')
    if shutil.which(PROGRAM, path=environ.get("PATH")) is None:
        raise SandboxFailed("bubblewrap is not installed, or not on the PATH: apt-get install bubblewrap, or the like")
    facts = Facts("/", "", "/", "/", "/", None, network=network, as_root=os.geteuid() == 0)
    words = ""
    for own_proc in (True, False):
        try:
            done = subprocess.run(
                build_probe(facts._replace(own_proc=own_proc)), stdin=subprocess.DEVNULL, capture_output=True,
                env=environ, cwd="/", timeout=limit_s, check=False, start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxFailed(f"bwrap cannot be run: {getattr(error, 'strerror', None) or error}") from None
        if done.returncode == 0:
            return own_proc
        words = words or done.stderr.decode("utf-8", "replace")
        if NO_PROC not in words:
            break
    raise SandboxFailed(explain(words))

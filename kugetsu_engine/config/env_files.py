"""Env files: KEY=VALUE lines, parsed as data and never run by a shell."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ..domain import refs
from ..domain.config_faults import EVERYTHING, Fault, Stop
from ..domain.reserved_refs import PM_AGENT
from ..domain.text import shell_assignments
from ..errors import BadFile, ConfigError, TransientReadError
from ..paths import ENV_DEFAULT, ENV_DEV, ENV_FORGES, ENV_PM, StatePaths
from ..storage import files

NAMES = (ENV_DEFAULT, ENV_DEV, ENV_PM)
MAX_FAULTS = 5
"""Faults reported per file; a binary file has thousands."""

_STOPS = {ENV_DEFAULT: EVERYTHING, ENV_DEV: EVERYTHING, ENV_PM: (Stop("repository", refs.key_of(PM_AGENT.rpartition("#")[0])),)}
"""What must not start while each of them cannot be read."""

REFUSED = frozenset({"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "IFS"})
"""Variables that change which code a program runs; env files must not set them."""


def choose_env_files(issue_ref: str) -> tuple[str, str]:
    """Choose the env files for an issue's agent, later ones win; the project manager has its own, all others share one."""
    return (ENV_DEFAULT, ENV_PM if issue_ref == PM_AGENT else ENV_DEV)


def parse_assignments(text: str, known: Mapping[str, str] | None = None) -> tuple[dict[str, str], list[str]]:
    """Parse assignments, see `domain.text.shell_assignments`; returns them, and a sentence for each invalid line.

    Args:
        known: further variables for `${NAME:-default}`.
    """
    read = shell_assignments.parse_assignments(text, known)
    values, faults = dict[str, str](), list(read.faults)
    for name, value in read.values.items():
        if name in REFUSED:
            faults.append(f"line {read.lines[name]}: {name} may not be set")
        elif "\0" in value:
            faults.append(f"line {read.lines[name]} contains a NUL character")
        else:
            values[name] = value
    return values, faults


def load_env_file(path: str, known: Mapping[str, str] | None = None) -> tuple[dict[str, str], list[str]]:
    """Read an env file with `parse_assignments`; bytes that are not UTF-8 are kept.

    Raises:
        FileNotFoundError: it does not exist.
        BadFile: it cannot be read.
    """
    return parse_assignments(_read_text(path), known)


def _read_text(path: str) -> str:
    data = files.read(path, 1 << 20)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadFile(f"{path} is UTF-16: save it as UTF-8")
    return data.decode("utf-8", "surrogateescape")


class BrokenEnvFile(ConfigError):
    """An env file exists but cannot be read."""


def read_env_files(paths: StatePaths, names: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Read the variables of some env files, later ones win; missing files are ignored.

    Args:
        known: further variables for `${NAME:-default}`.

    Raises:
        BrokenEnvFile: one cannot be read, so that its variables are unknown.
        TransientReadError: the system could not read one this time.
    """
    variables: dict[str, str] = {}
    for name in names:
        try:
            variables |= load_env_file(f"{paths.env}/{name}", {**known, **variables})[0]
        except FileNotFoundError:
            continue
        except TransientReadError:
            raise
        except BadFile as error:
            raise BrokenEnvFile(error.message, "correct it, or move it away") from None
    return variables


def read_readable_env(paths: StatePaths) -> dict[str, str]:
    """Read the variables of the agents' env files that can be read, for masks, warnings and checks."""
    variables: dict[str, str] = {}
    for name in NAMES:
        with suppress(FileNotFoundError, BadFile):
            variables |= load_env_file(f"{paths.env}/{name}", variables)[0]
    return variables


def find_env_faults(paths: StatePaths) -> list[Fault]:
    """Find the agents' env files that cannot be read, and what must not start meanwhile."""
    faults = []
    for name in NAMES:
        try:
            _read_text(f"{paths.env}/{name}")
        except (FileNotFoundError, TransientReadError):
            continue
        except BadFile as error:
            faults.append(Fault(f"env/{name}", "", error.message, _STOPS[name]))
    return faults


class EnvFiles:
    """The problems of the env files, checked again when they change."""

    def __init__(self, paths: StatePaths) -> None:
        self._files = [f"{paths.env}/{name}" for name in (*NAMES, ENV_FORGES)]
        self._seen: object = None
        self.problems: list[str] = []

    def refresh(self) -> bool:
        """Read the files again if they changed; returns whether the problems changed."""
        seen = [files.read_signature(path) for path in self._files]
        if seen == self._seen and not self.problems:
            return False
        before, self._seen = self.problems, seen
        self.problems = [problem for path in self._files for problem in _problems(path)]
        return self.problems != before

    def make_private(self) -> list[str]:
        """Remove the permissions of others from the files, as they contain keys; returns a sentence for each changed file."""
        return [text for path in self._files if (text := _made_private(path))]


def _made_private(path: str) -> str | None:
    mode = files.make_private(path) if os.path.isfile(path) else None
    if mode is None:
        return None
    name = f"env/{path.rpartition('/')[2]}"
    return f"{name} had the mode {mode:04o} and is private now: if others use this machine, change the keys in it"


def _problems(path: str) -> list[str]:
    name = f"env/{path.rpartition('/')[2]}"
    try:
        faults = load_env_file(path)[1]
    except FileNotFoundError:
        return []
    except BadFile as error:
        meanwhile = "no forge is asked" if name == f"env/{ENV_FORGES}" else "what needs it does not start"
        return [f"{error.message}: {meanwhile} until it is corrected or moved away"]
    return [f"{name}: {fault}" for fault in faults[:MAX_FAULTS]] + (["…"] if len(faults) > MAX_FAULTS else [])

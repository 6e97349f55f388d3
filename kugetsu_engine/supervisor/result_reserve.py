"""Reserves disk space for an attempt's result, so that it can be written even if the disk is full by then."""

import os

from ..domain.failures import REFUSALS, classify_errno
from ..paths import RunPaths
from ..storage import files

RESERVED_BYTES = 16 << 10


def make_reserve(run_dir: str) -> None:
    """Reserve the space.

    Raises:
        OSError: there is none.
    """
    fd = os.open(RunPaths(run_dir).reserve, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        files.write_all(fd, b" " * RESERVED_BYTES)
    finally:
        os.close(fd)


def use_reserve(run_dir: str, data: bytes) -> bool:
    """Write the result into the reserved space as `exit.json`; return False if even that is refused at the moment.

    Raises:
        OSError: another error, such as a missing folder.
    """
    try:
        fd = os.open(RunPaths(run_dir).reserve, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            files.write_all(fd, data.ljust(RESERVED_BYTES))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(RunPaths(run_dir).reserve, RunPaths(run_dir).result)
    except OSError as error:
        if classify_errno(error.errno) not in REFUSALS:
            raise
        return False
    return True


def release_reserve(run_dir: str) -> None:
    """Free the space."""
    files.remove(RunPaths(run_dir).reserve)

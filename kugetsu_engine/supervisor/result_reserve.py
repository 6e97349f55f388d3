"""Room on the disk that an attempt keeps for its result, so that a disk which is full by then can take it all the same."""

import os

from ..domain.failures import REFUSALS, classify_errno
from ..paths import RunPaths
from ..storage import files

BYTES = 16 << 10


def make_reserve(run_dir: str) -> None:
    """Take the room.

    Raises:
        OSError: there is none.
    """
    fd = os.open(RunPaths(run_dir).reserve, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        files.write_all(fd, b" " * BYTES)
    finally:
        os.close(fd)


def use_reserve(run_dir: str, data: bytes) -> bool:
    """Write the result over it as `exit.json`, which a full disk allows; False while disk or system allow nothing at all.

    Raises:
        OSError: for another reason than that, such as that the folder is gone.
    """
    try:
        fd = os.open(RunPaths(run_dir).reserve, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            files.write_all(fd, data.ljust(BYTES))
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
    """Give the room back."""
    files.remove(RunPaths(run_dir).reserve)

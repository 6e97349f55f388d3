"""Creates or migrates opencode's database before several attempts use it. Standard library only; a supervisor loads it.

On a fresh home or after an upgrade, concurrent first runs all create or migrate the database at once, and some fail with
"database is locked". So one attempt has opencode do it while the others wait, once per database and version.
"""

import json
import os
import shutil
import subprocess
from binascii import crc32
from typing import Any

from ...errors import BadFile
from ...paths import LOCK, StatePaths
from ...storage import files
from ...storage.locks import unlock, wait_lock
from .session_ids import find_database

CREATE_LIMIT_S = 60.0
"""It was measured to take one to three seconds."""


def prepare_database(job: dict[str, Any]) -> None:
    """Have the database created, unless this version of opencode has opened it before. The run itself will report errors.

    If the version is unknown nothing is done, as we cannot know what the command would do.
    """
    env, version = dict(job["env"]), job.get("version")
    path, program = find_database(env), shutil.which(os.path.expanduser(str(job["program"])), path=env.get("PATH"))
    if path is None or program is None or not version:
        return
    paths = StatePaths(str(job["state_dir"]))
    mark = paths.opencode_database(f"{crc32(os.fsencode(os.path.realpath(path))):08x}")
    if _is_ready(mark, path, version):
        return
    lock = wait_lock(f"{mark}{LOCK}")
    try:
        if not _is_ready(mark, path, version):
            _create(program, env, str(job["worktree"]))
            if (identity := _identity(path)) is not None:
                files.replace(mark, json.dumps({"version": version, "identity": identity}).encode(), durable=False)
    except (OSError, subprocess.SubprocessError):
        return
    finally:
        unlock(lock)


def _create(program: str, env: dict[str, str], worktree: str) -> None:
    """Run the command that only opens the database."""
    subprocess.run(
        [program, "db", "path"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=worktree,
        env={**env, "PWD": worktree}, timeout=CREATE_LIMIT_S, check=True, start_new_session=True,
    )  # fmt: skip


def _is_ready(mark: str, path: str, version: str) -> bool:
    try:
        mark_content = json.loads(files.read(mark, 4096))
    except (OSError, BadFile, ValueError, RecursionError):
        return False
    return bool(mark_content == {"version": version, "identity": _identity(path)})


def _identity(path: str) -> list[int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_dev, status.st_ino]

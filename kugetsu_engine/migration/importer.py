"""Importing the directory of a bash kugetsu (v0.2); whatever is changed or moved is kept in a backup.

Most of it can be read as it is. An import converts settings to `config.toml`, renames sessions and conversations, moves
worktrees, and converts notifications.
"""

import os
import shutil
from collections.abc import Iterator

from ..errors import BadFile, Conflict, KugetsuError, UsageError
from ..paths import StatePaths
from ..process import identity
from ..storage import files
from .bash_sessions import import_conversations, import_sessions
from .bash_settings import add_servers, import_env_files, import_repositories, import_settings
from .bash_tasks import import_notifications, import_tasks
from .old_directory import ITEMS, OldDirectory

DONE = "taken-over"
"""In the backup: the import was completed."""
STEPS = (
    import_settings, import_repositories, import_env_files, import_sessions, import_conversations, import_tasks,
    import_notifications, add_servers,
)  # fmt: skip
COPIED = ("config", "index.json", "notifications.json", "repos.json", "pm-agent.md", "env", "sessions", "context", ITEMS)


class BashImporter:
    """The import of one old directory."""

    def __init__(self, old: str, paths: StatePaths, now: float, dry_run: bool) -> None:
        self.old = OldDirectory(old, paths, now, dry_run)

    def check(self) -> None:
        """Check that it is a bash kugetsu's, and that its daemon does not run.

        Raises:
            UsageError: it is not.
            KugetsuError: its daemon runs.
        """
        marks = [name for name in ("config", "notifications.json", "repos.json", "index.json", ITEMS, "sessions")
                 if os.path.lexists(f"{self.old.root}/{name}")]  # fmt: skip
        if not marks:
            raise UsageError(
                f"{self.old.root} is not the directory of a bash kugetsu", "name its directory: kugetsu import ~/.kugetsu"
            )
        try:
            pid = int(files.read(f"{self.old.root}/queue/daemon.pid", 100))
        except (FileNotFoundError, BadFile, ValueError):
            return
        if identity.read_start_ticks(pid) is not None and "kugetsu" in _command_line(pid):
            raise KugetsuError(f"the old queue daemon is running (pid {pid})", "stop it with the old kugetsu first")

    def steps(self) -> Iterator[str]:
        """Import everything, and describe each conversion."""
        yield from self._copy_backup()
        for step in STEPS:
            yield from step(self.old)
        if not self.old.dry_run:
            files.create(f"{self.old.backup}/{DONE}", b"")

    def _copy_backup(self) -> Iterator[str]:
        names = [name for name in COPIED if os.path.lexists(f"{self.old.root}/{name}")]
        yield f"backup: {', '.join(names)} are copied to {self.old.backup}"
        if self.old.dry_run:
            return
        files.create_folders(self.old.paths.folders())
        for name in names:
            target = f"{self.old.backup}/{name}"
            os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
            if os.path.isdir(f"{self.old.root}/{name}"):
                shutil.copytree(f"{self.old.root}/{name}", target, symlinks=True)
            else:
                shutil.copy2(f"{self.old.root}/{name}", target, follow_symlinks=False)


def refuse_second_import(paths: StatePaths) -> None:
    """Raise `Conflict` if an import was completed before, so that nothing is imported twice."""
    there = [name for name in files.list_names(paths.root) if name.startswith("backup-v0.2-")]
    done = [name for name in there if os.path.lexists(f"{paths.root}/{name}/{DONE}")]
    if done:
        raise Conflict(f"it was already imported: {paths.root}/{done[0]}", "move that backup away to import it again")


def _command_line(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096).decode("utf-8", "replace")
    except OSError:
        return "kugetsu"  # unknown here: assume that it runs

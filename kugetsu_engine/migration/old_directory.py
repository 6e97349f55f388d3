"""The state directory of a bash kugetsu, and what is known of it during an import."""

import codecs
import os
from typing import Any

import msgspec

from ..config import toml_editor
from ..domain.text.times import iso
from ..errors import BadFile
from ..paths import StatePaths
from ..storage import files

ITEMS = os.path.relpath(StatePaths("/").items, "/")


class OldDirectory:
    """One old directory, and the state directory that it is imported to."""

    def __init__(self, root: str, paths: StatePaths, now: float, dry_run: bool) -> None:
        self.root = os.path.abspath(os.path.expanduser(root))
        self.paths = paths
        self.dry_run = dry_run
        self.same = os.path.realpath(self.root) == os.path.realpath(paths.root)
        self.now = iso(now)
        self.backup = f"{paths.root}/backup-v0.2-{self.now[:19].replace(':', '').replace('-', '')}"
        self.hosts: set[str] = set()
        """Forges of imported issues."""
        self.imported_sessions: set[str] = set()

    def read_text(self, name: str) -> str | None:
        """Read a file; None if that is not possible."""
        try:
            return files.read(f"{self.root}/{name}", 1 << 20).decode("utf-8-sig", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError, BadFile):
            return None

    def read_document(self, name: str) -> Any:
        """Read a file of JSON; None if that is not possible."""
        try:
            return msgspec.json.decode(files.read(f"{self.root}/{name}").removeprefix(codecs.BOM_UTF8))
        except (OSError, BadFile, ValueError, RecursionError):
            return None

    def describe_backup(self, name: str) -> str:
        """Say where a file is kept."""
        return f"it is kept as {self.backup}/{name}"

    def write_settings(self, plain: dict[str, Any], tables: dict[str, dict[str, str]]) -> None:
        """Add settings to `config.toml`; those that are set there already are kept."""
        if self.dry_run or not (plain or any(tables.values())):
            return

        def change(document: Any) -> None:
            for name, value in plain.items():
                document.setdefault(name, value)
            for table, entries in tables.items():
                for key, value in entries.items():
                    if key not in document.get(table, {}):
                        toml_editor.set_in_table(document, table, key, value)

        toml_editor.edit_config(self.paths, change)

"""Changes `config.toml` and keeps comments and order."""

import tomllib
from collections.abc import Callable

import tomlkit
from tomlkit.exceptions import TOMLKitError

from ..errors import BadFile, ConfigError
from ..paths import StatePaths
from ..storage import files


def edit_config(paths: StatePaths, change: Callable[[tomlkit.TOMLDocument], None]) -> None:
    """Apply a change to `config.toml`, which is created if it is missing.

    Raises:
        ConfigError: it cannot be read; it is not changed.
        OSError: writing failed; the file has its old contents.
    """
    try:
        text = files.read(paths.config, 1 << 20).decode("utf-8-sig")
    except FileNotFoundError:
        text = ""
    except (BadFile, UnicodeDecodeError) as error:
        raise ConfigError(f"config.toml cannot be read: {error}", "correct it first") from None
    try:
        document = tomlkit.parse(text)
        change(document)
        changed = tomlkit.dumps(document)
        tomllib.loads(changed)
    except (TOMLKitError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"config.toml cannot be changed: {error}", "correct it first") from None
    files.replace(paths.config, changed.encode())


def set_in_table(document: tomlkit.TOMLDocument, table: str, key: str, value: str | None) -> None:
    """Set a key of a table, or remove it if the value is None."""
    if table not in document:
        if value is None:
            return
        document[table] = tomlkit.table()
    if value is None:
        document[table].pop(key, None)
    else:
        document[table][key] = value

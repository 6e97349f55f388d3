"""Changing `config.toml` as a person would: comments, order and everything else stay as they are."""

import tomllib
from collections.abc import Callable

import tomlkit
from tomlkit.exceptions import TOMLKitError

from ..errors import BadFile, ConfigError
from ..paths import StatePaths
from ..storage import files


def edit_config(paths: StatePaths, change: Callable[[tomlkit.TOMLDocument], None]) -> None:
    """Apply a change to the settings file; it is made where there is none.

    Raises:
        ConfigError: it cannot be read, and is left alone.
        OSError: the disk refused; the old contents stand.
    """
    try:
        text = files.read(paths.config, 1 << 20).decode("utf-8-sig")
    except FileNotFoundError:
        text = ""
    except (BadFile, UnicodeDecodeError) as error:
        raise ConfigError(f"config.toml cannot be read: {error}", "mend it first") from None
    try:
        document = tomlkit.parse(text)
        change(document)
        changed = tomlkit.dumps(document)
        tomllib.loads(changed)
    except (TOMLKitError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"config.toml cannot be changed: {error}", "mend it first") from None
    files.replace(paths.config, changed.encode())


def set_in_table(document: tomlkit.TOMLDocument, table: str, key: str, value: str | None) -> None:
    """Set a key of a table, or remove it where the value is None."""
    if table not in document:
        if value is None:
            return
        document[table] = tomlkit.table()
    if value is None:
        document[table].pop(key, None)
    else:
        document[table][key] = value

"""Importing settings, repositories, env files and servers."""

import json
import os
from collections.abc import Iterator
from typing import Any

from ..config import env_files
from ..config.loader import OLD_NAMES, OLD_SERVERS, READERS, load_settings
from ..domain import refs
from ..domain.text import shell_assignments
from ..domain.text.quantities import format_count
from ..errors import BadFile, KugetsuError
from ..paths import ENV_DEFAULT, ENV_DEV, ENV_PM
from ..storage import files
from .old_directory import OldDirectory

NO_COUNTERPART = {
    "QUEUE_DAEMON_INTERVAL_MINUTES": "there is no polling: a free slot is used at once",
    "QUEUE_DAEMON_BATCH_SIZE": "all free slots are used",
    "KUGETSU_VERBOSITY": "[notify] in config.toml sets which notifications are sent",
    "KUGETSU_TEMP_DIR": "each attempt has a TMPDIR of its own",
    "WORKTREE_CHECK_PR_STATUS": "destroy always checks; --force overrides",
    "ENABLE_CONTEXT_DUMP": "conversations are always kept",
    "OPENCODE_DB": "set it in env/default.env",
    "DEBUG_MODE": "the log has everything anyway",
}
"""Settings of the bash kugetsu that are not imported, and why."""


def import_settings(old: OldDirectory) -> Iterator[str]:
    """Convert `config` to `config.toml`."""
    config = old.read_text("config")
    if config is None:
        return
    read = shell_assignments.parse_assignments(config)
    settings, servers = read.values, read.tables.get(OLD_SERVERS, {})
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in OLD_NAMES:
            yield f"config: {name} is not imported: {NO_COUNTERPART.get(name, 'unknown setting')}"
            continue
        setting, text = OLD_NAMES[name][0], OLD_NAMES[name][1](value)
        try:
            parsed = READERS[setting](text)
        except KugetsuError as error:
            yield f"config: {name} is not imported: {error.message}"
            continue
        values[setting] = parsed if isinstance(parsed, int) else text  # a branch may be called 2024
        yield f"config: {name}={value} becomes {setting} = {json.dumps(values[setting])} in config.toml"
    for host, url in servers.items():
        yield f'config: GIT_SERVERS {host} becomes "{host}" = "{url}" of [servers]'
    old.write_settings(values, {"servers": servers})
    if old.same and not old.dry_run:
        os.unlink(old.paths.shell_config)
    yield f"config: {'removed; it is in the backup' if old.same else 'not changed'}"


def import_repositories(old: OldDirectory) -> Iterator[str]:
    """Add the clones of `repos.json` to `[repos]`."""
    found = old.read_document("repos.json")
    found = found.get("repos", found) if isinstance(found, dict) else {}
    local: dict[str, str] = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        url = value.get("url") or value.get("path") if isinstance(value, dict) else value
        if not isinstance(url, str):
            yield f"repos.json: {name} is not imported: it does not name a repository"
        elif os.path.isdir(os.path.expanduser(url)):
            local[name] = url
            yield f'repos.json: {name} becomes "{name}" = "{url}" of [repos]'
        else:
            yield f"repos.json: {name} is cloned from [servers]; if {url} is another repository, clone it and set it in [repos]"
    old.write_settings({}, {"repos": local})


def import_env_files(old: OldDirectory) -> Iterator[str]:
    """Copy the env files and the project manager's instructions."""
    given: dict[str, set[str]] = {}
    for name in env_files.NAMES:
        path = f"{old.root}/env/{name}"
        try:
            found = env_files.load_env_file(path)[0]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except BadFile as error:
            yield f"env/{name}: not imported: {error.message}"
            continue
        if not old.same and os.path.lexists(f"{old.paths.env}/{name}"):
            yield f"env/{name}: not imported: one already exists; {old.describe_backup(f'env/{name}')}"
            continue
        given[name] = set(found)
        count = len(given[name])
        yield f"env/{name}: {format_count(count, 'variable')}, {'kept' if old.same else 'copied'}, private"
        if not old.dry_run:
            files.replace(f"{old.paths.env}/{name}", files.read(path))
    only_manager = given.get(ENV_PM, set()) - given.get(ENV_DEFAULT, set()) - given.get(ENV_DEV, set())
    if only_manager:
        yield (
            f"env: {', '.join(sorted(only_manager))} is only in pm-agent.env, which agents of issues no longer get: "
            "move what they need to default.env"
        )
    if not old.same and (text := old.read_text("pm-agent.md")) is not None:
        there = os.path.lexists(old.paths.project_manager)
        kept = f"not imported: one already exists; {old.describe_backup('pm-agent.md')}"
        yield f"pm-agent.md: {kept if there else 'copied'}"
        if not old.dry_run and not there:
            files.replace(old.paths.project_manager, text.encode("utf-8", "surrogateescape"))


def add_servers(old: OldDirectory) -> Iterator[str]:
    """Add the forges of all imported issues to `[servers]`."""
    known = load_settings(old.paths, {})[0].servers | shell_assignments.parse_assignments(
        old.read_text("config") or ""
    ).tables.get(OLD_SERVERS, {})
    unknown = {host: f"https://{host}" for host in sorted(old.hosts) if host not in known and host != refs.LOCAL}
    for host, url in unknown.items():
        yield f'servers: "{host}" = "{url}" is added to [servers], as there are issues on it'
    old.write_settings({}, {"servers": unknown})

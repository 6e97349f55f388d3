"""Taking over the directory of a bash kugetsu (v0.2), line by line; what is changed or moved is kept in a backup.

Most of it loads as it is. What is done here: settings become `config.toml`, sessions and contexts get the names of today,
worktrees come to their place, notifications become lines.
"""

import codecs
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import msgspec

from ..config import env_files, toml_editor
from ..config.loader import OLD_NAMES, OLD_SERVERS, READERS, load_settings
from ..domain import refs
from ..domain.new_task import parse_task_id
from ..domain.reserved_refs import BASE, PM_AGENT, SESSIONS
from ..domain.session import Session
from ..domain.states import FINAL
from ..domain.task import Notice, Task
from ..domain.text import shell_assignments
from ..domain.text.quantities import format_count
from ..domain.text.times import epoch, iso
from ..errors import BadFile, Conflict, GitError, KugetsuError, UsageError
from ..git.command import git
from ..paths import ENV_DEFAULT, ENV_DEV, ENV_PM, StatePaths
from ..process import identity
from ..state import contexts, notifications, sessions, tasks
from ..state.issue_names import session_name
from ..storage import files

NO_COUNTERPART = {
    "QUEUE_DAEMON_INTERVAL_MINUTES": "nothing is polled: a free slot is used at once",
    "QUEUE_DAEMON_BATCH_SIZE": "as many start as there are free slots",
    "KUGETSU_VERBOSITY": "[notify] in config.toml says what you are told",
    "KUGETSU_TEMP_DIR": "each attempt has a TMPDIR of its own",
    "WORKTREE_CHECK_PR_STATUS": "destroy always looks; --force goes on",
    "ENABLE_CONTEXT_DUMP": "what was said is always kept",
    "OPENCODE_DB": "set it in env/default.env",
    "DEBUG_MODE": "the log holds everything anyway",
}
BOM = codecs.BOM_UTF8
DONE = "taken-over"
"""In the backup: everything was done."""
ITEMS = os.path.relpath(StatePaths("/").items, "/")
COPIED = (
    "config",
    "index.json",
    "notifications.json",
    "repos.json",
    "pm-agent.md",
    "env",
    "sessions",
    "context",
    ITEMS,
)


class BashImporter:
    """One old directory, and the state directory it becomes."""

    def __init__(self, old: str, paths: StatePaths, now: float, dry_run: bool) -> None:
        self.old = os.path.abspath(os.path.expanduser(old))
        self.paths = paths
        self.dry_run = dry_run
        self.same = os.path.realpath(self.old) == os.path.realpath(paths.root)
        self._now = iso(now)
        self.backup = f"{paths.root}/backup-v0.2-{iso(now)[:19].replace(':', '').replace('-', '')}"
        self._hosts: set[str] = set()
        self._kept: set[str] = set()
        """Names of sessions that were taken over."""

    def check(self) -> None:
        """Make sure that it is one, and that nothing of it runs.

        Raises:
            UsageError: there is no bash kugetsu.
            KugetsuError: its daemon runs.
        """
        marks = [name for name in ("config", "notifications.json", "repos.json", "index.json", ITEMS, "sessions")
                 if os.path.lexists(f"{self.old}/{name}")]  # fmt: skip
        if not marks:
            raise UsageError(f"{self.old} holds nothing of a bash kugetsu", "name its directory: kugetsu import ~/.kugetsu")
        try:
            pid = int(files.read(f"{self.old}/queue/daemon.pid", 100))
        except (FileNotFoundError, BadFile, ValueError):
            return
        if identity.read_start_ticks(pid) is not None and "kugetsu" in _command_line(pid):
            raise KugetsuError(f"the old queue daemon runs (pid {pid})", "stop it with the old kugetsu first")

    def steps(self) -> Iterator[str]:
        """Do all of it, and say each thing that becomes another."""
        yield from self._keep_backup()
        yield from self._settings()
        yield from self._repositories()
        yield from self._env()
        yield from self._sessions()
        yield from self._contexts()
        yield from self._tasks()
        yield from self._notifications()
        yield from self._servers()
        if not self.dry_run:
            files.create(f"{self.backup}/{DONE}", b"")

    def _keep_backup(self) -> Iterator[str]:
        there = [name for name in COPIED if os.path.lexists(f"{self.old}/{name}")]
        yield f"backup: {', '.join(there)} are copied to {self.backup}"
        if self.dry_run:
            return
        files.create_folders(self.paths.folders())
        for name in there:
            target = f"{self.backup}/{name}"
            os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
            if os.path.isdir(f"{self.old}/{name}"):
                shutil.copytree(f"{self.old}/{name}", target, symlinks=True)
            else:
                shutil.copy2(f"{self.old}/{name}", target, follow_symlinks=False)

    def _settings(self) -> Iterator[str]:
        text = self._text("config")
        if text is None:
            return
        read = shell_assignments.parse_assignments(text)
        given, servers = read.values, read.tables.get(OLD_SERVERS, {})
        wanted: dict[str, Any] = {}
        for name, value in given.items():
            if name not in OLD_NAMES:
                yield f"config: {name} is not taken over: {NO_COUNTERPART.get(name, 'unknown to kugetsu')}"
                continue
            setting, made = OLD_NAMES[name][0], OLD_NAMES[name][1](value)
            try:
                meant = READERS[setting](made)
            except KugetsuError as error:
                yield f"config: {name} is not taken over: {error.message}"
                continue
            wanted[setting] = meant if isinstance(meant, int) else made  # a branch may be called 2024
            yield f"config: {name}={value} becomes {setting} = {json.dumps(wanted[setting])} in config.toml"
        for host, url in servers.items():
            yield f'config: GIT_SERVERS {host} becomes "{host}" = "{url}" of [servers]'
        self._write_settings(wanted, {"servers": servers})
        if self.same and not self.dry_run:
            os.unlink(self.paths.shell_config)
        yield f"config: {'removed; it is in the backup' if self.same else 'stays where it is'}"

    def _write_settings(self, plain: dict[str, Any], tables: dict[str, dict[str, str]]) -> None:
        """Add settings to `config.toml`; what stands there already wins."""
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

    def _repositories(self) -> Iterator[str]:
        found = self._document("repos.json")
        found = found.get("repos", found) if isinstance(found, dict) else {}
        local: dict[str, str] = {}
        for name, value in found.items() if isinstance(found, dict) else ():
            url = value.get("url") or value.get("path") if isinstance(value, dict) else value
            if not isinstance(url, str):
                yield f"repos.json: {name} is not taken over: it names no repository"
            elif os.path.isdir(os.path.expanduser(url)):
                local[name] = url
                yield f'repos.json: {name} becomes "{name}" = "{url}" of [repos]'
            else:
                yield f"repos.json: {name} is cloned from [servers]; if {url} is another place, clone it and name it in [repos]"
        self._write_settings({}, {"repos": local})

    def _env(self) -> Iterator[str]:
        given: dict[str, set[str]] = {}
        for name in env_files.NAMES:
            source = f"{self.old}/env/{name}"
            try:
                found = env_files.load_env_file(source)[0]
            except (FileNotFoundError, NotADirectoryError):
                continue
            except BadFile as error:
                yield f"env/{name}: not taken over: {error.message}"
                continue
            if not self.same and os.path.lexists(f"{self.paths.env}/{name}"):
                yield f"env/{name}: not taken over: there is one already; {self._in_backup(f'env/{name}')}"
                continue
            given[name] = set(found)
            count = len(given[name])
            yield f"env/{name}: {format_count(count, 'variable')}, {'as it is' if self.same else 'copied'}, private"
            if not self.dry_run:
                files.replace(f"{self.paths.env}/{name}", files.read(source))
        only_manager = given.get(ENV_PM, set()) - given.get(ENV_DEFAULT, set()) - given.get(ENV_DEV, set())
        if only_manager:
            yield (
                f"env: {', '.join(sorted(only_manager))} is in pm-agent.env alone; agents of issues no longer get it: "
                "move what they need to default.env"
            )
        if not self.same and (text := self._text("pm-agent.md")) is not None:
            there = os.path.lexists(self.paths.project_manager)
            kept = f"not taken over: there is one already; {self._in_backup('pm-agent.md')}"
            yield f"pm-agent.md: {kept if there else 'copied'}"
            if not self.dry_run and not there:
                files.replace(self.paths.project_manager, text.encode("utf-8", "surrogateescape"))

    def _sessions(self) -> Iterator[str]:
        index = self._document(os.path.basename(self.paths.old_index)) or self._document("index.json")
        index = index if isinstance(index, dict) else {}
        seen: set[str] = set()
        for name in (f"{stem}.json" for stem in files.list_documents(f"{self.old}/sessions")):
            document = self._document(f"sessions/{name}")
            if not isinstance(document, dict):
                yield f"sessions/{name}: not taken over: it cannot be read; {self._in_backup(f'sessions/{name}')}"
                continue
            session = self._session(name, document)
            if session is None:
                yield f"sessions/{name}: not taken over: it names no issue; {self._in_backup(f'sessions/{name}')}"
                continue
            seen.add(session.slug)
            yield from self._keep_session(name, session)
        for slug, ref, key in (("base", BASE, "base"), ("pm-agent", PM_AGENT, "pm_agent")):
            if slug not in seen and isinstance(index.get(key), str):
                yield from self._keep_session(None, Session(slug, ref, "opencode", index[key]))

    def _session(self, name: str, document: dict[str, Any]) -> Session | None:
        if name in ("base.json", "pm-agent.json"):
            ref = BASE if name == "base.json" else PM_AGENT
        else:
            try:
                parsed = refs.parse_reference(str(document.get("issue_ref", "")))
            except UsageError:
                return None
            ref = str(parsed)
            self._hosts.add(parsed.host)
        texts = {key: value for key, value in document.items() if isinstance(value, str) and value}
        return Session(
            session_name(self.paths, ref), ref, texts.get("agent", "opencode"),
            texts.get("session_id") or texts.get("opencode_session_id"),
            texts.get("worktree") or texts.get("worktree_path"), texts.get("branch") or texts.get("branch_name"),
            texts.get("pr_url"), texts.get("created_at"), texts.get("updated_at"),
        )  # fmt: skip

    def _keep_session(self, name: str | None, session: Session) -> Iterator[str]:
        told = f"sessions/{name}" if name else f"index.json: {session.slug}"
        itself = self.same and name == f"{session.slug}.json"
        if session.slug in self._kept or (os.path.lexists(self.paths.session(session.slug)) and not itself):
            kept = self._in_backup(f"sessions/{name}" if name else "index.json")
            yield f"{told}: not taken over: there is a sessions/{session.slug}.json already; {kept}"
            return
        self._kept.add(session.slug)
        yield f"{told}: session {session.session_id or 'unknown'} of {session.issue_ref} becomes sessions/{session.slug}.json"
        if session.slug not in SESSIONS.values():
            yield from self._worktree(session)
        if self.dry_run:
            return
        sessions.save_session(self.paths, session)
        if self.same and name is not None and name != f"{session.slug}.json":
            os.unlink(f"{self.old}/sessions/{name}")

    def _worktree(self, session: Session) -> Iterator[str]:
        """Bring an issue's worktree to its place. The session stays tied to the old one; the next agent gets a copy of it."""
        source, target = session.worktree, self.paths.worktree(session.slug)
        if source is None or not os.path.isdir(source) or os.path.realpath(source) == os.path.realpath(target):
            return
        if os.path.lexists(target):
            yield f"worktree {source}: stays, as {target} is there already"
            return
        if self.dry_run:
            yield f"worktree {source}: moved to {target}"
            return
        try:
            git(source, "worktree", "move", "--", source, target)
            yield f"worktree {source}: moved to {target}"
        except GitError as error:
            yield f"worktree {source}: stays, as {error.message}"

    def _contexts(self) -> Iterator[str]:
        count = 0
        for name in (f"{stem}.json" for stem in files.list_documents(f"{self.old}/context")):
            document = self._document(f"context/{name}")
            try:
                context = msgspec.convert(document, contexts.Context)
                ref = str(refs.parse_reference(context.issue_ref))
            except (msgspec.ValidationError, UsageError):
                yield f"context/{name}: not taken over: it cannot be read; {self._in_backup(f'context/{name}')}"
                continue
            target = contexts.context_path(self.paths, ref)
            if os.path.lexists(target) and not (self.same and os.path.basename(target) == name):
                there = f"context/{os.path.basename(target)}"
                yield f"context/{name}: not taken over: there is a {there} already; {self._in_backup(f'context/{name}')}"
                continue
            count += 1
            if self.dry_run:
                continue
            contexts.save_context(self.paths, msgspec.structs.replace(context, issue_ref=ref))
            if self.same and os.path.basename(target) != name:
                os.unlink(f"{self.old}/context/{name}")
        if count:
            yield f"context: messages of {format_count(count, 'issue')}"

    def _tasks(self) -> Iterator[str]:
        counts: dict[str, int] = {}
        for name in (f"{stem}.json" for stem in files.list_documents(f"{self.old}/{ITEMS}")):
            task_id = name.removesuffix(".json")
            try:
                task = tasks.read_task(f"{self.old}/{ITEMS}/{name}", task_id)
                if parse_task_id(task_id) != task_id:
                    raise BadFile(f"{task_id!r} is no task id")
            except (FileNotFoundError, BadFile) as error:
                then = "the engine moves it to queue/corrupt; " if self.same else ""
                yield f"{ITEMS}/{name}: not taken over: {error}; {then}{self._in_backup(f'{ITEMS}/{name}')}"
                continue
            if not self.same and any(os.path.lexists(path(task_id)) for path in (self.paths.item, self.paths.ended)):
                yield f"{ITEMS}/{name}: not taken over: there is a task {task_id} already; {self._in_backup(f'{ITEMS}/{name}')}"
                continue
            counts[task.state] = counts.get(task.state, 0) + 1
            self._note_host(task)
            if not self.same and not self.dry_run:
                self._copy(task, name)
            if not self.dry_run and task.state not in FINAL:  # it grows old from now on; the old kugetsu knew no expiry
                tasks.save_task(self.paths, msgspec.structs.replace(task, pending_since=self._now))
        for state, count in sorted(counts.items()):
            what = {"notified": "given back to the queue", "pending": "waiting as before"}.get(state, "kept as ended")
            yield f"queue: {format_count(count, f'{state} task')}, {what}"

    def _copy(self, task: Task, name: str) -> None:
        target = self.paths.ended(task.id) if task.state in FINAL else self.paths.item(task.id)
        files.create(target, files.read(f"{self.old}/{ITEMS}/{name}"))

    def _note_host(self, task: Task) -> None:
        try:
            self._hosts.add(refs.parse_reference(task.issue_ref).host)
        except UsageError:
            return

    def _notifications(self) -> Iterator[str]:
        document = self._document("notifications.json")
        document = document.get("notifications", []) if isinstance(document, dict) else document
        entries = [entry for entry in document if isinstance(entry, dict)] if isinstance(document, list) else []
        if not entries:
            return
        yield f"notifications.json: {len(entries)} become lines of notifications.jsonl, as read or unread as they were"
        if self.dry_run:
            return
        found = sorted((_notice(entry) for entry in entries), key=lambda notice: notice.time)
        read = [_notice(entry).time for entry in entries if entry.get("read") or entry.get("status") == "read"]
        for notice in found:
            notifications.append_notification(self.paths, notice)
        if read and not notifications.read_until(self.paths):
            notifications.mark_read(self.paths, max(read))
        if self.same:
            os.unlink(f"{self.old}/notifications.json")

    def _servers(self) -> Iterator[str]:
        """Know the forges of all issues that were taken over."""
        known = load_settings(self.paths, {})[0].servers | shell_assignments.parse_assignments(
            self._text("config") or ""
        ).tables.get(OLD_SERVERS, {})
        unknown = {host: f"https://{host}" for host in sorted(self._hosts) if host not in known and host != refs.LOCAL}
        for host, url in unknown.items():
            yield f'servers: "{host}" = "{url}" is added to [servers], as issues of it are known'
        self._write_settings({}, {"servers": unknown})

    def _in_backup(self, name: str) -> str:
        return f"it is kept as {self.backup}/{name}"

    def _text(self, name: str) -> str | None:
        try:
            return files.read(f"{self.old}/{name}", 1 << 20).decode("utf-8-sig", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError, BadFile):
            return None

    def _document(self, name: str) -> Any:
        try:
            return msgspec.json.decode(files.read(f"{self.old}/{name}").removeprefix(BOM))
        except (OSError, BadFile, ValueError, RecursionError):
            return None


def refuse_second_import(paths: StatePaths) -> None:
    """Raise `Conflict` where a directory was taken over to the end already, so that nothing comes twice."""
    there = [name for name in files.list_names(paths.root) if name.startswith("backup-v0.2-")]
    done = [name for name in there if os.path.lexists(f"{paths.root}/{name}/{DONE}")]
    if done:
        raise Conflict(f"it was taken over already: {paths.root}/{done[0]}", "move that backup away to do it again")


def _notice(entry: dict[str, Any]) -> Notice:
    """A notification of old; the names of its keys differ by version, so every likely one is looked for."""

    def text(*names: str) -> str | None:
        return next(
            (str(entry[name]) for name in names if isinstance(entry.get(name), str | int | float) and entry[name]), None
        )

    when = epoch(text("time", "timestamp", "created_at", "date"))
    kind = text("type") or "task_queued"
    level = "error" if kind in ("task_error", "task_blocked") else "good" if kind.startswith("task_complete") else "info"
    return Notice(iso(when or 0.0), kind, text("message", "text") or kind, level, None, text("issue_ref", "issue"))  # type: ignore[arg-type]


def _command_line(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096).decode("utf-8", "replace")
    except OSError:
        return "kugetsu"  # nobody can tell here: better to be careful

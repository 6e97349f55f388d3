"""Prepares opencode's sessions for an attempt, in its supervisor. Standard library only.

A session is tied to its directory. Resumed from another one, opencode works in the old directory, prints nothing and never
ends. So its directory is read first, and a copy for another worktree is made by export and import, with new ids.
"""

import json
import os
import re
import secrets
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

from ...errors import AttemptFailed
from ...process import bubblewrap
from ...storage import files

COMMAND_S = 60.0
"""Time limit of one export, import or deletion, which takes about a second."""
_IDS = re.compile(r"\b(ses|msg|prt)_[0-9A-Za-z]{20,40}\b")
_SESSION = re.compile(r"ses_[0-9A-Za-z]{20,40}")


class MissingSession(AttemptFailed):
    """The session to resume does not exist, or belongs to another directory."""

    failure = "session"


class ForkFailed(AttemptFailed):
    """opencode could not copy or delete a session; its error message is included."""

    failure = "session"


def prepare_session(job: dict[str, Any]) -> dict[str, Any]:
    """Return the command line and the prompt of an attempt that resumes a session or a copy of one.

    Raises:
        AttemptFailed: there is no such session, or it could not be copied.
    """
    session, argv = str(job["session"]["session_id"]), [str(arg) for arg in job["argv"]]
    worktree, env = str(job["worktree"]), dict(job["env"])
    if _SESSION.fullmatch(session) is None:
        raise MissingSession(f"{session[:60]!r} is not an opencode session")
    if job["session"]["mode"] == "fork":
        new = fork_session(
            argv[0], session, worktree, env, str(job["issue_ref"]), lambda command: bubblewrap.wrap(job, command)
        )
        return {"argv": [*argv, "-s", new]}
    directory = read_directory(session, env)
    if directory is not None and os.path.realpath(directory) != os.path.realpath(worktree):
        raise MissingSession(f"session {session} belongs to {directory or 'no directory'}, and opencode would work there")
    message, prompt = str(job.get("message") or ""), str(job.get("prompt_continued") or job["prompt"])
    if message not in prompt and not has_message(session, message, env):
        prompt = str(job["prompt"])  # the attempt before was ended between creating the session and giving it the prompt
    return {"argv": [*argv, "-s", session], "prompt": prompt}


def read_directory(session: str, env: dict[str, str]) -> str | None:
    """Return the directory a session is tied to; None if opencode's database cannot be read.

    Raises:
        MissingSession: the database does not have it.
    """
    rows = _select("select directory from session where id = ?", session, env)
    if rows is None:
        return None
    if not rows:
        raise MissingSession(f"opencode no longer has the session {session}")
    return str(rows[0][0])


def has_message(session: str, text: str, env: dict[str, str]) -> bool:
    """Whether a session was given a text by the user; True if opencode's database cannot be read."""
    parts = "select part.data from part join message on message.id = part.message_id where part.session_id = ?"
    rows = _select(f'{parts} and message.data like \'%"role":"user"%\'', session, env)
    try:
        return rows is None or any(text in str(json.loads(row[0]).get("text")) for row in rows)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return True


def _select(query: str, session: str, env: dict[str, str]) -> list[Any] | None:
    """Ask opencode's database about a session; None if it cannot be read, such as that of another version."""
    path = find_database(env)
    if path is None or not os.path.exists(path):
        return None
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0)
        try:
            return connection.execute(query, (session,)).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return None  # the run itself will report it


def find_database(env: dict[str, str]) -> str | None:
    """Return the path of opencode's database, given its environment; None if `OPENCODE_DB` is not absolute."""
    if path := env.get("OPENCODE_DB"):
        return path if os.path.isabs(path) else None
    home = env.get("XDG_DATA_HOME") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".local", "share")
    return os.path.join(home, "opencode", "opencode.db")


def fork_session(
    program: str, session: str, worktree: str, env: dict[str, str], title: str,
    wrap: Callable[[list[str]], list[str]] = lambda command: command,
) -> str:  # fmt: skip
    """Copy a session into a worktree under a new id, and return the id. The original is not changed.

    Args:
        wrap: puts a command into the attempt's sandbox: opencode loads plug-ins that an agent may have left in the worktree.

    Raises:
        ForkFailed: opencode refused.
    """
    with tempfile.TemporaryFile() as exported:
        _run(wrap([program, "export", session]), worktree, env, exported.fileno())
        exported.seek(0)
        data = exported.read()
    try:
        document = replace_ids(data.decode())
        info = document["info"]
        new = str(info["id"])
        info |= {"title": title, "metadata": {**(info.get("metadata") or {}), "fork_of": session}}
        info.pop("parentID", None)
        info.pop("share", None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ForkFailed(f"opencode exported something that is not a session: {error}") from None
    if _SESSION.fullmatch(new) is None:
        raise ForkFailed(f"opencode exported something that is not a session: its id is {new[:60]!r}")
    path = f"{env.get('TMPDIR') or tempfile.gettempdir()}/session-copy.json"
    files.replace(path, json.dumps(document).encode(), durable=False)
    _run(wrap([program, "import", path]), worktree, env, subprocess.DEVNULL)
    files.remove(path)
    return new


def replace_ids(text: str) -> dict[str, Any]:
    """Give every session, message and part of an exported document a new id, and keep references consistent.

    The order by id is kept: only the random end of an id is replaced.
    """
    renamed: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        old = match[0]
        if old not in renamed:
            renamed[old] = old[:-10] + secrets.token_hex(5) if not old.startswith("ses_") else create_id()
        return renamed[old]

    document: dict[str, Any] = json.loads(_IDS.sub(rename, text))
    return document


def create_id() -> str:
    """Return a new session id in opencode's own format, in which newer ids sort first."""
    stamp = ((1 << 48) - 1) ^ ((int(time.time() * 1000) * 0x1000) & ((1 << 48) - 1))
    return f"ses_{stamp:012x}{secrets.token_hex(7)}"


def delete_session(program: str, session: str, env: dict[str, str]) -> None:
    """Delete a session with its messages and check that it is gone. A session that does not exist is not an error.

    It runs in an empty folder: in the worktree opencode would load plug-ins that an agent may have left there.

    Raises:
        AttemptFailed: opencode refused, or the session is still there.
    """
    try:
        if (
            read_directory(session, env) is None
            and find_database(env) is not None
            and not os.path.exists(str(find_database(env)))
        ):
            return
    except MissingSession:
        return
    with tempfile.TemporaryDirectory() as folder:
        _run([program, "session", "delete", session], folder, env, subprocess.DEVNULL)
    try:
        directory_left = read_directory(session, env)
    except MissingSession:
        return
    if directory_left is not None:
        raise ForkFailed(f"opencode reported that it deleted {session}, but it still exists")


def _run(argv: list[str], worktree: str, env: dict[str, str], output: int) -> None:
    """Run one of opencode's commands to its end. Output goes to files, as opencode loses what a pipe does not take at once."""
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=worktree, env={**env, "PWD": worktree},
                timeout=COMMAND_S, check=False, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ForkFailed(f"cannot run {argv[0]} in {worktree}: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise ForkFailed(f"opencode {argv[1]} did not end within {COMMAND_S:.0f} s") from None
        if done.returncode:
            errors.seek(0)
            lines = errors.read(4000).decode("utf-8", "replace").strip().splitlines()
            raise ForkFailed(f"opencode {argv[1]} failed with exit code {done.returncode}: {lines[-1][:300] if lines else ''}")

"""Reads refs and commits from git's own files, which saves starting git.

Only where the files are sure to say what git would say: a repository of ours, in the plain format without extensions (so not
with reftables or SHA-256), and nothing in it that git would judge in a way of its own. Anywhere else `AskGit` is raised.
"""

import os
import re
import stat
import zlib
from typing import NamedTuple

MAX_BYTES = 32 << 20
"""Of a file of packed refs."""
MAX_FILES = 20_000
"""Refs in files of their own."""
_COMMIT = re.compile(rb"[0-9a-f]{40}")
_NAME = re.compile(r"refs(?:/[A-Za-z0-9_+=#%,@-]+(?:\.[A-Za-z0-9_+=#%,@-]+)*)+")
"""Names that git surely accepts; it also accepts others."""
_DEPTH = 5


def is_plain_name(branch: str) -> bool:
    """Whether a branch has a name that git surely accepts and takes for no pattern."""
    return _NAME.fullmatch(f"refs/{branch}") is not None


class AskGit(Exception):
    """The files do not say it for certain."""


class HeadFile(NamedTuple):
    """What `HEAD` says: the ref that is checked out, or a commit."""

    ref: str | None
    commit: str | None


def find_plain_git_dir(repository: str) -> str:
    """Return git's folder of a main or a bare repository in the plain format.

    Raises:
        AskGit: it is of another kind, belongs to another user, or is damaged.
    """
    folder = f"{repository}/.git" if os.path.lexists(f"{repository}/.git") else repository
    check_plain(folder)
    if os.lstat(repository).st_uid != os.geteuid():
        raise AskGit(repository)
    return folder


def check_plain(git_dir: str) -> None:
    """Check that refs in git's folder, which all worktrees share, are plain files.

    Raises:
        AskGit: they may not be.
    """
    try:
        status = os.lstat(git_dir)
        config = _read(f"{git_dir}/config", 1 << 20).lower()
        shaped = all(stat.S_ISDIR(os.lstat(f"{git_dir}/{name}").st_mode) for name in ("objects", "refs"))
        _read(f"{git_dir}/HEAD", 4096)
    except OSError:
        raise AskGit(git_dir) from None
    other = b"extensions" in config or b"include" in config or os.path.lexists(f"{git_dir}/commondir")
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or not shaped or other:
        raise AskGit(git_dir)


def read_head(git_dir: str) -> HeadFile:
    """Read which branch or commit is checked out; also for git's own folder of a worktree.

    Raises:
        AskGit: git must be asked.
    """
    try:
        data = _read(f"{git_dir}/HEAD", 4096).rstrip()
    except OSError:
        raise AskGit(git_dir) from None
    if _COMMIT.fullmatch(data):
        return HeadFile(None, data.decode())
    return HeadFile(_decode_target(data), None)


def resolve_ref(git_dir: str, name: str) -> str | None:
    """Return the commit of `HEAD` or of a branch by its full name; None if there is none.

    Raises:
        AskGit: git must be asked.
    """
    for _ in range(_DEPTH):
        if name == "HEAD":
            head = read_head(git_dir)
            if head.commit is not None:
                return head.commit
            name = head.ref or ""
        _check_name(name)
        data = _read_loose(f"{git_dir}/{name}")
        if data is None:
            return _read_packed(git_dir).get(name)
        if _COMMIT.fullmatch(data):
            return data.decode()
        name = _decode_target(data)
    raise AskGit(name)


def read_target(git_dir: str, name: str) -> str | None:
    """Return the ref that a ref points to; None if it is not symbolic, or is not there.

    Raises:
        AskGit: git must be asked.
    """
    if name == "HEAD":
        return read_head(git_dir).ref
    _check_name(name)
    data = _read_loose(f"{git_dir}/{name}")
    return None if data is None or _COMMIT.fullmatch(data) else _decode_target(data)


def list_refs(git_dir: str) -> dict[str, str]:
    """Return the commits, or tags, of all refs by full name, sorted.

    Raises:
        AskGit: git must be asked.
    """
    check_plain(git_dir)
    loose: dict[str, bytes] = {}
    for name in _list_loose(git_dir, "refs"):
        data = _read_loose(f"{git_dir}/{name}")
        if data is not None:
            loose[name] = data
    refs = _read_packed(git_dir)  # after the files: git packs a ref before it removes its file
    symbolic = {}
    for name, data in loose.items():
        if _COMMIT.fullmatch(data):
            refs[name] = data.decode()
        else:
            symbolic[name] = _decode_target(data)
    for name in symbolic:
        refs.pop(name, None)
        target = name
        for _ in range(_DEPTH):
            target = symbolic.get(target, target)
        if target in symbolic:
            raise AskGit(name)
        if target in refs:
            refs[name] = refs[target]
    return dict(sorted(refs.items()))


def read_commit_time(git_dir: str, commit: str) -> int | None:
    """Return the committer's time of a commit in a file of its own; None if it has none, as it is packed."""
    try:
        data = zlib.decompressobj().decompress(_read(f"{git_dir}/objects/{commit[:2]}/{commit[2:]}", 1 << 20), 1 << 16)
    except (OSError, zlib.error):
        return None
    match = re.search(rb"\ncommitter [^\n]*> ([0-9]+) [+-][0-9]{4}\n", data.partition(b"\n\n")[0] + b"\n")
    return int(match[1]) if data.startswith(b"commit ") and match else None


def _list_loose(git_dir: str, folder: str) -> list[str]:
    found: list[str] = []
    try:
        with os.scandir(f"{git_dir}/{folder}") as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    found += _list_loose(git_dir, name)
                elif not name.endswith(".lock"):
                    _check_name(name)
                    found.append(name)
    except FileNotFoundError:
        return []  # git removes empty folders
    except OSError:
        raise AskGit(folder) from None
    if len(found) > MAX_FILES:
        raise AskGit(folder)
    return found


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None or name.endswith(".lock") or ".lock/" in name or "@{" in name:
        raise AskGit(name)


def _decode_target(data: bytes) -> str:
    name = data.removeprefix(b"ref:").strip().decode("ascii", "replace")
    if not data.startswith(b"ref:"):
        raise AskGit(name)
    _check_name(name)
    return name


def _read_loose(path: str) -> bytes | None:
    """Read the file of a ref; None if it has none."""
    try:
        return _read(path, 4096).rstrip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError:
        raise AskGit(path) from None


def _read_packed(git_dir: str) -> dict[str, str]:
    try:
        data = _read(f"{git_dir}/packed-refs", MAX_BYTES)
    except FileNotFoundError:
        return {}
    except OSError:
        raise AskGit(git_dir) from None
    refs: dict[str, str] = {}
    for line in data.splitlines():
        if line[:1] in (b"#", b"^", b""):
            continue
        try:
            commit, name = line[:40].decode("ascii"), line[41:].decode("ascii")
        except UnicodeDecodeError:
            raise AskGit(git_dir) from None
        if _COMMIT.fullmatch(line[:40]) is None or line[40:41] != b" ":
            raise AskGit(git_dir)
        _check_name(name)
        refs[name] = commit
    return refs


def _read(path: str, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes, not through a link."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(path)
        data = b""
        while stat.S_ISREG(mode) and len(data) <= limit and (more := os.read(fd, limit + 1 - len(data))):
            data += more
    finally:
        os.close(fd)
    if not stat.S_ISREG(mode) or len(data) > limit:
        raise OSError(f"{path} is not a small regular file")
    return data

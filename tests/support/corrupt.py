"""Forty-two files that no program should meet, and the places a state directory is read at.

Each is put in place by a function of the path; what is made is a regular file of odd contents, or no regular file at all.
"""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOOD: dict[str, Any] = {"schema": 1, "id": "q_1", "issue_ref": "local/work#1", "message": "m", "state": "pending"}

CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "number": b"1",
    "list": b"[]",
    "text": b'"x"',
    "object without fields": b"{}",
    "cut short": json.dumps(GOOD).encode()[:-9],
    "trailing rubbish": json.dumps(GOOD).encode() + b"}x",
    "two documents": json.dumps(GOOD).encode() * 2,
    "deeply nested list": b"[" * 5000,
    "deeply nested object": b'{"a":' * 5000,
    "NUL bytes": b"\0" * 4096,
    "not UTF-8": b"\xff\xfe\xc3\x28" * 20,
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "merge conflict": b"<<<<<<< HEAD\n{}\n=======\n[]\n>>>>>>> theirs\n",
    "not a number": b'{"schema": NaN, "heartbeat": NaN, "limit": NaN}',
    "infinity": b'{"schema": 1e999, "heartbeat": -1e999}',
    "a number of 5,000 digits": b'{"schema": 1, "limit": ' + b"9" * 5000 + b"}",
    "a number of 5,000 digits, TOML": b"max_concurrent_agents = " + b"9" * 5000 + b"\n",
    "numbers beyond 64 bits": b'{"id": "q_1", "issue_ref": "a", "attempt": 1e30, "pid": 99999999999999999999999999}',
    "state unknown": json.dumps(GOOD | {"state": "teleported"}).encode(),
    "pid -1": json.dumps(GOOD | {"pid": -1, "supervisor_pid": -1, "position": "x"}).encode(),
    "pid true": json.dumps(GOOD | {"pid": True, "supervisor_pid": True}).encode(),
    "id with a path": json.dumps(GOOD | {"id": "../../etc/passwd"}).encode(),
    "wrong types": json.dumps(GOOD | {"attempts": {}, "after": "q_1", "paused": "maybe", "limit": "3"}).encode(),
    "lone surrogate": b'{"id": "q_1", "issue_ref": "\\ud800", "message": "\\udfff"}',
    "escape sequences": b"\x1b]52;c;ZXZpbA==\x07\x1b[2J{",
    "a line of a megabyte": b"x" * (1 << 20),
    "nine megabytes": b"[" + b" " * (9 << 20) + b"]",
    "shell": b'A=$(touch canary)\n`touch canary`\nLD_PRELOAD=/evil.so\nno assignment\nB="open\n',
}


def _file(data: bytes) -> Callable[[str], None]:
    def write(path: str) -> None:
        Path(path).write_bytes(data)

    return write


def _folder(path: str) -> None:
    os.mkdir(path)
    Path(path, "x").write_bytes(b"x")


def _socket(path: str) -> None:
    os.mknod(path, 0o600 | stat.S_IFSOCK)


def _hole(path: str) -> None:
    with open(path, "wb") as file:
        file.truncate(50 << 20)


def _unreadable(path: str) -> None:
    Path(path).write_bytes(b"{")
    os.chmod(path, 0)


NO_FILES: dict[str, Callable[[str], None]] = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "folder with a file": _folder,
    "link to /dev/zero": lambda path: os.symlink("/dev/zero", path),
    "link to nothing": lambda path: os.symlink("/nowhere/at/all", path),
    "link to itself": lambda path: os.symlink(os.path.basename(path), path),
    "link to a good file": lambda path: os.symlink("/etc/hostname", path),
    "socket": _socket,
    "fifty megabytes of holes": _hole,
    "mode 000": _unreadable,
}

CORPUS: dict[str, Callable[[str], None]] = {name: _file(data) for name, data in CONTENTS.items()} | NO_FILES


def put(name: str, path: str) -> None:
    """Put one of them at a path, whatever is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        for inner in os.listdir(path):
            os.unlink(f"{path}/{inner}")
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    CORPUS[name](path)


def bytes_of(path: str) -> bytes | None:
    """What a regular file holds; None for anything else."""
    return Path(path).read_bytes() if os.path.isfile(path) and not os.path.islink(path) else None

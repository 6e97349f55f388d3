"""Compares a worktree with its base: commits, uncommitted changes and untracked files, as one bounded diff.

An agent wrote all of it. Names and lines are returned as they are, and made safe where they are shown.
"""

import os
import re
from collections.abc import Iterable

from ..domain.changes import ChangedFile, WorktreeDiff
from ..domain.text.quantities import format_size
from ..errors import GitError
from .change_counts import MAX_UNTRACKED_BYTES, is_binary, read_untracked
from .command import git
from .isolation import IsolatedView, open_isolated_view
from .worktrees import read_base_commit

MAX_BYTES = 4 << 20
"""Most bytes of git's output that are read."""
MAX_LINES = 40_000
MAX_LINE = 4096
"""Most characters kept of a line."""
MAX_FILES = 2_000
TIMEOUT_S = 30.0

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_STATES = {"A": "added", "D": "deleted", "M": "modified", "T": "retyped", "U": "unmerged"}
_ESCAPED = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
_LETTERS = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def read_worktree_diff(worktree: str) -> WorktreeDiff:
    """Compare a worktree with its base.

    Raises:
        GitError: git failed, or there is no worktree.
    """
    if not os.path.isdir(worktree):
        raise GitError(f"{worktree} is not there")
    base, commits = _find_base(worktree)
    with open_isolated_view(worktree) as view:
        uncommitted, untracked, names_cut = _read_status(view)
        head, lines, patch_cut = _read_diff(view, base or "HEAD")
    starts = _file_starts(lines)
    files = [
        ChangedFile(name, state, plus, minus, name in uncommitted, starts.get(name))
        for name, (state, plus, minus) in list(head.items())[:MAX_FILES]
    ]
    cut = names_cut or patch_cut or len(head) > MAX_FILES
    for name in untracked[: max(MAX_FILES - len(files), 0)]:
        text, counted = _format_untracked(worktree, name)
        room = len(lines) + len(text) <= MAX_LINES and not patch_cut
        files.append(
            ChangedFile(name, "untracked", counted, 0 if counted is not None else None, True, len(lines) if room else None)
        )
        if room:
            lines += text
        cut = cut or not room
    return WorktreeDiff(worktree, base, commits, tuple(files), tuple(lines), cut or len(files) < len(head) + len(untracked))


def _find_base(worktree: str) -> tuple[str | None, int]:
    """The merge base of the work, and the number of commits over it."""
    recorded = read_base_commit(worktree)
    if recorded is None:
        return None, 0
    try:
        merge_base = git(worktree, "merge-base", recorded, "HEAD", timeout_s=TIMEOUT_S).strip()
        if _COMMIT.fullmatch(merge_base) is None:
            return None, 0
        return merge_base, int(git(worktree, "rev-list", "--count", f"{merge_base}..HEAD", timeout_s=TIMEOUT_S))
    except (GitError, ValueError):
        return None, 0  # the branch was replaced by one without a common ancestor


def _read_status(view: IsolatedView) -> tuple[set[str], list[str], bool]:
    """The names of tracked files with uncommitted changes, of untracked files, and whether there are more."""
    output, cut = view.git_limited(
        "status", "--porcelain=v2", "--untracked-files=all", "-z", "--no-renames", "--ignore-submodules=dirty",
        limit=MAX_BYTES, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    entries = output.split(b"\0")
    if cut:
        entries = entries[:-1]
    changed = {os.fsdecode(entry.split(b" ", 8)[-1]) for entry in entries if entry[:2] == b"1 "}
    changed |= {os.fsdecode(entry.split(b" ", 10)[-1]) for entry in entries if entry[:2] == b"u "}
    return changed, [os.fsdecode(entry[2:]) for entry in entries if entry[:2] == b"? "], cut


_FileCounts = dict[str, tuple[str, int | None, int | None]]
"""State, insertions and deletions by file."""


def _read_diff(view: IsolatedView, base: str) -> tuple[_FileCounts, list[str], bool]:
    """State and line counts by file, the lines of the diff, and whether there are more."""
    output, cut = view.git_limited(
        "diff", "--raw", "--numstat", "--patch", "-z", "--no-color", "--no-renames", "--no-ext-diff", "--no-textconv",
        "--no-relative", "--ignore-submodules=dirty", "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/", "--unified=3",
        "--inter-hunk-context=0", "--output-indicator-new=+", "--output-indicator-old=-", "--output-indicator-context= ",
        base, "--", limit=MAX_BYTES, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    head, separator, patch = output.partition(b"\0\0")
    if cut and not separator:
        raise GitError("too many files differ from the base to show them")
    states: dict[str, str] = {}
    counts: _FileCounts = {}
    fields = iter(head.split(b"\0"))
    for field in fields:
        if field.startswith(b":"):
            states[os.fsdecode(next(fields, b""))] = _STATES.get(field[-1:].decode("ascii", "replace"), "modified")
        elif field.count(b"\t") >= 2:
            plus, minus, name = field.split(b"\t", 2)
            path = os.fsdecode(name)
            counts[path] = (states.get(path, "modified"), _number(plus), _number(minus))
    files = {path: counts.get(path, (state, None, None)) for path, state in states.items()}
    lines = _split_lines(patch)
    if cut and lines:
        lines.pop()  # incomplete
    return files, lines[:MAX_LINES], cut or len(lines) > MAX_LINES


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() else None


def _split_lines(text: bytes) -> list[str]:
    """The lines of a text, split at line feeds only."""
    lines = text.split(b"\n", MAX_LINES + 1)
    if lines and not lines[-1]:
        lines.pop()
    return [line[: MAX_LINE * 4].decode("utf-8", "replace")[:MAX_LINE] for line in lines]


def _file_starts(lines: Iterable[str]) -> dict[str, int]:
    """The line at which each file's part begins. A line of a file's content always has a prefix, so it cannot match."""
    return {name: index for index, line in enumerate(lines) if (name := _parse_header(line)) is not None}


def _parse_header(line: str) -> str | None:
    """The file of a line like `diff --git a/x b/x`; without renames both names are the same."""
    rest = line.removeprefix("diff --git ")
    if rest is line or rest == line:
        return None
    half = rest[: (len(rest) - 1) // 2]
    if half.startswith('"'):
        return os.fsdecode(_ESCAPED.sub(_unescape, half[1:-1].encode("utf-8", "replace"))).removeprefix("a/")
    return half.removeprefix("a/")


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    return bytes([int(escape, 8) & 255]) if len(escape) == 3 else _LETTERS.get(escape, escape)


def _format_untracked(worktree: str, name: str) -> tuple[list[str], int | None]:
    """An untracked file as a diff would show it, and its number of lines."""
    shown = name.replace("\n", " ")
    title = [f"diff --git a/{shown} b/{shown}", "untracked file"]
    try:
        data, whole = read_untracked(os.path.join(worktree, name))
    except OSError as error:
        return [*title, f"cannot be read: {error.strerror}"], None
    except ValueError as error:
        return [*title, str(error)], None
    if is_binary(data):
        return [*title, "Binary file"], None
    lines = [f"+{line}" for line in _split_lines(data)]
    rest = [] if whole else [f"\\ only the first {format_size(MAX_UNTRACKED_BYTES)} are shown"]
    return [*title, f"@@ -0,0 +1,{len(lines)} @@", *lines, *rest], len(lines) if whole else None

"""Reads a worktree that an agent has used, so that nothing the agent left there can run a program.

An agent can write everything git reads in its worktree: nested repositories, attributes, the link to the repository and, as the
same user, the repository's settings. Each can name a program: filters, external diffs, monitors, merge drivers, transports,
hooks, and more with the next git. Instead of forbidding them one by one, git runs here on a temporary git folder of our own:
a copy of the index, the repository's objects, and only the settings that say how files are compared. See decision 0017.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import GitError
from . import ref_files
from .command import TIMEOUT_S, git, run_git_limited
from .git_settings import Settings, parse_settings
from .gitfile import read_admin_dir, read_common_dir

KEPT_SETTINGS = frozenset({
    "core.filemode", "core.ignorecase", "core.symlinks", "core.precomposeunicode", "core.autocrlf", "core.eol",
    "core.trustctime", "core.checkstat", "core.excludesfile", "core.attributesfile", "core.sparsecheckout",
    "core.sparsecheckoutcone", "index.sparse", "core.bigfilethreshold", "diff.algorithm", "diff.indentheuristic",
})  # fmt: skip
"""The settings that are kept: how files are compared. None can name a program."""
_FORMAT = "extensions.objectformat"
_FILTER = re.compile(r"filter\.(.*)\.(?:clean|process)", re.DOTALL)
_STAT = re.compile(
    r"\A\s*ctime: \d+:\d+\s+mtime: (\d+):(\d+)\s+dev: \d+\tino: (\d+)\s+uid: \d+\tgid: \d+\s+size: (\d+)\tflags: \w+\s*"
)
_BATCH = 500
"""File names per git command line."""


class IsolatedView:
    """One worktree, and the temporary git folder it is read with."""

    def __init__(self, worktree: str, folder: str) -> None:
        self.worktree = worktree
        self.folder = folder
        self._where = {
            "GIT_DIR": folder, "GIT_WORK_TREE": worktree, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        }  # fmt: skip
        self._settings: list[str] = []

    def git(self, *args: str, feed: str = "", timeout_s: float = TIMEOUT_S, names: bool = False) -> str:
        """Run git, as `command.git` does."""
        return git(self.worktree, *self._settings, *args, feed=feed, timeout_s=timeout_s, where=self._where, names=names)

    def git_limited(self, *args: str, limit: int, timeout_s: float = TIMEOUT_S) -> tuple[bytes, bool]:
        """Run git and read the beginning of its output, as `command.run_git_limited` does."""
        return run_git_limited(self.worktree, *self._settings, *args, limit=limit, timeout_s=timeout_s, where=self._where)

    def apply_settings(self, settings: list[tuple[str, str]]) -> None:
        """Keep those of a worktree's settings that are safe."""
        for name, value in settings:
            if name in KEPT_SETTINGS:
                self._settings += ["-c", f"{name}={os.path.expanduser(value) if name.endswith('file') else value}"]

    def list_nested_repositories(self) -> list[str]:
        """Return the nested repositories that git tracks, such as submodules: `status` does not show their changes."""
        entries = self.git("ls-files", "--stage", "-z", names=True).split("\0")
        names = [entry.partition("\t")[2] for entry in entries if entry.startswith("160000 ")]
        return [name for name in names if os.path.lexists(os.path.join(self.worktree, name, ".git"))]

    def ignore_filtered_files(self, drivers: set[str]) -> None:
        """Treat files that a filter has written as unchanged if nobody wrote them since.

        Without its filter such a file looks different from its commit. One whose size or time has changed counts as changed, as
        only the filter could tell.
        """
        # Each driver is defined without a program, so git does not compare a file's raw text with its commit.
        for driver in sorted(drivers):
            self._settings += ["-c", f"filter.{driver}.required=false"] if driver.isprintable() and "=" not in driver else []
        changed = self.git("diff-files", "--name-only", "--ignore-submodules=dirty", "-z", names=True)
        fields = self.git("check-attr", "-z", "--stdin", "filter", feed=changed, names=True).split("\0")
        filtered = [name for name, driver in zip(fields[::3], fields[2::3], strict=False) if driver in drivers]
        untouched = []
        for start in range(0, len(filtered), _BATCH):
            names = filtered[start : start + _BATCH]
            untouched += [name for name in self._untouched(names) if name in names]
        if untouched:
            self.git("update-index", "-z", "--assume-unchanged", "--stdin", feed="".join(f"{name}\0" for name in untouched))

    def _untouched(self, names: list[str]) -> Iterator[str]:
        output = self.git("--literal-pathspecs", "ls-files", "--debug", "-z", "--", *names, names=True)
        name, _, rest = output.partition("\0")
        while match := _STAT.match(rest):
            try:
                status = os.lstat(os.path.join(self.worktree, name))
            except OSError:
                status = None
            if status is not None and (status.st_mtime_ns, status.st_size & 0xFFFFFFFF, status.st_ino & 0xFFFFFFFF) == (
                int(match[1]) * 10**9 + int(match[2]), int(match[4]), int(match[3]),
            ):  # fmt: skip
                yield name
            name, _, rest = rest[match.end() :].partition("\0")


@contextmanager
def open_isolated_view(worktree: str, known: Settings | None = None) -> Iterator[IsolatedView]:
    """Open a worktree for reading; the temporary git folder is deleted at the end.

    Args:
        known: settings of the repository that were read earlier, which are used unless they may have changed.

    Raises:
        GitError: it is not a worktree, or its index cannot be copied.
    """
    common = read_common_dir(worktree)
    if common is None:
        raise GitError(f"{worktree} is not a git worktree")
    own = os.path.realpath(read_admin_dir(worktree))
    folder = f"{os.environ.get('TMPDIR') or '/tmp'}/.kugetsu-look-{os.urandom(8).hex()}"
    try:
        os.mkdir(folder, 0o700)
        try:
            view = IsolatedView(worktree, os.path.realpath(folder))
            current = known is not None and os.path.realpath(known.git_dir) == common and known.is_current()
            settings = list(known.entries) if known is not None and current else _read_settings(worktree, own)
            _fill(view.folder, own, common, _read_head(worktree, own, common), dict(settings).get(_FORMAT, ""))
            view.apply_settings(settings)
            drivers = {match[1] for name, _ in settings if (match := _FILTER.fullmatch(name))}
            if drivers:
                view.ignore_filtered_files(drivers)
            yield view
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, UnicodeDecodeError) as error:
        raise GitError(f"{worktree} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _read_settings(worktree: str, own: str) -> list[tuple[str, str]]:
    """All settings that apply to a worktree, the strongest last. Listing them runs no program."""
    output = git(worktree, "config", "--list", "-z", where={"GIT_DIR": own, "GIT_WORK_TREE": worktree})
    return parse_settings(output)


def _read_head(worktree: str, own: str, common: str) -> tuple[str, str | None]:
    """The ref or commit that HEAD names, and its commit."""
    try:
        ref_files.check_plain(common)
        head = ref_files.read_head(own)
        if head.commit is not None:
            return head.commit, head.commit
        if head.ref is not None and ref_files.read_target(common, head.ref) is None:
            return head.ref, ref_files.resolve_ref(common, head.ref)
    except ref_files.AskGit:
        pass
    where = {"GIT_DIR": own, "GIT_WORK_TREE": worktree}
    try:
        commit, name = git(worktree, "rev-parse", "HEAD", "--symbolic-full-name", "HEAD", where=where).split("\n")[:2]
    except GitError:  # no commit yet
        return git(worktree, "symbolic-ref", "HEAD", where=where).strip(), None
    return (name if name.startswith("refs/") else commit), commit


def _fill(folder: str, own: str, common: str, head: tuple[str, str | None], object_format: str) -> None:
    """Fill the temporary git folder."""
    name, commit = head
    for place in ("objects/info", "refs/heads", "info"):
        os.makedirs(f"{folder}/{place}")
    hashed = re.fullmatch(r"[a-z0-9]+", object_format) is not None
    _write(f"{folder}/config", f"[core]\n\trepositoryformatversion = {int(hashed)}\n\tbare = false\n")
    if hashed:
        _write(f"{folder}/config", f"[extensions]\n\tobjectFormat = {object_format}\n")
    _write(f"{folder}/HEAD", f"ref: {name}\n" if name.startswith("refs/") else f"{name}\n")
    if commit is not None and name.startswith("refs/"):
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        _write(f"{folder}/{name}", f"{commit}\n")
    _write(f"{folder}/objects/info/alternates", f"{common}/objects\n")
    for source, target in (
        (f"{common}/info/exclude", "info/exclude"), (f"{common}/info/attributes", "info/attributes"),
        (f"{own}/info/sparse-checkout", "info/sparse-checkout"), (f"{common}/shallow", "shallow"),
        *((f"{own}/{file}", file) for file in os.listdir(own) if file.startswith("sharedindex.")),
    ):  # fmt: skip
        if os.path.isfile(source):
            os.symlink(source, f"{folder}/{target}")
    if os.path.isfile(f"{own}/index"):
        shutil.copy2(f"{own}/index", f"{folder}/index")  # keeps its time, which git compares with those of files


def _write(path: str, text: str) -> None:
    with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)

"""Looking at a worktree that an agent has had: git reads its files, and nothing that was left there or set can run a program.

An agent can write all that git goes by in its worktree: nested repositories, attributes, the link to the repository, and, as
the same user, the settings of the repository. Any of them can name a program: filters, external diffs, monitors, merge
drivers, transports, hooks, and whatever the next git brings. So a look does not forbid them one by one. It is made from a
folder of git's that kugetsu makes for it and throws away: with a copy of the index, the repository's objects, and of all
settings only those that say how files are read. See decision 0017.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..errors import GitError
from .command import TIMEOUT_S, git, run_git_limited
from .gitfile import read_admin_dir, read_common_dir, read_small_file

KEPT_SETTINGS = frozenset({
    "core.filemode", "core.ignorecase", "core.symlinks", "core.precomposeunicode", "core.autocrlf", "core.eol",
    "core.trustctime", "core.checkstat", "core.excludesfile", "core.attributesfile", "core.sparsecheckout",
    "core.sparsecheckoutcone", "index.sparse", "core.bigfilethreshold", "diff.algorithm", "diff.indentheuristic",
})  # fmt: skip
"""Settings that a look goes by: how files are compared. None of them can name a program."""
_FORMAT = "extensions.objectformat"
_FILTER = re.compile(r"filter\.(.*)\.(?:clean|process)", re.DOTALL)
_STAT = re.compile(
    r"\A\s*ctime: \d+:\d+\s+mtime: (\d+):(\d+)\s+dev: \d+\tino: (\d+)\s+uid: \d+\tgid: \d+\s+size: (\d+)\tflags: \w+\s*"
)
NO_REFS: Mapping[str, str] = {}
_AT_ONCE = 500
"""Names that are given to git in one command line."""


class IsolatedView:
    """A worktree as it is looked at."""

    def __init__(self, worktree: str, folder: str) -> None:
        self.worktree = worktree
        self.folder = folder
        """The folder of git's that this look is made from."""
        self._where = {
            "GIT_DIR": folder, "GIT_WORK_TREE": worktree, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        }  # fmt: skip
        self._settings: list[str] = []

    def git(self, *args: str, feed: str = "", timeout_s: float = TIMEOUT_S, names: bool = False) -> str:
        """Run git, as `command.git` does.

        Raises:
            GitError: git refused.
        """
        return git(self.worktree, *self._settings, *args, feed=feed, timeout_s=timeout_s, where=self._where, names=names)

    def git_limited(self, *args: str, limit: int, timeout_s: float = TIMEOUT_S) -> tuple[bytes, bool]:
        """Run git for the beginning of what it prints, as `command.git_start` does.

        Raises:
            GitError: git refused.
        """
        return run_git_limited(self.worktree, *self._settings, *args, limit=limit, timeout_s=timeout_s, where=self._where)

    def apply_settings(self, settings: list[tuple[str, str]]) -> None:
        """Take the settings that a look goes by."""
        for name, value in settings:
            if name in KEPT_SETTINGS:
                self._settings += ["-c", f"{name}={os.path.expanduser(value) if name.endswith('file') else value}"]

    def list_nested_repositories(self) -> list[str]:
        """Folders of the worktree that are repositories of their own and that git knows: what they hold, no status tells."""
        told = self.git("ls-files", "--stage", "-z", names=True).split("\0")
        names = [entry.partition("\t")[2] for entry in told if entry.startswith("160000 ")]
        return [name for name in names if os.path.lexists(os.path.join(self.worktree, name, ".git"))]

    def ignore_filtered_files(self, drivers: set[str]) -> None:
        """Take files that a filter has written for unchanged where they are as git left them.

        Without its filter a file seems to differ from what was committed of it. One that has been written since, by its size
        and to the nanosecond of its time, counts as changed: only the filter could tell whether it is.
        """
        # Each is known as a filter without a program: git then never takes a file's text for what was committed of it.
        for driver in sorted(drivers):
            self._settings += ["-c", f"filter.{driver}.required=false"] if driver.isprintable() and "=" not in driver else []
        told = self.git("diff-files", "--name-only", "--ignore-submodules=dirty", "-z", names=True)
        fields = self.git("check-attr", "-z", "--stdin", "filter", feed=told, names=True).split("\0")
        filtered = [name for name, driver in zip(fields[::3], fields[2::3], strict=False) if driver in drivers]
        untouched = []
        for place in range(0, len(filtered), _AT_ONCE):
            names = filtered[place : place + _AT_ONCE]
            untouched += [name for name in self._untouched(names) if name in names]
        if untouched:
            self.git("update-index", "-z", "--assume-unchanged", "--stdin", feed="".join(f"{name}\0" for name in untouched))

    def _untouched(self, names: list[str]) -> Iterator[str]:
        told = self.git("--literal-pathspecs", "ls-files", "--debug", "-z", "--", *names, names=True)
        name, _, rest = told.partition("\0")
        while found := _STAT.match(rest):
            try:
                status = os.lstat(os.path.join(self.worktree, name))
            except OSError:
                status = None
            if status is not None and (status.st_mtime_ns, status.st_size & 0xFFFFFFFF, status.st_ino & 0xFFFFFFFF) == (
                int(found[1]) * 10**9 + int(found[2]), int(found[4]), int(found[3]),
            ):  # fmt: skip
                yield name
            name, _, rest = rest[found.end() :].partition("\0")


@contextmanager
def open_isolated_view(worktree: str, refs: Mapping[str, str] = NO_REFS) -> Iterator[IsolatedView]:
    """Look at a worktree.

    Args:
        refs: commits of refs by full name, as git has just told them: it is then not asked for that of HEAD.

    Raises:
        GitError: it is no worktree, or there is no room for a copy of its index.
    """
    common = read_common_dir(worktree)
    if common is None:
        raise GitError(f"{worktree} is no worktree")
    own = os.path.realpath(read_admin_dir(worktree))
    folder = f"{os.environ.get('TMPDIR') or '/tmp'}/.kugetsu-look-{os.urandom(8).hex()}"
    try:
        os.mkdir(folder, 0o700)
        try:
            look = IsolatedView(worktree, os.path.realpath(folder))
            settings = _settings(worktree, own)
            _fill(look.folder, own, common, _head(worktree, own, refs), dict(settings).get(_FORMAT, ""))
            look.apply_settings(settings)
            drivers = {found[1] for name, _ in settings if (found := _FILTER.fullmatch(name))}
            if drivers:
                look.ignore_filtered_files(drivers)
            yield look
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, UnicodeDecodeError) as error:
        raise GitError(f"{worktree} cannot be looked at: {getattr(error, 'strerror', None) or error}") from None


def _settings(worktree: str, own: str) -> list[tuple[str, str]]:
    """All settings that hold for a worktree, the strongest last; reading them runs nothing."""
    told = git(worktree, "config", "--list", "-z", where={"GIT_DIR": own, "GIT_WORK_TREE": worktree})
    return [(name, value) for name, _, value in (entry.partition("\n") for entry in told.split("\0")) if name]


def _head(worktree: str, own: str, refs: Mapping[str, str]) -> tuple[str, str | None]:
    """What is to stand in HEAD, and the commit it stands for."""
    if refs and (name := read_small_file(f"{own}/HEAD").removeprefix("ref: ").removesuffix("\n")) in refs:
        return name, refs[name]
    where = {"GIT_DIR": own, "GIT_WORK_TREE": worktree}
    try:
        commit, name = git(worktree, "rev-parse", "HEAD", "--symbolic-full-name", "HEAD", where=where).split("\n")[:2]
    except GitError:  # there is no commit yet
        return git(worktree, "symbolic-ref", "HEAD", where=where).strip(), None
    return (name if name.startswith("refs/") else commit), commit


def _fill(folder: str, own: str, common: str, head: tuple[str, str | None], object_format: str) -> None:
    """Make a folder of git's for one look."""
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
        *((f"{own}/{one}", one) for one in os.listdir(own) if one.startswith("sharedindex.")),
    ):  # fmt: skip
        if os.path.isfile(source):
            os.symlink(source, f"{folder}/{target}")
    if os.path.isfile(f"{own}/index"):
        shutil.copy2(f"{own}/index", f"{folder}/index")  # with its time, by which git knows what was written after it


def _write(path: str, text: str) -> None:
    with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)

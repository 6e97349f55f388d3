"""Builds the command line of bubblewrap, which runs an agent where only its worktree can be written. Standard library only.

Nothing here runs a program or changes a file: from the facts of an attempt follows a command line. Later places cover earlier
ones, so their order matters.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

PROGRAM = "bwrap"
SECRETS = (
    ".ssh", ".gnupg", ".aws", ".azure", ".config/gcloud", ".config/gh", ".config/glab-cli", ".config/hub", ".kube", ".docker",
    ".netrc", ".git-credentials", ".config/git/credentials", ".npmrc", ".pypirc", ".cargo/credentials.toml",
    ".cargo/credentials", ".gem/credentials", ".terraform.d", ".password-store", ".local/share/keyrings", ".mozilla",
    ".config/google-chrome", ".config/chromium", ".bash_history", ".zsh_history", ".local/share/fish", ".python_history",
    ".psql_history", ".config/systemd", ".config/op", ".config/containers", ".vault-token",
)  # fmt: skip
"""What is not there in a sandbox, below the home directory."""
EMPTIED = ("/tmp", "/var/tmp", "/run")
"""Folders that are empty in a sandbox: sockets of the desktop, of tmux, docker and ssh-agent are ways out."""
KEPT_OF_RUN = ("/run/current-system", "/run/wrappers", "/run/opengl-driver")
"""Parts of `/run` that hold programs on some systems."""
KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/acpi", "/proc/fs")
HOME_BASICS = (".gitconfig", ".config/git", ".profile", ".bashrc")
"""What is left of an empty home directory, besides the agent's own folders and the programs of PATH."""


class GitPlaces(NamedTuple):
    """Where git keeps what belongs to a worktree."""

    common_dir: str
    admin_dir: str
    """git's own folder of the worktree."""
    written: tuple[str, ...]
    """Folders of the repository that the agent may write."""
    fixed: tuple[str, ...]
    """Files and folders in those that it may not: they say where git looks, and what it runs."""
    borrowed: tuple[str, ...] = ()
    """Folders of other repositories whose objects this one uses."""


class Facts(NamedTuple):
    """What a sandbox is made of."""

    worktree: str
    home: str
    state_dir: str
    temporary: str
    """The attempt's own folder for temporary files."""
    empty_file: str
    """Takes the place of a hidden file."""
    git: GitPlaces | None
    written: tuple[str, ...] = ()
    """Further places that are written: the agent's own, and `sandbox_write`."""
    fixed: tuple[str, ...] = ()
    """Places in those that are only read: the agent's own settings."""
    read: tuple[str, ...] = ()
    """Further places that can be read: the agent's settings, and `sandbox_read`."""
    hidden: tuple[str, ...] = ()
    """Further places that are not there: the other agents' folders, and `sandbox_hide`."""
    needed: tuple[str, ...] = ()
    """Programs and their folders; they are shown if they would be hidden otherwise."""
    home_empty: bool = False
    network: bool = True
    """Whether the network can be used; else there is a loopback of its own alone."""
    as_root: bool = False
    """Whether it runs as root, who may write to the kernel even without capabilities."""
    own_proc: bool = True
    """Whether `/proc` can be mounted; else the system's own is shown, which lists the processes of others."""


class _Mounts:
    """The arguments so far, and which places they show."""

    def __init__(self) -> None:
        self.argv: list[str] = []
        self._places: list[tuple[str, bool]] = [("/", True)]

    def show(self, path: str, *, written: bool = False) -> None:
        self.argv += ["--bind" if written else "--ro-bind", path, path]
        self._places.append((path, True))

    def empty(self, path: str) -> None:
        self.argv += ["--tmpfs", path]
        self._places.append((path, False))

    def shows(self, path: str) -> bool:
        """Whether a path can be seen: the last place that it is in decides."""
        return next(shown for place, shown in reversed(self._places) if is_inside(path, place))


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is a folder or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def build_command(facts: Facts, command: Iterable[str], status_fd: int | None = None) -> list[str]:
    """Return the command line that runs a command in the worktree, in a sandbox.

    Args:
        status_fd: gets the pid of the first process, and the exit code; without the latter the sandbox could not be made.
    """
    mounts = _Mounts()
    for path in EMPTIED:
        if os.path.isdir(path) and not os.path.islink(path):
            mounts.empty(path)
    resolver = os.path.realpath("/etc/resolv.conf")
    for path in (*([resolver] if is_inside(resolver, "/run") else []), *KEPT_OF_RUN):
        if os.path.exists(path):
            mounts.show(path)
    _add_home(mounts, facts)
    mounts.empty(facts.state_dir)
    for path in (*facts.needed, *facts.read):
        if os.path.exists(path) and (path in facts.read or not mounts.shows(path)):
            mounts.show(path)
    for path in facts.written:
        if os.path.exists(path):
            mounts.show(path, written=True)
    for path in facts.fixed:
        if os.path.exists(path):
            mounts.show(path)
    _hide(mounts, facts, facts.hidden)
    mounts.show(facts.worktree, written=True)
    if facts.git is not None:
        mounts.show(f"{facts.worktree}/.git")
        _add_git(mounts, facts.git)
    mounts.show(facts.temporary, written=True)
    return [*_options(facts, status_fd), *mounts.argv, "--chdir", facts.worktree, "--", *command]


def _options(facts: Facts, status_fd: int | None) -> list[str]:
    return [
        PROGRAM, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try",
        *([] if facts.network else ["--unshare-net"]), "--die-with-parent", "--cap-drop", "ALL",
        *(["--json-status-fd", str(status_fd)] if status_fd is not None else []),
        "--ro-bind", "/", "/", "--dev", "/dev", *(["--proc", "/proc"] if facts.own_proc else ["--ro-bind", "/proc", "/proc"]),
        *(word for path in KERNEL if facts.as_root and facts.own_proc for word in ("--ro-bind-try", path, path)),
    ]  # fmt: skip


def _add_home(mounts: _Mounts, facts: Facts) -> None:
    if facts.home in ("", "/") or not os.path.isdir(facts.home):
        return
    if facts.home_empty:
        mounts.empty(facts.home)
        for name in HOME_BASICS:
            if os.path.exists(path := os.path.realpath(f"{facts.home}/{name}")):
                mounts.show(path)
        return
    if not mounts.shows(facts.home):
        mounts.show(facts.home)
    _hide(mounts, facts, (f"{facts.home}/{name}" for name in SECRETS))


def _hide(mounts: _Mounts, facts: Facts, paths: Iterable[str]) -> None:
    for path in paths:
        real = os.path.realpath(path)
        if os.path.isdir(real):
            mounts.empty(real)
        elif os.path.exists(real) and mounts.shows(real):
            mounts.argv += ["--ro-bind", facts.empty_file, real]


def _add_git(mounts: _Mounts, git: GitPlaces) -> None:
    """Show the repository; only what a commit on the own branch needs can be written."""
    mounts.show(git.common_dir)
    for path in git.borrowed:
        if not mounts.shows(path):
            mounts.show(path)
    for path in git.written:
        mounts.show(path, written=True)
    for path in git.fixed:
        mounts.show(path)


def build_probe(facts: Facts) -> list[str]:
    """Return a short command line that fails where a sandbox cannot be made."""
    return [*_options(facts, None), "--", "true"]


def list_program_places(program: str | None, environ: Mapping[str, str]) -> list[str]:
    """Return the folders that a program needs: its own, and the one its link leads to; and those of PATH."""
    places = []
    if program is not None:
        for path in (os.path.abspath(program), os.path.realpath(program)):
            places.append(_widen(os.path.dirname(path)))
    places += [_widen(path) for path in environ.get("PATH", "").split(os.pathsep) if path.startswith("/")]
    return [*dict.fromkeys(places)]


def _widen(folder: str) -> str:
    """`…/node/v20` for `…/node/v20/bin`, as programs have their libraries beside them; not for `~/bin` or `~/.local/bin`."""
    parent, name = os.path.split(folder)
    own = name == "bin" and os.path.basename(parent) not in (".local", "") and os.path.isdir(f"{parent}/lib")
    return parent if own and parent.count("/") > 2 else folder


_APPARMOR = (
    "AppArmor forbids it here: install the profile bwrap-userns-restrict (package apparmor-profiles) into /etc/apparmor.d and"
    " load it with apparmor_parser -r"
)
_FORBIDDEN = "user namespaces are forbidden here"
CURES = (
    ("setting up uid map: Permission denied", _APPARMOR),
    ("RTM_NEWADDR", _APPARMOR),
    ("max_", f"{_FORBIDDEN}: sysctl user.max_user_namespaces=15000"),
    ("No permissions to creat", f"{_FORBIDDEN}: sysctl kernel.unprivileged_userns_clone=1 (a container must be allowed them)"),
    ("Operation not permitted", f"{_FORBIDDEN}, as in most containers: allow the container to make them"),
)  # fmt: skip
"""What bubblewrap says, and what an operator can do about it; the first that fits counts."""
NO_PROC = "mount proc on"


def explain(words: str) -> str:
    """Return why a sandbox could not be made, and the cure if it is known."""
    lines = [line.strip().removeprefix("bwrap: ") for line in words.splitlines() if "bwrap: " in line]
    said = lines[-1][:300] if lines else words.strip()[-300:]
    cure = next((cure for pattern, cure in CURES if pattern in said), "")
    return f"{cure} (bwrap: {said})" if cure else f"bwrap: {said}" if said else "bwrap gave no reason"


def expand(path: str, environ: Mapping[str, str]) -> str | None:
    """Return the real path of a place in the settings; None if it names a variable that is not set."""
    if path.startswith("$"):
        name, slash, rest = path[1:].partition("/")
        if not (value := environ.get(name)):
            return None
        path = f"{value}{slash}{rest}"
    if path == "~" or path.startswith("~/"):
        path = f"{environ.get('HOME') or os.path.expanduser('~')}{path[1:]}"
    return os.path.realpath(path)


def as_document(facts: Facts) -> dict[str, Any]:
    """Return the facts as JSON; they go with the job to the drivers."""
    return facts._asdict() | {"git": facts.git._asdict() if facts.git else None}


def wrap(job: Mapping[str, Any], command: list[str]) -> list[str]:
    """Return a driver's own command, such as the copy of a session, in the attempt's sandbox if it has one."""
    document = (job.get("sandbox") or {}).get("facts")
    if not document:
        return command
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in document.items()
    }
    if (git := document["git"]) is not None:
        own: dict[str, Any] = {name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in git.items()}
        values["git"] = GitPlaces(**own)
    return build_command(Facts(**values), command)

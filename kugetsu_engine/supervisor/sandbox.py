"""Runs an attempt's agent, setup and teardown in a sandbox, or refuses: nothing is ever run without one that was asked for."""

import json
import os
import shutil
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SandboxFailed
from ..git.gitfile import read_admin_dir, read_common_dir, read_small_file
from ..git.worktrees import BASE_FILE
from ..paths import RunPaths
from ..process import bubblewrap, interpreter, tree
from ..process.bubblewrap import Facts, GitPlaces
from ..process.sandbox_probe import probe
from ..storage import files
from .agent_log import LogFile
from .parts import Part

if TYPE_CHECKING:
    from .network_gate import NetworkGate

KEEPER = "kugetsu-{}.lock"
"""Keeps git from removing the folder of a branch, which is a mount point of the sandbox; git takes the name for a lock."""


_FATAL = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


class Launch:
    """One command that is about to be run, in the sandbox if there is one."""

    def __init__(self, argv: list[str], pass_fds: Sequence[int] = (), status: int | None = None) -> None:
        self.argv = argv
        self.pass_fds = tuple(pass_fds)
        self._status = status
        self._words = b""

    def started(self) -> None:
        """Close what the started process has now."""
        for fd in self.pass_fds:
            os.close(fd)
        self.pass_fds = ()

    def was_made(self) -> bool:
        """Whether the command was run; ask when its process has ended. False: the sandbox could not be made."""
        return self._status is None or "exit-code" in self._read_status()

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to the command: to its process group, or to all processes in its sandbox.

        Bubblewrap's own two processes are left out, as they would end all others at once.
        """
        first = self._read_status().get("child-pid") if self._status is not None else None
        if first is None:
            tree.signal_group(pid, number)
        else:
            tree.send_signal([one for one in tree.list_descendants(pid) if one != first], number)

    def close(self) -> None:
        """Close the rest."""
        self.started()
        if self._status is not None:
            self._read_status()
            os.close(self._status)
            self._status = None

    def _read_status(self) -> dict[str, Any]:
        try:
            while self._status is not None and (data := os.read(self._status, 4096)):
                self._words += data
        except OSError:  # nothing more yet
            pass
        known: dict[str, Any] = {}
        for line in self._words.splitlines():
            try:
                known |= json.loads(line)
            except (ValueError, TypeError):
                continue
        return known


class Sandbox(Part):
    """The sandbox of one attempt; without one in its job, commands are run as they are."""

    def __init__(self, job: dict[str, Any], log: LogFile, helpers: set[int]) -> None:
        """`helpers` gets the process that the network goes through."""
        self._job = job
        self._helpers = helpers
        self._log = log
        self._wanted: dict[str, Any] | None = job.get("sandbox") or None
        self._facts: Facts | None = None
        self._own_proc = True
        self._pointers: list[tuple[str, str]] = []
        self._gate: NetworkGate | None = None
        self._keeper: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether the attempt must run in a sandbox."""
        return self._wanted is not None

    def prepare(self) -> None:
        """Make a sandbox for nothing, to see whether it can be made.

        Raises:
            SandboxFailed: it cannot; with the cure.
        """
        if self._wanted is None:
            return
        known = self._wanted.get("own_proc")  # the engine has made one before
        network = self._wanted.get("net", "on") == "on"
        self._own_proc = probe(dict(self._job["env"]), network) if known is None else bool(known)
        if not self._own_proc:
            self._log.note("sandbox: /proc of the system is shown in it, as a new one cannot be mounted here")

    def settle_places(self) -> None:
        """Decide what the sandbox consists of, now that the worktree exists.

        Raises:
            SandboxFailed: the worktree is not what it should be, or a place in the settings is missing.
        """
        if self._wanted is None:
            return
        try:
            self._facts = self._gather(self._wanted)
        except (OSError, ValueError) as error:
            raise SandboxFailed(f"its places cannot be prepared: {error}") from None
        self._job["sandbox"] = {**self._wanted, "facts": bubblewrap.as_document(self._facts)}
        net = self._wanted.get("net", "on")
        if isinstance(net, list):
            from .network_gate import NetworkGate

            self._gate = NetworkGate(net, dict(self._job["env"]), self._log)
            self._helpers.add(self._gate.pid)

    def launch(self, argv: list[str]) -> Launch:
        """Return how to run a command of the attempt.

        Raises:
            SandboxFailed: the sandbox was not prepared.
            FileNotFoundError, PermissionError: there is no such program.
        """
        if self._wanted is None:
            return Launch(argv)
        if self._facts is None:
            raise SandboxFailed("it was not prepared")
        facts = self._facts
        program = _find_program(argv[0], dict(self._job["env"]), facts.worktree)
        needed = (*bubblewrap.list_program_places(program, {}), *facts.needed)
        if os.path.exists(prompt := RunPaths(str(self._job["run_dir"])).prompt):
            facts = facts._replace(read=(*facts.read, prompt))
        for path in self._wanted.get("files", ()):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            facts = facts._replace(written=(*facts.written, path))
        fds = []
        if self._gate is not None:
            fds.append(self._gate.lend())
            argv = self._gate.wrap(argv, fds[0])
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        command = bubblewrap.build_command(facts._replace(needed=needed), argv, writing)
        return Launch(command, (writing, *fds), reading)

    def explain(self, log_tail: Sequence[str]) -> SandboxFailed:
        """Return why the sandbox of a command was not made, from the end of the log, newest line first."""
        return SandboxFailed(bubblewrap.explain("\n".join(line for line in reversed(log_tail) if "bwrap: " in line)))

    def translate_exit_code(self, code: int) -> int:
        """Return the code as if the agent were our own child: bubblewrap turns a signal into 128 and its number."""
        return 128 - code if self._wanted is not None and code - 128 in _FATAL else code

    def restore_pointers(self) -> None:
        """Put back the files by which git finds a worktree's repository, should they have changed."""
        for path, text in self._pointers:
            try:
                if os.path.isdir(os.path.dirname(path)) and read_small_file(path) != text:
                    raise ValueError
            except (OSError, ValueError):
                self._log.note(f"sandbox: {path} was changed during the attempt and is put back")
                try:
                    if os.path.lexists(path):
                        os.unlink(path)
                    _make_file(path, text)
                except OSError:
                    continue

    def tick(self, now: float) -> None:
        """Note which hosts were refused."""
        if self._gate is not None:
            self._gate.note_refusals()

    def build_record(self) -> dict[str, Any]:
        """Return what kind of sandbox it is."""
        return {"sandbox": describe(self._wanted)} if self._wanted is not None else {}

    def build_progress(self) -> dict[str, Any]:
        """Return the kind, and the hosts that were refused."""
        return self.build_record() | ({"refused": self._gate.refused[:20]} if self._gate and self._gate.refused else {})

    def build_result(self) -> dict[str, Any]:
        """Return the same at the end."""
        return self.build_progress()

    def end_network(self) -> None:
        """End the process that the network goes through; before the sweep, which would count it."""
        if self._gate is not None:
            self._gate.note_refusals()
            self._gate.close()

    def close(self) -> None:
        """Check the pointers, and remove what was made for the sandbox."""
        self.end_network()
        self.restore_pointers()
        if self._keeper is not None:
            try:
                os.unlink(self._keeper)
            except OSError:
                return

    def _gather(self, wanted: dict[str, Any]) -> Facts:
        job, env = self._job, {str(name): str(value) for name, value in self._job["env"].items()}
        real, places = os.path.realpath, RunPaths(str(job["run_dir"]))
        folders = wanted.get("folders") or {}
        written = [real(path) for path in folders.get("written", ())]
        for path in written:
            os.makedirs(path, 0o700, exist_ok=True)
        for path, text in folders.get("files", ()):
            _make_file(real(path), text)
        _make_file(places.empty, "")
        chosen = {kind: self._expand(wanted.get(kind) or (), env, kind) for kind in ("write", "read", "hide")}
        return Facts(
            worktree=real(str(job["worktree"])), home=real(env.get("HOME") or os.path.expanduser("~")),
            state_dir=real(str(job["state_dir"])), temporary=real(places.temporary), empty_file=real(places.empty),
            git=self._find_git_places(real(str(job["worktree"])), wanted.get("refs") == "all"),
            written=(*written, *chosen["write"]), fixed=tuple(real(path) for path in folders.get("fixed", ())),
            read=(*(real(path) for path in folders.get("read", ())), *chosen["read"]),
            hidden=(*folders.get("others", ()), *chosen["hide"]),
            needed=(*bubblewrap.list_program_places(shutil.which(str(job.get("program") or ""), path=env.get("PATH")), env),
                    *interpreter.list_folders()),
            home_empty=bool(wanted.get("home_empty")), network=wanted.get("net", "on") == "on", own_proc=self._own_proc,
            as_root=os.geteuid() == 0,
        )  # fmt: skip

    def _expand(self, paths: Sequence[str], env: dict[str, str], kind: str) -> list[str]:
        found = [(path, bubblewrap.expand(path, env)) for path in paths]
        for path, real in found:
            if kind != "hide" and (real is None or not os.path.lexists(real)):
                self._log.note(f"sandbox: {path} of sandbox_{kind} is not there")
        return [real for _, real in found if real is not None]

    def _find_git_places(self, worktree: str, all_refs: bool) -> GitPlaces:
        """Find the repository's folders; a worktree's pointers are believed only where both ends agree."""
        admin, common = os.path.realpath(read_admin_dir(worktree)), read_common_dir(worktree)
        if common is None or os.path.dirname(admin) != f"{common}/worktrees":
            raise SandboxFailed(f"{worktree} does not lead to the folder that git made for it")
        if os.path.realpath(read_small_file(f"{admin}/gitdir").strip()) != f"{worktree}/.git":
            raise SandboxFailed(f"{admin} belongs to another worktree")
        self._pointers = [(path, read_small_file(path)) for path in (f"{worktree}/.git", f"{admin}/commondir")]
        if os.path.isdir(f"{common}/reftable"):
            return _find_reftable_places(common, admin)
        branch_folder = os.path.dirname(f"{common}/refs/heads/{self._job['branch']}")
        refs = (f"{common}/refs",) if all_refs else (branch_folder, f"{common}/refs/remotes")
        written = [f"{common}/objects", f"{common}/logs", admin, *refs]
        for path in (*written, f"{common}/objects/info"):
            os.makedirs(path, exist_ok=True)
        self._keeper = f"{branch_folder}/{KEEPER.format(os.path.basename(worktree))}"
        _make_file(self._keeper, "")
        fixed = (f"{admin}/commondir", f"{admin}/gitdir", f"{admin}/config.worktree", f"{admin}/{BASE_FILE}")
        for path in fixed:
            _make_file(path, "")
        borrowed = [os.path.realpath(path) for path in _read_alternates(f"{common}/objects")]
        return GitPlaces(common, admin, tuple(written), (f"{common}/objects/info", *fixed), tuple(borrowed))


def _find_reftable_places(common: str, admin: str) -> GitPlaces:
    """Find the folders of a repository whose refs are in tables: these can only be written as a whole."""
    for path in (f"{common}/objects/info", f"{common}/logs"):
        os.makedirs(path, exist_ok=True)
    fixed = (f"{admin}/commondir", f"{admin}/gitdir", f"{admin}/config.worktree", f"{admin}/{BASE_FILE}")
    for path in fixed:
        _make_file(path, "")
    return GitPlaces(common, admin, (f"{common}/objects", f"{common}/logs", f"{common}/reftable", admin), fixed)


def describe(wanted: dict[str, Any] | None) -> str:
    """Write in a few words what a sandbox allows; empty without one."""
    if not wanted:
        return ""
    net = wanted.get("net", "on")
    return f"network: {'all' if net == 'on' else 'none' if net == 'off' else ' '.join(net) or 'none'}"


def _find_program(name: str, env: dict[str, str], folder: str) -> str:
    """Return the path of a program: bubblewrap would not say which one it could not find."""
    found = shutil.which(name, path=env.get("PATH")) if "/" not in name else os.path.join(folder, name)
    if found is None or not os.path.exists(found):
        raise FileNotFoundError(2, "No such file or directory", name)
    if not os.access(found, os.X_OK) or os.path.isdir(found):
        raise PermissionError(13, "Permission denied", name)
    return found


def _make_file(path: str, text: str) -> None:
    """Make a file unless it exists."""
    if os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        files.write_all(fd, text.encode())
    finally:
        os.close(fd)


def _read_alternates(objects: str) -> list[str]:
    try:
        lines = read_small_file(f"{objects}/info/alternates").splitlines()
    except (OSError, ValueError):
        return []
    paths = [os.path.join(objects, line) for line in lines if line and not line.startswith(("#", '"'))]
    return [path for path in paths if os.path.isdir(path)]

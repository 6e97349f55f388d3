"""What peers and kugetsu work on alike: a small repository, and the smallest agent that can tell when it ran."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .measure import environment, fresh_folder

AGENT = """\
printf 's %s\\n' "$EPOCHREALTIME" >> "$1"
[ "$2" = 0 ] || sleep "0.$(($2 + RANDOM % 150))"
printf 'e %s\\n' "$EPOCHREALTIME" >> "$1"
"""
"""Its first and its last act is to write down the time, to the microsecond; bash takes 1 to 2 ms before the first.

Between them it is busy for so many ms (three digits) and up to 149 more, so that slots do not end in step; or not at all.
"""

IN_A_FRESH_WORKTREE = """\
if git -C "$1" worktree add -q -b "fix/issue-$2" "$3/$2" HEAD 2>> "$5.errors" && cd "$3/$2"; then
    exec /bin/bash "$4" "$5" "$6"
fi
echo x 0 >> "$5"
"""
"""What a person would write for a peer. git may refuse when several add worktrees at once: that task is lost, and counted."""
FILES = 50


@dataclass(frozen=True)
class Stamps:
    """When agents began and ended, in seconds since 1970, each in order."""

    starts: list[float]
    ends: list[float]
    lost: int = 0
    """Tasks whose agent never ran."""

    def refills(self) -> list[float]:
        """Milliseconds from each end to the start that took its place, the first end to the first start after it and so on.

        A start that no free slot was waiting for is one of the first, which fill the queue's slots.
        """
        free: list[float] = []
        gaps = []
        for time, begins in sorted([(start, True) for start in self.starts] + [(end, False) for end in self.ends]):
            if not begins:
                free.append(time)
            elif free:
                gaps.append((time - free.pop(0)) * 1000)
        return gaps

    @property
    def per_second(self) -> float:
        """Tasks a second from the first start to the last end."""
        return len(self.ends) / (self.ends[-1] - self.starts[0])


class Ground:
    """One fresh folder with a repository, an agent and a journal."""

    def __init__(self, name: str, pause_ms: int = 0) -> None:
        self.folder = fresh_folder(name)
        self.pause = str(pause_ms)
        self.journal = self.folder / "journal"
        self.agent = self.folder / "agent.sh"
        self.agent.write_text(AGENT, encoding="utf-8")
        self.trees = self.folder / "trees"
        self.trees.mkdir()
        self.repository = make_repository(self.folder / "repository")

    def job(self, number: int, worktree: bool) -> list[str]:
        """The command line of a peer's task, with or without a fresh worktree."""
        if not worktree:
            return ["/bin/bash", str(self.agent), str(self.journal), self.pause]
        words = [self.repository, number, self.trees, self.agent, self.journal, self.pause]
        return ["/bin/sh", "-c", IN_A_FRESH_WORKTREE, "sh", *map(str, words)]

    def configure(self, state: Path, limit: int) -> None:
        """Write the settings of a kugetsu that runs this agent."""
        state.mkdir(mode=0o700, exist_ok=True)
        command = json.dumps(["/bin/bash", str(self.agent), str(self.journal), self.pause])
        (state / "config.toml").write_text(
            f'max_concurrent_agents = {limit}\nmax_attempts = 1\nagent = "bench"\nqueue_expiry = "never"\n'
            f'[agents.bench]\ncommand = {command}\n[repos]\n"local/bench" = {json.dumps(str(self.repository))}\n',
            encoding="utf-8",
        )

    def ended(self) -> int:
        """How many agents have ended so far, or never ran."""
        return sum(line[:1] in b"ex" for line in self.journal.read_bytes().splitlines()) if self.journal.exists() else 0

    def stamps(self, expected: int) -> Stamps:
        """What the journal says.

        Raises:
            RuntimeError: not every agent ran.
        """
        lines = [line.split() for line in self.journal.read_text(encoding="ascii").splitlines()]
        starts, ends = (sorted(float(time) for what, time in lines if what == kind) for kind in "se")
        lost = sum(what == "x" for what, _ in lines)
        if len(starts) + lost != expected or len(ends) != len(starts):
            raise RuntimeError(f"{len(ends)} of {expected} agents ran in {self.folder}")
        return Stamps(starts, ends, lost)


def make_repository(path: Path) -> Path:
    """A repository with one commit of fifty small files."""
    who = {f"GIT_{role}_{what}": "bench@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path.mkdir()
    for number in range(FILES):
        (path / f"file{number}.txt").write_text(f"line of file {number}\n" * 20, encoding="utf-8")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "files"]):
        subprocess.run(["git", *words], cwd=path, env=environment(**who), check=True, stdin=subprocess.DEVNULL)
    return path


def executable(name: str) -> str | None:
    """Path of a program, if it is installed."""
    return next((f"{folder}/{name}" for folder in os.get_exec_path() if os.access(f"{folder}/{name}", os.X_OK)), None)

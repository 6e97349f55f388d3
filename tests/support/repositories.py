"""Real git repositories, small and quick."""

import os
import subprocess
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Tester", "GIT_AUTHOR_EMAIL": "tester@localhost", "GIT_COMMITTER_NAME": "Tester",
    "GIT_COMMITTER_EMAIL": "tester@localhost", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


def run_git(folder: Path | str, *args: str) -> str:
    """Run git as the person who owns the repository; hooks are theirs and run."""
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        env=os.environ | IDENTITY,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"git {' '.join(args)}: {done.stderr}"
    return done.stdout.strip()


def commit(folder: Path, name: str, text: str) -> str:
    """Write a file, commit it, and return the commit."""
    (folder / name).write_text(text, encoding="utf-8")
    run_git(folder, "add", "--", name)
    run_git(folder, "commit", "--quiet", "-m", f"write {name}")
    return run_git(folder, "rev-parse", "HEAD")


def make_repository(path: Path) -> Path:
    """Make a repository with one commit on `main`."""
    path.mkdir(parents=True)
    run_git(path, "init", "--quiet", "-b", "main")
    commit(path, "README.md", "# a repository\n")
    return path


def bare_remote(path: Path, of: Path) -> Path:
    """Make a bare repository at `path` with the contents of another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run_git(path.parent, "clone", "--quiet", "--bare", str(of), str(path))
    return path

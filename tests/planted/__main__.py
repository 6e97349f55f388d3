"""Plant each bug in a copy of the tree, run the tests that must notice, and write the table to docs/planted-bugs.md.

python -m tests.planted [WORDS]     only the bugs whose name holds the words; the document is then left as it is
"""

import argparse
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

import psutil

from .bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "planted-bugs.md"
COPIED = ("kugetsu_engine", "kugetsu_tui", "tests", "docs", "pyproject.toml", "Makefile", "README.md")
LIMIT_S = 300
NO_END = -1
"""In place of pytest's exit code, when it did not end."""
HEAD = """\
# Planted bugs

A test suite that cannot fail proves nothing. `make planted` plants each of these bugs in a copy of the tree, one at a time, and
runs the tests that must notice. It writes this page. A survivor is a missing test; a bug whose place in the code is gone is an
error, and its entry in `tests/planted/bugs.py` must be brought up to date.

| bug | file | result | seconds | first test that noticed |
|---|---|---|---|---|
"""


def make_copy(folder: Path) -> tuple[Path, Path]:
    """Copy the tree, and make a Python that finds the copy before all else; returns both."""
    copy = folder / "tree"
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif source.exists():
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    venv.create(folder / "python", symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "python"), "platbase": str(folder / "python")}))
    packages.joinpath("copy.pth").write_text(f"{copy}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return copy, folder / "python" / "bin" / "python"


def run_tests(copy: Path, python: Path, words: str) -> tuple[int, str]:
    """Run pytest in the copy; its exit code or `NO_END`, and the first failure, in a line."""
    command = [str(python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *shlex.split(words)]
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return NO_END, f"no end within {LIMIT_S} s"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, failed[0].split(" - ")[0].partition(" ")[2] if failed else done.stdout[-300:]


def try_bug(bug: Bug, copy: Path, python: Path) -> tuple[str, str]:
    """Plant a bug, run its tests and take it out again; `caught`, `SURVIVED` or an error, and by which test."""
    target = copy / bug.file
    source = target.read_text(encoding="utf-8") if target.exists() else ""
    if source.count(bug.old) != 1:
        return "ERROR: no place", f"the text to replace stands {source.count(bug.old)} times"
    target.write_text(source.replace(bug.old, bug.new), encoding="utf-8")
    try:
        code, noticed = run_tests(copy, python, bug.tests)
    finally:
        target.write_text(source, encoding="utf-8")
    if code == 0:
        return "**SURVIVED**", ""
    if code == NO_END:  # no test has noticed anything
        return "ERROR: no end", noticed
    return ("caught", noticed) if code == 1 else (f"ERROR: pytest {code}", noticed)


def end_leftovers(copy: Path) -> None:
    """End what a planted bug let live: every process that runs a program of the copy."""
    for process in psutil.process_iter(["cmdline"]):
        if any(word.startswith(f"{copy}/") for word in process.info["cmdline"] or ()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def try_all(bugs: Sequence[Bug]) -> list[str]:
    """Try bugs one by one; those that were not caught, in words. When these are all there are, the document is written.

    Raises:
        AssertionError: tests are red without any bug.
    """
    rows, missed, began = [], [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kugetsu-planted-") as folder:
        copy, python = make_copy(Path(folder))
        for tests in sorted({bug.tests for bug in bugs}):
            code, failed = run_tests(copy, python, tests)
            assert code == 0, f"without any bug, {tests} is red: {failed}"
        for bug in bugs:
            start = time.monotonic()
            result, noticed = try_bug(bug, copy, python)
            end_leftovers(copy)
            took = time.monotonic() - start
            print(f"{result:16} {took:5.1f} s  {bug.name:50} {noticed}", flush=True)
            shown = noticed.rpartition("::")[2].replace("|", "/").replace("\n", " ")
            rows.append(f"| {bug.name} | `{bug.file}` | {result} | {took:.0f} | {shown} |")
            if result != "caught":
                missed.append(f"{bug.name}: {result} {noticed}".rstrip())
    told = f"{len(bugs) - len(missed)} of {len(bugs)} caught"
    print(f"{told}, {time.monotonic() - began:.0f} s", flush=True)
    if len(bugs) == len(BUGS):
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        last = f"\n{told} on {time.strftime('%Y-%m-%d', time.gmtime())}, at commit {commit.stdout.strip()}.\n"
        DOCUMENT.write_text(HEAD + "\n".join(rows) + f"\n{last}", encoding="utf-8")
    return missed


def main() -> int:
    """Try all of them; 0 when each was caught."""
    parser = argparse.ArgumentParser(prog="tests.planted", description=__doc__)
    parser.add_argument("words", nargs="*", help="only bugs whose name holds these")
    words = " ".join(parser.parse_args().words)
    try:
        return 1 if try_all([bug for bug in BUGS if words in bug.name]) else 0
    except AssertionError as error:
        print(error)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""The one way to start a Python process of ours. Standard library only, and small: each supervisor loads it.

A program is named, not its module: a command line may be older than the files, in an attempt that waits for its worktree or
with the keeper of a server, and modules can be moved.
"""

import os
import sys

PROGRAMS = {
    "kugetsu-supervisor": "kugetsu_engine.supervisor.supervisor:main",
    "forge-questions": "kugetsu_engine.forges.helper:main",
    "opencode-client": "kugetsu_engine.agents.opencode.run_client:main",
    "opencode-keeper": "kugetsu_engine.agents.opencode.server_keeper:main",
    "opencode-server": "kugetsu_engine.agents.opencode.server_keeper:run_server",
}
"""Module and function; it is given the arguments, and returns the exit code."""
WITH_PACKAGES = ("forge-questions",)
"""Those that need more than the standard library."""
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_BOOT = f"import sys; sys.path.insert(0, {_ROOT!r}); from kugetsu_engine.process.interpreter import run_program; run_program()"


def build_command(program: str, *argv: str) -> list[str]:
    """The command line of one of `PROGRAMS`. The variables and the folder that it is started with change nothing about it."""
    return [sys.executable, "-I", *(() if program in WITH_PACKAGES else ("-S",)), "-c", _BOOT, program, *argv]


def build_cli_command(*words: str) -> list[str]:
    """The command line of `kugetsu` itself. Nothing is imported from the folder that it runs in, which may be anybody's."""
    return [sys.executable, "-P", "-m", "kugetsu_engine", *words]


def run_program() -> None:
    """Entry of these processes."""
    from importlib import import_module

    module, _, function = PROGRAMS[sys.argv[1]].partition(":")
    sys.exit(getattr(import_module(module), function)(sys.argv[2:]))

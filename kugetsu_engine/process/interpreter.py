"""The one way to start a Python process of ours. Standard library only, as each supervisor loads it.

A command line names a program, not a module: it may be older than the installed files, and modules can move.
"""

import os
import sys

PROGRAMS = {
    "kugetsu-supervisor": "kugetsu_engine.supervisor.supervisor:main",
    "kugetsu-template": "kugetsu_engine.supervisor.template:main",
    "forge-questions": "kugetsu_engine.forges.helper:main",
    "opencode-client": "kugetsu_engine.agents.opencode.run_client:main",
    "opencode-keeper": "kugetsu_engine.agents.opencode.server_keeper:main",
    "opencode-server": "kugetsu_engine.agents.opencode.server_keeper:run_server",
    "network-gate": "kugetsu_engine.supervisor.network_proxy:run_gate",
    "network-enter": "kugetsu_engine.supervisor.network_proxy:enter",
}
"""Module and function, which gets the arguments and returns the exit code."""
WITH_PACKAGES = ("forge-questions",)
"""Programs that need more than the standard library."""
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_BOOT = f"import sys; sys.path.insert(0, {_ROOT!r}); from kugetsu_engine.process.interpreter import run_program; run_program()"


def build_command(program: str, *argv: str) -> list[str]:
    """Return the command line of one of `PROGRAMS`. Environment and working directory do not affect it."""
    return [sys.executable, "-I", *(() if program in WITH_PACKAGES else ("-S",)), "-c", _BOOT, program, *argv]


def list_folders() -> list[str]:
    """Return the folders that our programs are in: Python, its environment and this package."""
    return [*dict.fromkeys((sys.prefix, sys.base_prefix, _ROOT))]


def build_cli_command(*arguments: str) -> list[str]:
    """Return the command line of `kugetsu` itself. It imports nothing from the working directory."""
    return [sys.executable, "-P", "-m", "kugetsu_engine", *arguments]


def run_program() -> None:
    """Run the program that the command line names."""
    from importlib import import_module

    module, _, function = PROGRAMS[sys.argv[1]].partition(":")
    sys.exit(getattr(import_module(module), function)(sys.argv[2:]))

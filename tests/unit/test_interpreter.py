"""How Python processes of ours are started."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from kugetsu_engine.process import interpreter
from tests.support.fleet import ROOT


@pytest.mark.parametrize("program", interpreter.PROGRAMS)
def test_every_program_is_where_its_name_leads(program: str) -> None:
    """With no more packages in reach than it will have."""
    module, _, function = interpreter.PROGRAMS[program].partition(":")
    start, boot = interpreter.build_command(program)[:-2], f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    look = f"{boot}import {module}; assert callable({module}.{function})"
    done = subprocess.run([*start, look], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_program_gets_its_arguments_and_its_exit_code_is_told(tmp_path: Path) -> None:
    """From a folder of anybody's, whose files are not imported."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)", encoding="utf-8")
    command = interpreter.build_command("forge-questions", "text", str(tmp_path / "state"), "local/a#1")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, json.loads(done.stdout)) == (0, {})
    command = interpreter.build_command("opencode-server", str(os.getpid()), "no-such-program")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 127, done.stderr


@pytest.mark.parametrize("name", ["json", "kugetsu_engine"])
def test_the_command_line_imports_nothing_from_the_folder_it_runs_in(tmp_path: Path, name: str) -> None:
    """A repository that an agent works on may have files called like modules of Python, or of ours."""
    (tmp_path / f"{name}.py").write_text("raise SystemExit(9)", encoding="utf-8")
    command, environ = interpreter.build_cli_command("status"), {**os.environ, "KUGETSU_DIR": str(tmp_path / "state")}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr

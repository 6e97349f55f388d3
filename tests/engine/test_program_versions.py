"""A program of a version that kugetsu cannot drive is refused; one that it was never tried with is told."""

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest

from kugetsu_engine.agents import program_versions, registry
from kugetsu_engine.config.loader import AgentSettings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.doctor import agent_programs
from kugetsu_engine.domain import agent_names
from kugetsu_engine.errors import ConfigError
from tests.support.clients import local_client
from tests.support.fleet import Fleet
from tests.support.waiting import wait_until

OPENCODE = """#!/bin/sh
echo "$1" >> {journal}
case $1 in --version) echo {version};; run) cat > /dev/null; echo '{{"type":"step_finish","part":{{"reason":"stop"}}}}';; esac
"""


def install(fleet: Fleet, version: str) -> Path:
    """Put a program into the place of opencode that tells this version and notes what it is asked for."""
    program = fleet.folder / "bin" / "opencode"
    program.parent.mkdir(exist_ok=True)
    aside = program.with_name("new")
    aside.write_text(OPENCODE.format(journal=fleet.folder / "asked", version=version), encoding="utf-8")
    aside.chmod(0o755)
    aside.rename(program)
    home = fleet.folder / "home"
    fleet.tables = f'[agents.opencode]\nprogram = "{program}"\nenv = {{ HOME = "{home}", XDG_DATA_HOME = "{home}" }}'
    fleet.configure(agent="opencode")
    return program


def asked(fleet: Fleet, verb: str) -> int:
    """How often the program was run with a word."""
    journal = fleet.folder / "asked"
    return journal.read_text(encoding="utf-8").splitlines().count(verb) if journal.exists() else 0


@pytest.mark.parametrize("version", ["2.0.4", "v2.2.0-beta.1", "3.0.0"])
def test_opencode_2_is_refused_when_a_task_is_enqueued_and_by_the_doctor(fleet: Fleet, version: str) -> None:
    """In one line that says why and what to do; no task is there then, and tasks of other agents are taken."""
    install(fleet, version)
    with pytest.raises(ConfigError, match=r"opencode [23]\.\S+ is not supported yet: .*install opencode 1") as refused:
        fleet.enqueue()
    assert "\n" not in str(refused.value)
    assert os.listdir(fleet.paths.items) == []
    assert fleet.enqueue(options={"agent": "demo"})
    [found] = [
        one
        for one in agent_programs.inspect_programs(fleet.paths, fleet.operator.settings, os.environ)
        if one.name == "opencode"
    ]
    assert found.ready == "no"
    assert "is not supported yet" in found.todo
    assert asked(fleet, "run") == 0


PREVIEW_HELP = """DESCRIPTION
  OpenCode 2.0 preview command line interface

SUBCOMMANDS
  api        Make a request to the running server
  service    Manage the background server
  serve      Start the v2 API server"""
"""As printed by @opencode-ai/cli-linux-x64 1.18.18, whose version is `lildax vlocal`."""


@pytest.mark.parametrize(
    ("version", "help_text", "refused"),
    [
        ("lildax vlocal", PREVIEW_HELP, "opencode 2 (preview)"),
        ("opencode2 v0.0.0-beta-18155", PREVIEW_HELP, "opencode 2 (0.0.0-beta-18155)"),
        ("opencode2 v0.0.0-next-1", "FLAGS\n  --standalone   Run with a private server", "opencode 2 (0.0.0-next-1)"),
        ("0.0.0-dev-202601", "  opencode serve   starts a headless server\n  --mdns-domain  name for mDNS service", ""),
        ("1.18.33", PREVIEW_HELP, ""),
    ],
)
def test_a_build_without_a_telling_version_is_known_by_its_help(
    fleet: Fleet, version: str, help_text: str, refused: str
) -> None:
    """Previews of opencode 2 have versions below 1, or none; they work in the same background server."""
    program = install(fleet, version)
    said = program.read_text("utf-8").replace("esac", f"--help) cat <<'END'\n{help_text}\nEND\n;; esac")
    program.write_text(said, encoding="utf-8")
    if refused:
        with pytest.raises(ConfigError, match=re.escape(refused) + " is not supported yet"):
            fleet.enqueue()
    else:
        assert fleet.enqueue()


@pytest.mark.parametrize("mode", ["process", "server"])
def test_an_opencode_that_became_another_one_is_not_started(fleet: Fleet, mode: str) -> None:
    """The task that waited ends with an error that is no attempt of its own, and can be retried when the old one is back."""
    install(fleet, "1.18.33")
    task_id = fleet.enqueue()
    install(fleet, "2.0.4")
    fleet.tables += f'\nmode = "{mode}"\nserver_idle = "1s"'
    fleet.configure()
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    assert (task.state, task.failure, task.attempts_before, len(task.attempts)) == ("error", "wrong_program", 1, 1)
    assert (task.error or "").startswith("opencode 2.0.4 is not supported yet: ")
    assert asked(fleet, "run") == asked(fleet, "serve") == 0
    install(fleet, "1.19.0")
    fleet.operator.do("retry", task_id)
    [task] = fleet.wait_for_end([task_id])
    assert (task.state, task.attempts[-1].outcome) == ("completed", "ok")


def test_a_command_of_ones_own_that_names_opencode_2_is_refused_too(fleet: Fleet) -> None:
    """It would leave its supervisor all the same; a program of another name is the operator's own affair."""
    program = install(fleet, "2.0.4")
    other = program.with_name("my-agent")
    other.symlink_to(program)
    fleet.tables = f"[agents.mine]\ncommand = ['{program}', 'run']\n[agents.other]\ncommand = ['{other}', 'run']\n"
    fleet.configure()
    with pytest.raises(ConfigError, match=r"opencode 2\.0\.4 is not supported yet"):
        fleet.enqueue(options={"agent": "mine"})
    found = {one.name: one for one in agent_programs.inspect_programs(fleet.paths, fleet.operator.settings, os.environ)}
    assert (found["mine"].ready, found["mine"].version, found["other"].ready) == ("no", "2.0.4", "unknown")
    install(fleet, "1.18.33")
    fleet.tables = f"[agents.mine]\ncommand = ['{program}', 'run']\n"
    fleet.configure(agent="mine")
    task_id = fleet.enqueue()
    install(fleet, "2.1.0")
    fleet.tables = f"[agents.mine]\ncommand = ['{program}', 'run']\n"
    fleet.configure(agent="mine")
    fleet.start_engine()
    [task] = fleet.wait_for_end([task_id])
    assert (task.attempts[-1].failure, asked(fleet, "run")) == ("wrong_program", 0)


def test_a_version_is_asked_for_once_and_again_when_the_program_is_another_file(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a start costs nothing; the answer of a script, which may start another program tomorrow, does not count for long."""
    program = str(install(fleet, "1.18.33"))

    def look() -> str | None:
        return program_versions.read_version("opencode", program, os.environ, fleet.paths.root, ask=True)

    assert [look(), look()] == ["1.18.33"] * 2
    assert asked(fleet, "--version") == 1
    install(fleet, "1.19.0")
    assert [look(), look()] == ["1.19.0"] * 2
    assert asked(fleet, "--version") == 2
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + program_versions.SCRIPT_CACHE_S + 1)
    assert look() == "1.19.0"
    assert asked(fleet, "--version") == 3


def test_a_damaged_record_of_versions_is_passed_over(fleet: Fleet) -> None:
    """It is asked again, and a record that cannot be written costs only that."""
    program = str(install(fleet, "1.18.33"))
    for text in ("", "[]", "{", json.dumps({program: 3}), "\xff"):
        Path(fleet.paths.programs).write_text(text, encoding="latin-1")
        assert program_versions.read_version("opencode", program, os.environ, fleet.paths.root, ask=True) == "1.18.33"
    Path(fleet.paths.programs).unlink()
    Path(fleet.paths.programs).mkdir()
    assert program_versions.read_version("opencode", program, os.environ, fleet.paths.root, ask=True) == "1.18.33"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("2.0.4", "2.0.4"), ("opencode v2.0.4 (abc)", "2.0.4"), ("opencode/2.0.4 linux-x64 node-v22.1.0", "2.0.4"),
        ("version: 2.0.4", "2.0.4"), ("Error: 2.5 of 3 failed", None),
        ("Traceback\n  File \"x\", line 3.11", None),
        ('{"cost": 2.5}', None), ("listening on 127.0.0.1", None), ("", None),
    ],
)  # fmt: skip
def test_only_a_line_that_is_a_version_is_taken_for_one(fleet: Fleet, said: str, version: str | None) -> None:
    """A program that says something else is not refused for it: nobody knows what it is."""
    program = fleet.folder / "opencode"
    program.write_text(f"#!{sys.executable} -IS\nprint({said!r})\n", encoding="utf-8")
    program.chmod(0o755)
    assert program_versions.ask_version(str(program), os.environ) == version
    assert (program_versions.describe_refusal("opencode", version) is None) == (version is None)


def test_the_package_of_a_program_tells_its_version_without_running_it(fleet: Fleet) -> None:
    """As npm installs it: a link to a script in a package. Another package further up is none of it."""
    package = fleet.folder / "lib" / "node_modules" / "@openai" / "codex"
    (package / "bin").mkdir(parents=True)
    (package / "bin" / "codex.js").write_text(f"#!/bin/sh\ntouch {fleet.folder}/ran\n", encoding="utf-8")
    (package / "bin" / "codex.js").chmod(0o755)
    (fleet.folder / "package.json").write_text(json.dumps({"name": "my-project", "version": "9.9.9"}), encoding="utf-8")
    link = fleet.folder / "codex"
    link.symlink_to(package / "bin" / "codex.js")
    assert program_versions.read_version("codex", str(link), os.environ, fleet.paths.root, ask=False) is None
    (package / "package.json").write_text(json.dumps({"name": "@openai/codex", "version": "1.2.0"}), encoding="utf-8")
    assert program_versions.read_version("codex", str(link), os.environ, fleet.paths.root, ask=False) == "1.2.0"
    assert not (fleet.folder / "ran").exists()
    fleet.tables = f'[agents.codex]\nprogram = "{link}"'
    fleet.configure(agent="codex", max_attempts=1)
    task_id = fleet.enqueue()
    fleet.start_engine()
    fleet.wait_for_end([task_id])
    words = b"[kugetsu] codex 1.2.0: kugetsu is tested with codex 0.169"
    assert fleet.log(task_id).count(words) == 1, "it is told, and it has run"
    assert (fleet.folder / "ran").exists()
    [found] = [
        one for one in agent_programs.inspect_programs(fleet.paths, fleet.operator.settings, os.environ) if one.name == "codex"
    ]
    assert found.advice.startswith(words[10:].decode())


@pytest.mark.parametrize("kind", [name for name in agent_names.KNOWN if name != "demo"])
def test_every_known_program_has_a_version_that_it_is_tested_with(kind: str) -> None:
    """Of that first number nothing is said, of another one a word; only opencode 2 is refused."""
    tested = program_versions.TESTED[kind]
    assert program_versions.describe_untested(kind, f"{tested}.5") == ""
    assert f"tested with {kind} {tested}" in program_versions.describe_untested(kind, "7.0.1")
    assert program_versions.describe_untested(kind, None) == ""
    assert (program_versions.describe_refusal(kind, "7.0.1") is not None) == (kind == "opencode")


def test_many_tasks_in_a_row_are_one_look_at_the_program(fleet: Fleet) -> None:
    """And an agent that is a command of the operator's own is not looked at."""
    install(fleet, "1.18.33")
    operator = local_client(fleet.paths.root)
    for number in range(20):
        operator.enqueue(f"local/work#{number + 1}", "x")
    assert asked(fleet, "--version") == 1
    settings = Settings(agents={"opencode": AgentSettings(command=["opencode"])})
    assert registry.find_kind("opencode", settings.agents["opencode"]) is None


def test_a_version_that_is_not_told_in_time_refuses_nothing(fleet: Fleet) -> None:
    """The program may be slow; nothing of it is left running."""
    program = install(fleet, "1.0.0")
    program.write_text("#!/bin/sh\n[ $1 = --version ] && exec tail -f /dev/null\n", encoding="utf-8")
    assert program_versions.ask_version(str(program), os.environ, 0.2) is None
    wait_until(lambda: program_versions.describe_refusal("opencode", None) is None, 1)

"""How agent programs are driven: command lines, environments, and what a success really was."""

import os
import sys
from pathlib import Path

import pytest

from kugetsu_engine.agents import registry
from kugetsu_engine.agents.opencode import process_mode
from kugetsu_engine.config.loader import AgentSettings, RepoSettings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import ConfigError
from kugetsu_engine.jobs import builder, environment
from kugetsu_engine.paths import StatePaths

TASK = Task(id="q_1", issue_ref="local/a#1", message="do it; $(id)", attempt=2, token="feed", repo="/r")


def test_opencode_gets_its_title_and_model_and_nothing_of_the_prompt() -> None:
    """The command line is fixed text, settings and the reference; a level of the log that was asked for stands."""
    fixed = ["run", "--format=json", "--print-logs", "--log-level=INFO"]
    assert process_mode.build_command("opencode", None, [], "local/a#1") == ["opencode", *fixed, "--title=local/a#1"]
    assert process_mode.build_command("/x/oc", "p/m", ["--agent", "build"], "r") == [
        "/x/oc", *fixed, "--title=r", "-m", "p/m", "--agent", "build",
    ]  # fmt: skip
    assert process_mode.build_command("oc", None, ["--log-level=DEBUG"], "r") == [
        "oc", "run", "--format=json", "--title=r", "--log-level=DEBUG",
    ]  # fmt: skip


def test_any_program_can_be_an_agent_and_its_arguments_are_its_own() -> None:
    """`command` wins over what is known about a name; `args` and `env` are added."""
    settings = Settings(agents={"x": AgentSettings(command=["my", "--go"], args=["-v"], env={"A": "b"})})
    drive = registry.build_launch_spec("x", settings, "local/a#1")
    assert (drive.argv, drive.env, drive.output, drive.reader) == (["my", "--go", "-v"], {"A": "b"}, "pump", None)
    over = registry.build_launch_spec("opencode", Settings(agents={"opencode": AgentSettings(command=["fake"])}), "r")
    assert (over.argv, over.output) == (["fake"], "pump")


def test_opencode_writes_to_a_file_and_is_judged_by_more_than_its_exit_code() -> None:
    """Its settings change the program and the model; auto-approval is never on by itself."""
    drive = registry.build_launch_spec(
        "opencode", Settings(agents={"opencode": AgentSettings(program="/oc", model="p/m")}), "local/a#1"
    )
    assert drive.argv[:2] + drive.argv[-3:] == ["/oc", "run", "--title=local/a#1", "-m", "p/m"]
    assert (drive.output, drive.reader) == ("file", "opencode")
    assert not {"--auto", "--share", "--attach", "--dir"} & set(drive.argv)


def test_the_demo_agent_is_this_very_python() -> None:
    """No key, no network, no program to install."""
    drive = registry.build_launch_spec("demo", Settings(), "local/a#1")
    assert drive.argv[:3] == [sys.executable, "-I", "-S"]
    assert os.path.isfile(drive.argv[3])


@pytest.mark.parametrize(("name", "agents"), [("ghost", {}), ("empty", {"empty": AgentSettings(command=[])})])
def test_an_agent_that_is_none_is_refused_with_what_to_do(name: str, agents: dict[str, AgentSettings]) -> None:
    """The hint names the settings file's table or the fault."""
    with pytest.raises(ConfigError, match=name):
        registry.build_launch_spec(name, Settings(agents=agents), "local/a#1")
    assert {"demo", "opencode"} <= set(registry.list_agent_names(Settings(agents=agents)))


def test_an_environment_is_made_from_a_list_and_later_sources_win(paths: StatePaths) -> None:
    """Operator's list, `pass_env`, default.env, dev.env, fixed ones, the driver's, and the facts of the attempt last."""
    Path(paths.env, "default.env").write_text("A=default\nB=default\nGIT_EDITOR=vi\nKUGETSU_TASK_ID=fake\n", encoding="utf-8")
    Path(paths.env, "dev.env").write_text("B=dev\nC=dev\n", encoding="utf-8")
    operator = {"PATH": "/bin", "LC_ALL": "C", "XDG_CACHE_HOME": "/c", "A": "operator", "SECRET": "s", "WANTED": "w"}
    built = environment.build_environment(paths, operator, ["WANTED"], {"C": "driver"}, TASK, {"PWD": "/w"}, "/run")
    assert built == {
        "PATH": "/bin", "LC_ALL": "C", "XDG_CACHE_HOME": "/c", "WANTED": "w", "A": "default", "B": "dev", "C": "driver",
        "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0", "PAGER": "cat", "GIT_PAGER": "cat", "KUGETSU_TASK": "q_1:feed",
        "KUGETSU_TASK_ID": "q_1", "KUGETSU_ATTEMPT": "2", "KUGETSU_ISSUE_REF": "local/a#1", "KUGETSU_DIR": paths.root,
        "PWD": "/w", "TMPDIR": "/run/tmp",
    }  # fmt: skip


def test_a_job_carries_the_message_as_prompt_and_never_in_the_command_line(paths: StatePaths) -> None:
    """All names below the state directory, the repository absolute, the limits from task or settings."""
    settings = Settings(agents={"x": AgentSettings(command=["my"])}, agent="x", base_branch="refs/heads/dev", stop_grace=3.0)
    job = builder.build_job(paths, settings, {}, TASK)
    assert (job.prompt, job.argv) == ("do it; $(id)", ["my"])
    assert (job.repository, job.clone_url, job.base_branch, job.timeout_s, job.stop_grace_s) == ("/r", None, "dev", 3600.0, 3.0)
    assert (job.run_dir, job.log) == (f"{paths.runs}/q_1.2", f"{paths.logs}/q_1/2.log")
    assert job.worktree.startswith(f"{paths.worktrees}/")


def test_the_repository_is_the_tasks_own_then_the_settings_then_a_clone(paths: StatePaths) -> None:
    """And without any of them an error that says what to set."""
    ref = "forge.test/o/r#1"
    task = Task(id="q_1", issue_ref=ref, attempt=1, token="t", agent="demo")
    settings = Settings(repos={"forge.test/o/r": RepoSettings("/from/settings")}, servers={"forge.test": "https://forge.test"})
    assert builder.build_job(paths, settings, {}, Task(id="q_1", issue_ref=ref, agent="demo", repo="/own")).repository == "/own"
    assert builder.build_job(paths, settings, {}, task).repository == "/from/settings"
    job = builder.build_job(paths, Settings(servers={"forge.test": "https://forge.test"}), {}, task)
    assert (job.repository, job.clone_url) == (None, "https://forge.test/o/r")
    assert job.clone_dir == f"{paths.repositories}/forge.test/o/r"
    for unknown in (
        Task(id="q_1", issue_ref="local/x#1", agent="demo"),
        Task(id="q_1", issue_ref="else.test/o/r#1", agent="demo"),
    ):
        with pytest.raises(ConfigError, match="--repo PATH"):
            builder.build_job(paths, Settings(), {}, unknown)


def test_an_endless_agent_has_a_limit_of_steps_that_can_be_changed_and_taken_away() -> None:
    """opencode tells its steps, so it has one by itself; 0 is none."""

    def steps(value: int | None) -> int | None:
        settings = Settings(agents={"opencode": AgentSettings(max_steps=value, max_tokens=value)})
        return registry.build_launch_spec("opencode", settings, "r").max_steps

    assert [steps(None), steps(7), steps(0)] == [process_mode.MAX_STEPS, 7, None]

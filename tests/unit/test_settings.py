"""Settings from a file, from variables, from the bash kugetsu; and KEY=VALUE files."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.config import env_files, loader
from kugetsu_engine.config.agent_settings import AGENT_READERS, AgentSettings
from kugetsu_engine.config.loader import READERS, WHILE_WRONG, SettingsSource, load_settings
from kugetsu_engine.config.settings import ForgeSettings, NotifySettings, RepoSettings, Settings
from kugetsu_engine.config.tables import FORGE_READERS, HARMLESS, NOTIFY_READERS, REPO_READERS, TABLES
from kugetsu_engine.domain.text.sizes import parse_size
from kugetsu_engine.errors import UsageError
from kugetsu_engine.paths import StatePaths


def _write(paths: StatePaths, text: str) -> None:
    Path(paths.config).write_text(text, encoding="utf-8")


def test_without_a_file_the_defaults_hold_and_nothing_is_wrong(paths: StatePaths) -> None:
    """Three agents, three attempts, an hour, a day."""
    settings, problems = load_settings(paths, {})
    assert (settings, problems) == (Settings(), [])
    assert (settings.max_concurrent_agents, settings.max_attempts, settings.task_timeout, settings.queue_expiry) == (
        3,
        3,
        3600,
        86400,
    )


def test_a_file_sets_what_it_names(paths: StatePaths) -> None:
    """Lengths of time, sizes, never, flags, tables."""
    _write(
        paths,
        'max_concurrent_agents = 7\nretry_delay = "1m30s"\nqueue_expiry = "never"\nlog_cap = "2MiB"\nstall_kills = true\n'
        'agent = "mine"\ntask_timeout = 90\npass_env = ["MY_TOKEN"]\n'
        '[agents.mine]\ncommand = ["my-agent", "--go"]\nenv = { A = "b" }\n[repos]\n"h/o/r" = "/"\n[servers]\n"h" = "ssh://h"\n',
    )
    settings, problems = load_settings(paths, {})
    assert problems == []
    assert (settings.max_concurrent_agents, settings.retry_delay, settings.queue_expiry, settings.log_cap) == (
        7,
        90,
        None,
        2 << 20,
    )
    assert (settings.stall_kills, settings.agent, settings.task_timeout, settings.pass_env) == (True, "mine", 90, ["MY_TOKEN"])
    assert settings.agents["mine"].command == ["my-agent", "--go"]
    assert settings.repos == {"h/o/r": RepoSettings("/")}
    assert settings.servers == {"github.com": "https://github.com", "h": "ssh://h"}


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_setting_has_a_variable_that_wins_over_the_file(paths: StatePaths, name: str) -> None:
    """`KUGETSU_<KEY>`; a bad value there is told with the name of the variable."""
    good = {
        "stall_kills": "yes",
        "require_delivery": "yes",
        "issue_text": "yes",
        "pass_env": "A, B",
        "log_cap": "1MiB",
        "base_branch": "dev",
        "agent": "claude",
        "theme": "x",
        "prompt_template": "plain",
        "memory_cap": "4GiB",
        "questions": "ask",
        "memory_cap_by": "watch",
        "reserve_memory": "no",
        "shed": "off",
        "sandbox": "on",
        "sandbox_home": "empty",
        "sandbox_write": "~/one, /two",
        "sandbox_read": "$NAME/three",
        "sandbox_hide": "/four",
        "sandbox_refs": "all",
        "sandbox_net": "off",
    }
    value = good.get(name, "forge.test" if name == "default_server" else "17")
    settings, problems = load_settings(paths, {f"KUGETSU_{name.upper()}": value})
    assert problems == []
    assert getattr(settings, name) == (["A", "B"] if name == "pass_env" else READERS[name](value))
    assert getattr(settings, name) != getattr(Settings(), name)
    bad = {"KUGETSU_" + name.upper(): "\x01\n"}
    if name != "pass_env":
        settings, faults = load_settings(paths, bad)
        assert getattr(settings, name) == WHILE_WRONG.get(name, (getattr(Settings(), name),))[0]
        assert [fault.setting for fault in faults] == [f"$KUGETSU_{name.upper()}"]
        assert bool(settings.gaps.everything) == (name not in HARMLESS)


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("MAX_CONCURRENT_AGENTS", "5", "max_concurrent_agents", 5),
        ("TASK_TIMEOUT_HOURS", "2", "task_timeout", 7200),
        ("QUEUE_CLEANUP_AGE_DAYS", "3", "cleanup_age", 3 * 86400),
        ("KUGETSU_BASE_BRANCH", "develop", "base_branch", "develop"),
        ("DEFAULT_GIT_SERVER", "git.example.com", "default_server", "git.example.com"),
    ],
)
def test_the_names_of_the_bash_kugetsu_still_work(
    paths: StatePaths, variable: str, value: str, name: str, expected: object
) -> None:
    """As variables, and in its `config` file of shell assignments, over which `config.toml` wins."""
    assert getattr(load_settings(paths, {variable: value})[0], name) == expected
    Path(paths.shell_config).write_text(
        f"# old\nexport {variable}='{value}'\nOTHER=$(touch {paths.root}/canary)\n", encoding="utf-8"
    )
    settings, problems = load_settings(paths, {})
    assert (getattr(settings, name), problems) == (expected, [])
    assert not os.path.exists(f"{paths.root}/canary")


def test_config_toml_wins_over_the_old_file_and_a_variable_over_both(paths: StatePaths) -> None:
    """Default, v0.2 file, `config.toml`, environment, in this order."""
    Path(paths.shell_config).write_text("MAX_CONCURRENT_AGENTS=4\n", encoding="utf-8")
    _write(paths, "max_concurrent_agents = 5")
    assert load_settings(paths, {})[0].max_concurrent_agents == 5
    assert load_settings(paths, {"KUGETSU_MAX_CONCURRENT_AGENTS": "6"})[0].max_concurrent_agents == 6


BAD_VALUES = [
    "0",
    "-1",
    "1001",
    "true",
    '"x"',
    "1.5",
    "nan",
    "inf",
    "[1]",
    "{}",
    '""',
    "9" * 30,
    '"0000000000019999"',
    f'"{"9" * 5000}"',
]


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_bad_limit_is_told_and_the_last_good_one_holds(paths: StatePaths, value: str) -> None:
    """One sentence names file, line and setting; the others of the file are taken. Until it is corrected."""
    _write(paths, "max_concurrent_agents = 8")
    good = load_settings(paths, {})[0]
    _write(paths, f"max_concurrent_agents = {value}\nmax_attempts = 9")
    for _ in range(2):
        good, faults = load_settings(paths, {}, good)
        assert (good.max_concurrent_agents, good.max_attempts) == (8, 9)
        assert len(faults) == 1
        assert str(faults[0]).startswith("config.toml, line 1: max_concurrent_agents")
        assert str(faults[0]).endswith("; the value before it holds")
        assert good.gaps.reason("opencode", "local/a#1") == ""


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_bad_limit_at_the_start_is_told_and_nothing_starts_until_it_is_corrected(paths: StatePaths, value: str) -> None:
    """There is no good one, and the default may be more than was meant; reading the file again does not make it one."""
    _write(paths, f"max_concurrent_agents = {value}\nmax_attempts = 9")
    settings, faults = load_settings(paths, {})
    settings, faults = load_settings(paths, {}, settings)
    assert str(faults[0]).endswith("; until this is corrected nothing starts")
    assert "max_concurrent_agents" in settings.gaps.reason("opencode", "local/a#1")


@pytest.mark.parametrize(
    "line", ['budget_per_day = "5e"', 'require_delivery = "yse"', "budget_per_task = -1", 'base_branch = ["main"]']
)
def test_what_was_off_and_is_to_be_set_is_no_value_to_hold(paths: StatePaths, line: str) -> None:
    """The engine ran without a budget; one that cannot be read is not "without" again."""
    _write(paths, "max_attempts = 2")
    good = load_settings(paths, {})[0]
    _write(paths, line)
    assert line.partition(" ")[0] in load_settings(paths, {}, good)[0].gaps.reason("opencode", "local/a#1")


@pytest.mark.parametrize("text", ["max_attempts = ", "\x00", "[", "a = 1\na = 2", "max_attempts = 5 junk"])
def test_a_file_that_is_no_toml_keeps_all_of_the_last_good_settings(paths: StatePaths, text: str) -> None:
    """Half-saved by an editor: nothing falls back to a default."""
    _write(paths, 'max_concurrent_agents = 8\n[repos]\n"a/b/c" = "/"')
    good = load_settings(paths, {})[0]
    _write(paths, text)
    settings, problems = load_settings(paths, {}, good)
    assert settings == good
    assert len(problems) == 1
    assert str(problems[0]).endswith("the last good settings apply")


@pytest.mark.parametrize("kind", ["fifo", "directory", "huge", "bytes"])
def test_a_settings_file_that_is_none_is_told_and_hangs_nothing(paths: StatePaths, kind: str) -> None:
    """A pipe, a folder, a file of gigabytes, no UTF-8."""
    if kind == "fifo":
        os.mkfifo(paths.config)
    elif kind == "directory":
        os.mkdir(paths.config)
    elif kind == "huge":
        Path(paths.config).touch()
        os.truncate(paths.config, 1 << 32)
    else:
        Path(paths.config).write_bytes(b"\xff\xfe")
    settings, faults = load_settings(paths, {})
    assert settings == msgspec.structs.replace(Settings(), gaps=settings.gaps, default_server=settings.default_server)
    assert len(faults) == 1
    assert str(faults[0]).startswith("config.toml cannot be read (")
    assert settings.gaps.reason("opencode", "local/a#1").startswith("settings: config.toml cannot be read (")


def test_settings_are_read_again_when_their_file_changes(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """`refresh` says whether anything is different; a problem that was mended goes away."""
    source = SettingsSource(paths, {})
    assert not source.refresh()
    _write(paths, "max_attempts = 5")
    assert source.refresh()
    assert source.current.max_attempts == 5
    assert not source.refresh()
    _write(paths, "max_attempts = 'bad'")
    assert source.refresh()
    assert source.current.max_attempts == 5
    assert source.problems
    _write(paths, "max_attempts = 66")
    assert source.refresh()
    assert (source.current.max_attempts, source.problems) == (66, [])
    monkeypatch.setattr(loader, "WRITING_S", 0.0)
    os.unlink(paths.config)
    assert source.refresh()
    assert source.current == Settings()


@pytest.mark.parametrize("way", ["emptied", "moved away"])
def test_no_limit_ends_while_the_file_is_written(paths: StatePaths, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Between the moment in which it is emptied or taken away and that in which it is written, the last settings hold."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    source = SettingsSource(paths, {})
    _write(paths, "max_attempts = 5")
    assert source.refresh()

    def take_away() -> None:
        _write(paths, "") if way == "emptied" else os.unlink(paths.config)

    take_away()
    assert not source.refresh()
    now += loader.WRITING_S / 2
    assert (source.refresh(), source.current.max_attempts) == (False, 5)
    _write(paths, "max_attempts = 7")
    assert (source.refresh(), source.current.max_attempts) == (True, 7)
    take_away()
    now += loader.WRITING_S
    assert (source.refresh(), source.current.max_attempts) == (False, 7), "it is gone only since now"
    now += loader.WRITING_S
    assert (source.refresh(), source.current) == (True, Settings())


@given(st.text(max_size=20))
def test_a_size_is_a_number_of_bytes_or_a_usage_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        assert parse_size(text) >= 0
    except UsageError:
        return


@pytest.mark.parametrize("text", ["9" * 5000, "999999999999GiB", f"{1 << 30}GiB", "9" * 20])
def test_a_size_no_disk_has_is_refused(paths: StatePaths, text: str) -> None:
    """Told like every bad value; a job with a number of more than 64 bits could not be handed to a supervisor."""
    settings, problems = load_settings(paths, {"KUGETSU_LOG_CAP": text})
    assert settings == Settings()
    assert [len(str(problem)) < 200 and "is not a size" in str(problem) for problem in problems] == [True]


@pytest.mark.parametrize("limit", ["-1", "9" * 20])
def test_a_limit_of_an_agent_that_is_none_is_told(paths: StatePaths, limit: str) -> None:
    """Below zero, or beyond what a job can hold."""
    _write(paths, f"[agents.claude]\nmax_steps = {limit}")
    settings, faults = load_settings(paths, {})
    assert settings.gaps.agents.keys() == {"claude"}
    assert [fault.setting for fault in faults] == ["[agents.claude] max_steps"]


def test_sizes_have_units() -> None:
    """Binary and decimal ones."""
    assert [parse_size(text) for text in (5, "5", "5b", "2KiB", "2kb", "1 MiB", "1GiB")] == [
        5,
        5,
        5,
        2048,
        2000,
        1 << 20,
        1 << 30,
    ]


def test_the_readers_cover_every_simple_setting() -> None:
    """A new setting without a reader could not be set."""
    assert {*READERS, *TABLES, "gaps"} == set(Settings.__struct_fields__)
    assert set(AGENT_READERS) == set(AgentSettings.__struct_fields__)
    for readers, table in ((NOTIFY_READERS, NotifySettings), (REPO_READERS, RepoSettings), (FORGE_READERS, ForgeSettings)):
        assert set(readers) == set(table.__struct_fields__)


def test_an_env_file_is_data_and_never_run() -> None:
    """Quotes, `export`, comments, CRLF are known; `$()`, backticks and `$NAME` are text; an open quote is told."""
    values, faults = env_files.parse_assignments(
        '# comment\r\nexport A=1\r\n B = two words # remark\nC=\'lit $X `y` \\n\'\nD="a\\nb \\"q\\" \\$x"\n'
        "E=$(touch /tmp/x)`id`$HOME\nF=\nG=a#b\nH='open\n"
    )
    assert faults == ["line 9 has a quote that is not closed"]
    assert values == {
        "A": "1", "B": "two words", "C": "lit $X `y` \\n", "D": 'a\nb "q" $x', "E": "$(touch /tmp/x)`id`$HOME", "F": "",
        "G": "a#b",
    }  # fmt: skip


@pytest.mark.parametrize("line", ["novalue", "1A=x", "A B=x", "=x", "A-B=x", "Ä=x", "$(x)=y", "A\0=x", "OK=a\0b"])
def test_a_line_that_is_no_assignment_is_told_by_its_number(line: str) -> None:
    """And the lines around it are taken."""
    values, faults = env_files.parse_assignments(f"X=1\n{line}\nY=2")
    assert values == {"X": "1", "Y": "2"}
    assert len(faults) == 1
    assert faults[0].startswith("line 2")


@pytest.mark.parametrize("name", sorted(env_files.REFUSED))
def test_a_variable_that_changes_what_programs_are_is_refused(name: str) -> None:
    """The loader's variables and the shell's start files."""
    assert env_files.parse_assignments(f"{name}=/evil")[0] == {}


@given(st.text(max_size=200))
def test_any_text_is_an_env_file(text: str) -> None:
    """Names are always legal, values never hold NUL."""
    values, _ = env_files.parse_assignments(text)
    assert all(name.isidentifier() and name.isascii() and "\0" not in value for name, value in values.items())

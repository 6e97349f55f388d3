"""A setting that is misspelt or makes no sense: it is told in the words of whoever wrote it, and it never loosens anything."""

from pathlib import Path

import pytest

from kugetsu_engine.agents import registry
from kugetsu_engine.config import env_files
from kugetsu_engine.config.line_numbers import find_line
from kugetsu_engine.config.loader import SettingsSource, load_settings
from kugetsu_engine.config.settings import ForgeSettings, Settings
from kugetsu_engine.domain import agent_names
from kugetsu_engine.domain.config_faults import Fault, Gaps
from kugetsu_engine.domain.decisions import forecast, scheduling, waiting_reasons
from kugetsu_engine.domain.decisions.waiting_reasons import SchedulingFacts
from kugetsu_engine.domain.task import Task
from kugetsu_engine.errors import BadFile
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.storage import files

ALL, OPENCODE, CLAUDE = "everything", "opencode", "claude"


def read(paths: StatePaths, text: str, environ: dict[str, str] | None = None) -> tuple[Settings, list[Fault]]:
    """The settings of a `config.toml`."""
    Path(paths.config).write_text(text, encoding="utf-8")
    return load_settings(paths, environ or {})


WRONG = [
    ("max_concurent_agents = 1", "max_concurent_agents: no such setting, did you mean max_concurrent_agents?", ALL),
    ("max_cost = 5", "max_cost: no such setting", ALL),
    ('budget_per_task = "0,50"', "budget_per_task: '0,50' is not a number from 0 to 1000000: write 0.50", ALL),
    ("budget_per_day = -1", "budget_per_day: -1 is not a number", ALL),
    ('task_timeout = "1hour"', "task_timeout: ", ALL),
    ('stall_kills = "ja"', "stall_kills: 'ja' is neither true nor false", ALL),
    ('[agent.claude]\nargs = ["x"]', "agent is the name of an agent; did you mean [agents.claude]?", ALL),
    ('[agents]\nmodel = "x"', "[agents] has model outside of the table of an agent", ALL),
    ("[agents.claude]\nmax_step = 3", "[agents.claude] max_step: no such setting, did you mean max_steps?", CLAUDE),
    ('[agents.claude]\npermissions = "plan"', "[agents.claude] permissions: no such setting", CLAUDE),
    ('[agents.claude]\nargs = "--permission-mode plan"', '[agents.claude] args is not a list of texts: write', CLAUDE),
    ("[agents.claude]\nenv = { LIMIT = 5 }", "[agents.claude] env: LIMIT is not text", CLAUDE),
    ('[agents.claude]\nunset = ["A", 1]', "[agents.claude] unset: ", CLAUDE),
    ("[agents.claude]\nmax_tokens = -1", "[agents.claude] max_tokens: -1 is not a number", CLAUDE),
    ('[agents.claude]\nmode = "serve"', "mode: 'serve' is not one of process, private, server, auto, did you mean", CLAUDE),
    ('[agents.claude]\nprompt_template = "non"', "[agents.claude] prompt_template: 'non' is not a kind of prompt", CLAUDE),
    ('[agents.claude.failures]\n"(" = "exit"', "[agents.claude] failures: '(' is not a valid regular expression", CLAUDE),
    ("[agents.claude]\nmax_attempts = 1", "[agents.claude] max_attempts: no such setting here", ALL),
    ("[agents.claude]\nbudget_pr_task = 1", "no such setting here, did you mean budget_per_task", ALL),
    ('[agents.cluade]\nargs = ["--permission-mode", "plan"]', "[agents.cluade] has no command, and is not a known", CLAUDE),
    ('[agents.Claude]\nmodel = "x"', "did you mean claude?", CLAUDE),
    ('[agents.mine]\ncomand = ["x"]', "[agents.mine] comand: no such setting, did you mean command?", "mine"),
    ('[agents.mine]\ncommand = "x --y"', "[agents.mine] command is one text; a command is a list of words", "mine"),
    ("[agents.mine]\ncommand = []", "[agents.mine] command does not name a program", "mine"),
    ('[agents.mine]\nkind = "claud"', "[agents.mine] kind: 'claud' is not one of aider, claude", "mine"),
    ('agent = "claud"', "agent: unknown agent 'claud', did you mean claude?", "claud"),
    ('[servers]\n"github.com" = 5', "[servers] github.com: 5 is not a line of text", "host"),
    ('[repos]\n"github.com/a/b" = 5', "[repos] github.com/a/b: 5 is neither a path nor a table", "repository"),
    ('[repos]\n"github.com/a/b" = "src/b"', "'src/b' is a relative path", "repository"),
    ('[repos]\n"github.com/a/b" = "/not/there"', "[repos] github.com/a/b: /not/there does not exist", "repository"),
    ('[repos."github.com/a/b"]\nsetpu = ["x"]', '/b"] setpu: no such setting, did you mean setup?', "repository"),
    ('[repos."github.com/a/b"]\nsetup = "npm ci"', "setup is one text; a command is a list of words", "repository"),
    ("[repos]\nbudget_per_day = 3", "[repos] budget_per_day: no such setting here", ALL),
    ("task_timeout = 0", "task_timeout: the timeout must be greater than 0", ALL),
    ("task_timeout = 1979-05-27", "task_timeout: 1979-05-27 is not a valid duration", ALL),
    ("prepare_timeout = false", "prepare_timeout: false is not a valid duration", ALL),
    ('budget_per_day = "5 USD"', """'5 USD' is not a number from 0 to 1000000: write a number, or "off";""", ALL),
    ('pass_env = "ONE TWO"', "pass_env: 'ONE TWO' is not the name of a variable", ALL),
    ('pass_env = ["AWS_*"]', "pass_env: 'AWS_*' is not the name of a variable", ALL),
    ("[[agents.list]]\nname = 1", "[agents] has list outside of the table of an agent", ALL),
    ('"" = 1', "a key without a name: no such setting", ALL),
    ('[agents.claude]\nunset = ["KEY=", "TOKEN"]', "unset: 'KEY=' is not the name of a variable", CLAUDE),
    ('[agents.claude]\nenv = { "A=B" = "x" }', "env: 'A=B' is not the name of a variable", CLAUDE),
    ('[agents.claude]\nenv = { A = "\\u0000" }', "env has a NUL character", CLAUDE),
    ('[agents.claude]\nargs = ["\\u0000"]', "args has a NUL character", CLAUDE),
    ('[agents.mine]\ncommand = ["x\\u0000"]', "command has a NUL character", "mine"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words", "stops"), WRONG, ids=[text for text, *_ in WRONG])
def test_what_is_wrong_is_told_and_stops_what_depends_on_it_and_nothing_else(
    paths: StatePaths, text: str, words: str, stops: str
) -> None:
    """One sentence, with file and line; what is right around it is in force."""
    settings, faults = read(paths, f'retry_delay = "7s"\n{text}\n[agents.other]\ncommand = ["other"]\n')
    assert [words in str(fault) for fault in faults] == [True]
    assert str(faults[0]).startswith("config.toml, line ")
    assert "Expected" not in str(faults[0])
    assert "`" not in str(faults[0])
    assert settings.retry_delay == 7
    assert settings.agents["other"].command == ["other"]
    stopped = {
        ALL: ("other", "local/a#1"), "host": ("other", "github.com/x/y#1"), "repository": ("other", "github.com/a/b#1"),
    }.get(stops, (stops, "local/a#1"))  # fmt: skip
    assert settings.gaps.reason(*stopped)
    assert bool(settings.gaps.reason("other", "local/a#1")) == (stops == ALL)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5000, "it is nested too deeply"),
        ("a = " + "1" * 5000, "a number in it has too many digits"),
        ("a = 1\na = 2\n", "line 2, column 6: cannot overwrite a value"),
        ('agent = "claude', "end of document: unterminated string"),
    ],
    ids=["nested", "digits", "twice", "quote"],
)
def test_a_file_that_cannot_be_read_says_why_in_plain_words(paths: StatePaths, text: str, words: str) -> None:
    """Not in those of whoever wrote the parser."""
    settings, [fault] = read(paths, text)
    assert str(fault).startswith("config.toml cannot be read (")
    assert words in str(fault)
    assert settings.gaps.everything


def test_the_line_is_told_in_a_file_from_windows_too(paths: StatePaths) -> None:
    """With CRLF and a byte order mark."""
    _, [fault] = read(paths, '\ufeffagent = "claude"\r\n[agents.claude]\r\nmax_step = 1\r\n')
    assert str(fault).startswith("config.toml, line 3: [agents.claude] max_step: ")


@pytest.mark.parametrize(
    "name", ["HOME", "STATE_DIR", "BIN", "ENV", "VERSION", "LOG_LEVEL", "TEST", "MODEL", "ISSUE_URL", "IMAGE"]
)
def test_a_variable_of_somebody_elses_stops_nothing(paths: StatePaths, name: str) -> None:
    """The prefix alone makes no name like that of a setting."""
    settings, faults = read(paths, "", {f"KUGETSU_{name}": "x"})
    assert (faults, settings.gaps) == ([], Gaps())


@pytest.mark.parametrize("name", ["MAX_CONCURENT_AGENTS", "BUDGET_PERDAY", "TASK_TIME_OUT", "PASSENV", "AGENTS"])
def test_a_misspelt_variable_is_told_and_stops_everything(paths: StatePaths, name: str) -> None:
    """As the setting that it was to be does."""
    settings, [fault] = read(paths, "", {f"KUGETSU_{name}": "5"})
    assert f"${f'KUGETSU_{name}'}: no such variable, did you mean KUGETSU_" in str(fault)
    assert settings.gaps.everything


@pytest.mark.parametrize(
    ("table", "one", "other"),
    [("repos", "GitHub.com/Acme/App", "github.com/acme/app.git"), ("servers", "Git.test", "https://git.test/")],
)
def test_what_is_said_twice_is_a_fault_only_where_it_differs(paths: StatePaths, table: str, one: str, other: str) -> None:
    """Who listed all the spellings of a repository means one folder."""
    assert read(paths, f'[{table}]\n"{one}" = "/"\n"{other}" = "/"\n')[1] == []
    [fault] = read(paths, f'[{table}]\n"{one}" = "/"\n"{other}" = "/tmp"\n')[1]
    assert fault.text == f"is the same as {one}, which is there too"


HARMLESS = [
    ("theme = 5", "theme: 5 is not a line of text"),
    ('retry_delay_max = "soon"', "retry_delay_max: "),
    ('cleanup_age = "nver"', "nothing is cleaned up until this is corrected"),
    ('queue_expiry = "nver"', "nothing expires until this is corrected"),
    ("[notify]\nbel = true", "[notify] bel: no such setting, did you mean bell?"),
    ('[notify]\nquiet_hours = "night"', "[notify] quiet_hours: 'night' is not a time range: write it like 22:00-07:00"),
    ("[keys]\nkill = 5", "[keys] kill: 5 is not a line of text"),
    ('[failures]\nfine = "exit"\n"(" = "exit"', "'(' is not a valid regular expression"),
    ('[failures]\noops = "exti"', "'exti' is not a class of failure"),
    ('[forges]\n"git.test" = "of"', "'of' is not one of github, gitea, forgejo, off, did you mean off?; git.test is not asked"),
    ('[repos]\n"just-a-name" = "/"', "[repos] just-a-name"),
    ("themee = 'dark'", "themee: no such setting, did you mean theme?"),
]


@pytest.mark.parametrize(("text", "words"), HARMLESS, ids=[text for text, _ in HARMLESS])
def test_what_can_loosen_nothing_is_told_and_stops_nothing(paths: StatePaths, text: str, words: str) -> None:
    """Looks, delays, and whom to tell."""
    settings, faults = read(paths, text)
    assert [words in str(fault) for fault in faults] == [True]
    assert settings.gaps == Gaps()


def test_what_is_wrong_takes_nothing_with_it(paths: StatePaths) -> None:
    """The other keys of the table are in force, and so are the other tables."""
    text = (
        '[agents.opencode]\nmodel = "cheap/model"\nargs = ["--agent", "plan"]\nmax_step = 50\n'
        '[failures]\nfine = "exit"\n"(" = "exit"\n[forges]\n"git.test" = "of"\n"forge.test" = "gitea"\n'
        '[notify]\nbel = 1\non = "all"\n'
    )
    settings, _ = read(paths, text)
    own = settings.agents["opencode"]
    assert (own.model, own.args) == ("cheap/model", ["--agent", "plan"])
    assert settings.failures == {"fine": "exit"}
    assert settings.forges == {"git.test": ForgeSettings("off"), "forge.test": ForgeSettings("gitea")}
    assert settings.notify.on == "all"


def test_while_they_are_wrong_nothing_is_cleaned_up_and_nothing_expires(paths: StatePaths) -> None:
    """Neither the default nor the value before: who misspells "never" must not lose logs for it."""
    good, _ = read(paths, 'cleanup_age = "1d"\nqueue_expiry = "1d"')
    Path(paths.config).write_text('cleanup_age = "nver"\nqueue_expiry = "nver"', encoding="utf-8")
    settings, _ = load_settings(paths, {}, good)
    assert (settings.cleanup_age, settings.queue_expiry) == (None, None)


@pytest.mark.parametrize("value", ["three", "-1", "", "3.5", "0"])
@pytest.mark.parametrize("name", ["KUGETSU_MAX_CONCURRENT_AGENTS", "MAX_CONCURRENT_AGENTS"])
def test_a_wrong_variable_stops_everything_and_is_named(paths: StatePaths, name: str, value: str) -> None:
    """An empty one too, as it may have been meant to hold a limit; the bash kugetsu's own names were not set when empty."""
    settings, faults = load_settings(paths, {name: value})
    if name == "MAX_CONCURRENT_AGENTS" and not value:
        assert (settings, faults) == (Settings(), [])
        return
    assert [fault.setting for fault in faults] == [f"${name}"]
    assert settings.gaps.everything.startswith(f"settings: ${name}")


def test_a_misspelt_variable_is_told_and_those_of_an_agent_are_not(paths: StatePaths) -> None:
    """`KUGETSU_…` that is nearly a setting; what agents and servers have is none."""
    settings, faults = load_settings(paths, {"KUGETSU_BUGDET_PER_DAY": "5"})
    assert [str(fault) for fault in faults] == [
        "environment: $KUGETSU_BUGDET_PER_DAY: no such variable, did you mean KUGETSU_BUDGET_PER_DAY?; "
        "until this is corrected nothing starts"
    ]
    assert settings.gaps.everything
    theirs = ("DIR", "TASK", "TASK_ID", "ATTEMPT", "ISSUE_REF", "WORKTREE", "BRANCH", "DEMO_SPEED", "TOKEN_GIT_TEST")
    assert load_settings(paths, {f"KUGETSU_{name}": "x" for name in theirs}) == (Settings(), [])


def test_a_good_value_that_wins_takes_the_weight_off_a_wrong_one(paths: StatePaths) -> None:
    """It is told all the same."""
    Path(paths.shell_config).write_text("MAX_CONCURRENT_AGENTS=$CORES\n", encoding="utf-8")
    assert load_settings(paths, {})[0].gaps.everything
    settings, faults = read(paths, "max_concurrent_agents = 2")
    assert (settings.max_concurrent_agents, settings.gaps) == (2, Gaps())
    assert ["config (v0.2): MAX_CONCURRENT_AGENTS: " in str(fault) for fault in faults] == [True]


@pytest.mark.parametrize(
    "key", ["acme/app", "GitHub.com/acme/app", "github.com/acme/app.git", "https://github.com/acme/app", "github.com/acme/app/"]
)
def test_a_repository_may_be_named_in_every_way_that_means_it(paths: StatePaths, key: str) -> None:
    """As a reference may: with the default server, capitals in the host, `.git`, an address."""
    settings, faults = read(paths, f'[repos]\n"{key}" = "/"\n')
    assert faults == []
    assert [*settings.repos] == ["github.com/acme/app"]


def test_a_file_that_is_no_toml_starts_nothing_unless_one_could_be_read_before(paths: StatePaths) -> None:
    """An engine that runs goes on with the last good settings, an engine that starts waits; both say so."""
    source = SettingsSource(paths, {})
    Path(paths.config).write_text("max_attempts = 5", encoding="utf-8")
    source.refresh()
    Path(paths.config).write_text("max_attempts = 5\nagent = \n", encoding="utf-8")
    source.refresh()
    assert (source.current.max_attempts, source.current.gaps) == (5, Gaps())
    assert source.problems == ["config.toml cannot be read (line 2, column 9: invalid value); the last good settings apply"]
    fresh = SettingsSource(paths, {})
    assert fresh.current.gaps.everything == "settings: config.toml cannot be read (line 2, column 9: invalid value)"
    assert fresh.problems[0].endswith("until this is corrected nothing starts")


def test_gaps_outlive_a_file_that_can_no_longer_be_read(paths: StatePaths) -> None:
    """A wrong budget, then an unfinished line: nothing is let loose by the second mistake."""
    Path(paths.config).write_text('budget_per_day = "x"', encoding="utf-8")
    source = SettingsSource(paths, {})
    Path(paths.config).write_text('budget_per_day = "x"\n[', encoding="utf-8")
    source.refresh()
    assert "budget_per_day" in source.current.gaps.everything


def test_a_repository_that_comes_back_is_noticed(paths: StatePaths, tmp_path: Path) -> None:
    """A disk that is mounted later, with no change of the file."""
    Path(paths.config).write_text(f'[repos]\n"github.com/a/b" = "{tmp_path}/work"\n', encoding="utf-8")
    source = SettingsSource(paths, {})
    assert source.current.gaps.reason("opencode", "github.com/a/b#1")
    assert not source.refresh()
    (tmp_path / "work").mkdir()
    assert source.refresh()
    assert (source.current.gaps, source.problems) == (Gaps(), [])


def test_a_hostile_file_of_thousands_of_mistakes_is_given_up_soon(paths: StatePaths) -> None:
    """And nothing starts by it."""
    settings, faults = read(paths, "\n".join(f"unknown_{number} = 1" for number in range(5000)))
    assert len(faults) == 31
    assert settings.gaps.everything


@pytest.mark.parametrize("name", ["agents", "repos", "servers"])
def test_a_table_that_is_none_stops_everything(paths: StatePaths, name: str) -> None:
    """Whose settings were lost is not known."""
    settings, faults = read(paths, f"{name} = 5")
    assert [fault.summary for fault in faults] == [f"[{name}]: 5 is not a table: write [{name}] and its keys below"]
    assert settings.gaps.everything


def test_the_known_agents_are_those_with_a_driver() -> None:
    assert set(agent_names.KNOWN) == set(registry.LAUNCHERS)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1), (("agents", "x"), 8), (("agents", "x", "env"), 9), (("agents", "x", "env", "B"), 11), (("words",), 2),
        (("agents", "y", "model"), 13), (("nowhere",), None), (("agents", "z"), None),
    ],
)  # fmt: skip
def test_a_setting_is_found_in_its_line(path: tuple[str, ...], line: int | None) -> None:
    """Over values of several lines, inner tables and dotted keys, and not in a comment or a text."""
    assert find_line(LINES, path) == line


LINES = """\
a = 1
words = \'\'\'
[agents.x]
env = 1
\'\'\'
# [agents.x]

[agents.x]
env.A = "1"

env.B = "2"
[agents.y]
model = "m"
"""


TASKS = (Task("q_1", "local/a#1", agent="claude"), Task("q_2", "local/a#2"), Task("q_3", "github.com/a/b#1"))


def test_the_decisions_leave_out_what_the_settings_keep(paths: StatePaths) -> None:
    """`why` says it with the code `config`; the plan starts the others and knows no time for it."""
    facts = SchedulingFacts(limit=1, used=0, default_agent="opencode", gaps=Gaps(agents={"claude": "settings: x"}))
    assert [waiting_reasons.find_waiting_reason(task, facts, 0.0).code for task in TASKS] == ["config", "next", "next"]
    found = scheduling.choose_next(TASKS, facts, 0.0)
    assert found is TASKS[1]
    planned = forecast.simulate_queue(TASKS, (), facts, lambda _: None, 0.0)
    assert {one.task_id for one in planned.starts} <= {"q_2", "q_3"}
    assert (planned.others[0].task_id, planned.others[0].why.code) == ("q_1", "config")
    everything = SchedulingFacts(limit=1, used=0, gaps=Gaps("settings: y"))
    assert scheduling.choose_next(TASKS, everything, 0.0) is None
    assert {waiting_reasons.find_waiting_reason(task, everything, 0.0).code for task in TASKS} == {"config"}
    assert (
        forecast.estimate_start(TASKS[0], 1, forecast.simulate_queue(TASKS, (), everything, lambda _: None, 0.0), everything)
        is None
    )


def test_a_file_read_too_late_is_read_again(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that looks as before, and whose permission is gone, shows itself only to whoever reads it."""
    Path(paths.env, "dev.env").write_bytes(b"A=1\n")
    source = SettingsSource(paths, {})
    read = files.read
    denied = BadFile("dev.env cannot be read: Permission denied")

    def refusing(path: str, *limits: int) -> bytes:
        if path.endswith("dev.env"):
            raise denied
        return read(path, *limits)

    monkeypatch.setattr(files, "read", refusing)
    assert not source.refresh()
    with pytest.raises(env_files.BrokenEnvFile, match="Permission denied"):
        env_files.read_env_files(paths, ["dev.env"], {})
    source.mark_stale()
    assert source.refresh()
    assert source.current.gaps.reason("any", "local/a#1") == "settings: dev.env cannot be read: Permission denied"
    monkeypatch.undo()
    assert source.refresh()
    assert source.current.gaps == Gaps()

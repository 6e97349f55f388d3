"""The command line of bubblewrap as text: what is shown, written and hidden, and in which order."""

from pathlib import Path

import pytest

from kugetsu_engine.agents.program_folders import find_folders, list_other_folders
from kugetsu_engine.config.loader import load_settings
from kugetsu_engine.jobs.sandbox_choice import choose_sandbox, is_boxed
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.process import bubblewrap
from kugetsu_engine.process.bubblewrap import Facts, GitPlaces


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """A home with a secret, a state directory in it, and a repository."""
    home = tmp_path / "home"
    git_folders = ("objects/info", "worktrees/w", "refs/heads/fix")
    own = (".ssh", ".claude", ".kugetsu/worktrees/w", ".kugetsu/runs/q_1.1/tmp", "cache")
    for name in (*own, *(f"src/.git/{folder}" for folder in git_folders)):
        (home / name).mkdir(parents=True)
    (home / ".netrc").touch()
    common = f"{home}/src/.git"
    git = GitPlaces(
        common, f"{common}/worktrees/w", (f"{common}/objects", f"{common}/worktrees/w", f"{common}/refs/heads/fix"),
        (f"{common}/objects/info", f"{common}/worktrees/w/commondir"),
    )  # fmt: skip
    state = f"{home}/.kugetsu"
    return Facts(
        f"{state}/worktrees/w", str(home), state, f"{state}/runs/q_1.1/tmp", f"{state}/empty", git, (f"{home}/cache",),
        hidden=(f"{home}/.claude",),
    )  # fmt: skip


def places(argv: list[str]) -> list[tuple[str, str]]:
    """Each mount: its option and its target, in order."""
    two = {"--bind", "--ro-bind", "--ro-bind-try"}
    found = []
    words = iter(argv[: argv.index("--chdir")])
    for word in words:
        if word in two:
            next(words)
            found.append((word, next(words)))
        elif word in ("--tmpfs", "--dev", "--proc"):
            found.append((word, next(words)))
    return found


def final(argv: list[str], path: str) -> str:
    """The mount that decides about a path: the last one that it is in."""
    return next(option for option, place in reversed(places(argv)) if bubblewrap.is_inside(path, place))


def test_what_is_written_and_what_is_not(facts: Facts) -> None:
    """The worktree, git's folders for a commit and the given places; not the pointers in them, nor anything else."""
    argv = bubblewrap.build_command(facts, ["agent", "--go"], 7)
    home, common = facts.home, f"{facts.home}/src/.git"
    written = (facts.worktree, facts.temporary, f"{home}/cache", f"{common}/objects/ab", f"{common}/refs/heads/fix/issue-1",
               f"{common}/worktrees/w/index")  # fmt: skip
    assert {path: final(argv, path) for path in written} == dict.fromkeys(written, "--bind")
    fixed = ("config", "hooks", "refs/heads/main", "packed-refs", "objects/info/alternates", "worktrees/w/commondir")
    read = (f"{facts.worktree}/.git", f"{home}/src/a", "/usr/bin/git", *(f"{common}/{name}" for name in fixed))
    assert {path: final(argv, path) for path in read} == dict.fromkeys(read, "--ro-bind")
    hidden = (f"{home}/.ssh/id", f"{home}/.claude/x", f"{facts.state_dir}/env/default.env", "/run/user/1", "/var/tmp/x")
    assert {path: final(argv, path) for path in hidden} == dict.fromkeys(hidden, "--tmpfs")
    assert argv[argv.index("--ro-bind", argv.index(f"{facts.state_dir}/empty") - 1) + 2] == f"{home}/.netrc"
    assert argv[-5:] == ["--chdir", facts.worktree, "--", "agent", "--go"]
    assert argv[argv.index("--json-status-fd") + 1] == "7"
    assert "--unshare-net" not in argv


def test_the_network_and_proc_and_the_kernel(facts: Facts) -> None:
    """As the facts say."""
    argv = bubblewrap.build_command(facts._replace(network=False, own_proc=False), ["x"])
    assert "--unshare-net" in argv
    assert "--json-status-fd" not in argv
    assert ("--ro-bind", "/proc") in places(argv)
    assert ("--ro-bind-try", "/proc/sys") in places(bubblewrap.build_command(facts._replace(as_root=True), ["x"]))


def test_what_was_hidden_is_shown_if_it_is_needed(facts: Facts) -> None:
    """A program in a hidden folder, and places to read; nothing is shown twice for nothing."""
    program = f"{facts.state_dir}/bin"
    Path(program).mkdir()
    argv = bubblewrap.build_command(facts._replace(needed=(program, "/usr"), read=(f"{facts.home}/.netrc",)), ["x"])
    assert final(argv, f"{program}/agent") == "--ro-bind"
    assert ("--ro-bind", "/usr") not in places(argv)
    assert argv[argv.index(f"{facts.home}/.netrc", argv.index(facts.state_dir))] == f"{facts.home}/.netrc"


def test_a_home_that_is_a_link_or_empty(facts: Facts, tmp_path: Path) -> None:
    """An empty home has git's settings and what is named, and nothing else."""
    (Path(facts.home) / ".gitconfig").touch()
    argv = bubblewrap.build_command(facts._replace(home_empty=True), ["x"])
    assert final(argv, f"{facts.home}/notes") == "--tmpfs"
    assert final(argv, f"{facts.home}/.gitconfig") == "--ro-bind"
    assert final(argv, f"{facts.home}/cache/x") == "--bind"


def test_the_settings_of_an_agent_are_only_read(facts: Facts) -> None:
    """They can name programs, which it would run outside of a sandbox later."""
    settings = Path(facts.home) / "cache/settings.json"
    settings.touch()
    argv = bubblewrap.build_command(facts._replace(fixed=(str(settings), f"{facts.home}/cache/none")), ["x"])
    assert final(argv, str(settings)) == "--ro-bind"
    assert final(argv, f"{facts.home}/cache/other") == "--bind"


def test_the_facts_survive_the_way_to_a_driver(facts: Facts) -> None:
    """As JSON in the job; without a sandbox a driver's command stays as it is."""
    import json

    job = {"sandbox": {"facts": json.loads(json.dumps(bubblewrap.as_document(facts)))}}
    assert bubblewrap.wrap(job, ["a"]) == bubblewrap.build_command(facts, ["a"])
    assert bubblewrap.wrap({"sandbox": None}, ["a"]) == ["a"]


def test_each_agent_has_its_own_folders_and_none_of_the_others() -> None:
    """Where the variables lead, else below the home."""
    own = find_folders("opencode", {"HOME": "/h", "XDG_DATA_HOME": "/d"})
    assert own.written == ("/d/opencode", "/h/.local/state/opencode", "/h/.cache/opencode")
    assert own.read == ("/h/.config/opencode",)
    codex = find_folders("codex", {"HOME": "/h", "CODEX_HOME": "/c"})
    assert (codex.written, codex.files, codex.fixed[0]) == (("/c",), (("/c/config.toml", ""),), "/c/config.toml")
    others = list_other_folders("claude", {"HOME": "/h"})
    assert "/h/.claude" not in others
    assert {"/h/.codex", "/h/.local/share/opencode", "/h/.gemini"} <= {*others}
    assert "/h/.claude" in list_other_folders(None, {"HOME": "/h"})


def test_the_repositorys_word_counts_before_the_agents(paths: StatePaths) -> None:
    """And that before the one for all; lists are added up, a word replaces the lists above it."""
    Path(paths.config).write_text(
        'sandbox = "on"\nsandbox_net = ["a.org"]\nsandbox_write = ["/one"]\n'
        '[agents.claude]\nsandbox_net = ["b.org:443"]\nsandbox_write = ["/two"]\nsandbox_refs = "all"\n'
        '[agents.codex]\nsandbox = "off"\n'
        '[repos."local/open"]\nsandbox = "off"\n'
        '[repos."local/shut"]\nsandbox = "on"\nsandbox_net = "off"\nsandbox_home = "empty"\n',
        encoding="utf-8",
    )
    settings, faults = load_settings(paths, {})
    assert faults == []
    assert is_boxed(settings, "claude", "local/work#1")
    assert not is_boxed(settings, "codex", "local/work#1")
    assert not is_boxed(settings, "claude", "local/open#1")
    assert is_boxed(settings, "codex", "local/shut#1")
    assert not is_boxed(settings, "claude", "local/pm-agent#0")
    chosen = choose_sandbox(settings, "claude", "claude", "local/work#1", {"HOME": "/h"}, [])
    assert chosen is not None
    assert (chosen["net"], chosen["write"], chosen["refs"]) == (["a.org", "b.org:443"], ["/one", "/two"], "all")
    shut = choose_sandbox(settings, "claude", "claude", "local/shut#1", {"HOME": "/h"}, [])
    assert shut is not None
    assert (shut["net"], shut["home_empty"]) == ("off", True)
    assert choose_sandbox(settings, "codex", "codex", "local/work#1", {"HOME": "/h"}, []) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('sandbox = "yes"', "neither on nor off"),
        ('sandbox_home = "full"', "not one of read-only, empty"),
        ('sandbox_write = ["cache"]', "relative path"),
        ('sandbox_write = ["~"]', "is everything"),
        ('sandbox_write = ["/a/../.."]', "leads upwards"),
        ('sandbox_net = ["https://a.org/"]', "not a host"),
        ('sandbox_net = ["a.org:99999"]', "not a host"),
        ('sandbox_net = "some"', "neither on, off nor a list"),
        ("sandbox_net = 1", "neither on, off nor a list"),
        ('[agents.opencode]\nmode = "server"\nsandbox = "on"', "cannot be in the sandbox of each"),
    ],
)
def test_a_wrong_setting_is_told_and_nothing_starts_until_it_is_corrected(paths: StatePaths, text: str, words: str) -> None:
    """Also while an engine runs: the value before it may be looser."""
    Path(paths.config).write_text("", encoding="utf-8")
    before, _ = load_settings(paths, {})
    Path(paths.config).write_text(text, encoding="utf-8")
    settings, faults = load_settings(paths, {}, before)
    assert words in str(faults[0])
    assert settings.gaps.everything or settings.gaps.agents

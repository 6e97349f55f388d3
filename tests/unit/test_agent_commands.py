"""The command lines of agents: known programs, templates, and what is refused when the settings are read."""

import os
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.agents import aider, registry
from kugetsu_engine.agents.launch_spec import Invocation
from kugetsu_engine.config.loader import AgentSettings, load_settings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain.session import WantedSession
from kugetsu_engine.domain.text.command_template import PROMPT, fill_template
from kugetsu_engine.errors import BadPrompt, ConfigError
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.supervisor import workspace

OLD, NEW_ID = "01a1ff39-b3a2-7a93-821e-a03407a04015", "6f1c9f7e-5a63-4f0f-8d0f-0123456789ab"
APPROVING = {
    "--auto", "--yolo", "-y", "--yes-always", "--yes", "--full-auto", "--dangerously-skip-permissions", "--trust",
    "--skip-trust", "--dangerously-bypass-approvals-and-sandbox", "--approve-for-me",
}  # fmt: skip


def call(mode: Any = "new") -> Invocation:
    """An attempt that begins, resumes or forks a session."""
    wanted = WantedSession(mode, None if mode == "new" else OLD)
    return Invocation("local/a#1", "/w/tree", "fix/issue-1", "/run/prompt", "/state", wanted, NEW_ID)


def argv(name: str, mode: str = "new", **own: Any) -> list[str]:
    """Its command line."""
    return registry.build_launch_spec(name, Settings(agents={name: AgentSettings(**own)}), call(mode)).argv


def test_claude_gets_an_id_of_our_choice_and_resumes_and_forks_by_id() -> None:
    """Options with their values in one word; the operator's arguments come last."""
    start = ["claude", "-p", "--output-format=stream-json", "--verbose"]
    assert argv("claude", messages="follow-up") == [*start, f"--session-id={NEW_ID}", "--name=local/a#1"]
    start += ["--input-format=stream-json", "--replay-user-messages"]
    assert argv("claude") == [*start, f"--session-id={NEW_ID}", "--name=local/a#1"]
    assert argv("claude", "continue", args=["--allowedTools=Edit"]) == [*start, f"--resume={OLD}", "--allowedTools=Edit"]
    assert argv("claude", "fork", program="/x/claude", model="sonnet") == [
        "/x/claude", *start[1:], f"--resume={OLD}", "--fork-session", f"--session-id={NEW_ID}", "--model=sonnet",
    ]  # fmt: skip


def test_codex_gets_its_options_before_the_verb_which_knows_only_some_of_them() -> None:
    """And `-` last, so that the prompt comes from standard input."""
    assert argv("codex", args=["-s", "workspace-write"]) == ["codex", "exec", "--json", "-s", "workspace-write", "-"]
    assert argv("codex", "continue", model="m") == ["codex", "exec", "--json", "--model=m", "resume", OLD, "-"]
    assert argv("codex", "fork") == ["codex", "exec", "--json", "fork", OLD, "-"]


def test_gemini_resumes_by_id_and_cannot_fork() -> None:
    """A fork is refused in a sentence; nothing else could take its place."""
    assert argv("gemini", model="m") == ["gemini", "--output-format=stream-json", f"--session-id={NEW_ID}", "--model=m"]
    assert argv("gemini", "continue") == ["gemini", "--output-format=stream-json", f"--resume={OLD}"]
    with pytest.raises(ConfigError, match="cannot fork"):
        registry.adapt_session("gemini", Settings(), WantedSession("fork", OLD))


def test_aider_reads_a_file_and_keeps_its_conversation_for_each_session() -> None:
    """New, resumed and forked ones have a file each; standard input is empty."""
    drive = registry.build_launch_spec("aider", Settings(), call())
    assert not drive.prompt_on_stdin
    assert {"--message-file=/run/prompt", f"--chat-history-file=/state/sessions/{NEW_ID}.aider.md"} <= set(drive.argv)
    assert "--restore-chat-history" not in drive.argv
    resumed = argv("aider", "continue")
    assert {f"--chat-history-file=/state/sessions/{OLD}.aider.md", "--restore-chat-history"} <= set(resumed)
    assert {f"--chat-history-file=/state/sessions/{NEW_ID}.aider.md", "--restore-chat-history"} <= set(argv("aider", "fork"))


def test_aiders_fork_is_a_copy_of_the_conversation_and_a_lost_one_is_told(tmp_path: Path) -> None:
    """The original stays; class `session` where there is none."""
    (tmp_path / "sessions").mkdir()
    job = {
        "state_dir": str(tmp_path), "session": {"mode": "fork", "session_id": OLD}, "reader_options": {"session": NEW_ID},
    }  # fmt: skip
    with pytest.raises(aider.MissingConversation) as refused:
        aider.prepare(job)
    assert refused.value.failure == "session"
    Path(aider._history_path(str(tmp_path), OLD)).write_text("#### do it\n", encoding="utf-8")
    assert aider.prepare(job) == {}
    assert Path(aider._history_path(str(tmp_path), NEW_ID)).read_text(encoding="utf-8") == "#### do it\n"
    assert os.path.exists(aider._history_path(str(tmp_path), OLD))


@pytest.mark.parametrize(
    ("kind", "going_on"),
    [("opencode", ["-s", OLD]), ("claude", ["--resume", OLD]), ("codex", ["resume", OLD]), ("gemini", ["--resume", OLD]),
     ("aider", [f"--chat-history-file=/state/sessions/{OLD}.aider.md", "--restore-chat-history"])],
)  # fmt: skip
def test_a_persons_screen_goes_on_with_the_same_conversation(kind: str, going_on: list[str]) -> None:
    """By its program, whatever the agent is called."""
    settings = Settings(agents={"reviewer": AgentSettings(kind=kind), "own": AgentSettings(kind=kind, program="/x/y")})
    assert registry.build_screen_command(kind, settings, OLD, "/state") == [kind, *going_on]
    assert registry.build_screen_command("reviewer", settings, OLD, "/state") == [kind, *going_on]
    assert registry.build_screen_command("own", settings, None, "/state") == ["/x/y"]


def test_a_screen_that_is_not_known_is_told_by_the_settings_or_refused() -> None:
    settings = Settings(
        agents={"mine": AgentSettings(command=["mine"]), "his": AgentSettings(command=["x"], attach=["his", "{session}"])}
    )
    assert registry.build_screen_command("his", settings, "s1", "/state") == ["his", "s1"]
    for name in ("mine", "demo"):
        with pytest.raises(ConfigError, match=f"the agent {name} has no known interface of its own"):
            registry.build_screen_command(name, settings, "s1", "/state")


@pytest.mark.parametrize("name", registry.LAUNCHERS)
@pytest.mark.parametrize("mode", ["new", "continue", "fork"])
def test_no_agent_is_told_to_approve_anything_by_itself(name: str, mode: str) -> None:
    """In none of the three ways to begin."""
    assert not APPROVING & {word.partition("=")[0] for word in argv(name, mode)}


def test_a_table_may_be_another_of_a_known_kind() -> None:
    """With its own model; it shares the limits of its kind's provider."""
    settings = Settings(agents={"opus": AgentSettings(kind="claude", model="opus")})
    drive = registry.build_launch_spec("opus", settings, call())
    assert (drive.argv[0], drive.argv[-1], drive.reader) == ("claude", "--model=opus", "claude")
    assert registry.find_provider("opus", settings) == "claude"
    with pytest.raises(ConfigError, match=r"\[agents.x\] has no command, and is not a known agent"):
        registry.build_launch_spec("x", Settings(agents={"x": AgentSettings(kind="ghost")}), call())


def test_placeholders_are_filled_word_by_word_and_other_braces_are_left_alone() -> None:
    """A value with spaces, quotes or placeholders stays one word and is not looked at again."""
    hostile = 'a b "c" $(id) {dir}'
    words = ["{title}", "--in={dir}/x", "{{dir}}", '{"a": {"b": 1}}', "${HOME} {print $1} {A} {}", "{title}{title}"]
    assert fill_template(words, {"title": hostile, "dir": "/w"}) == [
        hostile, "--in=/w/x", "{dir}", '{"a": {"b": 1}}', "${HOME} {print $1} {A} {}", hostile + hostile,
    ]  # fmt: skip


STREAM = {"session": "id", "step": {"type": "step"}, "tokens": "used.tokens"}


def test_a_template_has_a_command_line_for_each_way_to_begin() -> None:
    """The session to resume or fork, and the one that was chosen."""
    own: dict[str, Any] = {
        "command": ["my", "{dir}", "{branch}", "{issue}", "{model}", "--id={session}"], "resume": ["my", "-r", "{session}"],
        "fork": ["my", "-f", "{session}", "{new_session}"], "model": "p/m", "args": ["-v", "{dir}"],
        "stream": {"session": "uuid"}, "session_bound_to_directory": False,
    }  # fmt: skip
    assert argv("x", **own) == ["my", "/w/tree", "fix/issue-1", "local/a#1", "p/m", f"--id={NEW_ID}", "-v", "{dir}"]
    assert argv("x", "continue", **own) == ["my", "-r", OLD, "-v", "{dir}"]
    assert argv("x", "fork", **own) == ["my", "-f", OLD, NEW_ID, "-v", "{dir}"]
    drive = registry.build_launch_spec("x", Settings(agents={"x": AgentSettings(**own)}), call())
    assert drive.reader_options["session"] == NEW_ID


def test_an_agent_that_cannot_resume_begins_anew_and_one_that_cannot_fork_says_so() -> None:
    """Going on where an attempt was interrupted is a comfort; a fork is asked for."""
    settings = Settings(agents={"x": AgentSettings(command=["my"])})
    assert registry.adapt_session("x", settings, WantedSession("continue", OLD)) == WantedSession()
    with pytest.raises(ConfigError, match="fork"):
        registry.adapt_session("x", settings, WantedSession("fork", OLD))
    assert registry.adapt_session("claude", settings, WantedSession("fork", OLD)) == WantedSession("fork", OLD)


def test_the_prompt_becomes_one_word_when_the_agent_starts_and_one_that_does_not_fit_is_told() -> None:
    """By then the issue's text may have been added to it."""
    words = argv("x", command=["my", "--task={prompt}", "--"], prompt="argv")
    assert words == ["my", f"--task={PROMPT}", "--"]
    assert workspace.build_agent_argv({"argv": words, "prompt": "do 'it'; $(id)\n"}) == ["my", "--task=do 'it'; $(id)\n", "--"]
    for prompt in ("x" * 200_000, "a\0b"):
        with pytest.raises(BadPrompt):
            workspace.build_agent_argv({"argv": words, "prompt": prompt})
    assert workspace.build_agent_argv({"argv": ["my"], "prompt": "x" * 200_000}) == ["my"]


FAULTY = [
    ('command = ["my", "{directory}"]', "unknown placeholder {directory}"),
    ('command = ["{prompt}"]', 'needs prompt = "argv"'),
    ('command = ["my"]\nprompt = "argv"', "has no {prompt}"),
    ('command = ["my"]\nprompt = "file"', "has no {prompt_file}"),
    ('command = ["my"]\nprompt = "pipe"', "pipe"),
    ('command = ["my", "{model}"]', "there is no model"),
    ('command = ["my", "{session}"]', 'session = "uuid"'),
    ('command = ["my"]\nresume = ["my", "{session}"]', "does not say where their id is"),
    ('command = ["my"]\nresume = ["my"]\nstream = {session = "id"}', "does not name the {session}"),
    ('command = ["my"]\nfork = ["my", "{session}"]\nstream = {session = "id"}', "session_bound_to_directory"),
    ('command = ["my"]\nresume = ["{new_session}", "{session}"]\nstream = {session = "id"}', 'session = "uuid"'),
    ('command = [" "]', "does not name a program"),
    ('command = ["my"]\nkind = "claude"', "both a command and a kind"),
    ('resume = ["my", "{session}"]', "has resume, but no command"),
    ('prompt = "file"', "has prompt, but no command"),
    ('command = ["my"]\nmax_steps = 3', "what a step is"),
    ('command = ["my"]\nmax_tokens = 3', "where tokens are"),
    ('command = ["my"]\nstream = {words = "x"}', "words is not a key of a stream"),
    ('command = ["my"]\nstream = {text = 7}', "text is not a valid path"),
    ('command = ["my"]\nstream = {text = []}', "text is not a valid path"),
    ('command = ["my"]\nstream = {text = {when = {a = 1}}}', "without `at`"),
    ('command = ["my"]\nstream = {text = {at = "a", then = "b"}}', "other keys than"),
    ('command = ["my"]\nstream = {failed_when = "error"}', "failed_when is not a valid condition"),
    ('command = ["my"]\nstream = {failed_when = {type = [[1]]}}', "which is not a text"),
    ('command = ["my"]\nstream = {deltas = 1}', "true or false"),
    ('command = ["my"]\nstream = {cost = {at = "a", total = 1}}', "neither true nor false"),
]


@pytest.mark.parametrize(("toml", "words"), FAULTY, ids=lambda value: value[:60])
def test_a_table_that_makes_no_sense_is_told_in_one_line_when_it_is_read(paths: StatePaths, toml: str, words: str) -> None:
    """With the name of the agent and of the key."""
    Path(paths.config).write_text(f"[agents.mine]\n{toml}\n", encoding="utf-8")
    problems = [str(fault) for fault in load_settings(paths, {})[1]]
    assert len(problems) == 1
    assert words in problems[0]
    assert "mine" in problems[0]
    assert "\n" not in problems[0]


def test_a_table_that_makes_sense_is_read(paths: StatePaths) -> None:
    """Conditions may be written as TOML writes inner tables."""
    Path(paths.config).write_text(
        '[agents.mine]\ncommand = ["my", "{{x}}"]\nmax_steps = 5\nunset = ["TOKEN"]\n'
        '[agents.mine.stream]\nsession = ["a", "id"]\nstep.type = "step"\nfailed_when = [{ a.b = [1, 2] }, { "c.d" = true }]\n',
        encoding="utf-8",
    )
    settings, problems = load_settings(paths, {})
    assert problems == []
    drive = registry.build_launch_spec("mine", settings, call())
    assert drive.argv == ["my", "{x}"]
    assert (drive.max_steps, drive.unset) == (5, ["TOKEN"])
    assert drive.reader_options["stream"]["failed_when"] == [[(["a", "b"], [1, 2])], [(["c", "d"], [True])]]

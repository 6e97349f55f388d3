"""What an agent is told: the message as it is, with what it must know beside it, or the operator's own words."""

from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.config import prompt_template
from kugetsu_engine.config.loader import AgentSettings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain import refs
from kugetsu_engine.domain.reserved_refs import BASE, PM_AGENT
from kugetsu_engine.domain.task import Attempt, Task
from kugetsu_engine.jobs import prompt
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import contexts
from kugetsu_engine.state.contexts import Context, Message

HOSTILE = "cost $5 $task ${rules} $$ \\n '\"`$(id)`\n\n\n\nend"


def build(
    paths: StatePaths, message: str = "Do it.", ref: str = "h.test/o/r#3", settings: Settings | None = None, **how: object
) -> str:
    """The prompt of a first attempt."""
    task = Task("q_1", ref, message, attempts=how.pop("attempts", []))  # type: ignore[arg-type]
    return prompt.build_prompt(paths, settings or Settings(), task, refs.parse_reference(ref), **{"plain": False, **how})  # type: ignore[arg-type]


def test_the_message_arrives_to_the_letter(paths: StatePaths) -> None:
    """Dollar signs, quotes and empty lines of the operator's are not touched."""
    assert HOSTILE in build(paths, HOSTILE)
    assert build(paths, HOSTILE, plain=True) == HOSTILE


def test_it_holds_the_rules_the_place_and_what_to_do_about_the_pull_request(paths: StatePaths) -> None:
    """With a forge, and without one."""
    text = build(paths, pr_url="https://h.test/o/r/pulls/4")
    assert "h.test/o/r#3" in text
    assert paths.worktree("h.test-o-r-3") in text
    assert "fix/issue-3" in text
    assert "The pull request is https://h.test/o/r/pulls/4." in text
    assert "do not push or create a pull request" in build(paths, ref="local/app#3")
    assert "$" not in text


def test_what_was_said_before_comes_along_the_newest_first_to_stay(paths: StatePaths) -> None:
    """The last messages, in order; the oldest are left out where there is no room."""
    said = [Message("user", f"message {number} {'x' * 3000}", None, f"q_{number}") for number in range(20)]
    contexts.save_context(paths, Context("h.test/o/r#3", conversation_history=said))
    text = build(paths)
    assert "Operator (#19): message 19" in text
    assert "message 0 " not in text
    assert text.index("message 18") < text.index("message 19") < text.index("## Your task")
    Path(contexts.context_path(paths, "h.test/o/r#3")).write_text("{")
    assert "Do it." in build(paths)


def test_a_later_attempt_knows_how_the_one_before_ended(paths: StatePaths) -> None:
    """Only where it did not go well."""
    assert "timeout, time limit of 1h" in build(paths, attempts=[Attempt(1, outcome="timeout", reason="time limit of 1h")])
    assert "earlier attempt" not in build(paths, attempts=[Attempt(1, outcome="ok", reason="exit code 0")])


def test_the_operators_own_template_replaces_it(paths: StatePaths) -> None:
    """`prompt.md`, with the fields it names."""
    Path(paths.prompt).write_text("On $branch for $$5:\n$task\n")
    assert build(paths, HOSTILE) == f"On fix/issue-3 for $5:\n{HOSTILE}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"$task costs $5", "write $$ for a dollar sign"),
        (b"$task of $issue_reff", "unknown field $issue_reff"),
        (b"do your best", "does not contain $task"),
        (b"\xff\xfe$task", "cannot be read"),
        (b"${task", "does not contain $task"),
    ],
)
def test_a_template_that_makes_no_sense_is_told_and_the_built_in_one_used(paths: StatePaths, text: bytes, told: str) -> None:
    """An agent never gets half a prompt."""
    Path(paths.prompt).write_bytes(text)
    watched = prompt_template.PromptFile(paths)
    watched.refresh()
    assert told in watched.problem
    assert "## Rules" in build(paths)
    Path(paths.prompt).write_text("$task, mended")
    watched.refresh()
    assert watched.problem == ""


def test_plain_or_not_is_the_agents_the_settings_or_that_of_its_table(paths: StatePaths) -> None:
    """The narrower word wins."""
    everyone = Settings(prompt_template="plain")
    assert build(paths, settings=everyone) == "Do it."
    one = msgspec.structs.replace(everyone, agents={"opencode": AgentSettings(prompt_template="dev")})
    assert "## Rules" in build(paths, settings=one)
    assert "## Rules" in build(paths, settings=Settings(prompt_template="dev"), plain=True)


def test_the_project_manager_is_told_what_it_is(paths: StatePaths) -> None:
    """By `pm-agent.md` where there is one; the base session gets its message alone."""
    assert build(paths, ref=PM_AGENT).startswith("You are the project manager")
    Path(paths.project_manager).write_text("Be brief. $5 is enough.\n")
    assert build(paths, ref=PM_AGENT).startswith("Be brief. $5 is enough.\n")
    assert build(paths, ref=BASE) == "Do it."

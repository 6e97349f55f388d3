"""Help is complete, and finds what is asked for."""

import pytest

from kugetsu_engine.cli import run
from kugetsu_engine.cli.about import in_short
from kugetsu_tui.commands import VERBS
from kugetsu_tui.keys import ACTIONS, Registry
from kugetsu_tui.modals.help import HelpLines
from kugetsu_tui.modals.help_pages import entries
from kugetsu_tui.palette import Actions
from kugetsu_tui.situation import Situation
from kugetsu_tui.widgets.lines import Span

from .conftest import Opener


def told(lines: list[list[Span]]) -> str:
    """Lines as text, with single spaces."""
    return " ".join(" ".join("".join(text for text, _ in line) for line in lines).split())


def test_help_names_every_action_and_every_command() -> None:
    """Also those that cannot be used in this pane."""
    shown = told(HelpLines(Registry(ACTIONS), Situation()).lay_out(90))
    assert not [action.id for action in ACTIONS if " ".join(action.help.split()) not in shown]
    assert not [verb for verb in VERBS if f" :{verb} " not in shown]


def test_typing_narrows_help_to_what_has_all_the_words() -> None:
    """In any order, from keys and commands alike; nothing found is said."""
    page = HelpLines(Registry(ACTIONS), Situation())
    page.look_for("queue move")
    few = told(page.lay_out(90))
    assert ":move" in few
    assert "move it to the top of the queue" in few
    assert ":theme" not in few
    page.look_for("no such thing anywhere")
    assert told(page.lay_out(90)) == "nothing matches"


@pytest.mark.parametrize(
    "verb",
    ["attach", "clear", "continue", "delegate", "destroy", "drain", "edit", "hold", "limit", "move", "pause", "plan", "release",
     "resume", "retry", "set-pr", "shell", "start"],
)  # fmt: skip
def test_a_verb_does_what_the_command_line_says_of_it(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the same words."""
    with pytest.raises(SystemExit):
        run([*(["queue"] if verb == "clear" else []), verb, "--help"])
    assert in_short(verb).lower() in " ".join(capsys.readouterr().out.split()).lower()
    [words] = [entry.words for entry in entries() if entry.name == f":{verb}"]
    assert words.startswith(in_short(verb))


def test_a_first_sentence_is_a_part_of_another() -> None:
    assert in_short("clear") == "drop ended tasks from the list, with their logs"


def test_help_says_what_is_so() -> None:
    """A number is no filter; where there is a log, what is not there is not promised for one."""
    assert "#41" not in [entry.name for entry in entries() if entry.group.startswith("Filters")]
    page = HelpLines(Registry(ACTIONS), Situation(pane="merged"))
    assert "(in a log only)" not in told(page.lay_out(90))


async def test_the_palette_says_what_cannot_be_done(console: Opener) -> None:
    """With the reason, as help does."""
    async with console() as here:
        await here.press("4", "question_mark")
        await here.shows("Keys in the notifications")
        await here.press("escape", "2", "ctrl+p", *"kill")
        await here.shows("(")
        await here.shows("task")
        palette = Actions(here.app.screen_stack[-2])
        [stop] = [action for action in ACTIONS if action.id == "task.kill"]
        assert palette._why_not(stop)
        assert not palette._why_not(next(action for action in ACTIONS if action.id == "help"))

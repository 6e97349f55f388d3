"""Help is complete, and finds what is asked for."""

import pytest
from textual.widgets import Input

from kugetsu_engine.cli.main import run
from kugetsu_engine.cli.verbs import describe_verb
from kugetsu_tui.availability import ActionContext
from kugetsu_tui.commands.grammar import VERBS
from kugetsu_tui.commands.help_entries import build_sections, list_entries
from kugetsu_tui.formatting.cells import measure_width
from kugetsu_tui.keys import ACTIONS, Action, Registry, format_key
from kugetsu_tui.modals.help import TWO_COLUMNS, HelpLines
from kugetsu_tui.palette import ActionProvider
from kugetsu_tui.widgets.line_widget import Span

from .conftest import Opener


def told(lines: list[list[Span]]) -> str:
    """Lines as text, with single spaces."""
    return " ".join(" ".join("".join(text for text, _ in line) for line in lines).split())


def test_help_names_every_action_and_every_command() -> None:
    """Also those that cannot be used in this pane."""
    shown = told(HelpLines(Registry(ACTIONS), ActionContext()).lay_out(90))
    assert not [action.id for action in ACTIONS if " ".join(action.help.replace("`", "").split()) not in shown]
    assert not [verb for verb in VERBS if f" :{verb} " not in shown]


def test_typing_narrows_help_to_what_has_all_the_words() -> None:
    """In any order, from keys and commands alike; nothing found is said."""
    page = HelpLines(Registry(ACTIONS), ActionContext())
    page.search("queue move")
    few = told(page.lay_out(90))
    assert ":move" in few
    assert "move it to the top of the queue" in few
    assert ":theme" not in few
    page.search("no such thing anywhere")
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
    assert describe_verb(verb).lower() in " ".join(capsys.readouterr().out.split()).lower()
    [words] = [entry.text for entry in list_entries() if entry.name == f":{verb}"]
    assert words.startswith(describe_verb(verb))


def test_a_first_sentence_is_a_part_of_another() -> None:
    assert describe_verb("clear") == "remove ended tasks and their logs from the list"


@pytest.mark.parametrize(("pane", "first"), [("queue", "p"), ("log", "[ "), ("diff", "]"), ("done", "i"), ("merged", "e")])
def test_help_begins_with_the_keys_of_the_place(pane: str, first: str) -> None:
    """Each key once; what only other places have stands apart, at the end, with the places that have it."""
    now = ActionContext(pane=pane, task="q_1", state="pending")
    here, *others = build_sections(Registry(ACTIONS), now)
    assert here.title == "Here"
    assert any(item.name.startswith(first.strip()) for item in here.items)
    acts = [item.does.id for section in (here, *others) for item in section.items if isinstance(item.does, Action)]
    assert sorted(acts) == sorted(action.id for action in ACTIONS if action.is_reachable(pane))
    assert others[-1].title == "In other places"
    assert all("(in " in item.text and item.does is None for item in others[-1].items)
    assert not [item.text for section in others for item in section.items if "`" in item.text]


@pytest.mark.parametrize("width", [24, 50, 90, 110, 134, 200])
def test_help_has_two_columns_where_there_is_room(width: int) -> None:
    """Every line fits, every key is there, and what is chosen is marked in its own column."""
    page = HelpLines(Registry(ACTIONS), ActionContext(pane="queue"))
    lines = page.lay_out(width)
    assert max(sum(measure_width(text) for text, _ in line) for line in lines) <= width
    beside = [cells.start for rows, cells in page._places]
    assert (max(beside) > 0) is (width >= TWO_COLUMNS)
    shown = {page._items[number].name for number in range(len(page._items))}
    assert {" ".join(map(format_key, action.keys)) for action in ACTIONS} <= shown
    taken = [(row, column) for rows, cells in page._places for row in rows for column in (cells.start,)]
    assert len(taken) == len(set(taken)), "no two stand in one place"


async def test_enter_in_help_does_what_is_chosen(console: Opener) -> None:
    """A key at once, a command as far as its verb is typed; what cannot be done says why, what is elsewhere does nothing."""
    async with console() as here:
        await here.press("2", "?", *"let one more agent", "enter")
        await here.until(lambda: here.app.state is not None and here.app.state.snapshot.limit == 4)
        await here.press("?", *"theme other", "enter")
        await here.until(
            lambda: here.app.screen.query("#command") and here.app.screen.query_one("#command", Input).value == "theme "
        )
        await here.press("escape", "?", *"kill its agent", "enter")
        await here.until(lambda: here.said == "no task is selected")
        await here.press("?", *"next hunk", "enter")
        await here.shows("In other places")
        await here.press("escape")


def test_help_says_what_is_so() -> None:
    """A number is no filter; every sign there is has its words."""
    assert "#41" not in [entry.name for entry in list_entries() if entry.group.startswith("Filters")]
    assert any("change the same files" in entry.text for entry in list_entries() if entry.group == "Signs")


async def test_the_palette_says_what_cannot_be_done(console: Opener) -> None:
    """With the reason, as help does."""
    async with console() as here:
        await here.press("4", "question_mark")
        await here.shows("Keys in the notifications")
        await here.press("escape", "2", "ctrl+p", *"kill")
        await here.shows("(")
        await here.shows("task")
        palette = ActionProvider(here.app.screen_stack[-2])
        [stop] = [action for action in ACTIONS if action.id == "task.kill"]
        assert palette._why_not(stop)
        assert not palette._why_not(next(action for action in ACTIONS if action.id == "help"))

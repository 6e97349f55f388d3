"""The registry of actions: everything that shows keys comes from it."""

from pathlib import Path

import pytest

from kugetsu_tui.availability import ActionContext
from kugetsu_tui.keys import ACTIONS, DIFFS, LISTS, LOGS, Registry, find_conflicts, render_page

PANES = sorted(LISTS | LOGS | DIFFS)
FORBIDDEN = {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+q", "ctrl+h", "ctrl+i", "ctrl+m", "ctrl+[", "ctrl+c"}


def test_no_key_means_two_things() -> None:
    """In no pane."""
    assert find_conflicts(ACTIONS) == []


def test_keys_that_belong_to_others_stay_free() -> None:
    """tmux and the terminal have them."""
    assert not FORBIDDEN & {key for action in ACTIONS for key in action.keys}
    assert not [key for action in ACTIONS for key in action.keys if key.startswith("alt+")]


def test_ids_and_words_are_there() -> None:
    """Each action has what help, palette and footer need."""
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert all(action.label and action.help and action.keys and action.group for action in ACTIONS)


@pytest.mark.parametrize("pane", PANES)
def test_every_action_is_reached_by_its_key(pane: str) -> None:
    """A key resolves to exactly its action, wherever that is reachable."""
    registry = Registry()
    for action in registry.actions:
        if action.is_reachable(pane) and action.only_when is None and action.id != "task.new":
            now = ActionContext(pane=pane)
            assert all(registry.resolve(key, now) is action for key in action.keys), action.id


def test_n_is_the_next_hit_only_while_a_search_is_on() -> None:
    """Else it is a new task, as everywhere."""
    registry = Registry()
    for pane, searching, expected in (("log", True, "log.hit"), ("log", False, "task.new"), ("queue", True, "task.new")):
        found = registry.resolve("n", ActionContext(pane=pane, searching=searching))
        assert found is not None
        assert found.id == expected


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_reasons_are_sentences_about_the_task(state: str) -> None:
    """A reason names the task or says what is missing."""
    for action in ACTIONS:
        reason = action.why_not(ActionContext(task="q_4", state=state))
        assert reason is None or len(reason.split()) > 2


def test_read_only_forbids_every_change() -> None:
    """Whatever would write says so."""
    now = ActionContext(read_only=True, task="q_1", state="pending", limit=3)
    for action in ACTIONS:
        if action.id.startswith(("task.", "queue.")) and action.id != "task.open":
            assert "read-only" in (action.why_not(now) or ""), action.id


def test_keys_can_be_changed_but_not_into_a_conflict() -> None:
    """A wish that cannot be granted is told and changes nothing."""
    registry, problems = Registry().remap({"task.retry": "Y", "task.kill": "x", "task.fly": "f"})
    assert registry["task.retry"].keys == ("Y",)
    assert registry["task.kill"].keys == ("X",)
    assert len(problems) == 2
    assert Registry().remap({"task.kil": "f"})[1] == ["config.toml: [keys] task.kil is not an action, did you mean task.kill?"]
    found = registry.resolve("Y", ActionContext())
    assert found is not None
    assert found.id == "task.retry"


def test_the_page_in_docs_is_up_to_date() -> None:
    """`make keys` was run."""
    written = Path(__file__).parents[2] / "docs" / "keys.md"
    assert written.read_text(encoding="utf-8") == render_page()

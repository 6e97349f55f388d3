"""The verbs about issues in the console's own command line: the same as in the shell, with the same refusals."""

from pathlib import Path

import pytest

from kugetsu_engine.client.api import Client
from kugetsu_engine.domain.refs import parse_reference as parse_ref
from kugetsu_engine.domain.session import Session
from kugetsu_engine.errors import UsageError
from kugetsu_engine.git import worktrees
from kugetsu_engine.state import sessions
from kugetsu_tui.commands.grammar import Command, parse_command
from kugetsu_tui.modals.confirm import Confirm
from tests.support.repositories import make_repository

from .conftest import Opener


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("start local/a#1 do it well", Command("start", (), {"reference": "local/a#1", "message": "do it well"})),
        ("continue local/a#1", Command("continue", (), {"reference": "local/a#1", "message": ""})),
        ("kugetsu delegate see local/a#1", Command("delegate", (), {"message": "see local/a#1"})),
        ("set-pr local/a#1 https://x", Command("set-pr", (), {"reference": "local/a#1", "url": "https://x"})),
        ("destroy local/a#1 --force", Command("destroy", (), {"reference": "local/a#1", "force": True})),
    ],
)  # fmt: skip
def test_the_lines_are_read(line: str, wanted: Command) -> None:
    """Every word of a message arrives."""
    assert parse_command(line) == wanted


@pytest.mark.parametrize("line", ["start local/a#1", "continue", "delegate", "set-pr local/a#1", "destroy", "destroy a b"])
def test_what_lacks_something_is_told(line: str) -> None:
    """With the way it is written."""
    with pytest.raises(UsageError, match="write it like"):
        parse_command(line)


def list_of(operator: Client) -> list[str]:
    """The worktrees there are."""
    return sorted(path.name for path in Path(operator.paths.worktrees).iterdir())


async def test_delegate_start_and_destroy(console: Opener, operator: Client, tmp_path: Path) -> None:
    """Delegate queues, start says why not, destroy shows what goes and asks."""
    operator.do("pause")
    repository, place = make_repository(tmp_path / "repo"), Path(operator.paths.worktree(parse_ref("local/web#7").slug))
    worktrees.prepare_worktree(str(repository), str(place), "fix/issue-7", None)
    sessions.save_session(operator.paths, Session("local-web-7", "local/web#7", agent="demo", session_id="s7"))
    async with console((140, 40)) as here:
        await here.press("colon", *"delegate fix local/web#9", "enter")
        await here.until(lambda: "for local/web#9" in here.said)
        await here.press("colon", *"start local/web#9 now", "enter")
        await here.until(lambda: "queue paused" in here.said)
        (place / "new.txt").write_text("x")
        await here.press("colon", *"destroy local/web#7", "enter")
        await here.until(lambda: "1 file not committed" in here.said)
        (place / "new.txt").unlink()
        await here.press("colon", *"destroy local/web#7", "enter")
        await here.until(lambda: isinstance(here.app.screen, Confirm))
        await here.shows("session   s7 of demo")
        assert list_of(operator) == ["local-web-7"]
        await here.press("y")
        await here.until(lambda: "fix/issue-7 removed" in here.said)
    assert list_of(operator) == []

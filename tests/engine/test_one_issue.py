"""One issue is one issue, however it is written: one agent, one worktree, one session; also after an upgrade."""

import json
import os
import time
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.client import attach
from kugetsu_engine.config import loader
from kugetsu_engine.domain import refs
from kugetsu_engine.domain.request import Request
from kugetsu_engine.domain.session import Session
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.errors import Conflict
from kugetsu_engine.state import contexts, issue_names, requests, sessions
from kugetsu_engine.state.contexts import Context, Message
from kugetsu_engine.storage import files
from kugetsu_engine.storage.locks import try_lock, unlock
from kugetsu_engine.worktrees import destroy
from kugetsu_engine.worktrees.inventory import WorktreeInventory
from tests.support.fleet import Fleet
from tests.support.repositories import bare_remote, run_git
from tests.support.waiting import wait_until

ISSUE, NAME = "github.com/acme/app#7", "github.com-acme-app-7"
AS_WRITTEN = "github.com/Acme/App#7"
OLD_NAME = refs.make_slug(AS_WRITTEN)
"""What an older version called the worktree of that very text."""


@pytest.fixture
def acme(fleet: Fleet) -> Fleet:
    """A fleet that has the repository of `acme/app`, and whose default server is spelled as people do."""
    fleet.tables = f'"https://GitHub.com/Acme/app.git" = "{fleet.repository}"'
    fleet.configure(default_server="https://GitHub.com/")
    return fleet


def put_item(fleet: Fleet, task_id: str, issue_ref: str, how: dict[str, object], **fields: object) -> str:
    """Write a task file by hand, with no more than a v0.2 item has."""
    document = {
        "id": task_id, "issue_ref": issue_ref, "message": f"do it\n{json.dumps(how)}", "state": "pending",
        "pending_since": iso(time.time()), "notified_at": None, "completed_at": None, "error": None, "pid": None, **fields,
    }  # fmt: skip
    Path(fleet.paths.item(task_id)).write_text(json.dumps(document))
    return task_id


@pytest.mark.parametrize(
    "second",
    [
        "https://github.com/acme/app/issues/7", "GITHUB.com/ACME/app#7", "git@github.com:acme/app.git#7",
        "github.com:443/acme/app#007",
    ],
)  # fmt: skip
def test_two_spellings_of_an_issue_never_have_two_agents(acme: Fleet, second: str) -> None:
    """The second waits while a task behind it starts; then it works in the same worktree, with the same session name."""
    acme.start_engine()
    first = acme.enqueue("acme/app#7", wait=acme.waiting_file("one"))
    acme.wait_for_started(first)
    same = acme.enqueue(second)
    other = acme.enqueue("acme/app#8")
    acme.wait_for_started(other)
    assert acme.starts() == [first, other]
    acme.release("one")
    acme.wait_for_end([first, same, other])
    records = [acme.record(task_id) for task_id in (first, same)]
    assert {record.worktree for record in records if record} == {acme.paths.worktree(NAME)}
    assert sorted(os.listdir(acme.paths.worktrees)) == [NAME, "github.com-acme-app-8"]
    history = contexts.load_context(acme.paths, second).conversation_history
    assert [message.task for message in history if message.role == "user"] == [
        first, same,
    ]  # fmt: skip


def test_items_written_by_hand_or_by_an_older_version_are_of_the_same_issue(acme: Fleet) -> None:
    """An address, capitals, a reference without a host: each waits for the others, and none is set aside."""
    items = {
        "q_901": "https://GitHub.com/acme/app/pull/7?tab=files", "q_902_ab": "acme/app#7", "q_903": "GitHub.com/acme/App.git#7",
        "q_904": "https://github.com/acme/app#7",
    }  # fmt: skip
    for task_id, text in items.items():
        put_item(acme, task_id, text, {"wait": acme.waiting_file("go")})
    acme.start_engine()
    other = acme.enqueue("acme/app#8", options={"priority": 0}, wait=acme.waiting_file("go"))
    wait_until(lambda: other in acme.starts() and len(acme.starts()) > 1, 15, "an agent of each issue")
    acme.release("go")
    acme.wait_for_end([*items, other])
    assert acme.most_at_once() == 2
    assert {acme.task(task_id).issue_key for task_id in items} == {ISSUE}
    assert sorted(os.listdir(acme.paths.worktrees)) == [NAME, "github.com-acme-app-8"]


def test_a_task_without_a_host_keeps_the_one_it_was_given(acme: Fleet) -> None:
    """Another default server later does not move it to another issue."""
    put_item(acme, "q_901", "acme/app#7", {}, held=True)
    engine = acme.start_engine()
    wait_until(lambda: acme.task("q_901").issue_ref == ISSUE, 10, "the reference to be written in full")
    acme.stop_engine(engine)
    acme.configure(default_server="other.test")
    acme.operator.do("release", "q_901")
    acme.start_engine()
    acme.wait_for_end(["q_901"])
    assert acme.record("q_901").worktree == acme.paths.worktree(NAME)  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["https://github.com/acme/app/issues/7", "acme/app#7", "github.com/ACME/app#7"])
def test_destroying_and_cleaning_see_the_agent_whatever_its_task_says(acme: Fleet, text: str) -> None:
    """No engine has looked at the item yet: the agent is that of an older one."""
    put_item(acme, "q_901", text, {}, state="running", attempt=1, token="aa")
    lock = try_lock(acme.paths.task_lock("q_901"))
    assert lock is not None
    try:
        remains = destroy.inspect_issue(acme.operator, ISSUE)
        assert remains.list_objections(None) == ["#901 has an agent"]
        with pytest.raises(Conflict, match="has an agent"):
            list(destroy.destroy_issue(acme.operator, remains, force=False))
    finally:
        unlock(lock)


class TestUpgrade:
    """Older versions named worktree, session, context and lock after the reference as it was written."""

    @pytest.fixture
    def older(self, acme: Fleet) -> Fleet:
        """What an older version left of `Acme/App#7`: a worktree with a commit, its session, what was said."""
        worktree = Path(acme.paths.worktree(OLD_NAME))
        run_git(acme.repository, "worktree", "add", "--quiet", "-b", "fix/issue-7", str(worktree))
        (worktree / "begun").write_text("half of it\n")
        sessions.save_session(acme.paths, Session(OLD_NAME, AS_WRITTEN, "scripted", "s-1", str(worktree), "fix/issue-7"))
        said = Context(AS_WRITTEN, conversation_history=[Message("user", "begin", task="q_1")])
        files.replace(f"{acme.paths.context}/{OLD_NAME}.json", msgspec.json.encode(said))
        return acme

    @pytest.mark.parametrize("text", ["acme/app#7", "Acme/App#7", "https://github.com/ACME/APP/issues/7"])
    def test_work_goes_on_where_it_is(self, older: Fleet, text: str) -> None:
        """In the same folder, as sessions belong to theirs; nothing is moved, nothing begins anew."""
        assert older.operator.worktree_path(text) == older.paths.worktree(OLD_NAME)
        older.start_engine()
        task_id = older.enqueue(text, write="more")
        older.wait_for_end([task_id])
        assert older.record(task_id).worktree == older.paths.worktree(OLD_NAME)  # type: ignore[union-attr]
        assert os.listdir(older.paths.worktrees) == [OLD_NAME]
        assert sorted(os.listdir(older.paths.worktree(OLD_NAME))) == [".git", "README.md", "begun", "more"]
        session = sessions.load_session(older.paths, issue_names.session_name(older.paths, ISSUE))
        assert session is not None
        assert session.session_id == "s-1"
        assert [said.content[:5] for said in contexts.load_context(older.paths, ISSUE).conversation_history[:2]] == [
            "begin",
            "do it",
        ]
        assert json.loads(Path(older.paths.issue_names).read_text())["names"] == {ISSUE: OLD_NAME}

    def test_a_new_issue_of_that_repository_has_the_new_name(self, older: Fleet) -> None:
        """Only what is there keeps its name."""
        older.start_engine()
        task_id = older.enqueue("Acme/App#8")
        older.wait_for_end([task_id])
        assert older.record(task_id).worktree == older.paths.worktree("github.com-acme-app-8")  # type: ignore[union-attr]

    def test_of_two_old_names_the_one_with_the_session_is_used(self, older: Fleet) -> None:
        """The other stays where it is, and is no orphan to be pruned."""
        second = refs.make_slug("github.com/acme/App#7")
        run_git(older.repository, "worktree", "add", "--quiet", "--detach", older.paths.worktree(second))
        put_item(older, "q_901", "github.com/acme/App#7", {}, held=True)
        assert issue_names.name_of(older.paths, ISSUE) == OLD_NAME
        older.start_engine()
        assert issue_names.name_of(older.paths, ISSUE) == OLD_NAME
        assert sorted(os.listdir(older.paths.worktrees)) == sorted([OLD_NAME, second])

    def test_no_agent_starts_beside_one_that_an_older_engine_started(self, older: Fleet) -> None:
        """It is adopted by its task's lock, whatever its issue was called then; nobody gets in by hand either."""
        older.start_engine()
        first = older.enqueue("Acme/App#7", wait=older.waiting_file("one"))
        older.wait_for_started(first)
        older.stop_engine(older.engines[0])
        item = Path(older.paths.item(first))
        item.write_text(item.read_text().replace(older.task(first).issue_ref, "https://GitHub.com/Acme/App/issues/7"))
        with pytest.raises(Conflict, match="an agent is working on"):
            attach.attach_to_issue(older.paths, loader.load_settings(older.paths, {})[0], dict(os.environ), older.task(first))
        older.start_engine()
        same, other = older.enqueue(ISSUE), older.enqueue("acme/app#8")
        older.wait_for_started(other)
        assert older.starts() == [first, other]
        assert {one.slug: one.state for one in WorktreeInventory(older.paths, {}).list_worktrees(sized=False)}[
            OLD_NAME
        ] == "live"
        older.release("one")
        older.wait_for_end([first, same, other])

    def test_requests_of_an_older_version_are_about_the_same_issue(self, older: Fleet) -> None:
        """A reference with the default server as it was written then."""
        url = "https://github.com/acme/app/pulls/1"
        requests.submit_request(older.paths, Request("set_pr", None, {"issue_ref": "GitHub.com/Acme/App#7", "url": url}))
        older.start_engine()
        wait_until(
            lambda: (sessions.load_session(older.paths, OLD_NAME) or Session("")).pr_url == url, 10, "the request to be applied"
        )
        assert os.listdir(older.paths.sessions) == [f"{OLD_NAME}.json"]


@pytest.mark.parametrize("first", ["forge.test/Acme/App#7", "forge.test/acme/app#7"])
def test_a_repository_is_cloned_once_however_it_is_written(fleet: Fleet, first: str) -> None:
    """Also where its folder has capitals, as older versions made it; it is cloned as it was written."""
    bare_remote(fleet.folder / "server" / "Acme" / "App.git", fleet.repository)
    fleet.tables = f'[servers]\n"Forge.Test" = "{fleet.folder}/server"'
    fleet.configure(max_concurrent_agents=1)
    older = Path(fleet.paths.repositories, "forge.test", "Acme", "App")
    if first == "forge.test/Acme/App#7":
        os.makedirs(older.parent)
        run_git(
            fleet.folder, "clone", "--quiet", "--no-checkout", str(fleet.folder / "server" / "Acme" / "App.git"), str(older)
        )
    else:
        fleet.enqueue("forge.test/Acme/App#6")
    fleet.enqueue(first)
    fleet.enqueue("https://forge.test/ACME/app/issues/8")
    engine = fleet.start_engine(until_idle=True)
    assert engine.join(60)
    clones = [path.parent for path in Path(fleet.paths.repositories).glob("*/*/*/.git")]
    assert len(clones) == 1
    assert {fleet.state(name.removesuffix(".json")) for name in os.listdir(fleet.paths.done)} == {"completed"}

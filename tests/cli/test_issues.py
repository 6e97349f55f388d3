"""`list`, `context`, `set-pr`, `destroy`, `prune`, and `index.json`: what is kept of an issue, and how it goes."""

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from kugetsu_engine.domain.reserved_refs import BASE, PM_AGENT
from kugetsu_engine.domain.session import Session
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import contexts, sessions
from kugetsu_engine.state.contexts import Context, Message
from kugetsu_engine.state.issue_names import session_name
from tests.support.repositories import bare_remote, run_git
from tests.support.waiting import wait_until

from .conftest import Shell

CONFIG = 'agent = "demo"\nstop_grace = "1s"\n[agents.demo]\nenv = { KUGETSU_DEMO_SPEED = "50" }\n'
NOTHING = "look\ndemo: steps=0 end=nothing"
PULL = "https://forge.test/o/r/pulls/3"


@pytest.fixture
def ready(shell: Shell, quick_agents: Callable[[str], None]) -> Shell:
    """Quick agents."""
    quick_agents(CONFIG)
    return shell


def worked(shell: Shell, message: str = NOTHING, ref: str = "local/app#1") -> Path:
    """Let an agent work on an issue, and return its worktree."""
    shell.enqueue(ref, message)
    assert shell("--headless", "--until-idle").returncode == 0
    return shell.state / f"worktrees/{ref.replace('/', '-').replace('#', '-')}"


def index(shell: Shell) -> object:
    """What `index.json` says."""
    return json.loads((shell.state / "index.json").read_text())


class TestDestroy:
    """It removes all that was made, and loses nothing unless told to."""

    def test_removes_worktree_branch_session_and_context(self, ready: Shell) -> None:
        """Nothing is left; a second time there is nothing to do; the ended task stays in the list."""
        tree = worked(ready)
        ready.enqueue("local/app#1", "more", "--hold")
        sessions.save_session(
            StatePaths(str(ready.state)), Session("local-app-1", "local/app#1", agent="demo", session_id="s1")
        )
        done = ready("destroy", "local/app#1", "-y")
        assert done.returncode == 0, done.stderr
        assert "branch fix/issue-1 removed" in done.stdout
        assert not tree.exists()
        assert run_git(ready.folder, "branch", "--format=%(refname:short)") == "main"
        assert not list((ready.state / "sessions").iterdir())
        assert not list((ready.state / "context").iterdir())
        assert [(task["id"], task["state"]) for task in ready.json("queue", "list", "--all")] == [
            ("q_2", "cancelled"), ("q_1", "completed"),
        ]  # fmt: skip
        assert ready("destroy", "local/app#1", "-y").returncode == 3

    def test_removes_the_conversation_that_is_kept_for_aider(self, ready: Shell) -> None:
        """Under whatever name the agent is known."""
        worked(ready)
        with (ready.state / "config.toml").open("a") as config:
            config.write('[agents.reviewer]\nkind = "aider"\n')
        sessions.save_session(
            StatePaths(str(ready.state)), Session("local-app-1", "local/app#1", agent="reviewer", session_id="s1")
        )
        (ready.state / "sessions/s1.aider.md").touch()
        done = ready("destroy", "local/app#1", "-y")
        assert "session s1 deleted" in done.stdout, done.stderr
        assert not list((ready.state / "sessions").iterdir())

    def test_uncommitted_files_and_commits_of_its_own_are_said_and_kept(self, ready: Shell) -> None:
        """Refused; forced, the branch stays, as it alone has the commits."""
        tree = worked(ready, "work\ndemo: steps=3")
        (tree / "new.txt").write_text("x")
        refused = ready("destroy", "1", "-y")
        assert (refused.returncode, tree.exists()) == (3, True)
        assert "1 file not committed, which would be lost" in refused.stderr
        assert "1 commit not pushed and on no other branch" in refused.stderr
        assert ready("destroy", "1", "--dry-run").returncode == 1
        forced = ready("destroy", "1", "-y", "--force")
        assert (forced.returncode, tree.exists()) == (0, False), forced.stderr
        assert "branch fix/issue-1 kept" in forced.stdout
        (row,) = ready.json("list")
        assert (row["worktree"], row["delivered"]["commits"], row["delivered"]["dirty"]) == (None, 1, 0)
        assert "; its worktree is gone" in ready("list").stdout
        assert "the worktree of #1 is gone: another attempt makes a new one: kugetsu retry 1" in ready("shell", "1").stderr
        assert run_git(ready.folder, "rev-list", "--count", "main..fix/issue-1") == "1"

    def test_pushed_commits_are_elsewhere(self, ready: Shell, tmp_path: Path) -> None:
        """So worktree and branch may go."""
        run_git(ready.folder, "remote", "add", "origin", str(bare_remote(tmp_path / "remote.git", ready.folder)))
        tree = worked(ready, "work\ndemo: steps=3", "github.com/o/app#1")
        assert "not pushed" in ready("destroy", "1", "-y").stderr
        run_git(tree, "push", "--quiet", "origin", "fix/issue-1")
        done = ready("destroy", "1", "-y")
        assert (done.returncode, tree.exists()) == (0, False), done.stderr
        assert "branch fix/issue-1 removed" in done.stdout

    def test_an_agent_at_work_is_refused_or_stopped(self, ready: Shell) -> None:
        """Without an engine and with one."""
        assert ready("start", "local/app#1", "x\ndemo: steps=0 end=hang").returncode == 0
        assert ready("destroy", "local/app#1", "-y").returncode == 3
        assert ready("queue-daemon", "start").returncode == 0
        done = ready("destroy", "local/app#1", "-y", "--force")
        assert done.returncode == 0, done.stderr
        assert ready.json("show", "1")["state"] == "cancelled"
        assert not (ready.state / "worktrees/local-app-1").exists()

    def test_a_pull_request_nobody_can_ask_about_may_be_open(self, ready: Shell) -> None:
        """It is refused until somebody says otherwise; nobody is asked without a terminal."""
        worked(ready)
        assert ready("set-pr", "local/app#1", PULL).stdout == f"local/app#1: {PULL}\n"
        assert ready("set-pr", "1", PULL).returncode == 3
        assert ready("set-pr", "1", "javascript:alert(1)").returncode == 64
        assert ready.json("list")[0]["pr_url"] == PULL
        refused = ready("destroy", "1", "-y")
        assert (refused.returncode, PULL in refused.stderr) == (3, True)
        assert ready("set-pr", "1", "").returncode == 0
        assert ready("destroy", "1").returncode == 64
        assert ready("destroy").returncode == 64
        assert ready("destroy", "1", "-y").returncode == 0

    def test_the_base_takes_the_project_manager_with_it(self, ready: Shell) -> None:
        """As in the bash kugetsu; alone, the project manager's goes alone."""
        paths = StatePaths(str(ready.state))
        for name in (BASE, PM_AGENT):
            worked(ready)
            sessions.save_session(paths, Session(session_name(paths, name), name, agent="demo", session_id=f"s-{name}"))
        assert [row["kind"] for row in ready.json("list")][:2] == ["base", "pm-agent"]
        assert ready.json("status")["sessions"] == {"base": f"s-{BASE}", "pm_agent": f"s-{PM_AGENT}"}
        assert ready("destroy", "--pm-agent", "-y").returncode == 0
        assert [session.slug for session in sessions.list_sessions(paths)] == ["base"]
        sessions.save_session(paths, Session("pm-agent", PM_AGENT, agent="demo", session_id="s2"))
        assert ready("destroy", "--base", "-y").returncode == 0
        assert sessions.list_sessions(paths) == []


class TestPrune:
    """What belongs to no issue goes, what holds work stays."""

    def test_says_what_would_go_and_takes_no_work(self, ready: Shell) -> None:
        """A session without a worktree, a worktree nobody knows, messages of neither."""
        paths = StatePaths(str(ready.state))
        empty, full = worked(ready, ref="local/app#1"), worked(ready, "work\ndemo: steps=3", "local/app#2")
        alive = worked(ready, ref="local/app#3")
        assert ready("queue", "clear").returncode == 0
        for name in ("local/app#3", "local/gone#4"):
            sessions.save_session(paths, Session(session_name(paths, name), name, agent="demo", session_id="s"))
        sessions.save_session(paths, Session("base", agent="demo", session_id="b"))
        contexts.save_context(paths, Context("local/gone#5", conversation_history=[Message("user", "hi")]))
        (ready.state / "worktrees/local-strange-1").mkdir()
        found = {(one["kind"], Path(one["path"]).name, one["kept"]) for one in ready.json("prune", "--dry-run")}
        assert found == {
            ("session", "local-gone-4.json", False), ("worktree", "local-app-1", False), ("worktree", "local-app-2", True),
            ("worktree", "local-strange-1", True), ("context", "local-gone-5.json", False),
            ("context", "local-app-1.json", False),
        }  # fmt: skip
        assert ready("prune").returncode == 64
        assert (empty.exists(), full.exists(), alive.exists()) == (True, True, True)
        done = ready("prune", "--force")
        assert done.returncode == 0, done.stderr
        assert (empty.exists(), full.exists(), alive.exists()) == (False, True, True)
        assert {session.slug for session in sessions.list_sessions(paths)} == {"base", "local-app-3"}
        assert sorted(path.name for path in (ready.state / "context").iterdir()) == [f"local-app-{n}.json" for n in (2, 3)]
        assert not [one for one in ready.json("prune", "--dry-run") if not one["kept"]]


class TestIndexAndContext:
    """Both are made by the engine; the index from the rest alone."""

    def test_the_index_is_the_same_after_it_was_deleted(self, ready: Shell) -> None:
        """It names sessions, what runs and what waits."""
        paths = StatePaths(str(ready.state))
        ready("queue-daemon", "start")
        ready.enqueue("local/app#1", "x\ndemo: steps=0 end=hang")
        ready.enqueue("local/app#2", "later", "--hold")
        assert ready("set-pr", "local/app#1", PULL).returncode == 0
        sessions.save_session(paths, Session("base", agent="demo", session_id="b"))
        wanted = {
            "base": "b", "pm_agent": None, "issues": {"local/app#1": "local-app-1.json"}, "active": {"q_1": "local/app#1"},
            "queued": ["q_2"],
        }  # fmt: skip
        wait_until(lambda: (ready.state / "index.json").exists() and index(ready) == wanted, 20, "the index")
        (ready.state / "index.json").unlink()
        wait_until((ready.state / "index.json").exists, 20, "the index to be made again")
        assert index(ready) == wanted
        ready("kill", "1", "--now")

    def test_context_shows_what_was_said(self, ready: Shell) -> None:
        """Cleaned for the terminal, whole in JSON; the last twenty; files of the bash kugetsu load."""
        (ready.state / "env").mkdir(exist_ok=True)
        (ready.state / "env/dev.env").write_text("FORGE_TOKEN=tok-8f2a9c71d3\n")
        worked(ready, "one \x1b[31mred\x1b[0m with tok-8f2a9c71d3\ndemo: steps=0 end=nothing")
        shown = ready("context", "local/app#1").stdout
        assert "one red with ***" in shown
        assert "tok-8f2a9c71d3" not in ready("context", "1", "--json").stdout
        assert "\x1b" not in shown
        assert ready.json("context", "1")["last_message"].startswith("one \x1b[31mred")
        said = [{"role": "user", "content": "hi", "timestamp": "z"}] * 30
        old = {"issue_ref": "local/old#1", "current_branch": "fix/issue-1", "last_message": "hi", "conversation_history": said}
        (ready.state / "context/local-old-1.json").write_text(json.dumps(old))
        assert ready("context", "local/old#1").stdout.count("── you") == 30
        context = contexts.load_context(StatePaths(str(ready.state)), "local/old#1")
        kept = contexts.add_message(context, Message("assistant", "x" * 100_000, "t"), None)
        assert len(kept.conversation_history) == 20
        assert len(msgspec.json.encode(kept)) < 20_000
        assert ready("context", "local/never#1").returncode == 1


class TestAgentsOwnSession:
    """`destroy` deletes the conversation in opencode's own store, and looks whether it is gone."""

    SESSION = "ses_3f0000000000aaaaaaaaaaaaaa"

    def opencode(self, shell: Shell, folder: Path, works: bool) -> Path:
        """A stand-in for opencode with a store that holds one session; it deletes it, or says so and does not."""
        place = folder / "data/opencode/opencode.db"
        place.parent.mkdir(parents=True)
        with closing(sqlite3.connect(place)) as store:
            store.execute("create table session (id text, directory text)")
            store.execute("insert into session values (?, ?)", (self.SESSION, "/elsewhere"))
            store.commit()
        program = folder / "opencode"
        act = f"import sqlite3; c = sqlite3.connect({str(place)!r}); c.execute('delete from session'); c.commit()"
        program.write_text(
            f"#!{sys.executable}\nimport sys\nassert sys.argv[1:3] == ['session', 'delete']\n{act if works else ''}\n"
        )
        program.chmod(0o755)
        shell.environ["XDG_DATA_HOME"] = str(folder / "data")
        (shell.state / "config.toml").write_text(f'{CONFIG}[agents.opencode]\nprogram = "{program}"\n')
        sessions.save_session(StatePaths(str(shell.state)), Session("local-app-1", "local/app#1", "opencode", self.SESSION))
        return place

    def test_it_is_deleted(self, ready: Shell, tmp_path: Path) -> None:
        """And then the rest goes."""
        worked(ready)
        place = self.opencode(ready, tmp_path, works=True)
        done = ready("destroy", "1", "-y")
        assert (done.returncode, f"session {self.SESSION} deleted" in done.stdout) == (0, True), done.stderr
        with closing(sqlite3.connect(place)) as store:
            assert store.execute("select count(*) from session").fetchone() == (0,)

    def test_one_that_stays_keeps_everything_unless_forced(self, ready: Shell, tmp_path: Path) -> None:
        """What opencode says is not enough."""
        tree = worked(ready)
        self.opencode(ready, tmp_path, works=False)
        done = ready("destroy", "1", "-y")
        assert (done.returncode, "it still exists" in done.stderr, tree.exists()) == (1, True, True), done.stderr
        assert ready.json("list")[0]["session"] == self.SESSION
        forced = ready("destroy", "1", "-y", "--force")
        assert (forced.returncode, tree.exists()) == (0, False), forced.stderr


@pytest.mark.parametrize("text", ["https://github.com/o/r/issues/1", "GitHub.com/O/R.git#01", "o/r#1", "git@github.com:o/r#1"])
def test_every_verb_takes_every_spelling_of_an_issue(ready: Shell, text: str) -> None:
    """What was made under one is shown, told, gone on with and destroyed under another; it is one row of the list."""
    ready.enqueue("O/R#1", NOTHING, "--repo", str(ready.folder))
    assert ready("--headless", "--until-idle").returncode == 0
    ready.enqueue(text, NOTHING, "--hold", "--repo", str(ready.folder))
    (row,) = ready.json("list")
    assert (row["task"], Path(row["worktree"]).name) == ("q_2", "github.com-o-r-1")
    assert ready.json("show", text)["id"] == "q_2"
    assert "look" in ready("context", text).stdout
    assert ready("set-pr", text, PULL).returncode == 0
    assert ready.json("list")[0]["pr_url"] == PULL
    assert ready("set-pr", "o/r#1", "").returncode == 0
    assert ready("release", text).returncode == 0
    assert ready("--headless", "--until-idle").returncode == 0
    assert [path.name for path in (ready.state / "worktrees").iterdir()] == ["github.com-o-r-1"]
    done = ready("destroy", text, "-y")
    assert done.returncode == 0, done.stderr
    assert not list((ready.state / "worktrees").iterdir())
    assert not list((ready.state / "context").iterdir())

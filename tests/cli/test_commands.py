"""Every verb does what it says, prints what scripts rely on, and fails in one line with its own exit code."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kugetsu_engine.domain.manual_session import ManualSession
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import manual_sessions
from tests.support.repositories import make_repository
from tests.support.waiting import wait_until

from .conftest import Shell

HOSTILE = "\x1b]52;c;aGk=\x07 \x1b[31mred\x1b[0m \x9b2J \x9d0;title\x9c [/bad] \u202egnp \u200b\r\x08 end"


def one_line(text: str) -> bool:
    """Whether a complaint is one line without a traceback."""
    return text.startswith("kugetsu: ") and text.count("\n") == 1 and "Traceback" not in text


class TestEnqueue:
    """Once the id is printed, the task is on disk."""

    def test_prints_the_id_and_writes_the_task(self, shell: Shell) -> None:
        """The task stands in `queue/items` with what was asked for, in the repository the command was run in."""
        done = shell("enqueue", "local/app#7", "do it\nwell", "--priority", "7", "--timeout", "90s", "--hold")
        assert done.stdout == "Enqueued: q_1\n"
        task = json.loads((shell.state / "queue/items/q_1.json").read_text())
        assert (task["issue_ref"], task["message"], task["priority"]) == ("local/app#7", "do it\nwell", 7)
        assert (task["timeout_s"], task["held"], task["repo"]) == (90.0, True, str(shell.folder))

    def test_reads_the_message_from_standard_input(self, shell: Shell) -> None:
        """A `-` takes the message as it comes."""
        text = "quotes ' \" $(id) `id`\nand lines\n"
        shell("enqueue", "local/app#1", "-", stdin=text)
        assert json.loads((shell.state / "queue/items/q_1.json").read_text())["message"] == text

    def test_takes_many_from_a_file_in_order(self, shell: Shell, tmp_path: Path) -> None:
        """Each line is a task."""
        lines = [{"issue_ref": f"local/app#{n}", "message": f"task {n}", "priority": 5} for n in range(1, 21)]
        (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
        done = shell("enqueue", "--file", str(tmp_path / "tasks.jsonl"))
        assert done.stdout.splitlines() == [f"Enqueued: q_{n}" for n in range(1, 21)]
        assert [task["message"] for task in shell.json("queue", "list")] == [line["message"] for line in lines]

    def test_options_beside_a_file_hold_for_lines_that_do_not_say_otherwise(self, shell: Shell) -> None:
        """Nothing that is said is passed over in silence."""
        lines = ['{"issue_ref": "local/app#1", "message": "x"}', '{"issue_ref": "local/app#2", "message": "y", "priority": 2}']
        shell("enqueue", "--file", "-", "--priority", "8", "--hold", "--tag", "night", stdin="\n".join(lines))
        made = [json.loads((shell.state / f"queue/items/q_{n}.json").read_text()) for n in (1, 2)]
        assert [(task["priority"], task["held"], task["tags"]) for task in made] == [(8, True, ["night"]), (2, True, ["night"])]
        assert shell("enqueue", "local/app#3", "z", "--file", "-", stdin=lines[0]).returncode == 64

    def test_a_bad_line_names_itself_and_nothing_is_made(self, shell: Shell) -> None:
        """All lines are read before the first task is made."""
        good = json.dumps({"issue_ref": "local/app#1", "message": "x"})
        for bad in ("{", "[]", '{"issue_ref": "local/a#1"}', '{"issue_ref": "local/a#1", "message": "m", "colour": 1}'):
            done = shell("enqueue", "--file", "-", stdin=f"{good}\n{bad}\n")
            assert done.returncode == 64
            assert "line 2" in done.stderr
            assert one_line(done.stderr)
        assert not (shell.state / "queue/items").exists()

    @pytest.mark.parametrize(
        "words",
        [
            ["local/app#1"], [], ["no reference", "x"], ["../../etc#1", "x"], ["local/app#1", ""], ["local/app#1", " \n "],
            ["local/app#1", "x", "--priority", "10"], ["local/app#1", "x", "--timeout", "soon"],
            ["local/app#1", "x", "--bogus"],
            ["local/app#1", "x", "--repo", "/nowhere/at/all"], ["local/app#1", "x", "--agent", "nobody"],
            ["local/app#1", "x", "--at", "whenever"],
        ],
    )  # fmt: skip
    def test_wrong_words_are_refused_in_one_line(self, shell: Shell, words: list[str]) -> None:
        """Exit code 64, and no task."""
        done = shell("enqueue", *words)
        assert done.returncode == 64
        assert one_line(done.stderr)
        assert done.stdout == ""
        assert not list((shell.state / "queue/items").glob("*")) if (shell.state / "queue/items").exists() else True

    def test_a_task_cannot_come_after_one_that_is_not(self, shell: Shell) -> None:
        """No such task: 4."""
        assert shell("enqueue", "local/app#1", "x", "--after", "99").returncode == 4

    def test_uses_the_repository_only_if_it_can_be_the_issues(self, shell: Shell) -> None:
        """A remote that names another project rules the folder out; one that names this project rules it in."""
        config = shell.folder / ".git/config"
        config.write_text(config.read_text() + '[remote "origin"]\n\turl = git@github.com:User/Repo.git\n')
        shell("enqueue", "github.com/user/repo#1", "x")
        shell("enqueue", "github.com/user/other#1", "x")
        repositories = [task["repo"] for task in shell.json("queue", "list")]
        assert repositories == [str(shell.folder), None]

    def test_a_full_disk_leaves_no_task_and_says_so(self, shell: Shell) -> None:
        """Where nothing can be written no id is printed."""
        if os.geteuid() == 0:
            pytest.skip("root may write anywhere")
        shell.enqueue()
        (shell.state / "queue/items").chmod(0o500)
        done = shell("enqueue", "local/app#2", "x")
        (shell.state / "queue/items").chmod(0o700)
        assert done.returncode == 1
        assert one_line(done.stderr)


class TestQueueWithoutAnEngine:
    """With no engine running a command applies its own request, through the engine's own code."""

    def test_hold_release_move_edit_cancel_retry(self, shell: Shell) -> None:
        """Each verb shows in the queue."""
        for number in (1, 2, 3):
            shell.enqueue(f"local/app#{number}")
        assert shell("move", "3", "--top").stdout == "#3 is number 1 of 3 in the queue\n"
        assert shell("hold", "#1").returncode == 0
        assert shell("edit", "q_2", "--priority", "9", "--message", "other").returncode == 0
        assert [(task["id"], task["why"]["code"]) for task in shell.json("queue", "list")] == [
            ("q_2", "no_engine"), ("q_3", "no_engine"), ("q_1", "held"),
        ]  # fmt: skip
        assert shell("release", "1").returncode == 0
        assert shell("cancel", "1", "3").returncode == 0
        assert [task["id"] for task in shell.json("queue", "list")] == ["q_2"]
        assert shell("retry", "3").returncode == 0
        assert [task["id"] for task in shell.json("queue", "list")] == ["q_2", "q_3"]

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["hold", "2"], 3), (["release", "1"], 3), (["kill", "99"], 4), (["cancel", "x y"], 4), (["retry", "1"], 3),
            (["move", "1", "--top"], 3), (["move", "1", "--before", "77"], 4), (["move", "1"], 64), (["edit", "1"], 64),
            (["edit", "1", "--priority", "11"], 64), (["edit", "1", "--after", "1"], 64), (["limit", "0"], 64),
            (["limit", "x"], 64), (["resume"], 3), (["show", "99"], 4), (["logs", "99"], 4), (["logs", "1"], 1),
            (["wait", "99"], 4), (["wait", "1", "--timeout", "0.1s"], 2), (["frobnicate"], 64),
            (["queue", "frobnicate"], 64), (["notify", "x"], 64), (["queue-daemon"], 64), (["queue-daemon", "stop"], 3),
            (["queue-daemon", "status"], 1), (["edit", "1", "--agent", "nobody"], 64),
            (["queue-daemon", "stop", "--resume"], 64),
        ],
    )  # fmt: skip
    def test_what_cannot_be_done_has_its_exit_code(self, shell: Shell, words: list[str], code: int) -> None:
        """3 already so, 4 no such task, 64 wrong words; one line each, never a traceback."""
        shell.enqueue("local/app#1")
        shell.enqueue("local/app#2", "x", "--hold")
        done = shell(*words)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr

    def test_limit_and_pause_outlive_the_command(self, shell: Shell) -> None:
        """What was set for the queue is there for the next engine."""
        shell("limit", "7")
        shell("pause")
        status = shell.json("status")
        assert status["slots"] == {"limit": 7, "used": 0}
        assert status["engine"]["paused"] is True
        assert shell("pause").returncode == 3

    def test_status_has_the_documented_shape(self, shell: Shell) -> None:
        """Scripts rely on these keys."""
        shell.enqueue()
        status = shell.json("status")
        assert set(status) == {"engine", "sessions", "slots", "counts", "active", "by_hand", "opencode_server", "alerts"}
        assert {"running", "pid", "mode", "since", "heartbeat_age_s", "paused", "draining"} <= set(status["engine"])
        assert status["counts"]["pending"] == 1

    def test_more_work_on_an_issue_goes_where_its_worktree_belongs(
        self, shell: Shell, quick_agents: Callable[[str], None], tmp_path: Path
    ) -> None:
        """Also when it is put in from within another repository."""
        quick_agents('[agents.good]\ncommand = ["true"]\n')
        elsewhere = make_repository(tmp_path / "elsewhere")
        shell("enqueue", "local/app#1", "work", "--agent", "good")
        assert shell("--headless", "--until-idle").returncode == 0
        again = shell("enqueue", "local/app#1", "more", "--agent", "good", folder=elsewhere)
        assert shell.json("show", again.stdout.split()[-1])["repo"] == str(shell.folder)
        other = shell("enqueue", "local/app#2", "work", "--agent", "good", folder=elsewhere)
        assert shell.json("show", other.stdout.split()[-1])["repo"] == str(elsewhere)

    def test_the_bar_of_tmux_tells_what_needs_a_person(self, shell: Shell, quick_agents: Callable[[str], None]) -> None:
        """In one line; an engine that is off is red only where work waits for it, and errors count until they are read."""
        assert shell("status", "--tmux").stdout == "off#[default] 0/3\n"
        quick_agents('max_attempts = 1\n[agents.bad]\ncommand = ["false"]\n')
        shell("enqueue", "local/app#1", "work", "--agent", "bad")
        assert shell("status", "--tmux").stdout == "#[fg=red]off#[default] 0/3  ○ 1\n"
        assert shell("--headless", "--until-idle").returncode == 0
        assert shell("status", "--tmux").stdout == "off#[default] 0/3  #[fg=red,bold]! 1#[default]\n"
        assert shell("notify", "clear").returncode == 0
        assert shell("status", "--tmux").stdout == "off#[default] 0/3\n"


class TestWithAnEngine:
    """The same verbs, answered by a running engine."""

    def test_a_task_from_the_queue_to_its_end(self, shell: Shell, quick_agents: Callable[[str], None]) -> None:
        """Daemon, enqueue, wait, logs, show, notifications; a second engine is refused and names the first."""
        quick_agents('agent = "demo"\n[agents.demo]\nenv = { KUGETSU_DEMO_SPEED = "50" }\n')
        assert shell("queue-daemon", "start").returncode == 0
        assert shell("queue-daemon", "start").returncode == 3
        task = shell.enqueue("local/app#1", "Fix it\n\ndemo: steps=3")
        done = shell("wait", task, "--timeout", "50s")
        assert (done.returncode, done.stdout) == (0, "#1 completed: 1 commit, +1 −0\n")
        assert "task  Fix it" in shell("logs", task).stdout
        assert "task  Fix it" in shell("logs", task, "-f").stdout
        assert "attempt 1     ok" in shell("show", task).stdout
        second = shell("--headless")
        assert second.returncode == 3
        assert f"pid {shell.json('status')['engine']['pid']}" in second.stderr
        news = shell.json("notify", "list")
        types = [notice["type"] for notice in news]
        assert types == ["task_queued", "task_dequeued", "task_started", "task_completed"]
        assert [notice["state"] for notice in news] == ["pending", "notified", "running", "completed"]
        assert [notice["reason"] for notice in news] == [None, None, None, "1 commit, +1 −0"]
        assert shell("notify", "clear").returncode == 0
        assert shell.json("notify", "list") == []
        assert shell("queue", "clear").stdout.startswith("cleared 1 ended task")
        assert shell.json("queue", "list", "--all") == []
        assert shell("queue-daemon", "stop").returncode == 0
        quick_agents('agent = "demo"\nthemee = "dark"\n')
        begun = shell("queue-daemon", "start")
        assert (begun.returncode, begun.stdout[:8]) == (0, "started:")
        assert begun.stderr == "kugetsu: config.toml, line 2: themee: no such setting, did you mean theme?\n"

    def test_after_a_restart_of_the_machine_it_waits_unless_told_otherwise(self, shell: Shell) -> None:
        """`status` says why, `--resume` goes on; and so does `kugetsu resume`."""
        shell.enqueue("local/app#1", "work", "--hold")

        def crash() -> None:
            (shell.state / "engine.json").write_text(
                '{"pid": 1, "mode": "headless", "since": "2026-01-01T00:00:00.000Z", "boot_id": "before"}', encoding="utf-8"
            )

        crash()
        assert shell("queue-daemon", "start").returncode == 0
        status = shell.json("status")
        assert (status["engine"]["paused"], status["engine"]["pause_reason"]) == (True, "machine restarted")
        assert [alert["code"] for alert in status["alerts"]] == ["machine_restarted"]
        assert status["engine"]["found"] == dict.fromkeys(("adopted", "ended_meanwhile", "lost", "given_back", "set_aside"), 0)
        assert "start    machine restarted, so the queue is paused" in shell("status").stdout
        assert shell("resume").returncode == 0
        shell("queue-daemon", "stop")
        crash()
        assert shell("queue-daemon", "start", "--resume").returncode == 0
        assert shell.json("status")["engine"]["paused"] is False
        assert "the queue continues, as you asked" in shell("notify", "list").stdout

    def test_kill_ends_the_agent_and_the_worktree_stays(self, shell: Shell, quick_agents: Callable[[str], None]) -> None:
        """A running task is stopped, and says by whom."""
        quick_agents('agent = "demo"\nstop_grace = "1s"\n[agents.demo]\nenv = { KUGETSU_DEMO_SPEED = "50" }\n')
        shell("queue-daemon", "start")
        task = shell.enqueue("local/app#1", "x\ndemo: steps=1 end=hang")
        wait_until(lambda: shell.json("show", task)["state"] == "running", 20, "the agent")
        assert shell("wait", task, "--timeout", "0.1s").returncode == 2
        assert shell("kill", task).returncode == 0
        done = shell("wait", task, "--timeout", "50s")
        assert (done.returncode, done.stdout) == (1, "#1 cancelled: stopped by you\n")
        assert (shell.state / "worktrees/local-app-1/README.md").exists()
        assert shell("kill", task).returncode == 3

    def test_until_idle_ends_when_all_work_has(self, shell: Shell, quick_agents: Callable[[str], None]) -> None:
        """A held task does not keep it; the log is one line per change, as text or JSON."""
        quick_agents('agent = "demo"\n[agents.demo]\nenv = { KUGETSU_DEMO_SPEED = "50" }\n')
        shell.enqueue("local/app#1", "x\ndemo: steps=1")
        shell.enqueue("local/app#2", "x", "--hold")
        done = shell("--headless", "--until-idle", "--log-format", "json")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert [event["type"] for event in events] == ["task_dequeued", "task_started", "task_completed"]

    @pytest.mark.parametrize("where", ["a pipe that nobody reads", "a full disk"])
    def test_whoever_reads_what_is_printed_may_go(self, shell: Shell, quick_agents: Callable[[str], None], where: str) -> None:
        """The work goes on: no start is lost, no attempt is spent, and the engine's log says that nothing is printed."""
        quick_agents('agent = "demo"\n[agents.demo]\nenv = { KUGETSU_DEMO_SPEED = "50" }\n')
        ids = [shell.enqueue(f"local/app#{number}", "x\ndemo: steps=0") for number in range(3)]
        if where == "a full disk":
            output = os.open("/dev/full", os.O_WRONLY)
        else:
            reader, output = os.pipe()
            os.close(reader)
        engine = subprocess.run(
            [sys.executable, "-m", "kugetsu_engine", "--headless", "--until-idle"], stdout=output, stderr=subprocess.PIPE,
            text=True, timeout=60, cwd=shell.folder, env=shell.environ, check=False,
        )  # fmt: skip
        os.close(output)
        assert engine.returncode == 0, engine.stderr
        assert engine.stderr.count("\n") == 1
        assert "cannot print any more" in engine.stderr
        tasks = [shell.json("show", task) for task in ids]
        assert [(task["state"], task["attempt"]) for task in tasks] == [("completed", 1)] * 3


class TestHostileText:
    """What comes from outside never reaches the terminal as it is."""

    def test_no_control_sequence_gets_out(self, shell: Shell) -> None:
        """Neither the tables nor the details nor the JSON hold a byte a terminal obeys."""
        shell("enqueue", "local/app#1", HOSTILE)
        with (shell.state / "notifications.jsonl").open("a") as file:
            file.write(json.dumps({"time": "2026-01-01T00:00:00.000Z", "type": "x", "text": HOSTILE}) + "\n")
        log = shell.state / "logs/q_1/1.log"
        log.parent.mkdir(parents=True)
        log.write_text(HOSTILE + "\n")
        item = shell.state / "queue/items/q_1.json"
        item.write_text(json.dumps(json.loads(item.read_text()) | {"attempt": 1, "reason": HOSTILE, "error": HOSTILE}))
        lists = (
            "queue list",
            "queue list --json",
            "show 1",
            "show 1 --json",
            "list",
            "logs 1",
            "notify list",
            "notify list --json",
        )
        for words in (*map(str.split, lists), ["status"], ["kill", HOSTILE], [HOSTILE]):
            done = shell(*words)
            shown = done.stdout + done.stderr
            bad = [
                character for character in shown if character != "\n" and (ord(character) < 32 or 0x7F <= ord(character) < 0xA0)
            ]
            assert not bad, (words, bad)
            assert "\u202e" not in shown
            assert "Traceback" not in shown
        assert "\x1b]52" in shell("logs", "1", "--raw").stdout

    def test_a_message_runs_nothing(self, shell: Shell, tmp_path: Path) -> None:
        """Quotes, substitutions and options in a message are text."""
        canary = tmp_path / "canary"
        for text in (f"$(touch {canary})", f"'; touch {canary} #", f"`touch {canary}`", "--version", "-h", "--"):
            shell("enqueue", "local/app#1", "-", stdin=text)
        assert not canary.exists()
        assert len(shell.json("queue", "list")) == 6


def test_a_terminal_without_unicode_shows_ascii_and_json_loses_nothing(shell: Shell) -> None:
    """States have a sign in ASCII; a word of a message becomes question marks, and no traceback."""
    shell.enqueue("local/app#1", "arrows → and 😀")
    shell.environ["PYTHONIOENCODING"] = "ascii"
    done = shell("queue", "stats")
    assert (done.returncode, done.stderr) == (0, "")
    assert "o pending        1" in done.stdout
    assert "arrows ? and ?" in shell("show", "1").stdout
    assert shell.json("show", "1")["message"] == "arrows → and 😀"


def test_every_verb_has_help(shell: Shell) -> None:
    """`--help` of each verb ends with 0 and prints its words."""
    from kugetsu_engine.cli.verbs import MODULES

    for verb in MODULES:
        done = shell(verb, "--help")
        assert done.returncode == 0, (verb, done.stderr)
        assert verb.lstrip("-") in done.stdout
    assert shell("--help").stdout.startswith("kugetsu")
    assert shell("--version").stdout.startswith("kugetsu ")


def test_completions_offer_what_the_parsers_of_the_verbs_take() -> None:
    """Each verb its own options and words; nothing is run to find them out."""
    from kugetsu_engine.cli.commands import completion
    from kugetsu_engine.cli.verbs import MODULES

    whole = completion.make_completion_parser()
    verbs = next(action.choices for action in whole._actions if action.dest == "verb")
    assert isinstance(verbs, dict)
    assert verbs.keys() == MODULES.keys() - {"--headless"}
    options = {verb: {*parser._option_string_actions} for verb, parser in verbs.items()}
    assert {"--repo", "--agent", "--hold"} <= options["enqueue"]
    assert "--now" in options["kill"]
    assert "--now" not in options["cancel"]
    assert "--until-idle" in whole._option_string_actions

    def parts(verb: str) -> dict[str, argparse.ArgumentParser]:
        found: Any = next((one.choices for one in verbs[verb]._actions if one.dest == "part"), {})
        assert isinstance(found, dict)
        return found

    assert [*parts("queue")] == ["list", "stats", "clear", "enqueue"]
    assert "--resume" in parts("queue-daemon")["start"]._option_string_actions
    assert "--for" in parts("notify")["mute"]._option_string_actions
    assert parts("logs") == {}


def test_completions_know_ids_references_agents_and_servers(shell: Shell, quick_agents: Callable[[str], None]) -> None:
    """Of the state directory; a settings file that cannot be read takes nothing else away."""
    quick_agents(
        '[agents.mine]\ncommand = ["x"]\n[repos]\n"github.com/a/b" = "/"\n[servers]\n"git.test" = "https://git.test"\n'
    )
    shell.enqueue("local/app#1")
    shell.enqueue("local/app#2")

    def offered(kind: str) -> list[str]:
        done = shell("completion", kind)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    assert offered("ids") == ["2", "1"]
    assert offered("references") == ["local/app#2", "local/app#1", "github.com/a/b#"]
    assert "mine" in offered("agents")
    assert offered("servers") == ["git.test", "github.com"]
    quick_agents("[")
    assert offered("ids") == ["2", "1"]
    assert "claude" in offered("agents")


def test_closed_output_is_no_traceback(shell: Shell) -> None:
    """`>&-` and `2>&-`: the exit code tells."""
    for words, code in (("queue stats >&-", 0), ("queue nonsense 2>&-", 64)):
        argv = ["sh", "-c", f"exec {sys.executable} -m kugetsu_engine {words}"]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=60, cwd=shell.folder, env=shell.environ, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_who_works_by_hand_is_told_by_every_verb(shell: Shell) -> None:
    """`status`, `list`, `queue list` and `plan`, in words and as JSON."""
    shell.enqueue("local/app#1")
    shell.enqueue("local/app#2")
    paths = StatePaths(str(shell.state))
    mark = manual_sessions.mark_manual_session(
        paths, "local-app-1", ManualSession("q_1", "local/app#1", iso(time.time() - 720), 4711)
    )
    assert mark is not None
    try:
        status = shell.json("status")
        assert status["slots"] == {"limit": 3, "used": 1}
        assert [(one["id"], one["issue_ref"], one["pid"]) for one in status["by_hand"]] == [("q_1", "local/app#1", 4711)]
        assert "slots    1 of 3\nby hand  #1 local/app#1, for 12 min\n" in shell("status").stdout
        assert [row["by_hand"] for row in shell.json("list")] == [True, False]
        assert "by hand" in shell("list").stdout.splitlines()[1]
        assert [task["why"]["code"] for task in shell.json("queue", "list")] == ["by_hand", "no_engine"]
        planned = shell("plan").stdout
        assert "1 by hand" in planned
        assert [line.split()[:2] for line in planned.splitlines() if "for 12 min" in line] == [["by", "hand"]]
    finally:
        mark.remove()
    assert shell.json("status")["by_hand"] == []


def test_stop_all_is_a_verb_of_the_shell(shell: Shell) -> None:
    """It pauses where nothing runs, too, and says when it has nothing to do."""
    shell.enqueue("local/app#1")
    done = shell("stop-all")
    assert (done.returncode, done.stdout) == (0, "the queue is paused, 1 task waits; no agent runs\n")
    again = shell("stop-all", "--now")
    assert (again.returncode, again.stdout) == (3, "")
    assert again.stderr == "kugetsu: the queue is already paused, and no agent is left to stop\n"
    assert shell("stop-all", "41").returncode == 64

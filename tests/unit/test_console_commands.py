"""Every kind of line that can be typed after the console's `:`: what it asks for, or what is said where it is refused."""

import contextlib
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.cli.parser import make_parser
from kugetsu_engine.cli.verbs import VERBS as SHELL_VERBS
from kugetsu_engine.cli.verbs import list_parts
from kugetsu_engine.domain.new_task import EXPECTATIONS, SESSION_CHOICES
from kugetsu_engine.domain.session import Mode
from kugetsu_engine.domain.task import Expect
from kugetsu_engine.errors import KugetsuError, UsageError
from kugetsu_tui.commands.completion import KnownValues, format_hint
from kugetsu_tui.commands.grammar import PARTS, VERBS, format_usage, parse_command

ACCEPTED = r"""
41  ->  jump q_41 {}
#41  ->  jump q_41 {}
kugetsu kill 1  ->  kill q_1 {}
kill  ->  kill {}
kill 12  ->  kill q_12 {}
kill 12 #13 q_14 --now  ->  kill q_12 q_13 q_14 {"now": true}
kill --now  ->  kill {"now": true}
start local/a#1 --  ->  start {"reference": "local/a#1", "message": "--"}
delegate --  ->  delegate {"message": "--"}
kill --now 12  ->  kill q_12 {"now": true}
stop 3  ->  kill q_3 {}
cancel 1  ->  cancel q_1 {}
cancel 1 2  ->  cancel q_1 q_2 {}
cancel  ->  cancel {}
retry 3  ->  retry q_3 {}
retry  ->  retry {}
hold 4  ->  hold q_4 {}
release 5  ->  release q_5 {}
unhold 5  ->  release q_5 {}
move 3 top  ->  move q_3 {"to": "top"}
move 3 --top  ->  move q_3 {"to": "top"}
move 3 bottom  ->  move q_3 {"to": "bottom"}
move 3 --bottom  ->  move q_3 {"to": "bottom"}
move 3 up  ->  move q_3 {"to": "up"}
move 3 --down  ->  move q_3 {"to": "down"}
move 3 2  ->  move q_3 {"to": "number", "number": 2}
move 3 to 2  ->  move q_3 {"to": "number", "number": 2}
move 3 --to 2  ->  move q_3 {"to": "number", "number": 2}
move 3 before 4  ->  move q_3 {"to": "before", "before": "q_4"}
move 3 --before 4  ->  move q_3 {"to": "before", "before": "q_4"}
edit  ->  edit {}
edit 41  ->  edit q_41 {}
edit 3 --priority=9  ->  edit q_3 {"priority": 9}
edit 3 --priority 9  ->  edit q_3 {"priority": 9}
edit 3 priority 9  ->  edit q_3 {"priority": 9}
edit 3 agent demo  ->  edit q_3 {"agent": "demo"}
edit 3 --agent=demo --priority 2  ->  edit q_3 {"priority": 2, "agent": "demo"}
edit 41 tags api urgent  ->  edit q_41 {"tags": ["api", "urgent"]}
edit 41 tags api,urgent  ->  edit q_41 {"tags": ["api", "urgent"]}
edit 41 tag api  ->  edit q_41 {"tags": ["api"]}
edit 41 --tag api --tag web  ->  edit q_41 {"tags": ["api", "web"]}
edit 41 tags  ->  edit q_41 {"tags": []}
edit 41 --tags api  ->  edit q_41 {"tags": ["api"]}
edit 16 after 13  ->  edit q_16 {"after": ["q_13"]}
edit 16 after #13 14  ->  edit q_16 {"after": ["q_13", "q_14"]}
edit 16 after 13,14  ->  edit q_16 {"after": ["q_13", "q_14"]}
edit 16 --after 13 --after 14  ->  edit q_16 {"after": ["q_13", "q_14"]}
edit 16 after ''  ->  edit q_16 {"after": []}
edit 16 expect commits  ->  edit q_16 {"expect": "commits"}
edit 16 --timeout 30m --repo ''  ->  edit q_16 {"repo": null, "timeout_s": 1800.0}
edit 16 timeout 30m  ->  edit q_16 {"timeout_s": 1800.0}
edit 16 message say --now  ->  edit q_16 {"message": "say --now"}
edit 16 message 'two words'  ->  edit q_16 {"message": "two words"}
edit 16 message fix the -x flag  ->  edit q_16 {"message": "fix the -x flag"}
edit 16 --message fix this thing --priority 3  ->  edit q_16 {"priority": 3, "message": "fix this thing"}
edit 16 message -  ->  edit q_16 {"message": "-"}
edit 16 repo /srv/a  ->  edit q_16 {"repo": "/srv/a"}
edit 16 at ''  ->  edit q_16 {"not_before": null}
edit 16 message --  ->  edit q_16 {"message": "--"}
edit 16 agent ''  ->  edit q_16 {"agent": null}
show  ->  show {}
show 3  ->  show q_3 {}
log 3  ->  show q_3 {}
logs 3  ->  show q_3 {}
diff  ->  diff {}
diff 3  ->  diff q_3 {}
diff 3 4  ->  diff q_3 q_4 {}
attach  ->  attach {}
attach 3  ->  attach q_3 {}
shell 3  ->  shell q_3 {}
pause  ->  pause {}
drain  ->  drain {}
resume  ->  resume {}
resume --agent demo  ->  resume {"agent": "demo"}
resume agent demo  ->  resume {"agent": "demo"}
resume --agent=demo  ->  resume {"agent": "demo"}
queue pause  ->  pause {}
queue limit 4  ->  limit {"limit": 4}
queue kill 3  ->  kill q_3 {}
limit 4  ->  limit {"limit": 4}
limit -1  ->  limit {"limit": -1}
limit 0  ->  limit {"limit": 0}
stop-all  ->  stop-all {}
stop-all --now  ->  stop-all {"now": true}
clear  ->  clear {}
clear --older-than 7d  ->  clear {"older_than_s": 604800.0}
clear --older-than=7d  ->  clear {"older_than_s": 604800.0}
queue clear  ->  clear {}
queue clear --older-than 2h  ->  clear {"older_than_s": 7200.0}
start local/a#1 do it well  ->  start {"reference": "local/a#1", "message": "do it well"}
start local/a#1 'do it' --force  ->  start {"reference": "local/a#1", "message": "do it --force"}
start local/a#1 use --agent demo  ->  start {"reference": "local/a#1", "message": "use --agent demo"}
start local/a#1 fix -x -- y  ->  start {"reference": "local/a#1", "message": "fix -x -- y"}
start local/a#1 -  ->  start {"reference": "local/a#1", "message": "-"}
continue local/a#1  ->  continue {"reference": "local/a#1", "message": ""}
continue local/a#1 go on  ->  continue {"reference": "local/a#1", "message": "go on"}
continue local/a#1 --wait 3  ->  continue {"reference": "local/a#1", "message": "--wait 3"}
delegate see local/a#1  ->  delegate {"message": "see local/a#1"}
kugetsu delegate see local/a#1  ->  delegate {"message": "see local/a#1"}
delegate --debug x  ->  delegate {"message": "--debug x"}
delegate a -- b  ->  delegate {"message": "a -- b"}
set-pr local/a#1 https://x  ->  set-pr {"reference": "local/a#1", "url": "https://x"}
set-pr local/a#1 ''  ->  set-pr {"reference": "local/a#1", "url": ""}
destroy local/a#1  ->  destroy {"reference": "local/a#1", "force": false}
destroy local/a#1 --force  ->  destroy {"reference": "local/a#1", "force": true}
destroy --force local/a#1  ->  destroy {"reference": "local/a#1", "force": true}
enqueue a/b#1 x  ->  enqueue {"reference": "a/b#1", "message": "x"}
enqueue a/b#1 two words  ->  enqueue {"reference": "a/b#1", "message": "two words"}
enqueue a/b#1 'two words' --after 3  ->  enqueue {"reference": "a/b#1", "message": "two words", "after": ["3"]}
enqueue a/b#1 --after 3 two words  ->  enqueue {"reference": "a/b#1", "message": "two words", "after": ["3"]}
enqueue --priority 9 a/b#1 x  ->  enqueue {"reference": "a/b#1", "message": "x", "priority": 9}
enqueue a/b#1 --priority=9 x more  ->  enqueue {"reference": "a/b#1", "message": "x more", "priority": 9}
enqueue a/b#1 x --priority 12  ->  enqueue {"reference": "a/b#1", "message": "x", "priority": 12}
enqueue a/b#1 x --priority -1  ->  enqueue {"reference": "a/b#1", "message": "x", "priority": -1}
enqueue a/b#1 x --hold  ->  enqueue {"reference": "a/b#1", "message": "x", "hold": true}
enqueue a/b#1 x --after 3 --after 4  ->  enqueue {"reference": "a/b#1", "message": "x", "after": ["3", "4"]}
enqueue a/b#1 x --tag a --tag b  ->  enqueue {"reference": "a/b#1", "message": "x", "tags": ["a", "b"]}
enqueue a/b#1 x --expect none  ->  enqueue {"reference": "a/b#1", "message": "x", "expect": "none"}
enqueue a/b#1 x --session new  ->  enqueue {"reference": "a/b#1", "message": "x", "session": "new"}
enqueue a/b#1 x --agent= demo  ->  enqueue {"reference": "a/b#1", "message": "x", "agent": "demo"}
enqueue a/b#1 x --at +2h --timeout 30m  ->  enqueue {"reference": "a/b#1", "message": "x", "at": "+2h", "timeout": "30m"}
enqueue a/b#1 x --repo /srv/a  ->  enqueue {"reference": "a/b#1", "message": "x", "repo": "/srv/a"}
enqueue a/b#1 fix the -x flag  ->  enqueue {"reference": "a/b#1", "message": "fix the -x flag"}
enqueue a/b#1 -  ->  enqueue {"reference": "a/b#1", "message": "-"}
enqueue --file tasks.jsonl  ->  enqueue {"file": "tasks.jsonl"}
enqueue --file=tasks.jsonl  ->  enqueue {"file": "tasks.jsonl"}
add a/b#1 x  ->  enqueue {"reference": "a/b#1", "message": "x"}
new a/b#1 x  ->  enqueue {"reference": "a/b#1", "message": "x"}
queue enqueue a/b#1 x  ->  enqueue {"reference": "a/b#1", "message": "x"}
plan  ->  plan {}
plan 4  ->  plan {"limit": 4}
plan --limit 4  ->  plan {"limit": 4}
plan limit 4  ->  plan {"limit": 4}
plan --limit=4  ->  plan {"limit": 4}
sort  ->  sort {"by": "", "backwards": false}
sort age  ->  sort {"by": "age", "backwards": false}
sort -age  ->  sort {"by": "age", "backwards": true}
jump 41  ->  jump q_41 {}
jump q_41  ->  jump q_41 {}
replay  ->  replay {"time": ""}
replay 03:00  ->  replay {"time": "03:00"}
replay yesterday 14:30  ->  replay {"time": "yesterday 14:30"}
replay -2h  ->  replay {"time": "-2h"}
replay --plain  ->  replay {"time": "--plain"}
theme dark  ->  theme {"name": "dark"}
undo  ->  undo {}
quit  ->  quit {}
q  ->  quit {}
help  ->  help {}
engine  ->  engine {}
status  ->  status {"words": []}
status --json  ->  status {"words": ["--json"]}
list  ->  list {"words": []}
list --refresh  ->  list {"words": ["--refresh"]}
queue  ->  queue {"words": []}
queue list  ->  queue {"words": ["list"]}
queue list --all  ->  queue {"words": ["list", "--all"]}
queue stats  ->  queue {"words": ["stats"]}
stats  ->  queue {"words": ["stats"]}
kugetsu queue stats  ->  queue {"words": ["stats"]}
doctor  ->  doctor {"words": []}
doctor agents  ->  doctor {"words": ["agents"]}
doctor --fix  ->  doctor {"words": ["--fix"]}
usage --since 6d  ->  usage {"words": ["--since", "6d"]}
worktrees --clean --dry-run  ->  worktrees {"words": ["--clean", "--dry-run"]}
context  ->  context {"words": []}
context 3  ->  context {"words": ["3"]}
server add a b  ->  githost {"words": ["add", "a", "b"]}
githost add a b  ->  githost {"words": ["add", "a", "b"]}
prune --dry-run  ->  prune {"words": ["--dry-run"]}
notify list  ->  notify {"how": "list", "words": ["list"]}
notify list --all  ->  notify {"how": "list", "words": ["list", "--all"]}
notify test  ->  notify {"how": "test", "for_s": 0.0, "all": false}
notify mute  ->  notify {"how": "mute", "for_s": null, "all": false}
notify mute 3  ->  notify q_3 {"how": "mute", "for_s": null, "all": false}
notify mute 3 4  ->  notify q_3 q_4 {"how": "mute", "for_s": null, "all": false}
notify mute all  ->  notify {"how": "mute", "for_s": null, "all": true}
notify mute --for 2h  ->  notify {"how": "mute", "for_s": 7200.0, "all": false}
notify mute 3 --for 2h  ->  notify q_3 {"how": "mute", "for_s": 7200.0, "all": false}
notify unmute  ->  notify {"how": "unmute", "for_s": 0.0, "all": false}
notify unmute 3  ->  notify q_3 {"how": "unmute", "for_s": 0.0, "all": false}
notify unmute all  ->  notify {"how": "unmute", "for_s": 0.0, "all": true}
notify mute 3 --for=2h  ->  notify q_3 {"how": "mute", "for_s": 7200.0, "all": false}
kugetsu queue  ->  queue {"words": []}
"""
"""A line, and the verb, the ids and the arguments that are read in it."""

REFUSED = r"""
'  ->  cannot parse the line: no closing quotation: close the quote
"  ->  cannot parse the line: no closing quotation: close the quote
kill 1 'x  ->  cannot parse the line: no closing quotation: close the quote
fly  ->  unknown command 'fly'
q_41  ->  unknown command 'q_41'
41 42  ->  unknown command '41'
kugetsu  ->  unknown command 'kugetsu'
kugetsu fly  ->  unknown command 'fly'
kill --hard  ->  unrecognized arguments: --hard: write it like: kill
kill 12 --json  ->  unrecognized arguments: --json: write it like: kill
kill -h  ->  '-h' is not a task id: write 41, #41 or q_41
kill --help  ->  unrecognized arguments: --help: write it like: kill
kill x  ->  'x' is not a task id: write 41, #41 or q_41
kill --  ->  '--' is not a task id
kill 12 -x  ->  '-x' is not a task id: write 41, #41 or q_41
cancel --now 1  ->  unrecognized arguments: --now: write it like: cancel
hold 1x  ->  '1x' is not a task id: write 41, #41 or q_41
hold -1  ->  '-1' is not a task id: write 41, #41 or q_41
retry 3 --json  ->  unrecognized arguments: --json: write it like: retry
move  ->  write it like: move
move 3  ->  write it like: move
move 3 before  ->  --before: expected one argument: write it like: move
move 3 to  ->  --to: expected one argument: write it like: move
move 3 nowhere  ->  one of the arguments --top --bottom --up --down --before --to is required: write it like: move
move x top  ->  'x' is not a task id: write 41, #41 or q_41
move 3 --before x  ->  'x' is not a task id: write 41, #41 or q_41
move 3 --to x  ->  --to: 'x' is not a whole number: write it like: move
edit 3 priority x  ->  --priority: 'x' is not a whole number: write it like: edit
edit 3 --priority x  ->  --priority: 'x' is not a whole number: write it like: edit
edit 3 priority  ->  write it like: edit
edit 1 colour red  ->  write it like: edit
edit 1 --colour red  ->  write it like: edit
edit 16 expect much  ->  --expect: invalid choice: 'much'
edit 16 timeout soon  ->  'soon' is not a valid duration: write it like 90s, 10m, 1h30m or 2d
edit 16 timeout 0  ->  the timeout must be greater than 0: write it like 90s, 30m or 2h
edit 16 --message say --now --priority=2  ->  write it like: edit
edit 16 message  ->  write it like: edit
edit x priority 3  ->  'x' is not a task id: write 41, #41 or q_41
edit 16 at never  ->  'never' is not a valid time: write it like 22:00, +2h or 2026-11-21T22:00
edit 16 priority -1  ->  a priority is a number from 0 to 9
edit 16 priority 12  ->  a priority is a number from 0 to 9
edit 16 after x  ->  after: 'x' is not a task id
edit 16 17  ->  write it like: edit
edit 16 --priority=1 x  ->  --priority: '1 x' is not a whole number: write it like: edit
edit 16 priority 3 4  ->  --priority: '3 4' is not a whole number: write it like: edit
edit 16 agent  ->  write it like: edit
show 3 --json  ->  unrecognized arguments: --json: write it like: show
attach 3 --stop  ->  unrecognized arguments: --stop: write it like: attach
shell --pause  ->  unrecognized arguments: --pause: write it like: shell
pause now  ->  'now' is not a task id: write 41, #41 or q_41
resume demo  ->  'demo' is not a task id: write 41, #41 or q_41
resume --agent  ->  --agent: expected one argument: write it like: resume
limit  ->  the following arguments are required: NUMBER: write it like: limit
limit x  ->  NUMBER: 'x' is not a whole number: write it like: limit
limit 4 5  ->  unrecognized arguments: 5: write it like: limit
limit --4  ->  the following arguments are required: NUMBER: write it like: limit
stop-all 3  ->  unrecognized arguments: 3: write it like: stop-all
stop-all --hard  ->  unrecognized arguments: --hard: write it like: stop-all
clear 7d  ->  unrecognized arguments: 7d: write it like: clear
clear --older-than  ->  --older-than: expected one argument: write it like: clear
clear --older-than soon  ->  'soon' is not a valid duration: write it like 90s, 10m, 1h30m or 2d
clear --older-than --now  ->  '--now' is not a valid duration: write it like 90s, 10m, 1h30m or 2d
start  ->  the following arguments are required: issue_ref, message: write it like: start
start local/a#1  ->  the following arguments are required: message: write it like: start
continue  ->  the following arguments are required: issue_ref, message: write it like: continue
delegate  ->  the following arguments are required: message: write it like: delegate
set-pr local/a#1  ->  the following arguments are required: url: write it like: set-pr
set-pr local/a#1 https://x y  ->  unrecognized arguments: y: write it like: set-pr
destroy  ->  one of the arguments issue_ref is required: write it like: destroy
destroy a b  ->  unrecognized arguments: b: write it like: destroy
destroy --base  ->  one of the arguments issue_ref is required: write it like: destroy
destroy local/a#1 -y  ->  unrecognized arguments: -y: write it like: destroy
destroy local/a#1 --dry-run  ->  unrecognized arguments: --dry-run: write it like: destroy
destroy --force  ->  one of the arguments issue_ref is required: write it like: destroy
enqueue  ->  write it like: enqueue
enqueue a  ->  write it like: enqueue
enqueue a/b#1 x --priority x  ->  --priority: 'x' is not a whole number: write it like: enqueue
enqueue a/b#1 x --colour red  ->  unrecognized arguments: --colour: write it like: enqueue
enqueue a/b#1 x --json  ->  unrecognized arguments: --json: write it like: enqueue
enqueue a/b#1 x --help  ->  unrecognized arguments: --help: write it like: enqueue
enqueue a/b#1 x --expect much  ->  --expect: invalid choice: 'much'
enqueue a/b#1 x --session other  ->  --session: invalid choice: 'other'
enqueue a/b#1 x --agent  ->  --agent: expected one argument: write it like: enqueue
enqueue a/b#1 x --agent=  ->  --agent: expected one argument: write it like: enqueue
enqueue --file -  ->  write it like: enqueue
enqueue --file a --hold  ->  write it like: enqueue
enqueue a/b#1 x --file a  ->  write it like: enqueue
enqueue --file  ->  --file: expected one argument: write it like: enqueue
enqueue a/b#1 x --hold=1  ->  --hold: ignored explicit argument '1': write it like: enqueue
plan 0  ->  write it like: plan
plan x  ->  --limit: 'x' is not a whole number: write it like: plan
plan 4 5  ->  unrecognized arguments: 5: write it like: plan
plan --agents  ->  unrecognized arguments: --agents: write it like: plan
plan --limit  ->  --limit: expected one argument: write it like: plan
plan -3  ->  write it like: plan
sort a b  ->  unrecognized arguments: b: write it like: sort
jump  ->  the following arguments are required: id: write it like: jump
jump x  ->  'x' is not a task id: write 41, #41 or q_41
jump 1 2  ->  unrecognized arguments: 2: write it like: jump
theme  ->  the following arguments are required: name: write it like: theme
theme a b  ->  unrecognized arguments: b: write it like: theme
undo 1  ->  unrecognized arguments: 1: write it like: undo
quit now  ->  unrecognized arguments: now: write it like: quit
help kill  ->  unrecognized arguments: kill: write it like: help
engine 1  ->  unrecognized arguments: 1: write it like: engine
queue --help  ->  unknown command '--help'
queue nonsense  ->  unknown command 'nonsense'
notify  ->  write it like: notify
notify test 3  ->  unrecognized arguments: 3: write it like: notify
notify mute --for  ->  --for: expected one argument: write it like: notify
notify mute --for soon  ->  'soon' is not a valid duration: write it like 90s, 10m, 1h30m or 2d
notify unmute 3 --for 2h  ->  unrecognized arguments: --for: write it like: notify
notify clear  ->  write it like: notify
notify mute x  ->  'x' is not a task id: write 41, #41 or q_41
notify fly  ->  write it like: notify
notify --all  ->  write it like: notify
"""
"""A line, and how the one line begins that is said of it."""


def _rows(table: str) -> list[tuple[str, str]]:
    return [(line, meant) for row in table.strip().splitlines() for line, _, meant in [row.partition("  ->  ")]]


@pytest.mark.parametrize(("line", "meant"), _rows(ACCEPTED))
def test_a_line_asks_for_what_it_says(line: str, meant: str) -> None:
    """With the command line's words, and in the console's shorter forms."""
    command = parse_command(line)
    assert " ".join([command.verb, *command.tasks, json.dumps(command.args, ensure_ascii=False, sort_keys=True)]) == _sorted(
        meant
    )


def _sorted(meant: str) -> str:
    head, brace, args = meant.partition("{")
    return head + json.dumps(json.loads(brace + args), ensure_ascii=False, sort_keys=True)


@pytest.mark.parametrize(("line", "said"), _rows(REFUSED))
def test_a_line_is_refused_in_one_line(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong comes first, as a screen may be narrow; nothing is printed over the screen."""
    with pytest.raises(UsageError) as caught:
        parse_command(line)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


WORDS = (
    *VERBS, "--now", "--", "-", "--help", "-h", "--json", "3", "#4", "x", "a/b#1", "--priority", "9", "--priority=x",
    "--agent=", "--for", "2h", "all", "mute", "--file", "''", "--to", "before", "tags", "message", "--=", "@f", "%(prog)s",
    "{x}", "\ud800", "9" * 5000,
)  # fmt: skip


@given(st.sampled_from(VERBS), st.lists(st.sampled_from(WORDS), max_size=6))
def test_no_line_does_worse_than_being_refused(verb: str, words: list[str]) -> None:
    """Whatever stands in it: a parser that wants to exit would end the console."""
    line = " ".join([verb, *words])
    assert format_hint(line, KnownValues(), 80) is not None
    with contextlib.suppress(KugetsuError):
        assert parse_command(line).verb in VERBS


def test_each_verb_has_a_parser() -> None:
    """Made from the one table of verbs."""
    for key in SHELL_VERBS:
        make_parser(key)


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_says_how_it_is_written(verb: str) -> None:
    """In one line that begins with its name, and without what is for a shell."""
    assert format_usage(verb).startswith(verb)
    assert "\n" not in format_usage(verb)
    assert "--json" not in format_usage(verb)


def test_the_words_that_go_on_are_those_of_the_command_line() -> None:
    """The console has none of its own."""
    for verb, parts in PARTS.items():
        assert set(parts) <= set(list_parts(verb))


def test_what_may_be_chosen_is_one_list_and_one_type() -> None:
    """The list is for what starts often and must not load msgspec."""
    assert get_args(Expect) == EXPECTATIONS
    assert get_args(Mode) == SESSION_CHOICES

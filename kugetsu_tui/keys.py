"""The registry of actions and their keys: bindings, footer, help, palette and `docs/keys.md` are all made from it.

`python -m kugetsu_tui.keys` prints the page. This module loads no user interface library.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kugetsu_engine.domain.config_faults import suggest_name

from .availability import (
    REPLAY_REFUSAL,
    ActionContext,
    WhyNot,
    allow_always,
    is_replaying,
    require_attachable,
    require_copyable,
    require_diffable,
    require_editable,
    require_holdable,
    require_killable,
    require_listener,
    require_live,
    require_log,
    require_lowerable_limit,
    require_need,
    require_newer_attempt,
    require_older_attempt,
    require_parkable,
    require_pending,
    require_question,
    require_replay,
    require_retryable,
    require_stoppable,
    require_task,
    require_two_log_forms,
    require_undo,
    require_worktree,
    require_writable,
)

LISTS = frozenset({"agents", "queue", "notices", "done"})
LOGS = frozenset({"log", "task"})
DIFFS = frozenset({"diff", "files"})
MERGED = frozenset({"merged"})
READS = LOGS | MERGED
TEXTS = READS | {"diff"}
"""Panes with a long text."""
REPLAYED = LISTS | LOGS
WAITING = frozenset({"queue"})
MARKABLE = LISTS - {"notices"}
FLEET = frozenset({"agents", "queue"})
ALIVE = FLEET | LOGS
INSIDE = READS | DIFFS | {"done"}


@dataclass(frozen=True)
class Action:
    """Something the operator can do with a key."""

    id: str
    keys: tuple[str, ...]
    label: str
    """A word or two, for the footer."""
    help: str
    group: str
    panes: frozenset[str] | None = None
    """Panes where the key means this; None: everywhere."""
    why_not: WhyNot = allow_always
    """Returns why it cannot be done now; None when it can."""
    only_when: Callable[[ActionContext], bool] | None = None
    """While this holds, the key means this action and not another one."""
    many: bool = False
    """Whether it applies to all marked tasks, if any are marked."""
    footer: int = 0
    """Position in the footer, the smallest first; 0: not shown there."""
    footer_in: frozenset[str] | None = None
    """Panes whose footer shows it; None: all where it is reachable."""
    does: str = ""
    """The call that performs it, as Textual writes it; empty: the method is named after the id."""

    @property
    def call(self) -> str:
        """The call that performs it, without the `action_` of its method."""
        return self.does or self.id.replace(".", "_")

    def is_reachable(self, pane: str) -> bool:
        """Whether the key means this in a pane."""
        return self.panes is None or pane in self.panes

    def get_refusal(self, now: ActionContext) -> str | None:
        """Why it cannot be done now; None when it can. Of marked tasks, one that allows it is enough."""
        if not (self.many and now.marked):
            return self.why_not(now)
        reasons = [self.why_not(kind) for kind in now.kinds]
        if None in reasons or not reasons:
            return None
        return f"none of the {now.marked} marked: {reasons[0]}" if now.marked > 1 else reasons[0]


MOVING, PANES, TASK, QUEUE, LOG, CONSOLE = "Moving", "Panes", "The selected task", "The queue", "The log", "The console"
DIFF, REPLAY = "The diff", "Replay"

ACTIONS: tuple[Action, ...] = (
    Action("move.down", ("j", "down"), "down", "go one line down", MOVING, does="move(1)"),
    Action("move.up", ("k", "up"), "up", "go one line up", MOVING, does="move(-1)"),
    Action("move.page_down", ("pagedown",), "page down", "go one page down", MOVING, does="move_page(1)"),
    Action("move.page_up", ("pageup",), "page up", "go one page up", MOVING, does="move_page(-1)"),
    Action("move.top", ("g", "home"), "top", "go to the top", MOVING, does="move_to_end(False)"),
    Action("move.bottom", ("G", "end"), "bottom", "go to the end; in a log: follow it again",
           MOVING, footer=34, footer_in=LOGS, does="move_to_end(True)"),
    Action("move.left", ("left",), "left", "show what is left of a long line", MOVING, TEXTS, does="shift(-8)"),
    Action("move.right", ("right",), "right", "show what is right of a long line", MOVING, TEXTS, does="shift(8)"),
    Action("jump", ("#",), "go to", "go to a task by its number, in whichever list it is: `#41` and enter, or `:41`", MOVING),
    Action("jump.need", ("!",), "needs you", "go to the next task that needs you, each once", MOVING,
           why_not=require_need, footer=56),
    Action("pane.next", ("tab",), "next pane", "go to the next pane", PANES, footer=60, does="step_pane(1)"),
    Action("pane.previous", ("shift+tab",), "prev pane", "go to the previous pane", PANES, does="step_pane(-1)"),
    Action("pane.agents", ("1",), "agents", "go to the active agents", PANES, does="go('agents')"),
    Action("pane.queue", ("2",), "queue", "go to the pending queue", PANES, does="go('queue')"),
    Action("pane.log", ("3",), "log", "go to the log of the selected task", PANES, does="go('log')"),
    Action("pane.notices", ("4",), "notifications", "go to the notifications; what is seen there counts as read", PANES,
           does="go('notices')"),
    Action("pane.done", ("5",), "done", "show the ended tasks in place of the queue", PANES, footer=55, does="go('done')"),
    Action("pane.all", ("0",), "all panes", "show all panes again", PANES, does="zoom(False)"),
    Action("pane.zoom", ("z",), "zoom", "give the whole screen to the pane, or give it back", PANES, footer=57,
           footer_in=frozenset({"log", "done", "notices"}), does="toggle_zoom"),
    Action("task.open", ("enter",), "open", "open the task: its state, its attempts, its log", PANES, LISTS | {"log"},
           require_task, footer=20),
    Action("view.diff", ("d", "D"), "diff", "show what its worktree has changed since its base, committed or not",
           PANES, LISTS | LOGS, require_diffable, footer=22),
    Action("view.story", ("i",), "events", "what happened to it, in sentences, and its state now", PANES,
           why_not=require_task, footer=23, footer_in=LOGS | {"done"}),
    Action("view.plan", ("w",), "when",
           "when each task starts, estimated from earlier run times; + and - try more or fewer slots",
           PANES, LISTS, footer=41, footer_in=WAITING),
    Action("view.merged", ("m",), "all logs", "follow the logs of all agents as one, each line with its task",
           PANES, LISTS | LOGS, require_live, footer=58, footer_in=frozenset({"agents"})),
    Action("view.history", ("h",), "history",
           "how the slots were used in the last hours: a timeline, and figures by repository and agent", PANES,
           LISTS | LOGS, footer=59, footer_in=frozenset({"done"})),
    Action("back", ("escape",), "back", "go back: close, clear marks or the filter, unzoom; never quits",
           PANES, footer=65, footer_in=INSIDE),
    Action("task.new", ("n",), "new", "put a new task into the queue", TASK, why_not=require_writable, footer=10,
           footer_in=REPLAYED),
    Action("task.stop", ("x",), "stop", "stop its agent (TERM, then the grace period), or remove a waiting task from the queue",
           TASK, many=True, why_not=require_stoppable, footer=24, footer_in=ALIVE, does="stop_tasks(False)"),
    Action("task.kill", ("X",), "kill", "kill its agent at once", TASK, many=True, why_not=require_killable,
           does="stop_tasks(True)"),
    Action("task.retry", ("r",), "retry", "try it again, also when it failed for good",
           TASK, many=True, why_not=require_retryable, footer=26, footer_in=REPLAYED),
    Action("task.hold", ("p",), "hold",
           "pause its agent, so that all its processes stand still, or resume it; hold a waiting task, or release it",
           TASK, many=True, why_not=require_holdable, footer=28, footer_in=FLEET),
    Action("task.park", ("Z",), "park",
           "end its attempt to go on later: its slot becomes free, session and worktree are kept; p lets it go on",
           TASK, many=True, why_not=require_parkable, does="park_tasks"),
    Action("task.down", ("J",), "later", "move it one place down the queue",
           TASK, many=True, why_not=require_pending("moved"), footer=30, footer_in=WAITING, does="move_task('down')"),
    Action("task.up", ("K",), "earlier", "move it one place up the queue",
           TASK, many=True, why_not=require_pending("moved"), footer=31, footer_in=WAITING, does="move_task('up')"),
    Action("task.top", ("T",), "first", "move it to the top of the queue", TASK, many=True, why_not=require_pending("moved"),
           does="move_task('top')"),
    Action("task.bottom", ("B",), "last", "move it to the end of the queue", TASK, many=True, why_not=require_pending("moved"),
           does="move_task('bottom')"),
    Action("task.attach", ("a",), "attach", "continue its agent's session by hand, in its worktree, then return it; "
           "a slot stays in use", TASK, LISTS | LOGS, require_attachable, does="attach('attach')"),
    Action("task.shell", ("s",), "shell", "open a shell in its worktree", TASK, LISTS | LOGS, require_worktree,
           does="attach('shell')"),
    Action("task.say", ("c",), "say", "write a message to its agent, which reads it at its next step or when it has ended",
           TASK, LISTS | LOGS, require_listener, footer=25, footer_in=LOGS | {"agents"}),
    Action("task.answer", ("y",), "yes", "let its agent do what it asks for, this once", TASK, LISTS | LOGS, require_question,
           only_when=lambda now: now.asks, footer=2, does="answer('yes')"),
    Action("task.answer_always", ("A",), "always", "let its agent do that for the rest of its session", TASK, LISTS | LOGS,
           require_question, only_when=lambda now: now.asks, footer=3, does="answer('always')"),
    Action("task.refuse", ("n",), "no", "refuse what its agent asks for, with words; in a log: `:answer 41 no …`", TASK, LISTS,
           require_question, only_when=lambda now: now.asks, footer=4),
    Action("task.edit", ("e",), "edit",
           "edit the waiting task, in $VISUAL or $EDITOR, else here; it cannot start meanwhile", TASK,
           LISTS, require_editable, footer=29, footer_in=WAITING),
    Action("view.copy", ("y",), "copy", "copy its number, reference, worktree, session, log or message to the clipboard; in a "
           "log also the line, match or error in sight", TASK, LISTS | READS, require_copyable),
    Action("mark.toggle", ("space",), "mark", "mark or unmark the task: keys about tasks then act on all marked ones",
           TASK, MARKABLE, require_task, footer=42),
    Action("mark.range", ("v",), "mark a range", "start a range here, and end it: every task in between is marked",
           TASK, MARKABLE, require_task),
    Action("queue.pause", ("P",), "pause queue", "pause the queue: nothing new starts; or resume it", QUEUE,
           why_not=require_writable, footer=40, footer_in=FLEET),
    Action("queue.more", ("+",), "more agents", "let one more agent run at the same time", QUEUE, why_not=require_writable,
           does="change_limit(1)"),
    Action("queue.fewer", ("-",), "fewer agents", "let one fewer agent run at the same time; stops none", QUEUE,
           why_not=require_lowerable_limit, does="change_limit(-1)"),
    Action("undo", ("u",), "undo", "undo the last action, for half a minute: cancel, move, hold, edit, limit, pause", QUEUE,
           why_not=require_undo, footer=11),
    Action("log.previous", ("[",), "prev attempt", "show the log of the previous attempt",
           LOG, LISTS | LOGS, require_older_attempt, footer=32, footer_in=LOGS, does="turn(-1)"),
    Action("log.next", ("]",), "next attempt", "show the log of the next attempt", LOG, LISTS | LOGS, require_newer_attempt,
           does="turn(1)"),
    Action("log.error", ("e",), "next error", "go to the next line that looks like an error", LOG, READS, require_log,
           footer=29, does="go_to_error(1)"),
    Action("log.error_before", ("E",), "prev error", "go to the previous line that looks like an error", LOG, READS,
           require_log, footer=30, does="go_to_error(-1)"),
    Action("log.wrap", ("w",), "wrap", "wrap long lines, or cut them", LOG, READS, require_log, footer=33),
    Action("log.times", ("t",), "times", "show or hide when each line was written", LOG, READS, require_log,
           footer=36),
    Action("log.follow", ("f",), "follow", "go to the end and follow it", LOG, READS, require_log),
    Action("log.raw", ("o",), "raw", "show what the agent printed, byte by byte, or the readable log made of it", LOG, LOGS,
           require_two_log_forms, footer=35, footer_in=LOGS),
    Action("merged.whose", ("o",), "whose", "show the lines of one agent only, or leave one out", LOG, MERGED, footer=37),
    Action("merged.filter", ("&",), "filter", "show only lines with all these words (!word: without it, ~word: fuzzy)", LOG,
           MERGED, footer=38),
    Action("log.hit", ("n",), "next match", "go to the next match of the search", LOG, TEXTS,
           only_when=lambda now: now.searching, footer=12, does="go_to_hit(1)"),
    Action("log.hit_before", ("N",), "prev match", "go to the previous match of the search", LOG, TEXTS,
           lambda now: None if now.searching else "search first, with /", does="go_to_hit(-1)"),
    Action("diff.hunk", ("]",), "next hunk", "go to the next hunk", DIFF, DIFFS, footer=4, does="go_to_hunk(1)"),
    Action("diff.hunk_before", ("[",), "prev hunk", "go to the previous hunk", DIFF, DIFFS, footer=5,
           does="go_to_hunk(-1)"),
    Action("diff.file", ("}",), "next file", "go to the next file", DIFF, DIFFS, footer=6, does="go_to_file(1)"),
    Action("diff.file_before", ("{",), "prev file", "go to the previous file", DIFF, DIFFS, does="go_to_file(-1)"),
    Action("diff.read", ("enter",), "read", "go from the list of files to the lines", DIFF, frozenset({"files"}), footer=3),
    Action("past.open", ("comma",), "replay",
           "show how everything stood at the last event; `:replay 03:00` starts at a time", REPLAY, LISTS | LOGS),
    Action("past.back", ("comma",), "before", "go back to the previous event", REPLAY, REPLAYED, require_replay, is_replaying,
           footer=2, does="step_past(-1)"),
    Action("past.forward", (".",), "after", "go on to the next event", REPLAY, REPLAYED, require_replay, is_replaying,
           footer=3, does="step_past(1)"),
    Action("past.play", ("space",), "play", "play, or pause; times without events are skipped",
           REPLAY, REPLAYED, require_replay, is_replaying, footer=4),
    Action("past.earlier", ("<",), "10 min back", "go ten minutes back", REPLAY, REPLAYED, require_replay, is_replaying,
           footer=6, does="jump_past(-600)"),
    Action("past.later", (">",), "10 min on", "go ten minutes on", REPLAY, REPLAYED, require_replay, is_replaying, footer=7,
           does="jump_past(600)"),
    Action("past.faster", ("+",), "faster", "play faster: 1 to 3600 times", REPLAY, REPLAYED, require_replay,
           is_replaying, footer=8, does="change_speed(1)"),
    Action("past.slower", ("-",), "slower", "play slower", REPLAY, REPLAYED, require_replay, is_replaying, footer=9,
           does="change_speed(-1)"),
    Action("past.leave", ("escape",), "now", "return to the present; from a task's screen, home first", REPLAY, LISTS | {"log"},
           require_replay, lambda now: now.in_replay and not now.searching, footer=5),
    Action("filter", ("/",), "filter",
           "show only rows with all these words (!word: without it, ~word: fuzzy, tag:word); in a log: search", CONSOLE,
           footer=50),
    Action("list.sort", ("o",), "sort", "sort the list; the queue itself stays as it is", CONSOLE, MARKABLE,
           footer=51),
    Action("help", ("?",), "help", "show the keys of this pane", CONSOLE, footer=1),
    Action("command", (":",), "command", "type a command, with the words of the kugetsu command line", CONSOLE, footer=52),
    Action("palette", ("ctrl+p",), "palette", "find an action by its name", CONSOLE, does="command_palette"),
    Action("reload", ("R",), "reload", "read everything again", CONSOLE),
    Action("suspend", ("ctrl+z",), "to the shell",
           "stop the console and go back to the shell, where `fg` brings it back; agents go on, its engine waits", CONSOLE,
           does="to_shell"),
    Action("quit", ("q",), "quit", "leave; asks only if agents run under this console's engine, and never stops one", CONSOLE,
           footer=70, does="ask_quit"),
)  # fmt: skip

KEY_NAMES = {
    "comma": ",", "escape": "esc", "pagedown": "pgdn", "pageup": "pgup", "down": "↓", "up": "↑", "left": "←", "right": "→",
    "shift+tab": "shift+tab",
}  # fmt: skip


def format_key(key: str) -> str:
    """Write a key as operators know it."""
    return KEY_NAMES.get(key, key)


SHOWN_WHEN_POSSIBLE = frozenset({"undo", "jump.need", "log.error", "log.error_before", "log.wrap", "log.raw"})
"""Actions that are rarely possible; the footer shows them only then."""


class Registry:
    """The actions with the keys they have here."""

    def __init__(self, actions: Sequence[Action] = ACTIONS) -> None:
        self.actions = tuple(actions)
        self._by_id = {action.id: action for action in self.actions}
        self._by_key = {key: [action for action in self.actions if key in action.keys] for key in self.all_keys}

    def __getitem__(self, action_id: str) -> Action:
        return self._by_id[action_id]

    @property
    def all_keys(self) -> list[str]:
        """Every key that does something."""
        return sorted({key for action in self.actions for key in action.keys})

    def resolve(self, key: str, now: ActionContext) -> Action | None:
        """Find the action of a key in this context, possible or not; None when the key means nothing here."""
        reachable = [action for action in self._by_key.get(key, ()) if action.is_reachable(now.pane)]
        taking = [action for action in reachable if action.only_when is not None and action.only_when(now)]
        plain = [action for action in reachable if action.only_when is None]
        return next(iter([*taking, *plain]), None)

    def list_footer_actions(self, now: ActionContext) -> list[tuple[Action, str | None]]:
        """The actions for the footer in their order, each with the reason it is not possible, or None.

        Left out are keys of a log where there is no log, and keys that would change something during a replay.
        """
        shown = [
            a
            for a in self.actions
            if a.footer and self.resolve(a.keys[0], now) is a and now.pane in (a.footer_in or {now.pane})
            and (now.has_log or a.group != LOG)
        ]  # fmt: skip
        with_reasons = [(action, action.get_refusal(now)) for action in sorted(shown, key=lambda action: action.footer)]
        return [(action, reason) for action, reason in with_reasons if reason != REPLAY_REFUSAL]

    def remap(self, keys_by_action: Mapping[str, str]) -> tuple["Registry", list[str]]:
        """Return a registry with other keys, and a sentence for each setting that cannot be applied.

        Args:
            keys_by_action: by the id of an action its key, or several separated by commas.
        """
        problems = [
            f"config.toml: [keys] {name} is not an action{suggest_name(name, self._by_id)}"
            for name in keys_by_action if name not in self._by_id
        ]  # fmt: skip
        registry = self
        for name, text in keys_by_action.items():
            keys = tuple(key.strip() for key in text.split(",") if key.strip())
            if name not in self._by_id or not keys:
                continue
            changed = [replace(action, keys=keys) if action.id == name else action for action in registry.actions]
            clash = next(iter(find_conflicts(changed)), None)
            if clash is None:
                registry = Registry(changed)
            else:
                problems.append(f"config.toml: [keys] {name}: {clash}")
        return registry, problems


def find_conflicts(actions: Iterable[Action]) -> list[str]:
    """List keys that mean two things in one pane. An action with `only_when` may share the key of another."""
    clashes: list[str] = []
    known = list(actions)
    for index, action in enumerate(known):
        for other in known[index + 1 :]:
            shared = set(action.keys) & set(other.keys)
            apart = action.panes is not None and other.panes is not None and not (action.panes & other.panes)
            if shared and not apart and (action.only_when is None) == (other.only_when is None):
                clashes.append(f"{' '.join(sorted(shared))} means both {action.id} and {other.id}")
    return clashes


def render_page() -> str:
    """Render `docs/keys.md`."""
    lines = ["# Keys", "", "Made from the registry of actions by `make keys`. Any of them can be changed in `config.toml`:", ""]
    lines += ["```toml", "[keys]", '"task.retry" = "Y"', "```", ""]
    for group in dict.fromkeys(action.group for action in ACTIONS):
        lines += [f"## {group}", "", "| key | action | what it does |", "|---|---|---|"]
        for action in ACTIONS:
            if action.group == group:
                keys = " ".join(f"`{format_key(key)}`" for key in action.keys)
                lines.append(f"| {keys} | `{action.id}` | {action.help} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_page())

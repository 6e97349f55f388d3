"""Every verb in one table: its module, its help, its arguments. The command line, the console's `:` and completions read it."""

from .arguments import (
    Argument,
    flag,
    list_expectations,
    list_session_choices,
    list_shells,
    read_duration,
    read_whole_number,
)

HELP = """\
kugetsu: an operator's console for a fleet of coding agents

  kugetsu [--read-only] [--resume]                 the console; it runs the engine unless one is running already
  kugetsu --headless [--until-idle] [--resume]     the engine without a screen
  kugetsu demo [--headless]                        try it: throwaway folder, built-in agent, no keys, no network

tasks     enqueue REF MESSAGE | enqueue --file F     add tasks to the queue
          start REF MESSAGE  continue REF [MESSAGE]  start at once; exit code 2 if all slots are taken
          delegate MESSAGE                           for each issue it names, else for the project manager
          queue list|stats|clear    list   status    the queue, the issues, the whole fleet
          show ID    logs ID [-f]    wait ID...      one task
          say ID TEXT   answer ID yes|always|no      a message to its agent while it works; the answer to its question
          kill ID... cancel ID... retry ID...        stop it, take it out of the queue, try again
          hold ID... release ID... move ID edit ID   before it starts
          pause ID... resume ID... park ID...        its agent stands still, goes on, gives its slot back for now
          attach ID    shell ID                      work in its worktree yourself
          plan [--limit N]    usage [--since 6d]     when tasks will start; tokens and cost
          worktrees [--clean [--dry-run]]            list worktrees; remove those whose work is merged or pushed
queue     pause  resume  drain  limit N              the whole queue; pause --all: every running agent too
          stop-all [--now]                           emergency stop: pause the queue and stop every agent
history   replay [TIME] [--plain]  replay --events   the state at a past time (03:00, 2h); what happened
news      notify list|clear|mute|unmute|test  watch  notifications
engine    queue-daemon start|stop|restart|status|logs
                    --resume: continue after a restart of the machine
          doctor [--verify] [--fix]                  find problems, and fix them
          doctor agents                              which agents are installed and can run
          completion [--install] [bash|zsh|fish]     completions for your shell
issues    context REF    set-pr REF URL              its conversation, its pull request
          destroy REF|--base|--pm-agent    prune     remove what an issue has, what belongs to no issue
setup     init [--force]    import [--dry-run] [DIR]   create sessions and files; import from the bash kugetsu
          githost list|add|remove|default|get        the hosts that repositories are cloned from

Ids are written 41, #41 or q_41; an issue reference stands for the task of the issue. More: kugetsu VERB --help
Exit codes: 0 done, 1 failed, 2 try later, 3 already done, 4 no such task, 64 wrong usage.
All state is in $KUGETSU_DIR, by default ~/.kugetsu.
"""


class Verb:
    """A verb of the command line, or a verb and its part, such as `queue list`."""

    def __init__(self, module: str, about: str, *arguments: Argument) -> None:
        """Describe it.

        Args:
            module: its module in `commands`.
            about: the text of its `--help` and of the console's help; the first sentence stands alone in lists.
            arguments: in the order in which help shows them.
        """
        self.module = module
        self.about = about
        self.arguments = arguments


_ID = Argument("id", console={"nargs": "*"})  # the console uses the selected tasks if none is named
_IDS = Argument("id", nargs="+", console={"nargs": "*"})
_PAUSED = Argument("id", nargs="*", help="tasks with an agent; without one: the whole queue")
_JSON = flag("--json", help="print one JSON document", shell_only=True)
_NOW = flag("--now", help="send KILL at once, not TERM first")
_ISSUE = "host/owner/repo#N, owner/repo#N, local/name#N or the issue's URL"
_ISSUE_OR_TASK = Argument("issue_ref", help="the issue, or the id of one of its tasks")
_PAUSE = flag("--pause", help="after a failure wait for enter before closing the window", shell_only=True)
_MESSAGE = "what the agent is to do; - reads it from standard input"
_REPO = "local repository to work in (in a worktree of it)"
_MEMORY = "memory limit of one attempt: 4GiB, auto or off"
_TIMEOUT = "time limit of one attempt: 90s, 30m, 2h"
_EXPECT = Argument("--expect", choices=list_expectations, help="what an attempt must produce; less is a failure")
_WAIT = Argument("--wait", metavar="D", help="how long to wait for the agent to start; no limit by default", shell_only=True)
_DEBUG = flag("--debug", help="has no effect; accepted for old scripts", shell_only=True)
_RESUME = flag("--resume", help="start tasks even if the machine was restarted while agents were running")
_SERVER = Argument("name", help="its host: git.example.org")
_MAYBE_SERVER = Argument("name", nargs="?", help="its host: git.example.org")
_WHAT = Argument("what", nargs="+", metavar="ID|all", console={"nargs": "*"})

_ENQUEUE = Verb(
    "enqueue", "Add a task to the queue. Once the id is printed, the task is on disk.",
    Argument("issue_ref", nargs="?", help=_ISSUE),
    Argument("message", nargs="?", help=_MESSAGE),
    Argument(
        "--file", metavar="F", help="many tasks: lines of JSON with issue_ref, message and their own options; - for stdin"
    ),
    Argument("--repo", metavar="PATH", help=_REPO),
    Argument("--agent", metavar="NAME", help="opencode, demo, or one of [agents] in config.toml"),
    Argument(
        "--priority", type=read_whole_number, default=5, metavar="0-9", help="9 starts first; default 5",
        console={"default": None},
    ),
    Argument("--after", action="append", metavar="ID", help="start only when that task has completed; may be repeated"),
    Argument("--at", metavar="TIME", help="do not start before: 22:00, +2h or 2026-11-21T22:00"),
    Argument("--timeout", metavar="D", help=_TIMEOUT),
    Argument("--memory", metavar="SIZE", help=_MEMORY),
    _EXPECT,
    Argument("--tag", action="append", metavar="WORD", help="a tag to find the task by; may be repeated"),
    Argument(
        "--session", choices=list_session_choices, help="the agent's session: a new one, the issue's, or a copy of the base one"
    ),
    flag("--hold", help="do not start before it is released"),
    _JSON,
)  # fmt: skip

VERBS: dict[str, Verb] = {
    "enqueue": _ENQUEUE,
    "queue list": Verb(
        "queue", "The open tasks in the order in which they will start, and why each waits.",
        flag("--all", help="also tasks that have ended, the newest first"), _JSON,
    ),
    "queue stats": Verb("queue", "How many tasks are in each state.", _JSON),
    "queue clear": Verb(
        "queue", "Remove ended tasks and their logs from the list. Worktrees and branches are kept.",
        Argument(
            "--older-than", dest="older_than_s", type=read_duration, default="0", metavar="D",
            help="only tasks that ended longer ago, such as 7d", console={"default": None},
        ),
    ),
    "queue enqueue": Verb("queue", _ENQUEUE.about, *_ENQUEUE.arguments),
    "list": Verb(
        "show", "Every issue with its session, worktree, pull request and newest task. The base session and the project "
        "manager's come first.",
        flag("--refresh", help="ask the forges about pull requests now"), _JSON,
    ),
    "show": Verb("show", "One task: its message, why it waits or how it ended, and its attempts.", _ID, _JSON),
    "status": Verb(
        "status", "The engine, slots, counts, running agents and alerts.",
        flag("--tmux", help="print one short line for the status bar of tmux", shell_only=True), _JSON,
    ),
    "say": Verb(
        "say", "Write a message to the agent of a task. It reads it at its next step, or when it has ended if its program "
        "cannot be spoken to; kugetsu show says what became of it.",
        Argument("id", help="the task, or its issue"),
        Argument("text", nargs="+", help="what it should know; - reads it from standard input"), _JSON,
    ),
    "answer": Verb(
        "say", "Answer what the agent of a task asks, which needs the setting questions. The first answer counts.",
        Argument("id", help="the task, or its issue"),
        Argument("decision", choices=["yes", "always", "no"], help="always: for the rest of its session"),
        Argument("text", nargs="*", help="words for the agent, such as why not, or the answer to its question"),
    ),
    "kill": Verb(
        "task_requests", "Stop the agent of a task: TERM, then KILL after a grace period. Its worktree is kept. A waiting task "
        "is cancelled.", _IDS, _NOW,
    ),
    "cancel": Verb("task_requests", "Take waiting tasks out of the queue.", _IDS),
    "retry": Verb("task_requests", "Try tasks again that have ended, or start their next attempt now.", _IDS),
    "hold": Verb("task_requests", "Keep waiting tasks from starting.", _IDS),
    "release": Verb("task_requests", "Let held tasks start.", _IDS),
    "move": Verb(
        "task_requests", "Change a task's place in the queue.", Argument("id"),
        *(
            Argument(f"--{name}", action="store_const", const=name, dest="to", one_of=True)
            for name in ("top", "bottom", "up", "down")
        ),
        Argument("--before", metavar="ID", one_of=True),
        Argument("--to", type=read_whole_number, metavar="N", dest="number", help="the N-th place", one_of=True),
    ),
    "edit": Verb(
        "edit", "Change a waiting task. Without options it opens in $VISUAL or $EDITOR, and cannot start meanwhile.",
        Argument("id"),
        Argument("--message", metavar="TEXT", help="the new message; - reads it from standard input"),
        Argument("--priority", type=read_whole_number, metavar="0-9", help="9 starts first"),
        Argument("--agent", metavar="NAME", help="opencode, demo, or one of [agents] in config.toml"),
        Argument("--repo", metavar="PATH", help=_REPO),
        Argument("--after", action="append", metavar="ID", help="start only after these tasks; an empty text for none"),
        Argument("--at", metavar="TIME", help="do not start before; an empty text for at once"),
        Argument("--timeout", metavar="D", help=_TIMEOUT),
        Argument("--memory", metavar="SIZE", help=_MEMORY),
        _EXPECT,
        Argument("--tag", action="append", metavar="WORD", help="replace its tags by these; an empty text for none"),
    ),
    "pause": Verb(
        "task_requests", "Start no more tasks; running agents continue. With ids: the agents of these tasks stand still, keep "
        "their slots, and their time limits stand still too.", _PAUSED, flag("--all", help="the queue and every running agent"),
    ),
    "resume": Verb(
        "task_requests", "Start tasks again. With ids: paused agents go on, and parked tasks start again in their sessions.",
        _PAUSED, flag("--all", help="the queue and every paused agent"),
        Argument("--agent", metavar="NAME", help="only end this agent's cooldown after a rate limit"),
    ),
    "park": Verb(
        "task_requests", "End the attempts of running or paused agents to go on later: their slots become free, sessions and "
        "worktrees are kept, the attempts do not count. Continue with kugetsu resume.", _IDS,
    ),
    "drain": Verb("task_requests", "Start no more tasks; a headless engine ends with its last agent."),
    "limit": Verb(
        "task_requests", "How many agents may run at once. Lowering it stops no agent.",
        Argument("limit", type=read_whole_number, metavar="NUMBER"),
    ),
    "stop-all": Verb(
        "task_requests", "Pause the queue and stop every agent in one step. Start again with kugetsu resume.", _NOW
    ),
    "wait": Verb(
        "wait", "Wait until tasks have ended. Exit code 0: all completed, 1: one did not, 2: timeout, 4: no such task.",
        _IDS, Argument("--timeout", metavar="D", help="give up after this time: 90s, 10m"),
    ),
    "watch": Verb(
        "wait", "Print one line per change until interrupted.", flag("--plain", help="has no effect; lines are always plain")
    ),
    "logs": Verb(
        "logs", "What the agent of a task printed. Without an id: the engine's own log.",
        Argument("id", nargs="?"),
        flag("-f", "--follow", help="keep printing until the task has ended"),
        Argument("--attempt", type=read_whole_number, metavar="N", help="an earlier attempt than the last one"),
        Argument("-n", "--lines", type=read_whole_number, metavar="N", help="only the last N lines"),
        flag("-t", "--times", help="print before each line when it was written"),
        flag("--raw", help="the exact bytes: with secrets, and with control sequences for the terminal"),
    ),
    "notify list": Verb(
        "notify", "Unread notifications, oldest first.", flag("--all", help="also those that were read"), _JSON
    ),
    "notify clear": Verb("notify", "Mark all notifications as read."),
    "notify mute": Verb(
        "notify", "Send no messages about a task, or about anything. The console still shows notifications.", _WHAT,
        Argument("--for", dest="for_s", type=read_duration, metavar="D", help="how long, such as 2h; default until unmute"),
    ),
    "notify unmute": Verb("notify", "Send messages about a task, or about anything, again.", _WHAT),
    "notify test": Verb("notify", "Send a test message through every channel of [notify]."),
    "attach": Verb(
        "attach", "Work on a task yourself: opens the agent's own screen with the issue's session in its worktree. This takes "
        "a slot, and nothing else starts on the issue meanwhile.",
        _ID, flag("--stop", help="stop its agent first if one is running", shell_only=True), _PAUSE,
    ),
    "shell": Verb("attach", "Open a shell in the worktree of the task's issue; this takes no slot.", _ID, _PAUSE),
    "start": Verb(
        "start", "Start an agent on an issue at once, ahead of the queue. Exit code 0: it runs, 1: it failed, 2: all slots are "
        "taken, try later.",
        Argument("issue_ref", help=_ISSUE),
        Argument("message", nargs="+", help=_MESSAGE),
        Argument("--pr", metavar="URL", help="its pull request; may also follow the message", shell_only=True),
        Argument("--repo", metavar="PATH", help=_REPO, shell_only=True),
        Argument("--agent", metavar="NAME", help="another agent than the default", shell_only=True),
        Argument("--timeout", metavar="D", help=_TIMEOUT, shell_only=True),
        _WAIT, _DEBUG,
    ),
    "continue": Verb(
        "start", "Send the next message to an issue, in its worktree and session or in new ones. Exit codes as for start; a "
        "message that is waiting already is not sent twice.",
        Argument("issue_ref", help=_ISSUE),
        Argument("message", nargs="*", help=f"{_MESSAGE}; there is a default"),
        _WAIT, _DEBUG,
    ),
    "delegate": Verb(
        "start", "Enqueue a message for each issue that it names, else for the project manager.",
        Argument("message", nargs="+", help=_MESSAGE), _DEBUG,
    ),
    "githost list": Verb("githost", "All known git hosts; * marks the default one.", _JSON),
    "githost add": Verb(
        "githost", "Add a git host, or change its address.", _SERVER,
        Argument("url", help="the part before /owner/repo: https://git.example.org, ssh://git@host, a folder"),
    ),
    "githost remove": Verb("githost", "Remove a git host.", _SERVER),
    "githost default": Verb("githost", "Show the host of references written owner/repo#N, or set it.", _MAYBE_SERVER),
    "githost get": Verb("githost", "The address of a git host, by default of the default one.", _MAYBE_SERVER),
    "context": Verb(
        "issues", "The last 20 messages of an issue's conversation. Its next agent gets them too.", _ISSUE_OR_TASK, _JSON
    ),
    "set-pr": Verb(
        "issues", "Record the pull request of an issue, for destroy to check. An empty URL removes the record.",
        _ISSUE_OR_TASK, Argument("url", help="its URL"),
    ),
    "destroy": Verb(
        "issues", "Remove what an issue has: session, worktree, context, waiting tasks, and the branch if its commits are "
        "elsewhere. Refused while an agent runs, a pull request is open, files are uncommitted or commits are unpushed.",
        Argument("issue_ref", nargs="?", help="the issue, or the id of one of its tasks", one_of=True),
        flag("--base", help="the base session, and the project manager's made from it", one_of=True, shell_only=True),
        flag("--pm-agent", help="the project manager's session", one_of=True, shell_only=True),
        flag("-y", "--yes", help="do not ask", shell_only=True),
        flag(
            "--force",
            help="override every objection: a running agent (it is stopped), an open pull request, uncommitted files, commits "
            "on no branch, a lock, a rebase in progress, a process inside",
        ),
        flag("--dry-run", help="only print what would be removed, and the objections", shell_only=True),
    ),
    "prune": Verb(
        "issues", "Remove what no longer belongs to an issue: sessions without a worktree, worktrees with neither session nor "
        "task nor work of their own, conversations of neither. The base session and the project manager's are kept.",
        flag(
            "-y", "--yes", "--force", dest="yes", shell_only=True,
            help="do not ask; a worktree with work in it, a locked one or one in use is kept even so",
        ),
        flag("--dry-run", help="only print what would be removed"), _JSON,
    ),
    "init": Verb(
        "init", "Create the settings, the env files, and the two sessions: the base, which new ones are copied from, and the "
        "project manager's. On a terminal it then offers to open the agent's own screen.",
        flag("--force", help="destroy both sessions first"), flag("--files", help="only the files; runs no agent"),
    ),
    "import": Verb(
        "import_v02", "Import the state of the bash kugetsu (v0.2): settings, env files, sessions, queue, conversations, "
        "notifications. Everything that is changed or moved is kept in a backup. Tasks can be read without this, too.",
        Argument("folder", nargs="?", metavar="DIR", help="the old directory; default the state directory itself"),
        flag("--dry-run", help="only print what would be imported"),
    ),
    "demo": Verb(
        "demo", "Try kugetsu: throwaway folder, scratch repository, built-in agent. No keys, no network.",
        flag("--headless", help="without the console, until all tasks have ended"),
        Argument("--tasks", type=read_whole_number, metavar="N", help="how many tasks"),
        Argument("--speed", type=float, default=1.0, metavar="X", help="2 works twice as fast"),
        flag("--keep", help="keep the folder afterwards"),
    ),
    "queue-daemon start": Verb("daemon", "Start the headless engine in the background.", _RESUME),
    "queue-daemon stop": Verb("daemon", "Stop it; agents continue."),
    "queue-daemon restart": Verb("daemon", "Stop it if it runs, and start it.", _RESUME),
    "queue-daemon status": Verb("daemon", "Whether it runs; exit code 1 if not."),
    "queue-daemon logs": Verb("daemon", "The last lines it printed."),
    "doctor": Verb(
        "doctor", "Check the state directory and what kugetsu needs. Changes nothing without --fix.",
        Argument("what", nargs="?", choices=["agents"], help="agents: which are installed and can run"),
        flag("--verify", help="check only the state directory"),
        flag("--fix", help="fix what can be fixed; nothing of yours is deleted"), _JSON,
    ),
    "completion": Verb(
        "completion", 'Print shell completions, or install them for this user: kugetsu completion --install. '
        'Without installing: eval "$(kugetsu completion bash)", or kugetsu completion fish | source',
        Argument("shell", nargs="?", choices=list_shells, help="default: that of $SHELL"),
        flag("--install", help="write them to the folder from which bash, zsh or fish loads them", shell_only=True),
    ),
    "plan": Verb(
        "plan", "When each task will start, if attempts succeed and take as long as usual. Changes nothing.",
        Argument("--limit", type=read_whole_number, metavar="N", help="what if N agents could run at once"),
        flag("--agents", help="how long agents usually take, by repository", shell_only=True), _JSON,
    ),
    "usage": Verb(
        "usage", "Tokens and cost by day and repository, as reported by agents, of the tasks that are kept.",
        Argument("--since", default="6d", metavar="D", help="how far back; default 6d, 0d is today only"), _JSON,
    ),
    "replay": Verb(
        "replay", "The state at a past time: 03:00, 2h (ago), 'yesterday 14:30' or ISO 8601. On a terminal the console shows "
        "it, read-only; esc returns to the present.",
        Argument("time", nargs="*", metavar="TIME", help="default an hour ago"),
        flag("--plain", help="print it, also on a terminal", shell_only=True),
        flag("--events", help="print what happened, one line each", shell_only=True),
        Argument("--since", metavar="T", help="events from this time on", shell_only=True),
        Argument("--until", metavar="T", help="events up to this time", shell_only=True), _JSON,
    ),
    "worktrees": Verb(
        "worktrees", "Every worktree with its size, age and state; --clean removes those that are safe to remove.",
        flag("--clean", help="remove worktrees whose work is merged or pushed, unless locked or in use; branches are kept"),
        flag("--dry-run", help="with --clean: only print what would be removed"),
        flag("--fetch", help="fetch from the remotes first, to see what was merged"), _JSON,
    ),
    "--headless": Verb(
        "run_engine", "The engine without a screen. Stopping it stops no agent; the next engine adopts them.",
        flag("--until-idle", help="end when nothing runs and nothing will start by itself"),
        Argument("--log-format", choices=["text", "json"], default="text", help="of what is printed; default text"),
        _RESUME,
        flag("--drain", help="start no tasks, and end with the last agent"),
    ),
}  # fmt: skip

OLD_NAMES = {"server": "githost"}
"""Verbs that were renamed; the old name is still understood."""
MODULES = {name.partition(" ")[0]: verb.module for name, verb in VERBS.items()}
"""The module of each verb."""


def list_parts(verb: str) -> list[str]:
    """List the parts of a verb such as `queue`; none for most."""
    return [part for name, _, part in (key.partition(" ") for key in VERBS) if part and name == verb]


def describe_verb(verb: str) -> str:
    """Return the first sentence about a verb, for lists."""
    first = VERBS[verb if verb in VERBS else f"queue {verb}"].about.partition(". ")[0].removesuffix(".")
    return first[0].lower() + first[1:]

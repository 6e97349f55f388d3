"""What each verb is about, for its `--help` and for the help of the console: one text for both.

The first sentence says it all to whoever reads it in a list.
"""

VERB_HELP = {
    "--headless": "The engine without a screen. Ending it never ends an agent; the next engine adopts them.",
    "attach": "Take over by hand: the agent's own screen with the session of the task's issue, in its worktree. A slot stays "
    "taken, and nothing else starts on the issue meanwhile.",
    "cancel": "Take waiting tasks out of the queue.",
    "completion": 'Print completions: eval "$(kugetsu completion bash)", or for fish: kugetsu completion fish | source',
    "context": "What was said about an issue lately: the last 20 messages, which its next agent is told as well.",
    "continue": "Send the next message to an issue: in its worktree and session, or in new ones where there are none. Exit "
    "codes as of start; a message that waits already is not sent twice.",
    "delegate": "Put a message in the queue: for each issue it names, else for the project manager.",
    "demo": "Try kugetsu: throwaway folder, scratch repository, built-in agent. No keys, no network.",
    "destroy": "Remove what was made for an issue: session, worktree, context, waiting tasks, and the branch if its commits "
    "are elsewhere. Refused with an agent at work, an open pull request, uncommitted files or unpushed commits.",
    "doctor": "Check the state directory and what kugetsu needs. Reads only, unless --fix is given.",
    "drain": "Start nothing new; a headless engine ends with its last agent.",
    "edit": "Change a waiting task. Without options it is opened in $VISUAL or $EDITOR; it cannot start meanwhile.",
    "enqueue": "Put a task in the queue. Once the id is printed, the task is on disk.",
    "hold": "Keep waiting tasks from starting.",
    "import": "Take over the directory of a bash kugetsu (v0.2): settings, env files, sessions, queue, messages, "
    "notifications. What is changed or moved is kept in a backup. It loads without this, too.",
    "init": "Make settings and env files to fill in, and the sessions that new ones are forked from and that delegate talks "
    "to. It needs no terminal; with one it offers the agent's own screen.",
    "kill": "Stop the agent of a task (TERM, a grace, KILL); its worktree is kept. A waiting task is cancelled.",
    "limit": "How many agents may run at once. Lowering it never kills.",
    "list": "Every issue kugetsu knows: its session, worktree, pull request and newest task; and the two of no issue.",
    "logs": "What the agent of a task printed. Without an id: the engine's own log.",
    "move": "Change a task's place in the queue.",
    "notify clear": "Mark all notifications as read.",
    "notify list": "Unread notifications, oldest first.",
    "notify mute": "Send no messages about a task, or about anything; the console still shows it.",
    "notify test": "Send a test message by every way that is set up in [notify].",
    "notify unmute": "Send messages about a task, or about anything, again.",
    "pause": "Start nothing new; running agents go on.",
    "plan": "Who starts when, if attempts take as long as they mostly did, and go well. Changes nothing.",
    "prune": "Remove what belongs to no issue any more: sessions without a worktree, worktrees without a session or task that "
    "hold nothing of their own, messages of neither. The base and the project manager stay.",
    "queue clear": "Drop ended tasks from the list, with their logs. Worktrees and branches stay.",
    "queue enqueue": "Put a task in the queue. Once the id is printed, the task is on disk.",
    "queue list": "The open tasks in the order in which they will start, and why each waits.",
    "queue stats": "How many tasks are in each state.",
    "queue-daemon logs": "What it printed last.",
    "queue-daemon restart": "End it if it runs, and start it.",
    "queue-daemon start": "Start the headless engine in the background.",
    "queue-daemon status": "Whether it runs, by the exit code too.",
    "queue-daemon stop": "End it; agents go on.",
    "release": "Let held tasks start.",
    "replay": "How everything stood at a past moment: 03:00 (the last one), 2h (ago), 'yesterday 14:30', or ISO 8601. In a "
    "terminal the console shows it, read-only; esc there leads back to now.",
    "resume": "Start tasks again; with --agent those of an agent whose provider rests after a rate limit.",
    "retry": "Try again: tasks that ended, or wait for their next attempt.",
    "server add": "Know a server, or change its address.",
    "server default": "The server of references written owner/repo#N; with a name, make it that one.",
    "server get": "The address of a server; of the default one unless named.",
    "server list": "All known servers; * marks the one of references that name none.",
    "server remove": "Forget a server.",
    "set-pr": "Remember the pull request of an issue; destroy asks about it. An empty address forgets it.",
    "shell": "A shell in the worktree of the task's issue; it takes no slot.",
    "show": "One task: what it is, why it waits or how it ended, and its attempts.",
    "start": "Start an agent on an issue at once, before all that waits. 0: it runs, 1: it failed, 2: at the limit, try later.",
    "status": "Engine, slots, counts, running agents and alerts.",
    "stop-all": "Pause the queue and stop every agent, as one act: no freed slot starts the next task. kugetsu resume goes on.",
    "usage": "Tokens and cost by day and repository, as far as agents told, from the tasks that are still kept.",
    "wait": "Wait until tasks have ended. 0: all completed, 1: one did not, 2: not within the time, 4: no such task.",
    "watch": "Print one line per change until interrupted.",
    "worktrees": "Every worktree with its size, its age and its state; --clean removes those that are safe to lose.",
}


def format_short_help(verb: str) -> str:
    """The first sentence, as a part of another one."""
    first = VERB_HELP[verb if verb in VERB_HELP else f"queue {verb}"].partition(". ")[0].removesuffix(".")
    return first[0].lower() + first[1:]

"""The help text of each verb, for its `--help` and for the console. Lists show the first sentence."""

VERB_HELP = {
    "--headless": "The engine without a screen. Ending it never ends an agent; the next engine adopts them.",
    "attach": "Open the agent's own screen with the session of the task's issue, in its worktree. It holds a slot, and nothing "
    "else starts on the issue meanwhile.",
    "cancel": "Remove waiting tasks from the queue.",
    "completion": 'Print completions: eval "$(kugetsu completion bash)", or for fish: kugetsu completion fish | source',
    "context": "The last 20 messages about an issue, which its next agent gets too.",
    "continue": "Send the next message to an issue, in its worktree and session, or in new ones. Exit codes as of start. "
    "If the same message waits already, it is not sent twice.",
    "delegate": "Queue a message for each issue it names, else for the project manager.",
    "demo": "Try kugetsu: throwaway folder, scratch repository, built-in agent. No keys, no network.",
    "destroy": "Remove what was made for an issue: session, worktree, context, waiting tasks, and the branch if its commits "
    "are elsewhere. Refused while an agent works, or with an open pull request, uncommitted files or unpushed commits.",
    "doctor": "Check the state directory and what kugetsu needs. Changes nothing without --fix.",
    "drain": "Start no tasks; a headless engine ends with its last agent.",
    "edit": "Change a waiting task. Without options it opens in $VISUAL or $EDITOR; the task cannot start meanwhile.",
    "enqueue": "Put a task in the queue. Once the id is printed, the task is on disk.",
    "hold": "Keep waiting tasks from starting.",
    "import": "Take over the directory of a bash kugetsu (v0.2): settings, env files, sessions, queue, messages, "
    "notifications. Everything changed or moved is kept in a backup.",
    "init": "Make settings and env files to fill in, and two sessions: the one that new sessions are forked from, and the "
    "project manager's. It needs no terminal; with one it offers the agent's own screen.",
    "kill": "Stop the agent of a task (TERM, grace period, KILL); its worktree is kept. A waiting task is cancelled.",
    "limit": "How many agents may run at once. Lowering it stops none.",
    "list": "All known issues: session, worktree, pull request and newest task; and the two sessions without an issue.",
    "logs": "The output of a task's agent. Without an id: the engine's own log.",
    "move": "Change a task's place in the queue.",
    "notify clear": "Mark all notifications as read.",
    "notify list": "Unread notifications, oldest first.",
    "notify mute": "Send no messages about a task, or about anything; the console still shows it.",
    "notify test": "Send a test message through every channel in [notify].",
    "notify unmute": "Send messages about a task, or about anything, again.",
    "pause": "Start no tasks; running agents go on.",
    "plan": "When tasks will start, if attempts succeed and take as long as usual. Changes nothing.",
    "prune": "Remove what belongs to no issue any more: sessions without a worktree, worktrees without a session, a task or "
    "unsaved work, messages without either. The base and the project manager stay.",
    "queue clear": "Remove ended tasks with their logs. Worktrees and branches stay.",
    "queue enqueue": "Put a task in the queue. Once the id is printed, the task is on disk.",
    "queue list": "The open tasks in the order in which they will start, and why each waits.",
    "queue stats": "How many tasks are in each state.",
    "queue-daemon logs": "Its latest output.",
    "queue-daemon restart": "Stop it if it runs, and start it.",
    "queue-daemon start": "Start the headless engine in the background.",
    "queue-daemon status": "Whether it runs, also as exit code.",
    "queue-daemon stop": "Stop it; agents keep running.",
    "release": "Let held tasks start.",
    "replay": "The state at a past moment: 03:00 (the last one), 2h (ago), 'yesterday 14:30', or ISO 8601. In a terminal the "
    "console shows it, read-only; esc there returns to now.",
    "resume": "Start tasks again; with --agent those of an agent whose provider is in cooldown after a rate limit.",
    "retry": "Try tasks again that ended, or that wait for their next attempt.",
    "server add": "Add a server, or change its address.",
    "server default": "The server of references written owner/repo#N; with a name, set it.",
    "server get": "The address of a server; without a name, of the default one.",
    "server list": "All servers; * marks the default one.",
    "server remove": "Remove a server.",
    "set-pr": "Set the pull request of an issue; destroy checks it. An empty address removes it.",
    "shell": "Open a shell in the worktree of the task's issue; it needs no slot.",
    "show": "One task: what it is, why it waits or how it ended, and its attempts.",
    "start": "Start an agent on an issue at once, before all others. 0: it runs, 1: it failed, 2: at the limit, try later.",
    "status": "Engine, slots, counts, running agents and alerts.",
    "stop-all": "Pause the queue, then stop every agent. No freed slot starts the next task; kugetsu resume goes on.",
    "usage": "Tokens and cost by day and repository, as far as agents report them, from the tasks that are still kept.",
    "wait": "Wait until tasks have ended. 0: all completed, 1: one did not, 2: not within the time, 4: no such task.",
    "watch": "Print one line per change until interrupted.",
    "worktrees": "Every worktree with its size, age and state; --clean removes those that can go without loss.",
}


def format_short_help(verb: str) -> str:
    """Return the first sentence, to be used within another one."""
    first = VERB_HELP[verb if verb in VERB_HELP else f"queue {verb}"].partition(". ")[0].removesuffix(".")
    return first[0].lower() + first[1:]

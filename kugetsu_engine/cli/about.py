"""What each verb is about, for its `--help` and for the help of the console: one text for both.

The first sentence says it all to whoever reads it in a list.
"""

ABOUT = {
    "attach": "Take over by hand: the agent's own screen with the session of the task's issue, in its worktree. "
    "A slot stays taken, and nothing else starts on the issue meanwhile.",
    "cancel": "Take waiting tasks out of the queue.",
    "clear": "Drop ended tasks from the list, with their logs. Worktrees and branches stay.",
    "continue": "Send the next message to an issue: in its worktree and session, or in new ones where there are none. Exit "
    "codes as of start; a message that waits already is not sent twice.",
    "delegate": "Put a message in the queue: for each issue it names, else for the project manager.",
    "destroy": "Remove what was made for an issue: session, worktree, context, waiting tasks, and the branch if its commits "
    "are elsewhere. Refused with an agent at work, an open pull request, uncommitted files or unpushed commits.",
    "drain": "Start nothing new; a headless engine ends with its last agent.",
    "edit": "Change a waiting task. Without options it is opened in $VISUAL or $EDITOR; it cannot start meanwhile.",
    "hold": "Keep waiting tasks from starting.",
    "kill": "Stop the agent of a task (TERM, a grace, KILL); its worktree is kept. A waiting task is cancelled.",
    "limit": "How many agents may run at once. Lowering it never kills.",
    "move": "Change a task's place in the queue.",
    "pause": "Start nothing new; running agents go on.",
    "plan": "Who starts when, if attempts take as long as they mostly did, and go well. Changes nothing.",
    "release": "Let held tasks start.",
    "replay": "How everything stood at a past moment: 03:00 (the last one), 2h (ago), 'yesterday 14:30', or ISO 8601. "
    "In a terminal the console shows it, read-only; esc there leads back to now.",
    "resume": "Start tasks again; with --agent those of an agent whose provider rests after a rate limit.",
    "retry": "Try again: tasks that ended, or wait for their next attempt.",
    "set-pr": "Remember the pull request of an issue; destroy asks about it. An empty address forgets it.",
    "shell": "A shell in the worktree of the task's issue; it takes no slot.",
    "stop-all": "Pause the queue and stop every agent, as one act: no freed slot starts the next task. kugetsu resume goes on.",
    "start": "Start an agent on an issue at once, before all that waits. 0: it runs, 1: it failed, 2: at the limit, try later.",
}


def in_short(verb: str) -> str:
    """The first sentence, as a part of another one."""
    first = ABOUT[verb].partition(". ")[0].removesuffix(".")
    return first[0].lower() + first[1:]

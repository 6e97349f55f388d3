"""The console's command line: runs what was typed, or reports why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kugetsu_engine.client.snapshot import Snapshot
from kugetsu_engine.domain.new_task import format_bare_id, format_id
from kugetsu_engine.domain.text.quantities import format_count, format_span
from kugetsu_engine.errors import KugetsuError

from ..availability import REPLAY_REFUSAL, require_writable
from ..console import ActiveScreen, StateConsole, Views
from ..keys import Action
from ..modals.confirm import Confirm
from ..viewmodels.selection import format_names
from .preferences import Preferences
from .quit import QuitFlow
from .replay import ReplayController
from .task_actions import TaskActions

if TYPE_CHECKING:
    from ..commands.grammar import Command

# What few commands need is imported when they are given; `later` loads it after the first screen is shown.

PANES = {
    "task": "the task", "notices": "the notifications", "agents": "the list of agents", "queue": "the queue", "log": "the log",
    "done": "the list of ended tasks", "diff": "the diff", "files": "the files", "merged": "all logs as one",
}  # fmt: skip
"""How help calls the panes."""


class CommandRunner:
    """Runs the commands of one console."""

    def __init__(
        self, app: StateConsole, views: Views, preferences: Preferences, replay: ReplayController, quit_flow: QuitFlow,
        change_theme: Callable[[str], tuple[str, str]],
    ) -> None:  # fmt: skip
        self._app = app
        self._views = views
        self._preferences = preferences
        self._replay_controller = replay
        self._quit_flow = quit_flow
        self._change_theme = change_theme

    def action_command(self, text: str = "") -> None:
        """Ask for a command."""
        from ..modals.command_line import CommandLine

        self._app.push_screen(CommandLine(self._preferences.lines, self._preferences.list_known_values(), text), self.run_typed)

    def action_jump(self) -> None:
        """Ask for the number of a task."""
        self.action_command("#")

    def action_task_say(self) -> None:
        """Ask for a message to the agent of the selected task."""
        tasks = self._app.active_screen.list_target_tasks() if self._app.active_screen is not None else []
        if tasks:
            self.action_command(f"say {format_bare_id(tasks[0].id)} ")

    def action_answer(self, decision: str) -> None:
        """Answer what the agent of the selected task asks."""
        tasks = self._app.active_screen.list_target_tasks() if self._app.active_screen is not None else []
        if tasks:
            self._app.connection.requests.answer(tasks[0].id, decision, "")

    def action_task_refuse(self) -> None:
        """Ask for the words of a refusal."""
        tasks = self._app.active_screen.list_target_tasks() if self._app.active_screen is not None else []
        if tasks:
            self.action_command(f"answer {format_bare_id(tasks[0].id)} no ")

    def action_help(self) -> None:
        """Show the keys of the pane, and perform what is chosen."""
        from ..modals.help import Help

        screen = self._app.active_screen
        if screen is None:
            return
        now = screen.get_context()

        def run(choice: Action | str | None) -> None:
            if isinstance(choice, Action):
                screen.perform(choice)
            elif choice is not None:
                self.action_command(f"{choice} ")

        self._app.push_screen(Help(self._app.registry, now, f"Keys in {PANES.get(now.pane, now.pane)}"), run)

    def run_typed(self, text: str | None) -> None:
        """Run a typed command, or report what is wrong with it."""
        if text is None or not text.strip():
            return
        self._preferences.keep_line(text)
        if self._app.active_screen is not None:
            self._app.active_screen.clear_failure()
        try:
            from ..commands.grammar import parse_command

            self._run(parse_command(text))
        except KugetsuError as error:
            self._app.say(str(error), "warning")

    def _run(self, command: Command) -> None:
        screen = self._app.active_screen
        if screen is None:
            return
        from ..commands.grammar import OF_ISSUES, OF_PAST, REPORTS

        if self._replay_controller.is_on and command.verb not in OF_PAST:
            self._app.say(REPLAY_REFUSAL, "warning")
        elif command.verb in ("quit", "help", "theme", "undo", "plan", "engine"):
            self._run_here(command)
        elif command.verb == "replay":
            self._replay_controller.open(command.args["time"])
        elif command.verb == "jump":
            self._views.jump(command.tasks[0])
        elif command.verb == "sort":
            self._preferences.sort(screen.focused_pane, command.args["by"], command.args["backwards"])
        elif command.verb in REPORTS or "words" in command.args:
            self._show_output([command.verb, *command.args["words"]], screen)
        elif command.args.keys() == {"file"}:
            self._show_output(["enqueue", "--file", command.args["file"]], screen)
        elif command.verb == "notify":
            from . import notification_channels

            self._app.run_worker(
                notification_channels.run_notify_command(self._app, command, [task.id for task in screen.list_target_tasks()]),
                exit_on_error=False,
            )
        elif command.verb in OF_ISSUES:
            from . import issue_commands

            self._app.run_worker(issue_commands.run_issue_command(self._app, command), exit_on_error=False)
        elif command.verb == "enqueue":
            self._app.run_worker(self._enqueue(dict(command.args)), exit_on_error=False)
        elif command.verb == "clear":
            self._ask_clear(command.args)
        elif command.verb == "stop-all":
            self._ask_stop_all(command.args)
        elif command.verb in ("pause", "resume") and (command.tasks or "all" in command.args):
            self._pause_or_resume(command)
        elif command.verb in ("pause", "resume", "drain", "limit"):
            self._app.connection.requests.send(command.verb, **command.args)
        else:
            self._run_on_tasks(command, screen)

    def _pause_or_resume(self, command: Command) -> None:
        """Pause or resume the agents of tasks, or everything."""
        if len(command.args) + bool(command.tasks) > 1:
            self._app.say(f"{command.verb} takes ids of tasks, or --all, or --agent: not both", "warning")
        elif command.tasks:
            self._app.connection.requests.send_all([(f"{command.verb}_agent", task_id, {}) for task_id in command.tasks])
        else:
            self._app.connection.requests.send(f"{command.verb}_all")

    def _show_output(self, argv: list[str], screen: ActiveScreen) -> None:
        """Run a verb of the command line and show what it prints; `context` alone is about the selected task."""
        if argv == ["context"]:
            argv += [format_id(task.id) for task in screen.list_target_tasks()[:1]]
        from . import cli_output

        self._app.run_worker(cli_output.show_output(self._app, argv), exit_on_error=False)

    def _ask_clear(self, args: Mapping[str, Any]) -> None:
        """Have ended tasks removed, after a question: it cannot be undone."""
        self._app.connection.client.refuse_if_read_only()
        age = args.get("older_than_s")
        count = f", {self._app.state.snapshot.done_count} of them" if self._app.state is not None else ""
        which = f"that ended more than {format_span(float(age))} ago" if age else f"that ended{count}"
        lines = [
            f"All tasks {which}, are removed with their logs and what is known of their attempts.",
            "Worktrees and branches are kept.",
        ]
        self._ask(Confirm("Remove ended tasks?", lines, yes="Remove them"), "clear", args)

    def _ask_stop_all(self, args: Mapping[str, Any]) -> None:
        """Have the queue paused and every agent stopped, after a question if an agent would lose its attempt."""
        self._app.connection.client.refuse_if_read_only()
        agents = self._app.state.snapshot.active if self._app.state is not None else ()
        if not agents:
            self._app.connection.requests.send("stop_all", **args)
            return
        lines = [
            f"{format_names([agent.task for agent in agents])}: the attempts are lost, worktrees and branches are kept.",
            "The queue is paused first, so nothing starts in their place.",
        ]
        question = Confirm(f"Stop all {format_count(len(agents), 'agent')}?", lines, yes="Stop all")
        self._ask(question, "stop_all", args)

    def _ask(self, question: Confirm, verb: str, args: Mapping[str, Any]) -> None:
        def answer(yes: bool | None) -> None:
            if yes:
                self._app.connection.requests.send(verb, **args)
            else:
                self._app.say("nothing was done")

        self._app.push_screen(question, answer)

    def _run_here(self, command: Command) -> None:
        if command.verb == "quit":
            self._quit_flow.action_ask_quit()
        elif command.verb == "help":
            self.action_help()
        elif command.verb == "engine":
            self._app.say(self._app.connection.engine.run_here())
        elif command.verb == "undo":
            self._views.open_undo_list()
        elif command.verb == "plan":
            self._views.action_view_plan(command.args.get("limit"))
        else:
            self._app.say(*self._change_theme(str(command.args["name"])))

    def _run_on_tasks(self, command: Command, screen: ActiveScreen) -> None:
        task_ids = list(dict.fromkeys(command.tasks)) or [task.id for task in screen.list_target_tasks()]
        snapshot = self._app.state.snapshot if self._app.state is not None else None
        if not task_ids:
            self._app.say("which task? none is selected", "warning")
        elif command.verb == "show":
            self._views.open_task(task_ids[0], None)
        elif command.verb == "diff":
            self._views.open_diff(task_ids[0])
        elif command.verb in ("attach", "shell"):
            task = snapshot.find_task(task_ids[0]) if snapshot is not None else None
            if (reason := require_writable(screen.get_context())) is not None:
                self._app.say(reason, "warning")
            elif task is None:
                self._app.say(f"there is no {format_id(task_ids[0])} in the lists", "warning")
            else:
                self._views.attach_session(command.verb, task)
        elif command.verb in ("say", "answer"):
            self._app.connection.client.refuse_if_read_only()
            if command.verb == "say":
                self._app.connection.requests.say(task_ids[0], command.args["text"])
            else:
                self._app.connection.requests.answer(task_ids[0], command.args["decision"], command.args["text"])
        elif command.verb == "edit" and not command.args:
            self._views.edit_task(task_ids[0])
        else:
            if command.verb in ("kill", "cancel") and snapshot is not None:
                task_ids = self._stop_tasks(task_ids, bool(command.args.get("now")), screen, snapshot)
            if task_ids:
                self._app.connection.requests.send_all([(command.verb, task_id, command.args) for task_id in task_ids])

    def _stop_tasks(self, task_ids: Sequence[str], now: bool, screen: ActiveScreen, snapshot: Snapshot) -> list[str]:
        """Stop tasks as their key does; returns the others, for the engine to refuse with a reason."""
        self._app.connection.client.refuse_if_read_only()
        tasks = [task for task_id in task_ids if (task := snapshot.find_task(task_id)) and not task.ended]
        TaskActions(self._app, screen).action_stop_tasks(now, tasks)
        stopped = {task.id for task in tasks}
        return [task_id for task_id in task_ids if task_id not in stopped]

    async def _enqueue(self, args: dict[str, Any]) -> None:
        connection, reference = self._app.connection, args.pop("reference")
        text = await connection.requests.enqueue(reference, args.pop("message"), **args)
        obstacles = await connection.requests.run_change(
            lambda: connection.client.list_obstacles(reference, args.get("agent"), args.get("repo"), connection.folder)
        )
        if obstacles:
            text += f"; it cannot run yet: {'; '.join(obstacle.text for obstacle in obstacles)}"
        self._app.say(text, "warning" if obstacles else "good")

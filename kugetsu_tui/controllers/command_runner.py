"""The command line of the console: what was typed is done, or it is said why not."""

from collections.abc import Callable, Mapping
from typing import Any

from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.text.quantities import format_count, format_span
from kugetsu_engine.errors import KugetsuError

from ..availability import REPLAY_REFUSAL, require_writable
from ..commands.grammar import OF_ISSUES, OF_PAST, REPORTS, Command, parse_command
from ..console import ActiveScreen, StateConsole, Views
from ..keys import Action
from ..modals.command_line import CommandLine
from ..modals.confirm import Confirm
from ..modals.help import Help
from ..viewmodels.selection import format_names
from . import cli_output, issue_commands, notification_channels
from .preferences import Preferences
from .quit import QuitFlow
from .replay import ReplayController
from .task_actions import TaskActions

PANES = {
    "task": "the task", "notices": "the notifications", "agents": "the list of agents", "queue": "the queue", "log": "the log",
    "done": "the list of ended tasks", "diff": "the diff", "files": "the files", "merged": "all logs as one",
}  # fmt: skip
"""What help calls the place one comes from."""


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
        self._app.push_screen(CommandLine(self._preferences.lines, self._preferences.known(), text), self.typed)

    def action_jump(self) -> None:
        """Ask for the number of a task."""
        self.action_command("#")

    def action_help(self) -> None:
        """Show the keys of the place, and do what is chosen."""
        screen = self._app.active_screen
        if screen is None:
            return
        now = screen.get_context()

        def chosen(does: Action | str | None) -> None:
            if isinstance(does, Action):
                screen.perform(does)
            elif does is not None:
                self.action_command(f"{does} ")

        self._app.push_screen(Help(self._app.registry, now, f"Keys in {PANES.get(now.pane, now.pane)}"), chosen)

    def typed(self, text: str | None) -> None:
        """Do what was typed; what is wrong with it is said."""
        if text is None or not text.strip():
            return
        self._preferences.keep_line(text)
        if self._app.active_screen is not None:
            self._app.active_screen.clear_failure()
        try:
            self._run(parse_command(text))
        except KugetsuError as error:
            self._app.say(str(error), "warning")

    def _run(self, command: Command) -> None:
        screen = self._app.active_screen
        if screen is None:
            return
        if self._replay_controller.on and command.verb not in OF_PAST:
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
            self._report([command.verb, *command.args["words"]], screen)
        elif command.args.keys() == {"file"}:
            self._report(["enqueue", "--file", command.args["file"]], screen)
        elif command.verb == "notify":
            self._app.run_worker(
                notification_channels.run_notify_command(self._app, command, [task.id for task in screen.list_targets()]),
                exit_on_error=False,
            )
        elif command.verb in OF_ISSUES:
            self._app.run_worker(issue_commands.run_issue_command(self._app, command), exit_on_error=False)
        elif command.verb == "enqueue":
            self._app.run_worker(self._enqueue(dict(command.args)), exit_on_error=False)
        elif command.verb == "clear":
            self._ask_clear(command.args)
        elif command.verb == "stop-all":
            self._ask_stop_all(command.args)
        elif command.verb in ("pause", "resume", "drain", "limit"):
            self._app.connection.requests.send(command.verb, **command.args)
        else:
            self._run_on_tasks(command, screen)

    def _report(self, words: list[str], screen: ActiveScreen) -> None:
        """Run a verb of the command line and show what it prints; `context` alone is about the selected task."""
        if words == ["context"]:
            words += [format_id(task.id) for task in screen.list_targets()[:1]]
        self._app.run_worker(cli_output.show_output(self._app, words), exit_on_error=False)

    def _ask_clear(self, args: Mapping[str, Any]) -> None:
        """Have ended tasks removed, after a question: it cannot be taken back."""
        if self._app.connection.client.read_only or self._app.state is None:
            self._app.connection.requests.send("clear", **args)  # refused, and it is said why
            return
        age = args.get("older_than_s")
        what = (
            f"that ended more than {format_span(float(age))} ago"
            if age
            else f"that ended, {self._app.state.snapshot.done_count} of them"
        )
        lines = [
            f"All tasks {what}, are removed with their logs and what is known of their attempts.",
            "Worktrees and branches are kept.",
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self._app.connection.requests.send("clear", **args)
            else:
                self._app.say("nothing was done")

        self._app.push_screen(Confirm("Remove ended tasks?", lines, yes="Remove them"), answered)

    def _ask_stop_all(self, args: Mapping[str, Any]) -> None:
        """Have the queue paused and every agent stopped, after a question where an agent would lose its attempt."""
        agents = self._app.state.snapshot.active if self._app.state is not None else ()
        if self._app.connection.client.read_only or not agents:
            self._app.connection.requests.send("stop_all", **args)
            return
        lines = [
            f"{format_names([one.task for one in agents])}: the attempts are lost, worktrees and branches are kept.",
            "The queue is paused first, so nothing starts in their place.",
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self._app.connection.requests.send("stop_all", **args)
            else:
                self._app.say("nothing was done")

        self._app.push_screen(Confirm(f"Stop all {format_count(len(agents), 'agent')}?", lines, yes="Stop all"), answered)

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
        named = {task: None for task in command.tasks}
        tasks = list(named) or [task.id for task in screen.list_targets()]
        if not tasks:
            self._app.say("which task? none is selected", "warning")
        elif command.verb == "show":
            self._views.open_task(tasks[0], None)
        elif command.verb == "diff":
            self._views.open_diff(tasks[0])
        elif command.verb in ("attach", "shell"):
            task = self._app.state.snapshot.find_task(tasks[0]) if self._app.state is not None else None
            if (reason := require_writable(screen.get_context())) is not None:
                self._app.say(reason, "warning")
            elif task is None:
                self._app.say(f"there is no {format_id(tasks[0])} in the lists", "warning")
            else:
                self._views.attach_session(command.verb, task)
        elif command.verb == "edit" and not command.args:
            self._views.edit_task(tasks[0])
        else:
            if command.verb in ("kill", "cancel") and not self._app.connection.client.read_only and self._app.state is not None:
                found = [task for task_id in tasks if (task := self._app.state.snapshot.find_task(task_id)) and not task.ended]
                asked = {task.id for task in found}
                if found:
                    TaskActions(self._app, screen).action_stop(bool(command.args.get("now")), found)
                tasks = [task_id for task_id in tasks if task_id not in asked]  # the rest are refused, and it is said why
            if tasks:
                self._app.connection.requests.send_all([(command.verb, task_id, command.args) for task_id in tasks])

    async def _enqueue(self, args: dict[str, Any]) -> None:
        connection, reference = self._app.connection, args.pop("reference")
        told = await connection.requests.enqueue(reference, args.pop("message"), **args)
        found = await connection.requests.run_change(
            lambda: connection.client.list_obstacles(reference, args.get("agent"), args.get("repo"), connection.folder)
        )
        if found:
            told += f"; as things stand it cannot run: {'; '.join(one.text for one in found)}"
        self._app.say(told, "warning" if found else "good")

"""`:notify`: mutes tasks, and sends a test message through every channel."""

from collections.abc import Sequence
from functools import partial

from kugetsu_engine.domain.decisions.notification_rules import ALL

from ..commands.grammar import Command
from ..console import Console
from ..formatting.cells import clean
from ..modals.task_events import TaskEventsDialog
from . import terminal_notifications


async def run_notify_command(app: Console, command: Command, selected: Sequence[str]) -> None:
    """Run `:notify`; without names it is about the selected tasks."""
    if command.args["how"] == "test":
        await _send_tests(app)
        return
    client = app.connection.client
    names = command.tasks or ([ALL] if command.args["all"] else selected)
    for name in names:
        app.say(await app.connection.requests.run_change(partial(client.mute, name, command.args["for_s"])), "good")
    if not names:
        app.say("which task? none is selected", "warning")


async def _send_tests(app: Console) -> None:
    """Send a test through every channel and list the results; only the operator knows what arrived."""
    settings, environ = app.connection.settings.notify, app.connection.client.environ
    app.write(terminal_notifications.build_attention_sequence("a test: this is how you are notified", settings, environ))
    here = [(("here", "muted"), (clean(line, 300), "text")) for line in terminal_notifications.describe_test(settings, environ)]
    results = await app.connection.requests.run_slow(app.connection.client.send_test_notifications)
    there = [(("engine", "muted"), (clean(result.text, 300), "good" if result.sent else "warning")) for result in results]
    app.push_screen(TaskEventsDialog("Test notifications: which of these reached you?", [*here, *there]))

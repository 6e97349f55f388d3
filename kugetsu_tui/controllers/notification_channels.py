"""`:notify`: muting tasks, and trying every way of telling the operator something."""

from collections.abc import Sequence
from functools import partial

from kugetsu_engine.domain.decisions.notification_rules import ALL

from ..commands.grammar import Command
from ..console import Console
from ..formatting.cells import clean
from ..modals.task_events import TaskEventsDialog
from . import terminal_notifications


async def run_notify_command(app: Console, command: Command, selected: Sequence[str]) -> None:
    """Do what `:notify` was asked to."""
    if command.args["how"] == "test":
        await _try_all(app)
        return
    client = app.connection.client
    names = command.tasks or ([ALL] if command.args["all"] else selected)
    for name in names:
        text = await app.connection.requests.run_change(partial(client.mute, name, command.args["for_s"]))
        app.say(text, "good")
    if not names:
        app.say("which task? none is selected", "warning")


async def _try_all(app: Console) -> None:
    """Try every way, and say which was tried and how it went; only the operator knows what arrived."""
    settings, environ = app.connection.settings.notify, app.connection.client.environ
    app.write(terminal_notifications.build_attention_sequence("a test: this is how you are told", settings, environ))
    here = [(("here", "muted"), (clean(line, 300), "text")) for line in terminal_notifications.describe_test(settings, environ)]
    tried = await app.connection.requests.run_slow(app.connection.client.send_test_notifications)
    there = [(("engine", "muted"), (clean(one.text, 300), "good" if one.sent else "warning")) for one in tried]
    app.push_screen(TaskEventsDialog("How you are told: which of these reached you?", [*here, *there]))

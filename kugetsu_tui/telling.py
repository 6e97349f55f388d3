"""`:notify`: muting tasks, and trying every way of telling the operator something."""

from typing import TYPE_CHECKING

from kugetsu_engine.store.mutes import ALL

from . import calling
from .commands import Command
from .formatting.safe_text import clean
from .modals.story import Story
from .screens.console import ConsoleScreen

if TYPE_CHECKING:
    from .app import KugetsuApp


async def notify(app: "KugetsuApp", command: Command, screen: ConsoleScreen) -> None:
    """Do what `:notify` was asked to."""
    if command.args["how"] == "test":
        await _try_all(app)
        return
    names = list(command.tasks) or ([ALL] if command.args["all"] else [task.id for task in screen.targets()])
    for name in names:
        app.say(await app.link.mute(name, command.args["for_s"]), "good")
    if not names:
        app.say("which task? none is selected", "warning")


async def _try_all(app: "KugetsuApp") -> None:
    """Try every way, and say which was tried and how it went; only the operator knows what arrived."""
    settings, environ = app.link.settings.notify, app.link.operator.environ
    app.write(calling.call("a test: this is how you are told", settings, environ))
    here = [(("here", "muted"), (clean(line, 300), "text")) for line in calling.words(settings, environ)]
    tried = await app.link.try_telling()
    there = [(("engine", "muted"), (clean(one.text, 300), "good" if one.sent else "warning")) for one in tried]
    app.push_screen(Story("How you are told: which of these reached you?", [*here, *there]))

"""The channels of notifications: a command, the desktop, apprise. Each sends one message or says why it could not."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..config.loader import NotifySettings
from ..domain.text.safe_text import safe_line
from ..errors import KugetsuError
from .message import Message

LIMIT_S = 20.0
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS")
Send = Callable[[Message], None]


class NotSent(KugetsuError):
    """A message could not be sent; the text says why."""


class ChannelResult(NamedTuple):
    """The result of a test message on one channel."""

    text: str
    sent: bool


def list_channels(settings: NotifySettings, environ: Mapping[str, str]) -> dict[str, Send]:
    """Return the configured channels by name; each raises `NotSent` if it fails."""
    channels: dict[str, Send] = {}
    if settings.command:
        channels["command"] = lambda message: _command(settings.command, message, environ)
    if settings.desktop and (settings.desktop is True or has_desktop(environ)):
        channels["desktop"] = lambda message: _desktop(message, environ)
    if settings.urls:
        channels["apprise"] = lambda message: _apprise(settings.urls, message)
    return channels


def send_test_messages(settings: NotifySettings, environ: Mapping[str, str]) -> list[ChannelResult]:
    """Send a test message on every channel and return a result for each."""
    results = []
    for name, send in list_channels(settings, environ).items():
        try:
            send(Message("kugetsu", "a test: notifications look like this", "test"))
            results.append(ChannelResult(f"{name}: sent", True))
        except NotSent as error:
            results.append(ChannelResult(f"{name}: {error}", False))
    return results or [ChannelResult("no channel is configured: set command, desktop or urls in [notify]", False)]


def has_desktop(environ: Mapping[str, str]) -> bool:
    """Whether this process can show desktop notifications."""
    program = shutil.which("notify-send", path=environ.get("PATH")) or shutil.which("osascript", path=environ.get("PATH"))
    return program is not None and ("osascript" in program or any(environ.get(name) for name in DISPLAYS))


def _command(argv: list[str], message: Message, environ: Mapping[str, str]) -> None:
    """Run the operator's program, without a shell: its arguments have placeholders, its input is the message as JSON."""
    values = {"{title}": message.title, "{text}": message.text, "{id}": message.id or "", "{ref}": message.issue_ref or "",
              "{kind}": message.kind}  # fmt: skip
    filled = [argv[0]]
    for arg in argv[1:]:
        for placeholder, value in values.items():
            arg = arg.replace(placeholder, safe_line(value))
        filled.append(arg)
    document = {"title": message.title, "text": message.text, "kind": message.kind, "id": message.id,
                "issue_ref": message.issue_ref, "count": message.count}  # fmt: skip
    _run(filled, json.dumps(document), environ)


def _desktop(message: Message, environ: Mapping[str, str]) -> None:
    if shutil.which("notify-send", path=environ.get("PATH")):
        urgency = "critical" if message.urgent else "normal"
        _run(["notify-send", "--app-name=kugetsu", f"--urgency={urgency}", "--", message.title, message.text], "", environ)
        return
    if not shutil.which("osascript", path=environ.get("PATH")):
        raise NotSent("notify-send is not installed", "install libnotify, or set desktop = false in [notify]")
    # Title and text are arguments, not part of the script.
    script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
    _run(["osascript", "-e", script, "--", message.title, message.text], "", environ)


def _run(argv: list[str], input_text: str, environ: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            argv, input=input_text.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False,
            start_new_session=True, env=dict(environ),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotSent(f"{argv[0]} took longer than {LIMIT_S:g} s") from None
    except (OSError, ValueError) as error:
        raise NotSent(f"{argv[0]} could not be run: {getattr(error, 'strerror', None) or error}") from None
    if done.returncode:
        output = safe_line(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])[:200]
        raise NotSent(
            f"{os.path.basename(argv[0])} failed with exit code {done.returncode}" + (f": {output}" if output else "")
        )


def _apprise(urls: list[str], message: Message) -> None:
    """Send to every URL. URLs contain keys, so they appear in no error."""
    try:
        import apprise
    except ImportError:
        raise NotSent("apprise is not installed", "pip install 'kugetsu[notify]'") from None
    client = apprise.Apprise()
    kind = apprise.NotifyType.WARNING if message.urgent else apprise.NotifyType.INFO
    try:
        bad = [number for number, url in enumerate(urls, 1) if not client.add(url)]
        sent = not bad and client.notify(title=message.title, body=message.text, notify_type=kind)
    except Exception as error:  # the boundary to apprise and its plug-ins
        raise NotSent(f"apprise failed with {type(error).__name__}") from None
    if bad:
        raise NotSent(f"number {bad[0]} of urls in [notify] is not valid for apprise")
    if not sent:
        raise NotSent("apprise could not deliver to every URL")

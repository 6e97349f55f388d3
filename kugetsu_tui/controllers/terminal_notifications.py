"""Calls an operator who is not watching, through the terminal: its bell, and the notifications that terminals can show.

A terminal that knows a sequence passes it to its desktop, also over ssh; tmux passes it on when `allow-passthrough` is on.
Every text is cleaned, as it becomes part of a sequence.
"""

from collections.abc import Mapping

from kugetsu_engine.config.loader import NotifySettings
from kugetsu_engine.domain.decisions.notification_rules import TITLE

from ..formatting.cells import clean

BELL = "\a"
MAX_LENGTH = 200
KITTY = ("KITTY_WINDOW_ID",)


def choose_method(settings: NotifySettings, environ: Mapping[str, str]) -> str:
    """Choose the kind of sequence that this terminal understands: `osc9`, `osc777`, `osc99`, or `off`."""
    if settings.terminal != "auto":
        return settings.terminal
    term = environ.get("TERM", "")
    if term in ("", "dumb", "linux") or term.startswith("vt"):
        return "off"
    if any(environ.get(name) for name in KITTY) or "kitty" in term:
        return "osc99"
    if term.startswith(("foot", "rxvt")) or environ.get("VTE_VERSION"):
        return "osc777"
    return "osc9"


def build_sequence(text: str, method: str, environ: Mapping[str, str]) -> str:
    """Build the sequence that shows a notification; empty for `off`."""
    body = clean(text, MAX_LENGTH)
    built = {
        "osc9": f"\x1b]9;{TITLE}: {body}\a",
        "osc777": f"\x1b]777;notify;{TITLE};{body.replace(';', ',')}\a",
        "osc99": f"\x1b]99;i=kugetsu:d=0;{TITLE}\x1b\\\x1b]99;i=kugetsu:p=body;{body}\x1b\\",
    }.get(method, "")
    if built and environ.get("TMUX"):
        return "\x1bPtmux;" + built.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return built


def build_attention_sequence(text: str, settings: NotifySettings, environ: Mapping[str, str]) -> str:
    """Build the sequence for bell and notification, as far as the settings ask for them."""
    return (BELL if settings.bell else "") + build_sequence(text, choose_method(settings, environ), environ)


def describe_test(settings: NotifySettings, environ: Mapping[str, str]) -> list[str]:
    """Describe what was just sent to the terminal, so that the operator can say whether it arrived."""
    how = choose_method(settings, environ)
    through = " through tmux (needs: tmux set -g allow-passthrough on)" if environ.get("TMUX") and how != "off" else ""
    return [
        "the bell of this terminal was rung" if settings.bell else "bell: off",
        f"a notification was sent to this terminal as {how.upper().replace('OSC', 'OSC ')}{through}"
        if how != "off" else "terminal: off, or one that knows no notifications",
    ]  # fmt: skip

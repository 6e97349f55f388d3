"""The console's own themes: dark and light, both also in high contrast, the terminal's sixteen colours, and no colours.

Every colour and every emphasis is a variable of the theme, so other themes can be used.
"""

import os
from collections.abc import Collection
from typing import Any

from textual.app import App, InvalidThemeError
from textual.theme import Theme

from kugetsu_engine.domain.config_faults import suggest_name

from .formatting.cells import clean

COLOURED = {"k-cursor-style": "none", "k-faint-style": "none", "k-button-style": "bold"}
"""Emphasis where a background can show the cursor."""
PLAIN = {"k-cursor-style": "reverse", "k-faint-style": "dim", "k-button-style": "bold reverse"}
"""Emphasis where the background colours are unknown: reversed text can be read with any colours."""

DARK = Theme(
    name="kugetsu-dark", primary="#8fa8d6", secondary="#6f83a8", accent="#ead27a", warning="#e0a45e", error="#ee7d86",
    success="#93c99a", foreground="#d5dbe8", background="#141923", surface="#1a202d", panel="#232b3b", dark=True,
    variables=COLOURED | {
        "k-muted": "#8d98af", "k-faint": "#5a6680", "k-border": "#35405a", "k-cursor": "#2b3652",
        "k-cursor-dim": "#1f2737", "k-bar": "#1c2331", "k-info": "#8fb4e8", "k-magenta": "#d19be0",
        "k-cyan": "#7fc8c8",
    },
)  # fmt: skip

LIGHT = Theme(
    name="kugetsu-light", primary="#3b5b92", secondary="#6478a0", accent="#835e0e", warning="#965810", error="#b3303f",
    success="#2a713f", foreground="#262c3a", background="#f7f6f1", surface="#ffffff", panel="#e9e7de", dark=False,
    variables=COLOURED | {
        "k-muted": "#5f687a", "k-faint": "#8d94a3", "k-border": "#c5c6c6", "k-cursor": "#dfe6f2",
        "k-cursor-dim": "#edeee9", "k-bar": "#eceae2", "k-info": "#2c5fa8", "k-magenta": "#8a3d91",
        "k-cyan": "#14707a",
    },
)  # fmt: skip

CONTRAST = Theme(
    name="kugetsu-contrast", primary="#9cc4ff", secondary="#c0d4ff", accent="#ffe14d", warning="#ffb454",
    error="#ff9a9a", success="#7dff9b", foreground="#ffffff", background="#000000", surface="#000000", panel="#262626",
    dark=True,
    variables=COLOURED | {
        "k-muted": "#dadada", "k-faint": "#b4b4b4", "k-border": "#a0a0a0", "k-cursor": "#00408a",
        "k-cursor-dim": "#222222", "k-bar": "#1c1c1c", "k-info": "#8fd0ff", "k-magenta": "#ffa6ff",
        "k-cyan": "#7dfff0",
    },
)  # fmt: skip

CONTRAST_LIGHT = Theme(
    name="kugetsu-contrast-light", primary="#003a8c", secondary="#2a3c5c", accent="#5c3d00", warning="#723700",
    error="#960016", success="#00561c", foreground="#000000", background="#ffffff", surface="#ffffff", panel="#e4e4e4",
    dark=False,
    variables=COLOURED | {
        "k-muted": "#303030", "k-faint": "#505050", "k-border": "#606060", "k-cursor": "#bcd7ff",
        "k-cursor-dim": "#f2f2f2", "k-bar": "#f0f0f0", "k-info": "#00439c", "k-magenta": "#7a006e",
        "k-cyan": "#00545c",
    },
)  # fmt: skip

_OWN = "ansi_default"


def _of_terminal(name: str, dark: bool, accent: str, warning: str, error: str, success: str, info: str) -> Theme:
    # Bright black is not used: in common palettes it is the background.
    return Theme(
        name=name, ansi=True, dark=dark, primary=info, secondary=info, accent=accent, warning=warning, error=error,
        success=success, foreground=_OWN, background=_OWN, surface=_OWN, panel=_OWN, boost=_OWN,
        variables=PLAIN | {
            **dict.fromkeys(("k-muted", "k-faint", "k-border", "k-cursor", "k-cursor-dim", "k-bar"), _OWN),
            "k-info": info, "k-magenta": _OWN if info == _OWN else "ansi_magenta",
            "k-cyan": _OWN if info == _OWN else "ansi_cyan", "ansi-background": _OWN, "ansi-foreground": _OWN,
            "block-cursor-text-style": "reverse", "block-cursor-foreground": _OWN, "block-cursor-background": _OWN,
            "block-cursor-blurred-text-style": "underline", "input-cursor-text-style": "reverse",
            "input-cursor-foreground": _OWN, "input-cursor-background": _OWN,
        },
    )  # fmt: skip


ANSI = _of_terminal(
    "kugetsu-ansi", True, "ansi_yellow", "ansi_bright_yellow", "ansi_bright_red", "ansi_green", "ansi_cyan"
)  # fmt: skip
ANSI_LIGHT = _of_terminal("kugetsu-ansi-light", False, "ansi_blue", "ansi_magenta", "ansi_red", "ansi_green", "ansi_blue")
MONO = _of_terminal("kugetsu-mono", True, _OWN, _OWN, _OWN, _OWN, _OWN)

ALL = (DARK, LIGHT, CONTRAST, CONTRAST_LIGHT, ANSI, ANSI_LIGHT, MONO)
DEFAULT = DARK.name


def get_fallback_variables(dark: bool, ansi: bool) -> dict[str, str]:
    """Values of the console's own variables for a theme that lacks them."""
    if ansi:
        return dict((ANSI if dark else ANSI_LIGHT).variables)
    return dict(LIGHT.variables) if not dark else COLOURED | {
        "k-muted": "#9aa0a8", "k-faint": "#6f757d", "k-border": "#4a4f57", "k-cursor": "#3a4250",
        "k-cursor-dim": "#2a2e35", "k-bar": "#24282e", "k-info": "#7fb2f0",
        "k-magenta": "#d19be0", "k-cyan": "#7fc8c8",
    }  # fmt: skip


def expand_name(name: str, known: Collection[str]) -> str:
    """The full name of a theme: the console's own may be given without `kugetsu-`, and win over others of that name."""
    return f"kugetsu-{name}" if f"kugetsu-{name}" in known else name


def list_names(known: Collection[str]) -> list[str]:
    """All themes by their short names, the console's own first."""
    own = [theme.name.removeprefix("kugetsu-") for theme in ALL]
    return [*own, *sorted({name.removeprefix("kugetsu-") for name in known}.difference(own))]


def apply_first_theme(app: App[Any], configured: str | None, colourless: bool) -> list[str]:
    """Apply the theme of the environment or of the settings; returns what is wrong with it, at most one sentence."""
    for theme in ALL:
        app.register_theme(theme)
    name = os.environ.get("TEXTUAL_THEME") or configured or DEFAULT
    try:
        app.theme = MONO.name if colourless else expand_name(name, app.available_themes)
    except InvalidThemeError:
        app.theme = DEFAULT
        own = ", ".join(theme.name.removeprefix("kugetsu-") for theme in ALL)
        meant = suggest_name(name, [known.removeprefix("kugetsu-") for known in app.available_themes])
        return [f"unknown theme {clean(name, 40)!r}{meant}; there are {own}, and more that :theme completes"]
    return []


def change_theme(app: App[Any], name: str, colourless: bool) -> tuple[str, str]:
    """Apply another theme; returns a message and its tone."""
    if colourless:
        return "NO_COLOR is set: there are no colours to choose", "warning"
    try:
        app.theme = expand_name(name, app.available_themes)
    except InvalidThemeError:
        return f"unknown theme {clean(name, 60)}", "warning"
    return f"theme {app.theme}; theme = {app.theme!r} in config.toml keeps it", "text"

"""The console's own colours: a moonlit night, and its day. Every colour is a variable of the theme, so others can be used."""

from textual.theme import Theme

DARK = Theme(
    name="kugetsu-dark",
    primary="#8fa8d6",
    secondary="#6f83a8",
    accent="#ead27a",
    warning="#e0a45e",
    error="#ee7d86",
    success="#93c99a",
    foreground="#d5dbe8",
    background="#141923",
    surface="#1a202d",
    panel="#232b3b",
    dark=True,
    variables={
        "k-muted": "#8d98af",
        "k-faint": "#5a6680",
        "k-border": "#35405a",
        "k-cursor": "#2b3652",
        "k-cursor-dim": "#1f2737",
        "k-bar": "#1c2331",
        "k-info": "#8fb4e8",
    },
)

LIGHT = Theme(
    name="kugetsu-light",
    primary="#3b5b92",
    secondary="#6478a0",
    accent="#8a6410",
    warning="#9a5b10",
    error="#b3303f",
    success="#2f7a45",
    foreground="#262c3a",
    background="#f7f6f1",
    surface="#ffffff",
    panel="#e9e7de",
    dark=False,
    variables={
        "k-muted": "#5f687a",
        "k-faint": "#8d94a3",
        "k-border": "#c5c6c6",
        "k-cursor": "#dfe6f2",
        "k-cursor-dim": "#edeee9",
        "k-bar": "#eceae2",
        "k-info": "#2c5fa8",
    },
)

ALL = (DARK, LIGHT)
DEFAULT = DARK.name


def fallback_variables(dark: bool, ansi: bool) -> dict[str, str]:
    """Values of the console's own variables for a theme that does not know them."""
    if ansi:
        return {
            "k-muted": "ansi_default", "k-faint": "ansi_bright_black", "k-border": "ansi_bright_black",
            "k-cursor": "ansi_blue", "k-cursor-dim": "ansi_default", "k-bar": "ansi_default", "k-info": "ansi_cyan",
        }  # fmt: skip
    return dict((DARK if dark else LIGHT).variables) if not dark else {
        "k-muted": "#9aa0a8", "k-faint": "#6f757d", "k-border": "#4a4f57", "k-cursor": "#3a4250",
        "k-cursor-dim": "#2a2e35", "k-bar": "#24282e", "k-info": "#7fb2f0",
    }  # fmt: skip

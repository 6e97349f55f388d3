"""Every theme shows every state by glyph, word and colour, can be read, and leaves a terminal without colours without them."""

from collections.abc import Callable
from itertools import product

import pytest
from textual.color import Color
from textual.theme import Theme

from kugetsu_engine.domain.task import Task
from kugetsu_tui import themes
from kugetsu_tui.formatting import glyphs
from kugetsu_tui.formatting.glyphs import choose_glyphs, get_level_glyph, get_state_glyph, get_task_glyph
from tests.tui.conftest import Opener

RGB = [theme for theme in themes.ALL if not theme.ansi]
LEAST = {"kugetsu-contrast": 7.0, "kugetsu-contrast-light": 7.0}
"""WCAG's enhanced contrast; 4.5, its least for text, for the others."""
WRITTEN = ("foreground", "accent", "warning", "error", "success", "k-info", "k-magenta", "k-cyan", "k-muted")
STATES = ("pending", "notified", "running", "completed", "error", "cancelled", "expired")


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours."""

    def luminance(text: str) -> float:
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in Color.parse(text).normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", RGB, ids=lambda theme: theme.name)
def test_text_can_be_read_on_every_ground(theme: Theme) -> None:
    """On the screen, on the bars and under the cursor."""
    colours = {name: getattr(theme, name, None) or theme.variables.get(name, "") for name in WRITTEN}
    grounds = {"background": theme.background or ""} | {
        name: theme.variables[name] for name in ("k-cursor", "k-cursor-dim", "k-bar")
    }
    least = LEAST.get(theme.name, 4.5)
    found = {
        (name, ground): round(contrast(colour, below), 2)
        for (name, colour), (ground, below) in product(colours.items(), grounds.items())
    }
    # Under the cursor the marker and the words are there as well.
    poor = {pair: ratio for pair, ratio in found.items() if ratio < (least if pair[1] != "k-cursor" else least * 0.6)}
    assert not poor


@pytest.mark.parametrize("utf8", [True, False], ids=["utf-8", "ascii"])
def test_no_state_is_told_by_colour_alone(utf8: bool) -> None:
    """Each has a word of its own, and a glyph of one cell."""
    choose_glyphs(utf8)
    try:
        looks = [get_state_glyph(state) for state in STATES]
        waiting = [Task("q_1", "local/a#1", "x", held=True), Task("q_2", "local/a#2", "x", attempt=1)]
        looks += [get_task_glyph(task) for task in waiting]
        looks.append(get_task_glyph(Task("q_3", "local/a#3", "x", state="running", stop="stop")))
        assert len({look.word for look in looks}) == len(looks)
        assert len({look.glyph for look in looks}) == len(looks)
        assert all(len(look.glyph) == 1 and (utf8 or look.glyph.isascii()) for look in looks)
        assert len({get_level_glyph(level).glyph for level in ("info", "good", "warning", "error")}) == 4
    finally:
        choose_glyphs(True)


async def test_themes_change_by_their_short_names(console: Opener) -> None:
    """`:theme contrast` is `kugetsu-contrast`; the answer says how to keep it, or that there is none."""
    async with console(size=(80, 24)) as here:
        await here.press("colon", *"theme light", "enter")
        await here.until(lambda: here.app.theme == themes.LIGHT.name, "the light theme")
        for theme in themes.ALL:
            here.app.commands.run_typed(f"theme {theme.name.removeprefix('kugetsu-')}")
            assert here.app.theme == theme.name
            assert f"theme = {theme.name!r}" in here.said
            await here.pilot.pause()
        here.app.commands.run_typed("theme nosuch")
        assert "unknown theme nosuch" in here.said


async def test_no_color_paints_no_colour(console: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR: emphasis only, the cursor by turning its line round."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with console(size=(80, 24)) as here:
        await here.press("2", "question_mark")
        await here.press("escape")
        assert here.app.theme == themes.MONO.name
        colours = {
            colour
            for strip in here.app.screen._compositor.render_strips(here.app.size)
            for segment in strip
            if segment.style is not None
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None and not colour.is_default
        }
        assert not colours
        here.app.commands.run_typed("theme light")
        assert "NO_COLOR is set" in here.said
        assert here.app.theme == themes.MONO.name


async def test_a_terminal_without_utf_8_gets_ascii_everywhere(console: Opener, enqueue: Callable[..., str]) -> None:
    """Also frames of dialogs, keys, hints, and where text is cut."""
    enqueue(message="a message far too long for its column, so that it is cut " * 4)
    choose_glyphs(False)
    try:
        async with console((80, 24)) as here:
            for keys in (
                ("2",),
                ("question_mark",),
                ("w",),
                ("h",),
                ("i",),
                ("x",),
                ("colon", *"move 1 "),
                ("n",),
                ("ctrl+p", "down", *"lo"),
            ):
                await here.press(*keys)
                await here.pilot.pause()
                assert here.text.isascii(), (keys, [line for line in here.lines if not line.isascii()])
                if len(here.app.screen_stack) > 2:
                    await here.press("escape")
    finally:
        choose_glyphs(True)


def test_in_ascii_no_two_signs_of_a_row_look_the_same() -> None:
    """The cursor is no agent at work, and what warns is not what needs you."""
    names = ("marker", "mark", "pending", "held", "retry", "notified", "running", "stopping", "completed", "error", "cancelled",
             "expired", "attention", "warning")  # fmt: skip
    for signs in (glyphs._ASCII, glyphs._UTF8):
        used = [signs[name] for name in names]
        assert len(set(used)) == len(used)
    assert all(character.isascii() for signs in glyphs._ASCII.values() for character in signs)

"""The palette: every action of the registry, one line for each, in the style of the other dialogs."""

from functools import partial

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider, SearchIcon
from textual.content import Content
from textual.theme import ThemeProvider

from .formatting.glyphs import adapt_text
from .keys import Action, format_key
from .screens.base import ConsoleScreen

KEY_CELLS = 10


class Palette(CommandPalette):
    """Textual's palette with glyphs that every terminal has."""

    def on_mount(self) -> None:
        """Use the console's own sign for a search."""
        self.query_one(SearchIcon).icon = "/"

    @classmethod
    def for_actions(cls) -> "Palette":
        """Make a palette of actions."""
        return cls(placeholder="an action", id="--command-palette")

    @classmethod
    def for_themes(cls) -> "Palette":
        """Make a palette of themes."""
        return cls(providers=[ThemeProvider], placeholder="a theme")


class ActionProvider(Provider):
    """Finds the actions that the screen can perform."""

    def _all(self) -> list[tuple[str, Action]]:
        screen = self.screen
        if not isinstance(screen, ConsoleScreen):
            return []
        registry = screen.console.registry
        return [
            (adapt_text(f"{a.label}: {a.help}".replace("`", "")), a)
            for a in registry.actions
            if screen.can_perform(a) and a.id != "palette"
        ]

    def _why_not(self, action: Action) -> str:
        """Why an action is not possible right now, for the end of its line; empty if it is."""
        screen = self.screen
        reason = action.get_refusal(screen.get_context()) if isinstance(screen, ConsoleScreen) else None
        return adapt_text(f"  ({reason})") if reason else ""

    def _format(self, text: Content, action: Action) -> Content:
        key = adapt_text(format_key(action.keys[0])).ljust(KEY_CELLS)
        reason = self._why_not(action)
        if reason:
            return Content.assemble((key, "dim"), text.stylize("dim"), (reason, "dim"))
        return Content.assemble((key, "bold $accent"), text)

    async def discover(self) -> Hits:
        """List everything, before anything is typed."""
        for text, action in self._all():
            yield DiscoveryHit(self._format(Content(text), action), partial(self._perform, action), text)

    async def search(self, query: str) -> Hits:
        """List what matches."""
        matcher = self.matcher(query)
        for text, action in self._all():
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, self._format(matcher.highlight(text), action), partial(self._perform, action), text)

    def _perform(self, action: Action) -> None:
        screen = self.screen
        if isinstance(screen, ConsoleScreen):
            screen.perform(action)

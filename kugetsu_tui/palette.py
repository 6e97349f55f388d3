"""The palette: every action of the registry by its words."""

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from .keys import Action, shown_key
from .screens.console import ConsoleScreen


class Actions(Provider):
    """Finds the actions that the screen knows how to do."""

    def _all(self) -> list[tuple[str, Action]]:
        screen = self.screen
        if not isinstance(screen, ConsoleScreen):
            return []
        registry = screen.console.registry
        return [(f"{a.words}: {a.help}", a) for a in registry.actions if screen.can(a.id) and a.id != "palette"]

    def _why_not(self, action: Action) -> str:
        """What stands against an action right now, for its second line; empty if it can be done."""
        screen = self.screen
        reason = action.refusal(screen.situation()) if isinstance(screen, ConsoleScreen) else None
        return f"  ({reason})" if reason else ""

    def _shown(self, words: Content, action: Action) -> Content:
        return words.stylize("dim") if self._why_not(action) else words

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for text, action in self._all():
            yield DiscoveryHit(
                self._shown(Content(text), action),
                partial(self._perform, action),
                text,
                shown_key(action.keys[0]) + self._why_not(action),
            )

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for text, action in self._all():
            score = matcher.match(text)
            if score > 0:
                yield Hit(
                    score,
                    self._shown(matcher.highlight(text), action),
                    partial(self._perform, action),
                    text,
                    shown_key(action.keys[0]) + self._why_not(action),
                )

    def _perform(self, action: Action) -> None:
        screen = self.screen
        if isinstance(screen, ConsoleScreen):
            screen.perform(action)

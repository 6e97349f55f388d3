"""The logs of all running agents as one."""

from kugetsu_engine.domain.new_task import format_id
from kugetsu_engine.domain.text.quantities import choose_form

from ..availability import ActionContext
from ..backend.merged_feed import GUTTER, LineFilter, MergedFeed
from ..formatting.cells import clean
from ..modals.menu import Menu
from ..viewmodels import status_bar
from ..viewmodels.console_state import ConsoleState, shorten_reference
from ..widgets.bars import Banner, StatusStrip
from ..widgets.line_widget import Span
from ..widgets.log_loader import NO_LINES
from ..widgets.log_view import LogView
from .action_context import NOTHING
from .log_screen import LogScreen
from .search import FilterLine

TONES = ("accent", "info", "good", "warning", "muted", "text")
"""Of the gutter, by the number of the task, which is shown there, too."""
NAME = "merged"


class MergedView(LogView):
    """A log whose lines begin with their task."""

    _lead = GUTTER + 2

    def __init__(self, feed: MergedFeed) -> None:
        super().__init__(feed, pane_id="log")
        self._merged = feed
        self.choice = LineFilter()

    async def choose(self, choice: LineFilter) -> None:
        """Show other lines, from the end."""
        self.choice = choice
        self.clear_search()
        part = await self._merged.choose(choice)
        if choice == self.choice:
            self._problem, self._loader.part = None, NO_LINES
            self.jump(True)
            self._accept(part)

    def _seen(self, number: int, start: int = 0, end: int | None = None) -> list[Span]:
        spans = super()._seen(number, start, end)
        name = spans[0][0][:GUTTER]
        if start or not name.startswith("#"):
            return spans
        digits = name[1:].strip()
        tone = TONES[int(digits) % len(TONES)] if digits.isdigit() else "muted"
        return [(spans[0][0][: GUTTER + 2], tone), (spans[0][0][GUTTER + 2 :], spans[0][1]), *spans[1:]]


class MergedScreen(LogScreen):
    """Follows the logs of all running agents; escape goes back."""

    def make_log(self) -> LogView:
        """Make the pane with all logs."""
        return MergedView(self.console.connection.make_merged_feed())

    def on_mount(self) -> None:
        """Show the running agents at once."""
        if self.state is not None:
            self.show_state(self.state)

    def show_state(self, state: ConsoleState) -> None:
        """Show the running agents."""
        if not self.size:
            return
        self.query_one(StatusStrip).show(status_bar.format_fleet(state, self.need_key), status_bar.format_engine(state))
        self.query_one(Banner).show(status_bar.format_banner(state))
        count = len(state.snapshot.active)
        title: list[Span] = [(f"{self._describe_choice()}, {count} {choose_form(count, 'runs', 'run')}", "muted")]
        self.log_pane.show(NAME, 1, True, title, NOTHING)
        self.refresh_keys()

    @property
    def view(self) -> MergedView:
        """The pane with the log, by its own type."""
        assert isinstance(self.log_view, MergedView)
        return self.log_view

    def _describe_choice(self) -> str:
        """Describe which lines are shown, for the title."""
        choice = self.view.choice
        agents = f"of {format_id(choice.only)} only" if choice.only is not None else "of all agents"
        if choice.only is None and choice.without:
            agents += f" but {' '.join(format_id(task) for task in sorted(choice.without))}"
        return f"{agents}, with {clean(choice.text, 40)}" if choice.text else agents

    def _choose(self, choice: LineFilter) -> None:
        self.run_worker(self._show(choice), group="whose", exclusive=True, exit_on_error=False)

    async def _show(self, choice: LineFilter) -> None:
        await self.view.choose(choice)
        if self.state is not None:
            self.show_state(self.state)
        self.say(f"lines {self._describe_choice()}")

    def action_merged_whose(self) -> None:
        """Ask which agents' lines to show."""
        state, choice = self.state, self.view.choice
        tasks = [agent.task for agent in state.snapshot.active] if state is not None else []
        named = {task.id: f"{task.shown} {shorten_reference(task.issue_ref)} {task.title}" for task in tasks}
        named |= {task: format_id(task) for task in choice.without if task not in named}
        choices = {"all": choice._replace(only=None, without=frozenset())}
        options = [("all", "all agents")]
        for task, name in named.items():
            choices[f"only {task}"] = choice._replace(only=task)
            options.append((f"only {task}", f"only     {name}"))
        for task, name in named.items():
            out = task in choice.without
            choices[f"without {task}"] = choice._replace(only=None, without=choice.without ^ {task})
            options.append((f"without {task}", f"{'again  ' if out else 'without'}  {name}"))

        def choose(name: str | None) -> None:
            if name is not None:
                self._choose(choices[name])

        self.app.push_screen(Menu("Whose lines?", options, "enter chooses, esc leaves"), choose)

    def action_merged_filter(self) -> None:
        """Open the field for words that the lines must have."""
        choice = self.view.choice
        hint = "show only lines with all these words: !without, ~fuzzy; enter alone shows all"
        keys = (("enter", "keep"), ("esc", "leave"))
        self.query_one(FilterLine).open(
            self.view, hint, keys, choice.text, lambda text: self._choose(self.view.choice._replace(text=text.strip()))
        )

    def get_context(self) -> ActionContext:
        """What decides which actions are possible; no task is selected."""
        searching = self.log_view is not None and self.log_view.searching
        return self.add_console_context(
            ActionContext(pane="merged", read_only=self.console.connection.client.read_only, searching=searching)
        )

"""The form for a task, new or waiting. What was typed is kept when it is left, and nothing is lost when it is refused."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static, TextArea
from textual.worker import Worker

from kugetsu_engine.domain.new_task import EXPECTATIONS, check_priority

from ..formatting.cells import clean
from ..formatting.glyphs import adapt_text, is_ascii_only
from ..terminal.type_ahead import wait_for_typed_text
from . import worker_errors

SUBMIT_KEY = "ctrl+j"
ROOMY = 72
"""Columns from which on the buttons say all they do."""
NARROW = 40
"""Columns below which they only name the keys."""
FIELDS = ("agent", "priority", "repo", "after", "at", "tags", "timeout", "expect")


@dataclass(frozen=True)
class FormDraft:
    """A task as it was typed."""

    reference: str = ""
    message: str = ""
    agent: str = ""
    """Empty: the agent of the settings."""
    priority: str = ""
    repo: str = ""
    after: str = ""
    at: str = ""
    tags: str = ""
    timeout: str = ""
    expect: str = ""
    """Empty: what is usual."""

    @classmethod
    def of_fields(cls, reference: str, message: str, fields: Mapping[str, str]) -> "FormDraft":
        """A waiting task as its text has it."""
        return cls(reference, message, **{name: fields.get(name, "") for name in FIELDS})

    def fields(self) -> dict[str, str]:
        """The fields as the text of a task has them."""
        return {name: str(getattr(self, name)).strip() for name in FIELDS}

    def options(self) -> dict[str, Any]:
        """The options of `Client.enqueue`, as far as they were given.

        Raises:
            UsageError: the priority is none.
        """
        given: dict[str, Any] = {}
        for name in ("agent", "expect"):
            if value := getattr(self, name):
                given[name] = value
        if self.priority.strip():
            given["priority"] = check_priority(self.priority.strip())
        for name in ("repo", "at", "timeout"):
            if value := getattr(self, name).strip():
                given[name] = value
        if self.after.strip():
            given["after"] = self.after.replace(",", " ").split()
        if self.tags.strip():
            given["tags"] = self.tags.replace(",", " ").split()
        return given

    @property
    def empty(self) -> bool:
        """Whether nothing worth keeping was typed."""
        return not (self.reference.strip() or self.message.strip())


@dataclass(frozen=True)
class FormWarning:
    """Something that would keep a task from running."""

    about: str
    """The field that could change it: `repo`, `agent`; `settings` where none can."""
    words: str


class TaskForm(ModalScreen[str | None]):
    """Asks for a task and puts it into the queue; returns the answer, None when it was left."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),  # what is typed after it meets the screen below
        # With priority the focus has moved before the next key is looked at, however fast it comes.
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("enter", "next_field", show=False, priority=True),
        # ctrl+enter arrives as ctrl+j in most terminals.
        Binding("ctrl+j,ctrl+enter", "submit", show=False, priority=True),
    ]

    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (60, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-cramped"), (24, "-low"), (30, "-high")]

    def __init__(
        self, draft: FormDraft, submit: Callable[[FormDraft], Awaitable[str]],
        agents: Callable[[], Awaitable[Mapping[str, str]]],
        default_agent: str, keep: Callable[[FormDraft], None], title: str = "New task", yes: str = "Put it in the queue",
        short_yes: str = "Put it in", fixed_reference: bool = False,
        check: Callable[[FormDraft], Awaitable[Sequence[FormWarning]]] | None = None,
    ) -> None:  # fmt: skip
        """Make the form.

        Args:
            draft: what was typed last time.
            submit: puts the task into the queue, raises KugetsuError.
            agents: names of the agents there are, each with what keeps it from running, if anything does.
            default_agent: the one that is taken when none is chosen.
            keep: takes what was typed when the form is left.
            title: what the form is for.
            yes: words of the button that submits.
            short_yes: the same where there is little room.
            fixed_reference: the issue stands and cannot be changed.
            check: what would keep the task from running; it is queued all the same when that is asked for again.
        """
        super().__init__()
        self._draft = draft
        self._submit = submit
        self._agents = agents
        self._default_agent = default_agent
        self._keep = keep
        self._title_text = title
        self._yes = (yes, short_yes)
        self._fixed_reference = fixed_reference
        self._check = check
        self._doubted: FormDraft | None = None
        """What was typed when the doubts about it were told."""
        self._filled = False
        """Whether the agents can be chosen already."""
        self._busy = False

    def compose(self) -> ComposeResult:
        """The fields."""
        draft = self._draft
        with Vertical(classes="dialog", id="form"):
            yield Static(Content(clean(self._title_text, 100)), classes="dialog-title")
            with VerticalScroll(classes="dialog-body", can_focus=False):
                with Horizontal(classes="row"):
                    yield Label(Content("issue"))
                    yield Input(
                        draft.reference,
                        id="reference",
                        placeholder="owner/repo#12, an address, or local/name#1",
                        compact=True,
                        disabled=self._fixed_reference,
                    )
                with Horizontal(classes="row tall"):
                    yield Label(Content("message"))
                    yield TextArea(draft.message, id="message", placeholder="what the agent is to do", compact=True)
                with Horizontal(classes="row pair"):
                    yield Label(Content("agent"))
                    yield Select[str](
                        [(Content(clean(draft.agent, 60)), draft.agent)] if draft.agent else [],
                        prompt=clean(f"{self._default_agent} (default)", 60), id="agent", value=draft.agent or Select.NULL,
                        compact=True,
                    )  # fmt: skip
                    yield Label(Content("priority"), classes="second")
                    yield Input(draft.priority, id="priority", placeholder=adapt_text("5  (0–9, 9 starts first)"), compact=True)
                with Horizontal(classes="row pair"):
                    yield Label(Content("after"))
                    yield Input(draft.after, id="after", placeholder="such as 41 42", compact=True)
                    yield Label(Content("at"), classes="second")
                    yield Input(draft.at, id="at", placeholder="such as 22:00 or +2h", compact=True)
                with Horizontal(classes="row pair"):
                    yield Label(Content("timeout"))
                    yield Input(draft.timeout, id="timeout", placeholder="such as 30m or 2h", compact=True)
                    yield Label(Content("expect"), classes="second")
                    yield Select[str](
                        [(Content(word), word) for word in EXPECTATIONS], prompt="anything (default)", id="expect",
                        value=draft.expect if draft.expect in EXPECTATIONS else Select.NULL, compact=True,
                    )  # fmt: skip
                with Horizontal(classes="row pair"):
                    yield Label(Content("repo"))
                    yield Input(draft.repo, id="repo", placeholder="path of a clone of yours", compact=True)
                    yield Label(Content("tags"), classes="second")
                    yield Input(draft.tags, id="tags", placeholder="words to find it by", compact=True)
            with Vertical(classes="dialog-foot"):
                yield Static(Content(""), id="form-error")
                with Horizontal(classes="dialog-buttons"):
                    yield Button(Content(self._yes[0]), id="submit", compact=True)
                    yield Button(Content("Leave"), id="leave", compact=True)

    def on_mount(self) -> None:
        """Start at the first field; the agents are read meanwhile."""
        for field in self.query(Input):
            field.cursor_blink = False
        if is_ascii_only():
            for arrow in self.query(".arrow").results(Static):  # Textual's own, of the fields one chooses in
                arrow.update(Content("^" if arrow.has_class("up-arrow") else "v"))
        area = self.query_one(TextArea)
        area.cursor_blink = False
        area.highlight_cursor_line = False
        self.set_focus(self.query_one("#message" if self._fixed_reference else "#reference"))
        self.run_worker(self._fill_agents(), exit_on_error=False)

    def on_resize(self, event: Resize) -> None:
        """Say how to submit and how to leave, in as many words as there is room for."""
        width = event.size.width
        yes, no = (self._yes[0], "Leave, keep the text  esc") if width >= ROOMY else (self._yes[1], "Leave  esc")
        if width < NARROW:
            yes, no = "Do it", "esc"
        self.query_one("#submit", Button).label = Content(f"{yes}  ctrl+j")
        self.query_one("#leave", Button).label = Content(no)

    async def _fill_agents(self) -> None:
        names = {**await self._agents()}
        if self._draft.agent:
            names.setdefault(self._draft.agent, "")
        choice = self.query_one("#agent", Select)
        choice.set_options(
            (Content(clean(f"{name} ({remark})" if remark else name, 60)), name) for name, remark in names.items()
        )
        if self._draft.agent in names:
            choice.value = self._draft.agent
        self._filled = True

    def draft(self) -> FormDraft:
        """What stands in the fields."""
        value = {str(field.id): field.value for field in self.query(Input)}
        for field in self.query(Select):
            value[str(field.id)] = field.value if isinstance(field.value, str) else ""
        if not self._filled:
            value["agent"] = self._draft.agent
        return FormDraft(message=self.query_one(TextArea).text, **value)

    def action_next_field(self) -> None:
        """A line is complete."""
        self.focus_next()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "submit":
            self.action_submit()
        else:
            await self.action_leave()

    def action_submit(self) -> None:
        """Put the task into the queue, after the field has taken the letters that are on their way to it."""
        (self.focused or self).call_later(self._submit_once)

    def _submit_once(self) -> None:
        if not self._busy:
            self._busy = True
            self.run_worker(self._send(self.draft()), exit_on_error=False)

    async def _send(self, draft: FormDraft) -> None:
        if self._check is not None and draft != self._doubted and (doubts := await self._check(draft)):
            self._doubted = draft
            self._doubt(doubts)
            return
        told = await self._submit(draft)
        self._keep(FormDraft())
        if self.is_current:
            self.dismiss(told)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say what failed here, where it is seen; it can be tried again."""
        failed = worker_errors.describe_worker_error(event)
        if failed is not None:
            self._fail(failed[0])

    def _doubt(self, doubts: Sequence[FormWarning]) -> None:
        """Say what would keep the task from running, and go to the field that could change it."""
        said = [one.words if one.about == "settings" else f"{one.about}: {one.words}" for one in doubts]
        self._fail(f"it could not run. {'; '.join(said)}. {SUBMIT_KEY} again queues it all the same")
        for field in self.query(f"#{doubts[0].about}"):
            self.set_focus(field)

    def _fail(self, words: str) -> None:
        self._busy = False
        self.query_one("#form-error", Static).update(Content(clean(f"! {words}", 400)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A list of choices that is open is left before the form is; only in a field of one line enter goes on."""
        if action == "next_field":
            return isinstance(self.focused, Input)
        return action != "leave" or not any(field.expanded for field in self.query(Select))

    async def action_leave(self) -> None:
        """Go back; the text is there next time."""
        await wait_for_typed_text(self.focused)
        if self.is_current:
            self._keep(self.draft())
            self.dismiss(None)

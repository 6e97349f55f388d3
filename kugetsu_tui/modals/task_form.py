"""The form for a task, new or waiting. Text is kept when the form is closed or the task is refused."""

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
"""From this width on the buttons have full labels."""
NARROW = 40
"""Below this width the buttons only name their keys."""
FIELDS = ("agent", "priority", "repo", "after", "at", "tags", "timeout", "expect")


@dataclass(frozen=True)
class FormDraft:
    """The fields of a task as typed."""

    reference: str = ""
    message: str = ""
    agent: str = ""
    """Empty: the default agent."""
    priority: str = ""
    repo: str = ""
    after: str = ""
    at: str = ""
    tags: str = ""
    timeout: str = ""
    expect: str = ""
    """Empty: the default."""

    @classmethod
    def of_fields(cls, reference: str, message: str, fields: Mapping[str, str]) -> "FormDraft":
        """Build the draft of a waiting task from its text's fields."""
        return cls(reference, message, **{name: fields.get(name, "") for name in FIELDS})

    def fields(self) -> dict[str, str]:
        """The fields in the form of a task's text."""
        return {name: str(getattr(self, name)).strip() for name in FIELDS}

    def options(self) -> dict[str, Any]:
        """The given options, as arguments of `Client.enqueue`.

        Raises:
            UsageError: the priority is not valid.
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
        """Whether neither issue nor message was typed."""
        return not (self.reference.strip() or self.message.strip())


@dataclass(frozen=True)
class FormWarning:
    """A reason why the task could not run."""

    about: str
    """The field that can fix it: `repo`, `agent`; `settings` if no field can."""
    text: str


class TaskForm(ModalScreen[str | None]):
    """Edits a task and submits it. Returns the answer; None if the operator left the form."""

    BINDINGS = [
        Binding("escape", "leave", show=False, priority=True),  # keys typed after it go to the screen below
        # With priority the focus moves before the next key is handled, however fast keys come.
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
        """Create the form.

        Args:
            draft: initial contents.
            submit: submits the task; raises KugetsuError.
            agents: returns the agents' names, each with the reason why it cannot run, or an empty text.
            default_agent: the agent used if none is chosen.
            keep: stores the draft when the form is closed.
            title: the form's title.
            yes: label of the submit button.
            short_yes: its label on narrow screens.
            fixed_reference: whether the issue cannot be changed.
            check: returns reasons why the task could not run; submitting again queues it anyway.
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
        self._warned_draft: FormDraft | None = None
        """The draft whose warnings were shown."""
        self._filled = False
        """Whether the list of agents has been loaded."""
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
                        placeholder="owner/repo#12, a URL, or local/name#1",
                        compact=True,
                        disabled=self._fixed_reference,
                    )
                with Horizontal(classes="row tall"):
                    yield Label(Content("message"))
                    yield TextArea(draft.message, id="message", placeholder="what the agent should do", compact=True)
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
                    yield Input(draft.after, id="after", placeholder="e.g. 41 42", compact=True)
                    yield Label(Content("at"), classes="second")
                    yield Input(draft.at, id="at", placeholder="e.g. 22:00 or +2h", compact=True)
                with Horizontal(classes="row pair"):
                    yield Label(Content("timeout"))
                    yield Input(draft.timeout, id="timeout", placeholder="e.g. 30m or 2h", compact=True)
                    yield Label(Content("expect"), classes="second")
                    yield Select[str](
                        [(Content(word), word) for word in EXPECTATIONS], prompt="anything (default)", id="expect",
                        value=draft.expect if draft.expect in EXPECTATIONS else Select.NULL, compact=True,
                    )  # fmt: skip
                with Horizontal(classes="row pair"):
                    yield Label(Content("repo"))
                    yield Input(draft.repo, id="repo", placeholder="path of your own clone", compact=True)
                    yield Label(Content("tags"), classes="second")
                    yield Input(draft.tags, id="tags", placeholder="labels to find it by", compact=True)
            with Vertical(classes="dialog-foot"):
                yield Static(Content(""), id="form-error")
                with Horizontal(classes="dialog-buttons"):
                    yield Button(Content(self._yes[0]), id="submit", compact=True)
                    yield Button(Content("Leave"), id="leave", compact=True)

    def on_mount(self) -> None:
        """Focus the first field and load the agents."""
        for field in self.query(Input):
            field.cursor_blink = False
        if is_ascii_only():
            for arrow in self.query(".arrow").results(Static):  # Textual's own arrow of select fields
                arrow.update(Content("^" if arrow.has_class("up-arrow") else "v"))
        area = self.query_one(TextArea)
        area.cursor_blink = False
        area.highlight_cursor_line = False
        self.set_focus(self.query_one("#message" if self._fixed_reference else "#reference"))
        self.run_worker(self._fill_agents(), exit_on_error=False)

    def on_resize(self, event: Resize) -> None:
        """Label the buttons, as long as the width allows."""
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
        """The current contents of the fields."""
        value = {str(field.id): field.value for field in self.query(Input)}
        for field in self.query(Select):
            value[str(field.id)] = field.value if isinstance(field.value, str) else ""
        if not self._filled:
            value["agent"] = self._draft.agent
        return FormDraft(message=self.query_one(TextArea).text, **value)

    def action_next_field(self) -> None:
        """Go to the next field."""
        self.focus_next()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "submit":
            self.action_submit()
        else:
            await self.action_leave()

    def action_submit(self) -> None:
        """Submit, once the field has received the keys typed before."""
        (self.focused or self).call_later(self._submit_once)

    def _submit_once(self) -> None:
        if not self._busy:
            self._busy = True
            self.run_worker(self._send(self.draft()), exit_on_error=False)

    async def _send(self, draft: FormDraft) -> None:
        if self._check is not None and draft != self._warned_draft and (warnings := await self._check(draft)):
            self._warned_draft = draft
            self._show_warnings(warnings)
            return
        answer = await self._submit(draft)
        self._keep(FormDraft())
        if self.is_current:
            self.dismiss(answer)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the failure in the form, where it can be fixed."""
        failed = worker_errors.describe_worker_error(event)
        if failed is not None:
            self._fail(failed[0])

    def _show_warnings(self, warnings: Sequence[FormWarning]) -> None:
        """Show the warnings and focus the field that can fix the first one."""
        texts = [item.text if item.about == "settings" else f"{item.about}: {item.text}" for item in warnings]
        self._fail(f"it could not run: {'; '.join(texts)}. {SUBMIT_KEY} again queues it anyway")
        for field in self.query(f"#{warnings[0].about}"):
            self.set_focus(field)

    def _fail(self, text: str) -> None:
        self._busy = False
        self.query_one("#form-error", Static).update(Content(clean(f"! {text}", 400)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape closes an open list before the form; enter moves on only from one-line fields."""
        if action == "next_field":
            return isinstance(self.focused, Input)
        return action != "leave" or not any(field.expanded for field in self.query(Select))

    async def action_leave(self) -> None:
        """Close the form and keep its text."""
        await wait_for_typed_text(self.focused)
        if self.is_current:
            self._keep(self.draft())
            self.dismiss(None)

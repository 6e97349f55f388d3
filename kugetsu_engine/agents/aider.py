"""aider: `aider --message-file F`. It reads no standard input, prints no JSON, and always ends with exit code 0.

From the source of 0.86.2: it commits by itself, and puts `.aider*` files into the worktree. Its conversation is a file. Kugetsu
keeps one for each session, so that a later attempt can resume it and a fork is a copy. A supervisor loads this module, so
standard library only.
"""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import AttemptFailed
from ..paths import StatePaths
from ..storage import files
from .stream_events import LINE_LIMIT, Event, Reader, UsedTokens

if TYPE_CHECKING:
    from ..config.loader import AgentSettings
    from .launch_spec import Invocation

FAILURES = (
    (r"litellm\.(AuthenticationError|PermissionDeniedError)", "credentials"),
    (r"litellm\.RateLimitError", "rate_limit"),
    (r"litellm\.BudgetExceededError", "quota"),
    (r"litellm\.(APIConnectionError|InternalServerError|ServiceUnavailableError|Timeout|BadGatewayError)", "network"),
    (r"litellm\.(BadRequestError|NotFoundError|ContextWindowExceededError|UnsupportedParamsError)", "refused"),
    (r"Message file not found|Unknown edit format|unrecognized arguments", "config"),
)
"""Patterns of its own messages, in addition to the common ones."""
OPTIONS = (
    "--no-check-update", "--no-analytics", "--no-pretty", "--no-stream", "--no-suggest-shell-commands",
    "--no-gitignore", "--no-show-release-notes", "--no-detect-urls", "--no-fancy-input", "--no-show-model-warnings",
)  # fmt: skip
"""No terminal output, no network access except to the model, no change of `.gitignore`, and no commands suggested by the model.
Questions take their default, as there is no input."""
_TOKENS = re.compile(r"Tokens: ([\d.]+)(k?) sent.*?([\d.]+)(k?) received")
_COST = re.compile(r"Cost: \$([\d.]+) message, \$([\d.]+) session")
_ERROR = re.compile(r"litellm\.(\w+)|^The API provider|^API key|has hit a token limit|reflections allowed, stopping")
_DONE = re.compile(r"(.{0,100}\]: )?(Applied edit to |Commit [0-9a-f]{7,} |Added .{1,300} to the chat|Repo-map: |Git repo: )")


class MissingConversation(AttemptFailed):
    """The conversation to resume does not exist."""

    failure = "session"


def build_command(settings: "AgentSettings", call: "Invocation") -> list[str]:
    """Return the command line of a run."""
    session = call.session_id or ""
    argv = [settings.program or "aider", *OPTIONS, f"--message-file={call.prompt_file}"]
    argv += [f"--chat-history-file={_history_path(call.state_dir, session)}", f"--input-history-file={os.devnull}"]
    if call.session.mode != "new":
        argv.append("--restore-chat-history")
    return [*argv, *([f"--model={settings.model}"] if settings.model else []), *settings.args]


def list_files(call: "Invocation") -> list[str]:
    """Return the files outside of the worktree that a run writes."""
    return [_history_path(call.state_dir, call.session_id)] if call.session_id else []


def build_screen_arguments(state_dir: str, session_id: str) -> list[str]:
    """Return the arguments that make its own interface resume a session."""
    return [f"--chat-history-file={_history_path(state_dir, session_id)}", "--restore-chat-history"]


def _history_path(state_dir: str, session: str) -> str:
    """Return the path of a conversation."""
    return StatePaths(state_dir).conversation(session)


def delete_conversation(state_dir: str, session: str) -> None:
    """Delete a conversation. One that does not exist is not an error."""
    if "/" not in session:
        files.remove(_history_path(state_dir, session))


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Check that the conversation to resume exists, and copy the one to fork.

    Raises:
        MissingConversation: it does not exist.
    """
    session, options, state_dir = job["session"], job["reader_options"], str(job["state_dir"])
    session_id = str(session["session_id"])
    path = _history_path(state_dir, session_id)
    if "/" in session_id or not os.path.exists(path):
        raise MissingConversation(f"aider no longer has the conversation {session_id[:60]}")
    if session["mode"] == "fork":
        files.replace(_history_path(state_dir, str(options["session"])), files.read(path, 64 << 20), durable=False)
    return {}


class AiderReader(Reader):
    """Reads one run of aider, which prints its answer as plain text."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._error: str | None = None
        self._answer: list[str] = []

    def feed(self, line: bytes) -> list[Event]:
        """Read one line."""
        text = line[:LINE_LIMIT].decode("utf-8", "replace").rstrip()
        if not text:
            return []
        if (tokens := _TOKENS.search(text)) is not None:
            return [self._step(tokens, _COST.search(text))]
        if (cost := _COST.search(text)) is not None:
            self.used = UsedTokens(self.used.tokens, float(cost[2]))
            return [Event("step", text)]
        if _ERROR.search(text):
            if self._error is None or "litellm." in text:  # the lines after it only explain it
                self._error = text
            return [Event("error", text, failed=True)]
        if _DONE.match(text):
            return [Event("tool", text)]
        self._answer = [*self._answer[-200:], text]
        self.last_text = "\n".join(self._answer)
        return [Event("text", text)]

    def find_failure(self, exit_code: int) -> tuple[str, str] | None:
        """Return why it failed: the last error that was not followed by an answer of the model."""
        return ("exit", self._error[:400]) if self._error is not None else None

    def _step(self, tokens: re.Match[str], cost: re.Match[str] | None) -> Event:
        self.steps += 1
        count = round(sum(float(tokens[i]) * (1000 if tokens[i + 1] else 1) for i in (1, 3)))
        spent = float(cost[2]) if cost is not None else self.used.cost
        self.used = UsedTokens((self.used.tokens or 0) + count, spent)
        self._error, self._answer = None, []
        return Event("step", tokens.string.strip())


reader = AiderReader

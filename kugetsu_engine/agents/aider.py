"""aider: `aider --message-file F`, which reads no standard input, prints no JSON, and ends with exit code 0 whatever happened.

Read in the source of 0.86.2: it commits by itself; its conversation is a file, which is kept here for each session, so that a
later attempt takes it up and a fork is a copy; it puts `.aider*` files into the worktree. A supervisor loads this module, so
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
"""What its own words mean, beside what all programs print."""
OPTIONS = (
    "--no-check-update", "--no-analytics", "--no-pretty", "--no-stream", "--no-suggest-shell-commands",
    "--no-gitignore", "--no-show-release-notes", "--no-detect-urls", "--no-fancy-input", "--no-show-model-warnings",
)  # fmt: skip
"""Nothing that only a terminal shows, no network beside the model, no change of `.gitignore`, and no commands of the model: a
question takes its default, as there is no input."""
_TOKENS = re.compile(r"Tokens: ([\d.]+)(k?) sent.*?([\d.]+)(k?) received")
_COST = re.compile(r"Cost: \$([\d.]+) message, \$([\d.]+) session")
_ERROR = re.compile(r"litellm\.(\w+)|^The API provider|^API key|has hit a token limit|reflections allowed, stopping")
_DONE = re.compile(r"(.{0,100}\]: )?(Applied edit to |Commit [0-9a-f]{7,} |Added .{1,300} to the chat|Repo-map: |Git repo: )")


class MissingConversation(AttemptFailed):
    """The conversation to go on with is not there."""

    failure = "session"


def build_command(own: "AgentSettings", call: "Invocation") -> list[str]:
    """Return its command line."""
    session = call.session_id or ""
    argv = [own.program or "aider", *OPTIONS, f"--message-file={call.prompt_file}"]
    argv += [f"--chat-history-file={_history_path(call.state_dir, session)}", f"--input-history-file={os.devnull}"]
    if call.session.mode != "new":
        argv.append("--restore-chat-history")
    return [*argv, *([f"--model={own.model}"] if own.model else []), *own.args]


def build_screen_command(own: "AgentSettings", session_id: str | None, state_dir: str) -> list[str]:
    """Return the command line of its own screen, for a person."""
    going_on = [f"--chat-history-file={_history_path(state_dir, session_id)}", "--restore-chat-history"] if session_id else []
    return [own.program or "aider", *going_on]


def _history_path(state_dir: str, session: str) -> str:
    """The file of a conversation."""
    return StatePaths(state_dir).conversation(session)


def delete_conversation(state_dir: str, session: str) -> None:
    """Delete a conversation; one that is gone already is no error."""
    if "/" not in session:
        files.remove(_history_path(state_dir, session))


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Look whether the conversation to go on with is there, and copy the one to fork.

    Raises:
        MissingConversation: it is not.
    """
    wanted, options, state_dir = job["session"], job["reader_options"], str(job["state_dir"])
    path = _history_path(state_dir, str(wanted["session_id"]))
    if "/" in str(wanted["session_id"]) or not os.path.exists(path):
        raise MissingConversation(f"aider has no conversation {str(wanted['session_id'])[:60]} any more")
    if wanted["mode"] == "fork":
        files.replace(_history_path(state_dir, str(options["session"])), files.read(path, 64 << 20), durable=False)
    return {}


def reader(options: Mapping[str, Any]) -> "AiderReader":
    """Read what a run tells."""
    return AiderReader(options)


class AiderReader(Reader):
    """One run of aider. Its answer is plain text, told line by line."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._error: str | None = None
        self._answer: list[str] = []

    def feed(self, line: bytes) -> list[Event]:
        """Take one line."""
        text = line[:LINE_LIMIT].decode("utf-8", "replace").rstrip()
        if not text:
            return []
        if (tokens := _TOKENS.search(text)) is not None:
            return [self._step(tokens, _COST.search(text))]
        if (cost := _COST.search(text)) is not None:
            self.used = UsedTokens(self.used.tokens, float(cost[2]))
            return [Event("step", text)]
        if _ERROR.search(text):
            if self._error is None or "litellm." in text:  # the sentences after it only explain
                self._error = text
            return [Event("error", text, failed=True)]
        if _DONE.match(text):
            return [Event("tool", text)]
        self._answer = [*self._answer[-200:], text]
        self.last_text = "\n".join(self._answer)
        return [Event("text", text)]

    def failure(self, exit_code: int) -> tuple[str, str] | None:
        """Why it failed: the last error after which the model gave no answer."""
        return ("exit", self._error[:400]) if self._error is not None else None

    def _step(self, tokens: re.Match[str], cost: re.Match[str] | None) -> Event:
        self.steps += 1
        count = round(sum(float(tokens[i]) * (1000 if tokens[i + 1] else 1) for i in (1, 3)))
        spent = float(cost[2]) if cost is not None else self.used.cost
        self.used = UsedTokens((self.used.tokens or 0) + count, spent)
        self._error, self._answer = None, []
        return Event("step", tokens.string.strip())

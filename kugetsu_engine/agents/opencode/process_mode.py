"""opencode, one process per attempt: `opencode run`, prompt on stdin.

Measured on 1.18.33: it loses output that a pipe does not take at once, so it writes to a file; it believes `PWD` over its
directory; it leaks 5.6 MB per run unless FFF is off; and its exit code is not the whole truth, see `opencode_events`.
A supervisor loads this module, so standard library only.
"""

from typing import TYPE_CHECKING, Any

from .events import OpencodeReader

if TYPE_CHECKING:
    from ...config.loader import AgentSettings

ENVIRONMENT = {"OPENCODE_DISABLE_FFF": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
MAX_STEPS = 500
"""Turns of the model, unless the settings say otherwise."""
FAILURES = (
    ("auto-rejecting", "blocked"),
    (r"\b(Free|Go)UsageLimitError\b|\bmonthly usage limit\b", "quota"),
    (r"\bProviderAuthError\b", "credentials"),
    (r"retrying in .{1,40}attempt #", "rate_limit"),
)
"""What its own words mean, beside what all programs print."""


def build_command(program: str, model: str | None, args: list[str], title: str) -> list[str]:
    """Return its command line.

    Its log tells the id of the session in the first second, and what a provider answers while opencode asks again; its events
    do neither. The title saves a call of the model that would invent one. It is one word with its option, as a reference may
    begin like an option of its own.
    """
    log = [] if any(word.startswith("--log-level") for word in args) else ["--print-logs", "--log-level=INFO"]
    return [program, "run", "--format=json", *log, f"--title={title}", *(["-m", model] if model else []), *args]


def build_screen_command(own: "AgentSettings", session_id: str | None, _state_dir: str) -> list[str]:
    """Return the command line of its own screen, for a person."""
    return [own.program or "opencode", *(["-s", session_id] if session_id else [])]


def reader(options: dict[str, Any]) -> OpencodeReader:
    """Read what a run tells."""
    return OpencodeReader(options)


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Make ready the database, and the session that the attempt goes on with; see `opencode_sessions`."""
    from .database import prepare_database
    from .session_ids import prepare_session

    prepare_database(job)
    return prepare_session(job) if job["session"]["mode"] != "new" else {}

"""opencode, one process per attempt: `opencode run`, prompt on stdin.

Measured on 1.18.33: it loses output that a pipe does not take at once, so it writes to a file. It trusts `PWD` over its
actual directory. It leaks 5.6 MB per run unless FFF is off. Its exit code alone does not say whether it succeeded, see
`events`. A supervisor loads this module, so standard library only.
"""

from typing import Any

from .events import OpencodeReader

ENVIRONMENT = {"OPENCODE_DISABLE_FFF": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
MAX_STEPS = 500
"""Default limit of the model's turns."""
FAILURES = (
    ("auto-rejecting", "blocked"),
    (r"\b(Free|Go)UsageLimitError\b|\bmonthly usage limit\b", "quota"),
    (r"\bProviderAuthError\b", "credentials"),
    (r"retrying in .{1,40}attempt #", "rate_limit"),
)
"""Patterns of its own messages, in addition to the common ones."""


def build_command(program: str, model: str | None, args: list[str], title: str) -> list[str]:
    """Return the command line of a run.

    Its log gives the session's id within a second, and the provider's errors while opencode retries; its events give neither.
    The title saves a call to the model, which would invent one. It is one argument, as a reference may start with a dash.
    """
    log = [] if any(arg.startswith("--log-level") for arg in args) else ["--print-logs", "--log-level=INFO"]
    return [program, "run", "--format=json", *log, f"--title={title}", *(["-m", model] if model else []), *args]


reader = OpencodeReader


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Prepare the database, and the session that the attempt resumes or forks."""
    from .database import prepare_database
    from .session_ids import prepare_session

    prepare_database(job)
    return prepare_session(job) if job["session"]["mode"] != "new" else {}

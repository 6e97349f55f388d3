"""opencode, one process per attempt: `opencode run`, prompt on stdin.

Measured on 1.18.33: it loses output that a pipe does not take at once, so it writes to a file; it believes `PWD` over its
directory; it leaks 5.6 MB per run unless FFF is off; and it exits with 0 although it refused to go on for lack of a permission.
A supervisor loads this module, so standard library only.
"""

import os

ENVIRONMENT = {"OPENCODE_DISABLE_FFF": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
TAIL_BYTES = 64 << 10
FAILURES = (
    ("auto-rejecting", "blocked"),
    (r"\b(Free|Go)UsageLimitError\b|\bmonthly usage limit\b", "quota"),
    (r"\bProviderAuthError\b", "credentials"),
    (r"retrying in .{1,40}attempt #", "rate_limit"),
)
"""What its own words mean, beside what all programs print."""


def command(program: str, model: str | None, args: list[str], title: str) -> list[str]:
    """Return its command line; the title saves a call of the model that would invent one.

    One word with its option, as a reference may begin like an option of its own.
    """
    return [program, "run", f"--title={title}", *(["-m", model] if model else []), *args]


def judge(log: str, exit_code: int) -> tuple[str, str] | None:
    """Class and reason of a failure that the exit code hides; None when the exit code says it all."""
    if exit_code:
        return None
    with open(log, "rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - TAIL_BYTES, 0))
        text = file.read().decode("utf-8", "replace")
    rejected = next((line for line in text.splitlines() if "auto-rejecting" in line), None)
    if rejected is None:
        return None
    words = "".join(character for character in rejected if character.isprintable()).strip()
    return "blocked", f"exit code 0, but it stopped for a permission nobody could give: {words[:300]}"

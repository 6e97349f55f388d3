"""Detects log lines that report an error."""

import re

_WORDS = re.compile(
    r"^\W*(?:\S+\s+){0,3}?\W*(?:error|errors|err!|fatal|failed|failure|failures|traceback|exception|panic|panicked|critical)(?=[\s:;,!\])\[(]|$)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b[A-Za-z_.]*(?:Error|Exception)\b\s*:|\bexit (?:code |status )?[1-9]\d*\b")
_NONE = re.compile(r"\b(?:0|no|without|zero) (?:error|errors|failed|failure|failures|exceptions?)\b", re.IGNORECASE)


def is_error_line(text: str) -> bool:
    """Whether a line reports an error, as test runners, compilers and shells write it."""
    text = text[:500]
    return (_WORDS.match(text) is not None or _NAMED.search(text) is not None) and _NONE.search(text) is None

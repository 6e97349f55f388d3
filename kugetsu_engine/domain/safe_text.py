"""The one cleaner for text from outside (references, messages, logs, git, errors) before it reaches a terminal.

Terminals obey what they print: an OSC sequence in a log can set the clipboard or the title. So whole escape sequences are
removed, and every other control character, as well as characters that reorder or hide text, becomes a visible mark. What
joins or varies emoji is dropped, as terminals do not agree on the width of what it makes.
"""

import re

_SEQUENCES = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, clipboard, links
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\r\n]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"  # all other escapes, also one that was cut
)
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_MARKED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_HIDING = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_JOINING = re.compile("[\u200d\ufe00-\ufe0f]")


def safe_line(text: str, limit: int = 4096) -> str:
    """Return text as one harmless line: line ends become a space. Cleaning twice changes nothing.

    Args:
        text: anything at all.
        limit: characters after which it is cut, with a mark.
    """
    if not (text.isascii() and text.isprintable()):
        text = _clean(text[: limit * 4], " ")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def safe_text(text: str, limit: int = 1 << 20) -> str:
    """Clean the first `limit` characters of a text of several lines; line ends stay."""
    return _clean(text[:limit], "\n")


def _clean(text: str, line_end: str) -> str:
    text = _BREAKS.sub(line_end, _SEQUENCES.sub("", text)).replace("\t", "    ")
    text = _HIDING.sub("\N{MIDDLE DOT}", _MARKED.sub("\N{REPLACEMENT CHARACTER}", text))
    return _JOINING.sub("", text)

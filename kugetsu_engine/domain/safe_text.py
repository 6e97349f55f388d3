"""The one cleaner for text from outside (references, messages, logs, git, errors) before it reaches a terminal.

Terminals obey what they print: an OSC sequence in a log can set the clipboard or the title. So whole escape sequences are
removed, every other control character becomes a visible mark, and so do characters that reorder or hide text.
"""

import re

_SEQUENCES = re.compile(
    r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC, up to their end
    r"|[\x9d\x90\x98\x9e\x9f].*?(?:\x07|\x1b\\|\x9c|$)"  # the same in one byte
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x1b[ -/]*[0-~]?",  # other escapes
    re.DOTALL,
)
_LINE_SEQUENCES = re.compile(_SEQUENCES.pattern.replace("|$)", "|(?=\n)|$)"), re.DOTALL)
_UNSEEN = "".join(map(chr, [*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF, 0x061C, 0x180E]))
_ZERO_WIDTH_JOINER = "\u200d"
_MARKS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000))}
_MARKS |= {ord(character): "\N{MIDDLE DOT}" for character in _UNSEEN if character != _ZERO_WIDTH_JOINER}
_MARKS |= {0x2028: "\N{MIDDLE DOT}", 0x2029: "\N{MIDDLE DOT}"}
_KEPT = {ord("\n"): "\n", ord("\t"): "    "}


def safe_line(text: str, limit: int = 4096) -> str:
    """Clean one line: no control character is left, a line end becomes a space; at most `limit` characters."""
    if text.isascii() and text.isprintable():
        return text if len(text) <= limit else f"{text[: limit - 1]}…"
    text = text[: limit * 4].replace("\r\n", " ").replace("\n", " ").replace("\r", " ").replace("\t", "    ")
    text = _SEQUENCES.sub("", text).translate(_MARKS)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def safe_text(text: str, limit: int = 1 << 20) -> str:
    """Clean a text of several lines: line ends stay, nothing else that a terminal would obey."""
    text = _LINE_SEQUENCES.sub("", text[:limit].replace("\r\n", "\n"))
    return text.translate(_MARKS | _KEPT)

"""Cleans text from outside (references, messages, logs, git, errors) before it reaches a terminal.

Terminals execute what they print: an OSC sequence in a log can set the clipboard or the title. So escape sequences are
removed, and other control characters and characters that reorder or hide text become a visible mark.

Terminals also disagree about the width of some characters, and one wrong cell breaks all columns after it. The cleaned text
has the same width everywhere: joiners, variation selectors, skin tones and keycaps are dropped, flags become their letters,
and other characters of uncertain width become a mark.
"""

import re
from functools import lru_cache

SEQUENCE = (
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, clipboard, links
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\r\n]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"  # all other escapes, also one that was cut
)
"""Any escape sequence, as a regular expression without groups."""
_SEQUENCES = re.compile(SEQUENCE)
BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Line ends."""
_HIDING = re.compile(
    "[\u00ad\u034f\u061c\u115f\u17b4\u17b5\u180b-\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_JOINING = re.compile("[\u200d\u20dd-\u20e4\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")
_DISPUTED = re.compile("[\u1160-\u11ff\u2630-\u2637\u268a-\u268f\u3248-\u324f\ud7b0-\ud7ff\U0001d300-\U0001d376]")
"""Of disputed width: parts of Hangul syllables, signs that became wide in Unicode 16, circled numbers."""
_JAMO = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?")
_FLAG_A = 0x1F1E6
"""The first of the 26 letters that make flags."""
_STACKED = re.compile("(^|[ \n])?((?:\0.)+)")
MOST_STACKED = 3
"""Combining marks kept per character; tmux stores only a few bytes per cell."""
HIDDEN, CONTROL = "\N{MIDDLE DOT}", "\N{REPLACEMENT CHARACTER}"


def safe_line(text: str, limit: int = 4096) -> str:
    """Return text as one harmless line; line ends become a space. Cleaning twice changes nothing.

    Args:
        text: any text.
        limit: maximum length; a longer text is cut and gets a mark.
    """
    if not (text.isascii() and text.isprintable()):
        text = _clean(text[: limit * 4], " ")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def safe_text(text: str, limit: int = 1 << 20) -> str:
    """Clean the first `limit` characters of a text; line ends stay."""
    return _clean(text[:limit], "\n")


def _clean(text: str, line_end: str) -> str:
    return drawable(BREAKS.sub(line_end, _SEQUENCES.sub("", text)).replace("\t", "    "))


def drawable(text: str) -> str:
    """Return text with only characters that have the same width in every terminal; line feeds stay.

    Control characters become marks, so remove escape sequences first.
    """
    if text.isascii():
        return text if text.isprintable() else text.translate(_TABLE)
    if max(text) >= "\u1100":  # may contain syllables of several characters
        text = _JAMO.sub(_syllable, text)
    text = text.translate(_TABLE)
    return _STACKED.sub(_bounded, text) if "\0" in text else text


class _Table:
    """Maps each character to its replacement, computed on first use."""

    @lru_cache(maxsize=8192)  # noqa: B019 - there is one table
    def __getitem__(self, code: int) -> str | None:
        return _drawn(chr(code))


def _drawn(character: str) -> str | None:
    """Return what is drawn for a character: None for nothing; for a combining mark, a NUL and the mark."""
    if character == "\n" or " " <= character <= "~":
        return character
    from unicodedata import category  # rarely needed: most text is ASCII

    kind = category(character)
    if _JOINING.match(character):
        return None
    if _HIDING.match(character) or kind in ("Zl", "Zp"):
        return HIDDEN
    if kind in ("Cc", "Cs"):
        return CONTROL
    if 0 <= (letter := ord(character) - _FLAG_A) < 26:
        return chr(ord("A") + letter)
    if kind in ("Mc", "Cn", "Cf", "Me") or _DISPUTED.match(character):
        return HIDDEN
    return f"\0{character}" if kind == "Mn" else character


_TABLE = _Table()


def _syllable(parts: re.Match[str]) -> str:
    from unicodedata import normalize

    return normalize("NFC", parts[0])


def _bounded(run: re.Match[str]) -> str:
    """Limit a run of combining marks; drop it where there is no character to combine with."""
    return run[1] if run[1] is not None else run[2][1 : 2 * MOST_STACKED : 2]

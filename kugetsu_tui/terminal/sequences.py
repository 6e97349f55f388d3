"""Parses complete escape sequences: keys of xterm, VT, rxvt, the Linux console and kitty, mouse, focus and size.

Only listed sequences have a meaning. Terminal responses and unknown sequences yield no token.
"""

import re

from .tokens import Focus, Key, Mouse, Resized, SynchronizedOutput, Token

LARGEST_PLACE = 1 << 14
"""Larger than any terminal."""

_LETTERS = {
    "A": "up", "B": "down", "C": "right", "D": "left", "F": "end", "H": "home", "P": "f1", "Q": "f2", "S": "f4",
}  # fmt: skip
"""Final bytes of keys, with or without modifiers. `R` with parameters is a cursor position report, not F3."""

_NUMBERS = {
    1: "home", 2: "insert", 3: "delete", 4: "end", 5: "pageup", 6: "pagedown", 7: "home", 8: "end",
    **{number: f"f{at}" for at, number in enumerate(
        (11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34), 1)},
}  # fmt: skip
"""Keys that end in `~`, by number."""

_RXVT = {"a": "up", "b": "down", "c": "right", "d": "left"}
_RXVT_ENDS = {"$": ("shift",), "^": ("ctrl",), "@": ("ctrl", "shift")}

_KEYPAD = dict(zip("jklmnopqrstuvwxyX", "*+,-./0123456789=", strict=True))
"""Keypad keys, if a program left application keypad mode on."""

_SPECIAL = {9: ("tab", "\t"), 13: ("enter", "\r"), 27: ("escape", "\x1b"), 127: ("backspace", "\x7f"), 8: ("backspace", "\x7f")}

_FUNCTIONAL: dict[int, str] = {
    57361: "print_screen", 57362: "pause", 57363: "menu", **{57376 + at: f"f{13 + at}" for at in range(23)},
    57414: "enter", 57417: "left", 57418: "right", 57419: "up", 57420: "down", 57421: "pageup", 57422: "pagedown",
    57423: "home", 57424: "end", 57425: "insert", 57426: "delete",
}  # fmt: skip
"""Functional keys of kitty's protocol. Modifier, lock and media keys are ignored."""

_FUNCTIONAL_TEXT = {57399 + at: character for at, character in enumerate("0123456789./*-+")} | {57415: "=", 57416: ","}

_MODIFIERS = ("shift", "alt", "ctrl", "super", "hyper", "meta")
_RELEASE = 3

_MOUSE = re.compile(r"<(\d{1,4});(\d{1,5});(\d{1,5})")
_KITTY = re.compile(r"(\d{1,7})(?::(\d{0,7}))?(?::\d{0,7})?(?:;(\d{0,3})(?::(\d))?(?:;([\d:]{0,200}))?)?")
_WITH_MODIFIERS = re.compile(r"(\d{1,2})(?:;(\d{1,3})(?::(\d))?(?:;[\d:]{0,200})?)?")
_OTHER_KEYS = re.compile(r"27;(\d{1,3});(\d{1,7})")
_MODE = re.compile(r"\?2026;[123]\$")


def parse_control_sequence(body: str, final: str) -> list[Token] | None:
    """Parse a control sequence (CSI); None if it has no meaning.

    Args:
        body: the part between introducer and final byte.
        final: the final byte.
    """
    if not body and final in "IO":
        return [Focus(final == "I")]
    if final in "Mm" and (mouse := _MOUSE.fullmatch(body)):
        return _mouse(*(int(number) for number in mouse.groups()), down=final == "M")
    if final == "y" and _MODE.fullmatch(body):
        return [SynchronizedOutput()]
    if final == "t" and body.startswith("48;"):
        return [Resized()]
    if final == "u":
        return _kitty(body)
    return _key(body, final)


def parse_single_shift(number: str, final: str) -> list[Token] | None:
    """Parse an SS3 sequence: `ESC O`, in old terminals modifiers, and a letter."""
    modifiers = _modifiers(int(number or "1"))
    if final == "R":
        return [Key("f3", None, modifiers)]
    if final in _LETTERS:
        return [Key(_LETTERS[final], None, modifiers)]
    if final in _RXVT:
        return [Key(_RXVT[final], None, ("ctrl",))]
    if final in _KEYPAD:
        return [Key(_KEYPAD[final], _KEYPAD[final])]
    return [Key("enter", "\r")] if final == "M" else None


def parse_linux_function_key(final: str) -> list[Token] | None:
    """Parse `ESC [ [` and a letter: the first five function keys of the Linux console."""
    return [Key(f"f{'ABCDE'.index(final) + 1}")] if final in "ABCDE" else None


def _mouse(code: int, column: int, line: int, *, down: bool) -> list[Token] | None:
    if not (1 <= column <= LARGEST_PLACE and 1 <= line <= LARGEST_PLACE) or code > 255:
        return None
    return [Mouse(code, column - 1, line - 1, down)]


def _key(body: str, final: str) -> list[Token] | None:
    if final == "~" and (other := _OTHER_KEYS.fullmatch(body)):
        return _typed(int(other[2]), None, int(other[1]), "")
    if final in _RXVT_ENDS:
        base = _NUMBERS.get(int(body)) if body.isdecimal() and len(body) < 3 else None
        return [Key(base, None, _RXVT_ENDS[final])] if base is not None else None
    if not body:
        if final in _RXVT:
            return [Key(_RXVT[final], None, ("shift",))]
        named = {"Z": ("tab", ("shift",)), "R": ("f3", ())}.get(final)
        if named is not None:
            return [Key(named[0], None, named[1])]
        return [Key(_LETTERS[final])] if final in _LETTERS else None
    match = _WITH_MODIFIERS.fullmatch(body)
    if match is None:
        return None
    number, modifiers = int(match[1]), _modifiers(int(match[2] or "1"))
    if match[3] and int(match[3]) == _RELEASE:
        return []
    if final == "~":
        base = _NUMBERS.get(number)
    elif final == "Z":
        base, modifiers = "tab", tuple(sorted({"shift", *modifiers}))
    else:
        base = _LETTERS.get(final)
        if number != 1 and match[2] is None:  # `ESC [ 5 A`, as some terminals send it
            modifiers = _modifiers(number)
    return [Key(base, None, modifiers)] if base is not None else None


def _kitty(body: str) -> list[Token] | None:
    match = _KITTY.fullmatch(body)
    if match is None:
        return None
    if match[4] and int(match[4]) == _RELEASE:
        return []
    return _typed(int(match[1]), _character(match[2] or ""), int(match[3] or "1"), match[5] or "")


def _typed(code: int, shifted: str | None, encoded: int, text: str) -> list[Token] | None:
    """Return the keys for a Unicode code point.

    Args:
        shifted: the character with shift, if reported.
        encoded: the modifiers plus 1, as terminals send them.
        text: code points of the typed characters, if reported.
    """
    modifiers = _modifiers(encoded)
    if code in _FUNCTIONAL:
        return [Key(_FUNCTIONAL[code], None, modifiers)]
    if code in _SPECIAL:
        base, character = _SPECIAL[code]
        return [Key(base, None if modifiers else character, modifiers)]
    character_of = _FUNCTIONAL_TEXT.get(code) or _character(str(code))
    if character_of is None:
        return None
    typed = [char for part in text.split(":") if (char := _character(part)) is not None]
    others = tuple(name for name in modifiers if name not in ("shift", "alt"))
    if typed and not (typed == [character_of] and "alt" in modifiers):  # alt with a letter types nothing
        return [Key(char, char, others) for char in typed]
    if modifiers == ("shift",):
        upper = shifted or character_of.upper()
        upper = upper if len(upper) == 1 else character_of
        return [Key(upper, upper)]
    return [Key(character_of, None if modifiers else character_of, modifiers)]


def _character(number: str) -> str | None:
    """Return the character of a decimal code point, if it can be typed."""
    if not number.isdecimal() or len(number) > 7:
        return None
    code = int(number)
    if code < 32 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xF900 or code > 0x10FFFF:
        return None  # controls, surrogates, and the private area of kitty's functional keys
    return chr(code)


def _modifiers(encoded: int) -> tuple[str, ...]:
    bits = encoded - 1
    return tuple(sorted(name for at, name in enumerate(_MODIFIERS) if bits > 0 and bits & (1 << at)))

"""Parses shell assignments without running them: env files, and the settings of the bash kugetsu (v0.2).

Supported are comments, `export` and `declare`, single and double quotes, `$'…'`, escapes, values of several lines,
`${NAME:-default}`, tables (`NAME=([key]=value)`), and `: ${NAME:=value}`. Command substitutions and `$NAME` are plain text.
It also accepts what a shell would not: spaces around `=`, words without quotes (`A=two words`), `\\n` in double quotes as a
line feed, and unquoted JSON.
"""

import json
import re
from collections.abc import Mapping

MOST_FAULTS = 100
"""After so many wrong lines the rest of the text is not read."""
DEEPEST = 20
"""Maximum nesting of `${…}`."""
LONGEST_QUOTED = 32 << 10
"""Maximum length of a quoted text in characters; a longer one has no closing quote."""
_TARGET = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\]\n]*)\])?[ \t]*(\+?)=")
_PREFIX = re.compile(r"(?:export|declare|typeset|readonly|local)(?:[ \t]+-[A-Za-z]+)*[ \t]+")
_UNLESS_SET = re.compile(r'"?(?=\$\{[A-Za-z_][A-Za-z0-9_]*:?=)')
_OPENING = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-=])")
_KEY = re.compile(r"\[[ \t]*([^\]\n]*?)[ \t]*\][ \t]*=")
_ORDINARY = re.compile(r"[^ \t\n'\"$\\;)}]+")
_IN_DOUBLE = {'"': '"', "\\": "\\", "$": "$", "`": "`", "n": "\n"}
_IN_DOLLAR = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v", "?": "?", "\\": "\\",
    "'": "'", '"': '"',
}  # fmt: skip
_CODE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8}))")


class Assignments:
    """The assignments in a text, and a sentence for each line that is not valid."""

    def __init__(self, text: str, known: Mapping[str, str]) -> None:
        self.values: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        """The line of each name, from 1."""
        self.tables: dict[str, dict[str, str]] = {}
        self.faults: list[str] = []
        self._text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self._known = known
        self._at = 0
        self._line, self._counted = 1, 0
        self._declared = False
        self._depth = 0
        while self._at < len(self._text) and len(self.faults) < MOST_FAULTS:
            self._statement()

    def _statement(self) -> None:
        """Read one assignment; a line that is not valid becomes a fault, and reading continues with the next line."""
        if self._peek() in " \t\n\r;":
            self._at += 1
            return
        start, self._depth = self._at, 0
        self._line, self._counted = self._line + self._text.count("\n", self._counted, start), start
        try:
            if self._peek() != "#":
                self._assign(self._line)
        except _Wrong as wrong:
            self.faults.append(f"line {self._line} {wrong}")
            self._at = start
        if self._peek() != ";":
            self._at = self._end_of_line()

    def _assign(self, line: int) -> None:
        if self._text.startswith((": ", ":\t"), self._at):
            self._at += 1
            while self._skip(" \t") and (unless_set := _UNLESS_SET.match(self._text, self._at)):
                self._at = unless_set.end()
                self._default(line)
                self._skip('"')
            return
        prefix = _PREFIX.match(self._text, self._at)
        self._declared = prefix is not None
        self._at = prefix.end() if prefix else self._at
        while True:
            target = _TARGET.match(self._text, self._at)
            if target is None:
                words = self._text[self._at : self._end_of_line()].partition("#")[0].split()
                if prefix and words and all(word in self.values or word in self.tables for word in words):
                    return  # `export NAME` of an earlier assignment
                raise _Wrong("is not KEY=VALUE")
            self._at = target.end()
            self._take(target[1], target[2], bool(target[3]), line)
            if not (self._declared and self._starts_assignment()):
                return

    def _take(self, name: str, key: str | None, more: bool, line: int) -> None:
        if key is not None:
            self.tables.setdefault(name, {})[key.strip().strip("\"'")] = self._value()
        elif self._peek() == "(":
            self.tables[name] = self._table()
        else:
            value = self._value()
            self.values[name] = self.values.get(name, "") + value if more else value
            self.lines[name] = line

    def _value(self, ends: str = "\n") -> str:
        """Read a value; without quotes it may contain spaces, except in a table."""
        rest = self._text[self._at : self._end_of_line()].strip()
        if rest[:1] in ("{", "[") and ends == "\n" and _is_json(rest):
            self._at = self._end_of_line()
            return rest
        self._skip(" \t")
        parts: list[str] = []
        quoted = spaced = False
        while (char := self._peek()) and char not in ends:
            if char in " \t":
                blank = self._skip(" \t")
                if self._peek() in ("", "\n", "#") or ends != "\n" or (self._declared and self._starts_assignment()):
                    break
                if quoted and self._starts_assignment():  # as in a shell; words without quotes may be one value
                    self._declared = True
                    break
                if quoted:
                    raise _Wrong("has more words after the quoted value: quote all of it")
                parts.append(blank)
                spaced = True
            elif char in "'\"" or self._text.startswith("$'", self._at):
                if spaced:
                    raise _Wrong("has quotes after the first word: quote all of it")
                quoted = True
                parts.append(self._quoted())
            elif char == ";" and self._text[self._at + 1 : self._at + 2] in ("", " ", "\t", "\n"):
                break
            else:
                parts.append(self._plain())
        return "".join(parts)

    def _plain(self) -> str:
        """Read unquoted characters, an escape or a default."""
        if ordinary := _ORDINARY.match(self._text, self._at):
            self._at = ordinary.end()
            return ordinary[0]
        char = self._peek()
        if char == "\\" and self._at + 1 < len(self._text):
            self._at += 2
            return self._text[self._at - 1].replace("\n", "")
        if _OPENING.match(self._text, self._at):
            return self._default()
        self._at += 1
        return char

    def _quoted(self) -> str:
        opening = "$'" if self._peek() == "$" else self._peek()
        self._at += len(opening)
        start, parts = self._at, list[str]()
        while (char := self._peek()) != opening[-1]:
            if not char or self._at - start > LONGEST_QUOTED:
                raise _Wrong("has a quote that is not closed")
            escapes = {"'": None, '"': _IN_DOUBLE, "$'": _IN_DOLLAR}[opening]
            if opening == "$'" and (code := _CODE.match(self._text, self._at)):
                parts.append(_of_code(code))
                self._at = code.end()
            elif char == "\\" and escapes is not None:
                escaped = self._text[self._at + 1 : self._at + 2]
                parts.append("" if escaped == "\n" and opening == '"' else escapes.get(escaped, f"\\{escaped}"))
                self._at += 2
            elif opening == '"' and _OPENING.match(self._text, self._at):
                parts.append(self._default(in_double=True))
            else:
                parts.append(char)
                self._at += 1
        self._at += 1
        value = "".join(parts)
        return value if opening != "$'" else value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")

    def _default(self, line: int | None = None, in_double: bool = False) -> str:
        """Read `${NAME:-default}`: the value of NAME if known, else the default."""
        opening = _OPENING.match(self._text, self._at)
        assert opening is not None
        self._at = opening.end()
        parts: list[str] = []
        start, self._depth = self._at, self._depth + 1
        if self._depth > DEEPEST:
            raise _Wrong("has too many nested ${")
        while (char := self._peek()) != "}":
            if not char or (char == "\n" and not in_double) or self._at - start > LONGEST_QUOTED:
                raise _Wrong("has a ${ that is not closed")
            parts.append(self._quoted() if char == '"' or (char == "'" and not in_double) else self._plain())
        self._at, self._depth = self._at + 1, self._depth - 1
        name, sign = opening.groups()
        before = self.values.get(name, self._known.get(name))
        value = "".join(parts) if before is None or (not before and ":" in sign) else before
        if sign.endswith("=") and line is not None:
            self.values[name], self.lines[name] = value, line
        return value

    def _table(self) -> dict[str, str]:
        """Read `([key]=value …)`; elements without a key are ignored."""
        start, found = self._at, dict[str, str]()
        self._at += 1
        while self._skip(" \t\n") or self._peek() != ")":
            if not self._peek() or self._at - start > LONGEST_QUOTED:
                raise _Wrong("has a ( that is not closed")
            if self._peek() == "#":
                self._at = self._end_of_line()
            elif entry := _KEY.match(self._text, self._at):
                self._at = entry.end()
                found[entry[1].strip("\"'")] = self._value(" \t\n)")
            elif self._peek() != ")" and not self._value(" \t\n)"):
                self._at += 1
        self._at += 1
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, characters: str) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in characters:
            self._at += 1
        return self._text[start : self._at]

    def _starts_assignment(self) -> bool:
        return _TARGET.match(self._text, self._at) is not None

    def _end_of_line(self) -> int:
        end = self._text.find("\n", self._at)
        return end if end >= 0 else len(self._text)


class _Wrong(Exception):
    """What is wrong with a line, to be put after its number."""


def _of_code(code: re.Match[str]) -> str:
    """The character that a code in `$'…'` means; a byte that is part of one stays a byte until all of them are there."""
    octal, byte, *wide = code.groups()
    if octal or byte:
        number = int(octal, 8) & 0xFF if octal else int(byte, 16)
        return bytes([number]).decode("ascii", "surrogateescape")
    number = int(wide[0] or wide[1], 16)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise _Wrong(f"has {code[0]}, which is not a character")
    return chr(number)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def parse_assignments(text: str, known: Mapping[str, str] | None = None) -> Assignments:
    """Read assignments.

    Args:
        known: further variables for `${NAME:-default}`.
    """
    return Assignments(text, known or {})

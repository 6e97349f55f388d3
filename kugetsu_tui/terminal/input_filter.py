"""Terminal input: turns bytes into keys, pastes, mouse reports and other tokens, and drops everything else.

Typed keys, pastes and the terminal's own reports arrive on the same line, and only typed keys may act.
So a sequence is read to its end before it has a meaning, an unknown sequence has none, and its bytes
never become keys.

Only the escape key is ambiguous: its byte also starts every sequence. Grammar decides first: few strings that
start with `ESC P`, say, are sent by terminals; all others are keys. Then time decides: a terminal sends many bytes
at once, a person one at a time; the limits are below. The filter has no clock: its caller calls `tick` if nothing
arrived before `deadline`, so a slow reader never splits a sequence.
"""

import re
from collections.abc import Callable

from . import sequences
from .tokens import ESCAPE, Key, Paste, Token

ESCAPE_S = 0.1
"""A lone ESC is the escape key after this time."""
LATE_S = 1.0
"""For this long after it, what can only be the rest of a delayed sequence is still read as one."""
TOGETHER_S = 0.02
"""Bytes this close together arrived together, as a terminal sends them."""
HOLD_S = 0.5
"""Time that the start of a sequence waits for more, a string's only if it arrived together; then it was keys."""
SEQUENCE_S = 3.0
"""An unfinished sequence is dropped after this time without input."""
PASTE_S = 10.0
"""A paste is ended after this time without input."""
LONGEST = 256
"""Bytes kept of a sequence; longer ones are read to their end and ignored."""
LARGEST_PASTE = 4 << 20
"""Bytes kept of a paste; more than any message may have."""

ESC, BEL, DEL, BACKSPACE = 0x1B, 0x07, 0x7F, 0x08
PASTE_START, PASTE_END = "200", b"\x1b[201~"
LATE = b"[O]P_"
"""Introducers accepted late after an escape. Strings that no terminal sends, such as `ESC X`, are keys by then."""
LATE_SS3 = b"ABCDFHPQRS"
"""Final bytes accepted after a late `ESC O`: arrows and function keys."""
_PARAMETER_MARKS = frozenset(b":;<=>?")
"""Separators and markers in the parameters of a control sequence; nobody types these."""
_STRING_STARTS = {
    ord("P"): re.compile(rb"[>!]|\d[\d;]*[$+!]?"),
    ord("]"): re.compile(rb"\d{1,4}|[lLI].*", re.DOTALL),
    ord("_"): re.compile(rb".*", re.DOTALL),
    ord("^"): re.compile(rb".*", re.DOTALL),
    ord("X"): re.compile(rb".*", re.DOTALL),
}
"""How the body of a terminal string can start. Until it is certain, its bytes may still be keys."""
_SURE_STARTS = {
    ord("P"): re.compile(rb"[>!]\||\d[\d;]*[$+!][a-z~]"),  # versions, capabilities, settings, checksums
    ord("]"): re.compile(rb"\d{1,4};"),
    ord("_"): re.compile(rb"G[a-z]="),  # kitty's graphics
}
"""Starts that nobody types: such a body is a string to its end."""
EIGHT_BIT = {0x9B: ord("["), 0x8F: ord("O"), 0x90: ord("P"), 0x9D: ord("]"), 0x98: ord("X"), 0x9E: ord("^"), 0x9F: ord("_")}
"""C1 introducers (VT220 and later, xterm with S8C1T), and the equivalent byte after ESC."""

_NAMED = {0: "@", 8: "backspace", 9: "tab", 13: "enter", 127: "backspace", 28: "\\", 29: "]", 30: "^", 31: "_"}
_CONTROLS = {
    code: Key(base := _NAMED.get(code, chr(code + 96)), chr(code), ("ctrl",) if len(base) == 1 else ())
    for code in (*range(27), 28, 29, 30, 31, 127)
}

_PASTED_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
)
_PASTED_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class InputFilter:
    """A state machine over bytes. Any bytes, in any chunks, yield tokens and never an exception."""

    def __init__(self, escape_s: float = ESCAPE_S) -> None:
        self._escape_s = escape_s
        self.deadline: float | None = None
        """When to call `tick` if nothing arrives before."""
        self._now = 0.0
        self._tokens: list[Token] = []
        self._step: Callable[[int], None] = self._ground
        self._on_deadline: Callable[[], None] | None = None
        """Called at the deadline."""
        self._introducer = 0
        self._late = self._single = self._pasting = self._is_string = False
        self._together = False
        """Whether the byte arrived together with the one before."""
        self._fed_at = -SEQUENCE_S
        self._body = bytearray()
        self._length = 0
        self._letter = bytearray()
        self._letter_length = 0

    def feed(self, data: bytes, now: float) -> list[Token]:
        """Feed bytes; returns the completed tokens.

        Args:
            now: seconds of a monotonic clock.
        """
        self._now = now
        together, self._fed_at = now - self._fed_at <= TOGETHER_S, now
        while data:
            if self._pasting:
                data = self._paste(data)
                continue
            taken = 0
            for byte in data:
                taken += 1
                self._together, together = together, True
                self._step(byte)
                if self._pasting:
                    break
            data = data[taken:]
        return self._take_tokens()

    def tick(self, now: float) -> list[Token]:
        """Report that nothing arrived until now; returns the resulting tokens."""
        self._now = now
        while self.deadline is not None and now >= self.deadline:
            on_deadline, self.deadline, self._on_deadline = self._on_deadline, None, None
            if on_deadline is not None:
                on_deadline()
        return self._take_tokens()

    def _take_tokens(self) -> list[Token]:
        tokens, self._tokens = self._tokens, []
        return tokens

    def _enter(
        self, step: Callable[[int], None], seconds: float | None = None, on_deadline: Callable[[], None] | None = None
    ) -> None:
        self._step, self._on_deadline = step, on_deadline
        self.deadline = self._now + seconds if seconds is not None else None

    # text

    def _ground(self, byte: int) -> None:
        if self._letter_length:
            if 0x80 <= byte < 0xC0:
                self._letter.append(byte)
                if len(self._letter) == self._letter_length:
                    self._end_letter()
                else:
                    self._enter(self._ground, SEQUENCE_S, self._end_letter)
                return
            self._end_letter()
        if byte == ESC:
            self._start_escape()
        elif byte in _CONTROLS:
            self._tokens.append(_CONTROLS[byte])
        elif byte < 0x80:
            self._tokens.append(Key(chr(byte), chr(byte)))
        elif byte in EIGHT_BIT:
            self._start_sequence(EIGHT_BIT[byte], single=True)
        elif 0xC2 <= byte < 0xF5:
            self._letter = bytearray((byte,))
            self._letter_length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            self._enter(self._ground, SEQUENCE_S, self._end_letter)
        else:
            self._tokens.append(Key("\ufffd", "\ufffd"))

    def _end_letter(self) -> None:
        """A multi-byte character is complete or broken."""
        letters, self._letter_length = self._letter.decode("utf-8", "replace"), 0
        self._enter(self._ground)
        for letter in letters:
            if 0x80 <= ord(letter) < 0xA0:
                if ord(letter) in EIGHT_BIT:
                    self._start_sequence(EIGHT_BIT[ord(letter)], single=True)
                continue
            self._tokens.append(Key(letter, letter))

    # the escape key, or the start of a sequence

    def _start_escape(self) -> None:
        self._enter(self._escape, self._escape_s, self._emit_escape)

    def _escape(self, byte: int) -> None:
        if byte in b"[O]P^_X":
            self._start_sequence(byte)
            return
        self._enter(self._ground)
        if byte == ord("\\"):
            return  # a stray string terminator
        if byte in (DEL, BACKSPACE):
            self._tokens.append(Key("w", "\x17", ("ctrl",)))  # alt+backspace: delete a word
        elif byte == ord("\t"):
            self._tokens.append(Key("tab", None, ("shift",)))  # the Linux console
        else:
            # No key is bound to alt: it was the escape key, then another key.
            self._tokens.append(ESCAPE)
            self._ground(byte)

    def _emit_escape(self) -> None:
        self._tokens.append(ESCAPE)
        self._enter(self._after_escape, LATE_S, lambda: self._enter(self._ground))

    def _after_escape(self, byte: int) -> None:
        self._enter(self._ground)
        if byte in LATE:
            self._start_sequence(byte, late=True)
        else:
            self._ground(byte)

    # sequences

    def _start_sequence(self, introducer: int, *, late: bool = False, single: bool = False) -> None:
        self._introducer, self._late, self._single = introducer, late, single
        self._body.clear()
        self._length = 0
        self._is_string = False
        if introducer in _STRING_STARTS:
            self._enter(self._string, self._string_wait_s(), self._emit_as_keys)
        else:
            self._enter(self._control if introducer == ord("[") else self._ss3, HOLD_S, self._emit_as_keys)

    def _emit_as_keys(self) -> None:
        """The bytes of a supposed sequence were typed."""
        typed = (b"" if self._single else bytes((self._introducer,))) + bytes(self._body)
        if not (self._late or self._single):
            self._tokens.append(ESCAPE)
        self._enter(self._ground)
        self._tokens += [Key(letter, letter) for letter in typed.decode("utf-8", "replace") if not 0x80 <= ord(letter) < 0xA0]

    def _may_be_typed(self) -> bool:
        """Whether the bytes of a control sequence can have been typed: late, and not in one piece."""
        return self._late and (self._length <= 1 or (not self._together and not set(self._body) & _PARAMETER_MARKS))

    def _abandon(self) -> None:
        """The rest of a sequence did not arrive."""
        if self._may_be_typed():
            self._emit_as_keys()
        else:
            self._enter(self._ground)

    def _keep(self, byte: int) -> None:
        self._length += 1
        if len(self._body) < LONGEST:
            self._body.append(byte)
        self._enter(self._step, HOLD_S if self._late else SEQUENCE_S, self._abandon)

    def _interrupt(self, byte: int) -> None:
        """An invalid byte ends the sequence and is handled by itself."""
        self._emit_as_keys() if not self._length or self._may_be_typed() else self._enter(self._ground)
        self._ground(byte)

    def _finish(self, tokens: list[Token] | None) -> None:
        if tokens is None and self._may_be_typed():
            self._emit_as_keys()
            return
        self._enter(self._ground)
        self._tokens += tokens or ()

    def _control(self, byte: int) -> None:
        if not 0x20 <= byte < 0x7F:
            self._interrupt(byte)
        elif byte == ord("$") and self._body.isdigit():  # rxvt with shift
            self._finish(sequences.parse_control_sequence(self._body.decode(), "$"))
        elif byte < 0x40:
            self._keep(byte)
        elif not self._length and byte == ord("["):
            self._keep(byte)
            self._step = self._linux_key
        elif not self._length and byte == ord("M"):
            self._enter(self._old_mouse, SEQUENCE_S, self._abandon)
        elif byte == ord("~") and self._body == PASTE_START.encode():
            self._start_paste()
        else:
            self._finish(None if self._length > LONGEST else self._parse_control(byte))

    def _parse_control(self, final: int) -> list[Token] | None:
        tokens = sequences.parse_control_sequence(self._body.decode("ascii"), chr(final))
        if tokens is None and self._late:
            self._keep(final)
        return tokens

    def _linux_key(self, byte: int) -> None:
        if 0x40 <= byte < 0x7F:
            self._finish(sequences.parse_linux_function_key(chr(byte)))
        else:
            self._interrupt(byte)

    def _old_mouse(self, byte: int) -> None:
        """The old mouse report, which is ignored: three characters, as raw bytes or UTF-8."""
        if byte < 0x20:
            self._enter(self._ground)
            self._ground(byte)
            return
        tail = self._body[-1] if self._body else 0
        paired = 0x80 <= byte < 0xC0 and 0xC2 <= tail < 0xE0
        self._body.append(0 if paired else byte)
        self._length += not paired
        if self._length < 3:
            self._enter(self._old_mouse, SEQUENCE_S, self._abandon)
        elif 0xC2 <= byte < 0xE0:
            self._enter(self._old_mouse_tail, SEQUENCE_S, lambda: self._enter(self._ground))
        else:
            self._enter(self._ground)

    def _old_mouse_tail(self, byte: int) -> None:
        self._enter(self._ground)
        if not 0x80 <= byte < 0xC0:
            self._ground(byte)

    def _ss3(self, byte: int) -> None:
        if ord("0") <= byte <= ord("9") and self._length < 2:
            self._keep(byte)
        elif 0x40 <= byte < 0x7F:
            number = self._body.decode()
            tokens = sequences.parse_single_shift(number, chr(byte))
            if tokens is None or (self._late and byte not in LATE_SS3):  # no terminal sends it
                self._keep(byte)
                self._emit_as_keys()
            else:
                self._finish(tokens)
        else:
            self._interrupt(byte)

    # strings: OSC, DCS, APC, PM, SOS

    def _string_wait_s(self) -> float:
        """Time that a possible string waits for its next byte."""
        return HOLD_S if self._together else self._escape_s

    def _string(self, byte: int) -> None:
        if byte == ESC:
            self._enter(
                self._string_escape, SEQUENCE_S if self._is_string else self._string_wait_s(), self._on_lone_string_escape
            )
        elif byte == BEL or (byte == 0x9C and self._single):
            self._enter(self._ground)
        elif byte < 0x20:
            self._end_string()
            self._ground(byte)
        else:
            self._keep_string_byte(byte)

    def _keep_string_byte(self, byte: int) -> None:
        self._keep(byte)
        body = bytes(self._body)
        if not self._is_string:
            sure = _SURE_STARTS.get(self._introducer)
            self._is_string = self._length > LONGEST or (sure is not None and sure.fullmatch(body) is not None)
        if self._is_string:
            return
        if _STRING_STARTS[self._introducer].fullmatch(body):
            self._enter(self._string, self._string_wait_s(), self._emit_as_keys)
        else:
            self._emit_as_keys()

    def _end_string(self) -> None:
        """The string is broken off; if it was not certain, it was keys."""
        self._enter(self._ground) if self._is_string else self._emit_as_keys()

    def _on_lone_string_escape(self) -> None:
        """No `\\` followed the ESC in a string."""
        sure = self._is_string
        self._end_string()
        if not sure:
            self._emit_escape()

    def _string_escape(self, byte: int) -> None:
        if byte == ord("\\"):
            self._enter(self._ground)
        else:
            self._end_string()
            self._start_escape()
            self._step(byte)

    # pastes

    def _start_paste(self) -> None:
        self._body = bytearray()
        self._pasting = True
        self._enter(self._ground, PASTE_S, self._end_paste)

    def _paste(self, data: bytes) -> bytes:
        """Add to a paste; returns the bytes after its end."""
        body = self._body
        begin = max(len(body) - len(PASTE_END) + 1, 0)
        body += data
        end = body.find(PASTE_END, begin)
        if end >= 0:
            rest = bytes(body[end + len(PASTE_END) :])
            del body[end:]
            self._end_paste()
            return rest
        if len(body) > LARGEST_PASTE + len(PASTE_END):  # only the end marker still matters
            del body[LARGEST_PASTE : 1 - len(PASTE_END)]
        self._enter(self._ground, PASTE_S, self._end_paste)
        return b""

    def _end_paste(self) -> None:
        text = self._body[:LARGEST_PASTE].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        self._body, self._pasting = bytearray(), False
        self._enter(self._ground)
        self._tokens.append(Paste(_PASTED_CONTROLS.sub("", _PASTED_SEQUENCES.sub("", text))))

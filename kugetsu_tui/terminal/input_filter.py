"""The one way in: bytes of a terminal become keys, pastes, mouse reports and the like, and everything else is dropped.

Three kinds of bytes arrive on the same line: what was typed, what was pasted, and what the terminal says by itself. Only what
was typed may act. So a sequence is read whole before it means anything, one that nobody knows means nothing, and what it is
made of never becomes keys.

The one thing that can be read in two ways is the escape key: it is also how every sequence begins. What tells them apart is
first grammar: of the strings that begin with `ESC P`, say, terminals send few, and all others are keys. Then time: a terminal
sends many bytes at once, a person one by one, and the limits are below. The machine itself has no clock: whoever feeds it calls
`tick` when nothing has come until `deadline`, so that a program that was slow to read never takes a sequence apart.
"""

import re
from collections.abc import Callable

from . import sequences
from .tokens import ESCAPE, Key, Paste, Token

ESCAPE_S = 0.1
"""After so long alone an ESC is the escape key."""
LATE_S = 1.0
"""For so long after it, what can only be the rest of a sequence that the line held up is still taken for that."""
TOGETHER_S = 0.02
"""Bytes no further apart came together, as a terminal sends them."""
HOLD_S = 0.5
"""How long the beginning of a sequence waits for what follows, a string's only if it came together; then they were keys."""
SEQUENCE_S = 3.0
"""A sequence in which nothing has come for so long is dropped."""
PASTE_S = 10.0
"""So long a paste may stand still; then what came of it is all there is."""
LONGEST = 256
"""Bytes of a sequence that are kept: longer ones are read to their end, and mean nothing."""
LARGEST_PASTE = 4 << 20
"""Bytes of a paste that are kept; more than any message may have."""

ESC, BEL, DEL, BACKSPACE = 0x1B, 0x07, 0x7F, 0x08
PASTE_BEGINS, PASTE_ENDS = "200", b"\x1b[201~"
LATE = b"[O]P_"
"""What may follow an escape late. Strings nobody sends, such as `ESC X`, are keys by then."""
LATE_SHIFTS = b"ABCDFHPQRS"
"""What may follow a late `ESC O`: arrows and function keys."""
_OF_MACHINES = frozenset(b":;<=>?")
"""What stands between the numbers of a control sequence; a person has no use for it."""
_BEGINS = {
    ord("P"): re.compile(rb"[>!]|\d[\d;]*[$+!]?"),
    ord("]"): re.compile(rb"\d{1,4}|[lLI].*", re.DOTALL),
    ord("_"): re.compile(rb".*", re.DOTALL),
    ord("^"): re.compile(rb".*", re.DOTALL),
    ord("X"): re.compile(rb".*", re.DOTALL),
}
"""How the body of a terminal's string may begin. Until it is sure to be one, its bytes may yet be keys."""
_SURE = {
    ord("P"): re.compile(rb"[>!]\||\d[\d;]*[$+!][a-z~]"),  # versions, capabilities, settings, checksums
    ord("]"): re.compile(rb"\d{1,4};"),
    ord("_"): re.compile(rb"G[a-z]="),  # kitty's graphics
}
"""What nobody types: the body of a string that begins so is one, to its end."""
EIGHT_BIT = {0x9B: ord("["), 0x8F: ord("O"), 0x90: ord("P"), 0x9D: ord("]"), 0x98: ord("X"), 0x9E: ord("^"), 0x9F: ord("_")}
"""Introducers as one byte (VT220 and later, xterm with S8C1T), and the letter after ESC that means the same."""

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
    """A state machine over bytes. Any bytes, in pieces of any size, give tokens and never an exception."""

    def __init__(self, escape_s: float = ESCAPE_S) -> None:
        self._escape_s = escape_s
        self.deadline: float | None = None
        """When `tick` is to be called, if nothing comes before."""
        self._now = 0.0
        self._found: list[Token] = []
        self._step: Callable[[int], None] = self._ground
        self._over: Callable[[], None] | None = None
        """What happens at the deadline."""
        self._introducer = 0
        self._late = self._single = self._pasting = self._sure = False
        self._together = False
        """Whether the byte came with the one before it."""
        self._fed_at = -SEQUENCE_S
        self._body = bytearray()
        self._length = 0
        self._letter = bytearray()
        self._letter_needs = 0

    def feed(self, data: bytes, now: float) -> list[Token]:
        """Take what has come; returns what it means so far.

        Args:
            now: seconds of a clock that never goes back.
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
        return self._taken()

    def tick(self, now: float) -> list[Token]:
        """Nothing has come until now; returns what that means."""
        self._now = now
        while self.deadline is not None and now >= self.deadline:
            over, self.deadline, self._over = self._over, None, None
            if over is not None:
                over()
        return self._taken()

    def _taken(self) -> list[Token]:
        found, self._found = self._found, []
        return found

    def _go(self, step: Callable[[int], None], seconds: float | None = None, over: Callable[[], None] | None = None) -> None:
        self._step, self._over = step, over
        self.deadline = self._now + seconds if seconds is not None else None

    # text

    def _ground(self, byte: int) -> None:
        if self._letter_needs:
            if 0x80 <= byte < 0xC0:
                self._letter.append(byte)
                if len(self._letter) == self._letter_needs:
                    self._end_letter()
                else:
                    self._go(self._ground, SEQUENCE_S, self._end_letter)
                return
            self._end_letter()
        if byte == ESC:
            self._begin_escape()
        elif byte in _CONTROLS:
            self._found.append(_CONTROLS[byte])
        elif byte < 0x80:
            self._found.append(Key(chr(byte), chr(byte)))
        elif byte in EIGHT_BIT:
            self._begin(EIGHT_BIT[byte], single=True)
        elif 0xC2 <= byte < 0xF5:
            self._letter = bytearray((byte,))
            self._letter_needs = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            self._go(self._ground, SEQUENCE_S, self._end_letter)
        else:
            self._found.append(Key("\ufffd", "\ufffd"))

    def _end_letter(self) -> None:
        """A character beyond ASCII is complete, or never will be."""
        letters, self._letter_needs = self._letter.decode("utf-8", "replace"), 0
        self._go(self._ground)
        for letter in letters:
            if 0x80 <= ord(letter) < 0xA0:
                if ord(letter) in EIGHT_BIT:
                    self._begin(EIGHT_BIT[ord(letter)], single=True)
                continue
            self._found.append(Key(letter, letter))

    # the escape key, or how a sequence begins

    def _begin_escape(self) -> None:
        self._go(self._escape, self._escape_s, self._alone)

    def _escape(self, byte: int) -> None:
        if byte in b"[O]P^_X":
            self._begin(byte)
            return
        self._go(self._ground)
        if byte == ord("\\"):
            return  # the end of a string that nobody knows of
        if byte in (DEL, BACKSPACE):
            self._found.append(Key("w", "\x17", ("ctrl",)))  # alt and backspace: away with a word
        elif byte == ord("\t"):
            self._found.append(Key("tab", None, ("shift",)))  # the Linux console
        else:
            # Nothing here is bound to alt: it was the escape key, and then another one.
            self._found.append(ESCAPE)
            self._ground(byte)

    def _alone(self) -> None:
        self._found.append(ESCAPE)
        self._go(self._after_escape, LATE_S, lambda: self._go(self._ground))

    def _after_escape(self, byte: int) -> None:
        self._go(self._ground)
        if byte in LATE:
            self._begin(byte, late=True)
        else:
            self._ground(byte)

    # sequences

    def _begin(self, introducer: int, *, late: bool = False, single: bool = False) -> None:
        self._introducer, self._late, self._single = introducer, late, single
        self._body.clear()
        self._length = 0
        self._sure = False
        if introducer in _BEGINS:
            self._go(self._string, self._patience(), self._were_keys)
        else:
            self._go(self._control if introducer == ord("[") else self._shift, HOLD_S, self._were_keys)

    def _were_keys(self) -> None:
        """What looked like the beginning of a sequence was typed."""
        typed = (b"" if self._single else bytes((self._introducer,))) + bytes(self._body)
        if not (self._late or self._single):
            self._found.append(ESCAPE)
        self._go(self._ground)
        self._found += [Key(letter, letter) for letter in typed.decode("utf-8", "replace") if not 0x80 <= ord(letter) < 0xA0]

    def _may_be_keys(self) -> bool:
        """Whether what has come of a control sequence can have been typed: late, and not in one piece."""
        return self._late and (self._length <= 1 or (not self._together and not set(self._body) & _OF_MACHINES))

    def _cut(self) -> None:
        """The rest of a sequence never came."""
        if self._may_be_keys():
            self._were_keys()
        else:
            self._go(self._ground)

    def _keep(self, byte: int) -> None:
        self._length += 1
        if len(self._body) < LONGEST:
            self._body.append(byte)
        self._go(self._step, HOLD_S if self._late else SEQUENCE_S, self._cut)

    def _broken_off(self, byte: int) -> None:
        """A byte that cannot be in a sequence: it ends there, and the byte is what it is."""
        self._were_keys() if not self._length or self._may_be_keys() else self._go(self._ground)
        self._ground(byte)

    def _means(self, tokens: list[Token] | None) -> None:
        if tokens is None and self._may_be_keys():
            self._were_keys()
            return
        self._go(self._ground)
        self._found += tokens or ()

    def _control(self, byte: int) -> None:
        if not 0x20 <= byte < 0x7F:
            self._broken_off(byte)
        elif byte == ord("$") and self._body.isdigit():  # rxvt with shift
            self._means(sequences.parse_control_sequence(self._body.decode(), "$"))
        elif byte < 0x40:
            self._keep(byte)
        elif not self._length and byte == ord("["):
            self._keep(byte)
            self._step = self._linux_key
        elif not self._length and byte == ord("M"):
            self._go(self._old_mouse, SEQUENCE_S, self._cut)
        elif byte == ord("~") and self._body == PASTE_BEGINS.encode():
            self._begin_paste()
        else:
            self._means(None if self._length > LONGEST else self._control_means(byte))

    def _control_means(self, final: int) -> list[Token] | None:
        tokens = sequences.parse_control_sequence(self._body.decode("ascii"), chr(final))
        if tokens is None and self._late:
            self._keep(final)
        return tokens

    def _linux_key(self, byte: int) -> None:
        if 0x40 <= byte < 0x7F:
            self._means(sequences.parse_linux_function_key(chr(byte)))
        else:
            self._broken_off(byte)

    def _old_mouse(self, byte: int) -> None:
        """Three characters of a report that is of no use, as bytes beyond ASCII or as UTF-8."""
        if byte < 0x20:
            self._go(self._ground)
            self._ground(byte)
            return
        tail = self._body[-1] if self._body else 0
        paired = 0x80 <= byte < 0xC0 and 0xC2 <= tail < 0xE0
        self._body.append(0 if paired else byte)
        self._length += not paired
        if self._length < 3:
            self._go(self._old_mouse, SEQUENCE_S, self._cut)
        elif 0xC2 <= byte < 0xE0:
            self._go(self._end_of_old_mouse, SEQUENCE_S, lambda: self._go(self._ground))
        else:
            self._go(self._ground)

    def _end_of_old_mouse(self, byte: int) -> None:
        self._go(self._ground)
        if not 0x80 <= byte < 0xC0:
            self._ground(byte)

    def _shift(self, byte: int) -> None:
        if ord("0") <= byte <= ord("9") and self._length < 2:
            self._keep(byte)
        elif 0x40 <= byte < 0x7F:
            number = self._body.decode()
            tokens = sequences.parse_single_shift(number, chr(byte))
            if tokens is None or (self._late and byte not in LATE_SHIFTS):  # no terminal sends it
                self._keep(byte)
                self._were_keys()
            else:
                self._means(tokens)
        else:
            self._broken_off(byte)

    # strings: OSC, DCS, APC, PM, SOS

    def _patience(self) -> float:
        """How long a string that may yet be keys waits for its next byte."""
        return HOLD_S if self._together else self._escape_s

    def _string(self, byte: int) -> None:
        if byte == ESC:
            self._go(self._string_escape, SEQUENCE_S if self._sure else self._patience(), self._escape_alone)
        elif byte == BEL or (byte == 0x9C and self._single):
            self._go(self._ground)
        elif byte < 0x20:
            self._end_string()
            self._ground(byte)
        else:
            self._keep_of_string(byte)

    def _keep_of_string(self, byte: int) -> None:
        self._keep(byte)
        body = bytes(self._body)
        if not self._sure:
            sure = _SURE.get(self._introducer)
            self._sure = self._length > LONGEST or (sure is not None and sure.fullmatch(body) is not None)
        if self._sure:
            return
        if _BEGINS[self._introducer].fullmatch(body):
            self._go(self._string, self._patience(), self._were_keys)
        else:
            self._were_keys()

    def _end_string(self) -> None:
        """The string breaks off; what was no string for sure were keys."""
        self._go(self._ground) if self._sure else self._were_keys()

    def _escape_alone(self) -> None:
        """No `\\` came after the ESC in a string."""
        sure = self._sure
        self._end_string()
        if not sure:
            self._alone()

    def _string_escape(self, byte: int) -> None:
        if byte == ord("\\"):
            self._go(self._ground)
        else:
            self._end_string()
            self._begin_escape()
            self._step(byte)

    # pastes

    def _begin_paste(self) -> None:
        self._body = bytearray()
        self._pasting = True
        self._go(self._ground, PASTE_S, self._end_paste)

    def _paste(self, data: bytes) -> bytes:
        """Take the next piece of a paste; returns what comes after its end."""
        body = self._body
        begin = max(len(body) - len(PASTE_ENDS) + 1, 0)
        body += data
        end = body.find(PASTE_ENDS, begin)
        if end >= 0:
            rest = bytes(body[end + len(PASTE_ENDS) :])
            del body[end:]
            self._end_paste()
            return rest
        if len(body) > LARGEST_PASTE + len(PASTE_ENDS):  # only its end is still looked for
            del body[LARGEST_PASTE : 1 - len(PASTE_ENDS)]
        self._go(self._ground, PASTE_S, self._end_paste)
        return b""

    def _end_paste(self) -> None:
        text = self._body[:LARGEST_PASTE].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        self._body, self._pasting = bytearray(), False
        self._go(self._ground)
        self._found.append(Paste(_PASTED_CONTROLS.sub("", _PASTED_SEQUENCES.sub("", text))))

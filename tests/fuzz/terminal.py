"""What a terminal sends, of all kinds and in pieces: answers never act, keys always do, pastes arrive whole."""

import random
from collections.abc import Iterable

from kugetsu_tui.terminal.input_filter import ESCAPE_S, HOLD_S, SEQUENCE_S, InputFilter
from kugetsu_tui.terminal.textual_events import format_key_name
from kugetsu_tui.terminal.tokens import Focus, Key, Mouse, Paste, Resized, SynchronizedOutput, Token

ANSWERS = {
    "DA1 of xterm": b"\x1b[?62;22c",
    "DA1 of tmux": b"\x1b[?1;2;4c",
    "DA2": b"\x1b[>41;380;0c",
    "DA3": b"\x1bP!|00000000\x1b\\",
    "XTVERSION of xterm": b"\x1bP>|XTerm(380)\x1b\\",
    "XTVERSION of tmux": b"\x1bP>|tmux 3.3a\x1b\\",
    "XTGETTCAP": b"\x1bP1+r544e=787465726d\x1b\\",
    "no XTGETTCAP": b"\x1bP0+r\x1b\\",
    "DECRQSS": b"\x1bP1$r0;4:3m\x1b\\",
    "title": b"\x1b]lmy P x T q title\x1b\\",
    "icon": b"\x1b]LP\x1b\\",
    "colour 4": b"\x1b]4;1;rgb:cd00/0000/0000\x07",
    "foreground": b"\x1b]10;rgb:e5e5/e5e5/e5e5\x07",
    "background": b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\",
    "clipboard": b"\x1b]52;c;cSBxIFggUA==\x1b\\",
    "kitty's clipboard": b"\x1b]5522;type=read:status=OK\x1b\\",
    "kitty's flags": b"\x1b[?31u",
    "kitty's graphics": b"\x1b_Gi=31;OK\x1b\\",
    "APC": b"\x1b_P x\x1b\\",
    "PM": b"\x1b^q P\x1b\\",
    "SOS": b"\x1bXP q\x1b\\",
    "colours are dark": b"\x1b[?997;1n",
    "all is well": b"\x1b[0n",
    "printer": b"\x1b[?13n",
    "cursor": b"\x1b[24;80R",
    "cursor of DEC": b"\x1b[?24;80;1R",
    "checksum": b"\x1bP1!~FFFF\x1b\\",
    "mode of DEC": b"\x1b[?2004;1$y",
    "mode of ANSI": b"\x1b[4;2$y",
    "no mode": b"\x1b[?2026;0$y",
    "size in pixels": b"\x1b[4;900;1400t",
    "size": b"\x1b[8;40;140t",
    "cell": b"\x1b[6;20;10t",
    "iconified": b"\x1b[2t",
    "terminal parameters": b"\x1b[2;1;1;128;128;1;0x",
    "sixel": b"\x1b[?1;0;256S",
    "old mouse": b"\x1b[M !!",
    "old mouse far right": b"\x1b[M \x99!",
    "mouse in UTF-8": b"\x1b[M \xc2\x99\xc3\xa0",
    "mouse of urxvt": b"\x1b[32;120;20M",
    "mouse below zero": b"\x1b[<35;-1;-1M",
    "a mouse far out": b"\x1b[<0;99999;3M",
    "a huge key with a code": b"\x1b[106;99999999u",
    "a huge key": b"\x1b[99999999999999999999u",
    "half of a pair": b"\x1b[55357u",
    "a huge number": b"\x1b[1;99999999999999999B",
    "keys of nobody": b"\x1b[200;200;200~",
    "a stray end of a paste": b"\x1b[201~",
    "many numbers": b"\x1b[" + b"1;" * 5000 + b"B",
    "eight-bit XTVERSION": b"\x90>|XTerm\x9c",
    "eight-bit OSC": b"\x9d11;rgb:0/0/0\x9c",
    "OSC in UTF-8": "\x9d11;P\x9c".encode(),
    "a stray end of a string": b"\x1b\\",
}
"""What terminals say by themselves or when they are asked."""


KEYS: dict[bytes, Token] = {
    **{bytes((code,)): Key(chr(code), chr(code)) for code in range(0x20, 0x7F)},
    b"\r": Key("enter", "\r"),
    b"\t": Key("tab", "\t"),
    b"\x7f": Key("backspace", "\x7f"),
    b"\x1a": Key("z", "\x1a", ("ctrl",)),
    "é".encode(): Key("é", "é"),
    "日".encode(): Key("日", "日"),
    "🚀".encode(): Key("🚀", "🚀"),
    b"\x1b[A": Key("up"),
    b"\x1bOB": Key("down"),
    b"\x1b[1;5C": Key("right", None, ("ctrl",)),
    b"\x1b[6~": Key("pagedown"),
    b"\x1b[Z": Key("tab", None, ("shift",)),
    b"\x1b[15~": Key("f5"),
    b"\x1b[[C": Key("f3"),
    b"\x1b[106;1:1u": Key("j", "j"),
    b"\x1b[106:74;2:2u": Key("J", "J"),
    b"\x1b[13;5u": Key("enter", None, ("ctrl",)),
    b"\x1b[<0;3;4M": Mouse(0, 2, 3, True),
    b"\x1b[<65;100;40M": Mouse(65, 99, 39, True),
    b"\x1b[I": Focus(True),
    b"\x1b[48;40;140;800;1400t": Resized(),
    b"\x1b[?2026;2$y": SynchronizedOutput(),
    b"\x1b[200~P x\r\x1b[31mq\x1b]52;c;eA==\x07!\x1b[201~": Paste("P x\nq!"),
    b"\x1b[200~\x1b[201~": Paste(""),
}
"""What is sent for what is to be heard."""

RELEASES = (b"\x1b[106;1:3u", b"\x1b[1;1:3B", b"\x1b[3;1:3~", b"\x1b[57441;2:1u")
ESCAPE = Key("escape", "\x1b")


def hear(feeder: InputFilter, pieces: Iterable[bytes | float], now: float = 0.0) -> list[Token]:
    """What comes of bytes with pauses of so many seconds between them."""
    found: list[Token] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            found += feeder.feed(piece, now)
            continue
        end = now + piece
        while feeder.deadline is not None and feeder.deadline <= end:
            now = feeder.deadline
            found += feeder.tick(now)
        now = end
    return found


def in_pieces(sent: bytes, chance: random.Random) -> Iterable[bytes | float]:
    """The bytes split anywhere, with pauses of a slow line; long ones never around a single byte."""
    while sent:
        size = len(sent) if chance.random() < 0.5 else chance.randrange(1, len(sent) + 1)
        yield sent[:size]
        sent = sent[size:]
        if sent:
            # Right after an ESC a long pause makes it the escape key, whatever comes then; see the tests of the filter.
            yield chance.choice((0.0, 0.01, ESCAPE_S * 0.9, HOLD_S * 0.9 if size > 1 else 0.0))


def terminal_input(count: int, chance: random.Random) -> None:
    """Answers, events, keys and pastes of many terminals in any order, split anywhere: exactly the keys are heard, each once.

    Every tenth time bytes without any sense: no exception, and the next key is heard.
    """
    answers, keys = [*ANSWERS.values(), *RELEASES], list(KEYS.items())
    while count > 0:
        size = min(chance.randrange(1, 30), count)
        count -= size
        feeder = InputFilter()
        if chance.random() < 0.1:
            _without_sense(feeder, size, chance)
            continue
        pieces: list[bytes | float] = []
        wanted: list[Token] = []
        for _ in range(size):
            draw = chance.random()
            if draw < 0.05:
                pieces += [b"\x1b", 10.0]
                wanted.append(ESCAPE)
            elif draw < 0.5:
                pieces += _split(chance.choice(answers), chance)
            else:
                sent, token = chance.choice(keys)
                pieces += _split(sent, chance)
                wanted.append(token)
        heard = hear(feeder, [*pieces, 60.0])
        assert heard == wanted, (pieces, heard, wanted)
        assert feeder.deadline is None


def _split(sent: bytes, chance: random.Random) -> list[bytes | float]:
    pieces = list(in_pieces(sent, chance))
    if pieces[0] == b"\x1b" and len(pieces) > 1:
        pieces[1] = min(float(pieces[1]), ESCAPE_S * 0.9)
    return pieces


def _without_sense(feeder: InputFilter, size: int, chance: random.Random) -> None:
    likely = b"\x1b\x1b[]PO_^X0123;:<?>$~uMmABR\x9b\x90\x9c\xc2\xe9\xff\x07\r"
    pieces: list[bytes | float] = []
    for _ in range(size):
        length = chance.randrange(1, 12)
        pieces.append(bytes(chance.choice(likely) if chance.random() < 0.7 else chance.randrange(256) for _ in range(length)))
        pieces.append(chance.choice((0.0, 0.0, 0.05, 0.2, SEQUENCE_S)))
    for token in hear(feeder, pieces):
        assert not isinstance(token, Key) or format_key_name(token)
    assert hear(feeder, [60.0, b"j"], now=1e6)[-1] == Key("j", "j"), pieces
    assert feeder.deadline is None

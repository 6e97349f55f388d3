"""What the console takes for keys, pastes and the mouse, of all that a terminal can send; and what it drops."""

from collections.abc import Iterable

import pytest

from kugetsu_tui.terminal.input_filter import ESCAPE_S, HOLD_S, LARGEST_PASTE, LATE_S, PASTE_S, SEQUENCE_S, InputFilter
from kugetsu_tui.terminal.textual_events import format_key_name
from kugetsu_tui.terminal.tokens import Focus, Key, Mouse, Paste, Resized, SynchronizedOutput, Token
from tests.fuzz.terminal import ANSWERS, hear


def heard(*pieces: bytes | float) -> list[Token]:
    """What comes of bytes with pauses of so many seconds between them, and a long one at the end."""
    return hear(InputFilter(), [*pieces, 60.0])


def names(*pieces: bytes | float) -> list[str]:
    """Names of keys that come of bytes; anything else by its kind."""
    return [format_key_name(one) if isinstance(one, Key) else type(one).__name__ for one in heard(*pieces)]


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"jK?:,", ["j", "K", "question_mark", "colon", "comma"]),
        (b" \r\t\x7f\x08\n\x00", ["space", "enter", "tab", "backspace", "backspace", "ctrl+j", "ctrl+at"]),
        (b"\x03\x1a\x1c\x1d\x1e\x1f", ["ctrl+c", "ctrl+z", "ctrl+backslash", "ctrl+right_square_bracket",
                                       "ctrl+circumflex_accent", "ctrl+underscore"]),
        ("é日👩".encode(), ["é", "日", "woman"]),
        (b"\x1b", ["escape"]),
        (b"\x1b\x1b", ["escape", "escape"]),
        (b"\x1bn", ["escape", "n"]),
        (b"\x1b\r", ["escape", "enter"]),
        (b"\x1b\x7f", ["ctrl+w"]),
        (b"\x1b[A\x1bOB\x1b[C\x1b[D\x1b[H\x1b[F", ["up", "down", "right", "left", "home", "end"]),
        (b"\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~\x1b[7~\x1b[8~",
         ["home", "insert", "delete", "end", "pageup", "pagedown", "home", "end"]),
        (b"\x1b[1;2A\x1b[1;5B\x1b[1;6C\x1b[1;3D\x1b[5;5~",
         ["shift+up", "ctrl+down", "ctrl+shift+right", "alt+left", "ctrl+pageup"]),
        (b"\x1b[Z\x1b[1;2Z\x1b\t", ["shift+tab"] * 3),
        (b"\x1bOP\x1bOQ\x1bOR\x1bOS\x1b[15~\x1b[24~\x1b[34~", ["f1", "f2", "f3", "f4", "f5", "f12", "f20"]),
        (b"\x1b[[A\x1b[[E", ["f1", "f5"]),  # the Linux console
        (b"\x1b[a\x1bOa\x1b[3$\x1b[3^\x1b[3@",
         ["shift+up", "ctrl+up", "shift+delete", "ctrl+delete", "ctrl+shift+delete"]),  # rxvt
        (b"\x1bOp\x1bOM\x1bOj", ["0", "enter", "asterisk"]),
        (b"\x9bA\x8fB", ["up", "down"]),  # eight-bit controls
        ("\x9bA".encode(), ["up"]),
        (b"\x1b[27;5;13~", ["ctrl+enter"]),  # xterm's modifyOtherKeys
        # kitty: press and repeat once each, never a release
        (b"\x1b[106u\x1b[106;1:1u\x1b[106;1:2u\x1b[106;1:3u", ["j", "j", "j"]),
        (b"\x1b[106:74;2u\x1b[97;2;65u\x1b[98;2u", ["J", "A", "B"]),
        (b"\x1b[1;1:3B\x1b[1;1:1B\x1b[3;1:3~\x1b[3;5:2~", ["down", "ctrl+delete"]),
        (b"\x1b[97;5u\x1b[120;3u\x1b[120;3;120u\x1b[120;3;8776u", ["ctrl+a", "alt+x", "alt+x", "almost_equal_to"]),
        (b"\x1b[27u\x1b[13u\x1b[9;2u\x1b[13;5u\x1b[127u", ["escape", "enter", "shift+tab", "ctrl+enter", "backspace"]),
        (b"\x1b[57399u\x1b[57414u\x1b[57420u\x1b[57376u\x1b[32;2;32u", ["0", "enter", "down", "f13", "space"]),
        (b"\x1b[57441;2u\x1b[57358u\x1b[57448;5:3u", []),  # shift, caps lock, ctrl by themselves
        (b"\x1b[97;65u\x1b[106;129u", ["a", "j"]),  # with caps and num lock
        # bytes that are not UTF-8
        (b"\xe9 ", ["replacement_character", "space"]),
        (b"\xffj", ["replacement_character", "j"]),
        (b"\xe9", ["replacement_character"]),
        (b"\xea\x1b[A", ["replacement_character", "up"]),
        (b"\xc3j", ["replacement_character", "j"]),
    ],
)  # fmt: skip
def test_keys_are_what_was_pressed(sent: bytes, keys: list[str]) -> None:
    """In one piece, byte by byte, and byte by byte with pauses that are not long."""
    assert names(sent) == keys
    assert names(*(bytes((byte,)) for byte in sent)) == keys
    assert names(*_with_pauses(sent, ESCAPE_S * 0.9)) == keys


def _with_pauses(sent: bytes, pause_s: float) -> Iterable[bytes | float]:
    for byte in sent:
        yield bytes((byte,))
        yield pause_s


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_of_the_terminal_is_a_key(answer: str) -> None:
    """Whole, and split at every byte with pauses; the key after it is heard."""
    sent = ANSWERS[answer]
    assert names(sent, b"j") == ["j"]
    if len(sent) > 200:
        return
    for pause_s in (0.01, ESCAPE_S * 0.9, HOLD_S * 0.9):
        for place in range(1, len(sent)):
            late = pause_s > ESCAPE_S and place == 1 and sent[:1] == b"\x1b"
            known = sent[1:2] in (b"[", b"O", b"]", b"P") or sent[1:3] == b"_G"
            if late and not known:
                continue  # a second after the escape key these are letters
            assert names(sent[:place], pause_s, sent[place:], b"j") == ["escape", "j"] if late else ["j"], (place, pause_s)


def test_an_arrow_that_a_line_takes_apart_never_acts_as_letters() -> None:
    """Late or not; and the letters of someone who pressed the escape key first are letters."""
    assert names(b"\x1b", 0.3, b"[", 0.3, b"B") == ["escape", "down"]
    assert names(b"\x1b", 0.9, b"[1;5", 0.4, b"B") == ["escape", "ctrl+down"]
    assert names(b"\x1b[", 0.4, b"B") == ["down"]
    assert names(b"\x1b[1", SEQUENCE_S * 0.9, b";5", SEQUENCE_S * 0.9, b"B") == ["ctrl+down"]
    assert names(b"\x1b", 0.3, b"[", 0.3, b"j") == ["escape", "left_square_bracket", "j"]
    assert names(b"\x1b", 0.3, b"P", 0.2, b"j") == ["escape", "P", "j"]
    assert names(b"\x1b", 0.3, b"P") == ["escape", "P"]
    assert names(b"\x1b", 0.3, b"]", 0.3, b"1") == ["escape", "right_square_bracket", "1"]
    assert names(b"\x1b", LATE_S + 0.2, b"[", b"B") == ["escape", "left_square_bracket", "B"]
    assert names(b"\x1b[") == ["escape", "left_square_bracket"]


TYPED = (
    "P", "Pj", "P+", "P+q", "P4", "P4j", "P x", "P/foo", "P:pause", "P!", "P>", "]", "]]", "]1", "]4j", "]l", "]lj",
    "_", "_G", "_a", "^", "^q", "X", "Xy", "X y n", "Oe", "Open", "+", "q", "é", "日",
)  # fmt: skip


@pytest.mark.parametrize("typed", TYPED)
def test_letters_after_the_escape_key_are_letters(typed: str) -> None:
    """All in one packet, key by key, quickly and slowly; an enter ends them, and nothing before or after it is lost."""
    keys = [Key("escape", "\x1b"), *(Key(letter, letter) for letter in typed)]
    sent, enter = typed.encode(), [Key("enter", "\r"), Key("j", "j")]
    if typed not in ("Open",):  # in one piece with the escape key, `O p` is the number pad's
        assert heard(b"\x1b" + sent) == keys
        assert heard(b"\x1b" + sent + b"\rj") == [*keys, *enter]
    assert heard(b"\x1b", ESCAPE_S * 1.1, sent) == keys
    for pause_s in (0.03, ESCAPE_S * 1.1, 0.3, LATE_S * 1.1):
        if typed == "Open" and pause_s < ESCAPE_S:
            continue
        pieces = [piece for letter in f"\x1b{typed}\rj" for piece in (letter.encode(), pause_s)]
        assert heard(*pieces) == [*keys, *enter], pause_s


def test_a_letter_after_the_escape_key_acts_soon() -> None:
    """One that could begin a string is not held longer than the escape key was."""
    feeder = InputFilter()
    assert hear(feeder, [b"\x1b", 0.3, b"P", ESCAPE_S], now=1.0)[-1] == Key("P", "P")


@pytest.mark.parametrize("typed", ["[4j", "[0n", "[1]", "[ 2", "[12"])
def test_a_bracket_and_what_follows_are_keys_if_they_come_one_by_one(typed: str) -> None:
    """Half a second after the escape key no sequence begins that comes key by key and means nothing."""
    pieces = [piece for letter in f"\x1b{typed}" for piece in (letter.encode(), 0.2)]
    assert heard(*pieces) == [Key("escape", "\x1b"), *(Key(letter, letter) for letter in typed)]


def test_a_sequence_that_never_ends_makes_nobody_deaf() -> None:
    """After its time, or at a key that cannot be in it."""
    assert names(b"\x1b]11;rgb:", SEQUENCE_S, b"j") == ["j"]
    assert names(b"\x1bP>|xterm\r", b"j") == ["enter", "j"]
    assert names(b"\x1b[1;5", b"\x1b[B") == ["down"]
    assert names(b"\x1b]0;x\x1b", b"[B") == ["down"]
    assert names(b"\x1b[M", SEQUENCE_S, b"j") == ["j"]
    assert names(b"\x1b[M \x1b[B") == ["down"]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"plain", "plain"),
        (b"\x1b[31mERROR\x1b[0m in build\rsecond\rthird\r", "ERROR in build\nsecond\nthird\n"),
        (b"one\r\ntwo\nthree\ttab", "one\ntwo\nthree\ttab"),
        (b"\x1b]52;c;UA==\x07x\x1bP1$r\x1b\\y\x00\x03\x1a\x7f\x9b31m", "xy�31m"),
        ("\x9b31mred é日".encode(), "red é日"),
        (b"\x1b[200~inner", "inner"),
        (b"\x1b", ""),
        (b"", ""),
    ],
)
def test_a_paste_is_one_text_whatever_is_in_it(sent: bytes, text: str) -> None:
    """Split anywhere; what comes after it are keys again."""
    whole = b"\x1b[200~" + sent + b"\x1b[201~"
    for place in range(1, len(whole)):
        assert heard(whole[:place], 0.05, whole[place:], b"j") == [Paste(text), Key("j", "j")], place


def test_a_paste_has_an_end_even_if_the_terminal_forgets_it() -> None:
    """After a time without a byte; a stall before that loses nothing."""
    assert heard(b"\x1b[200~half", PASTE_S * 0.9, b" more", PASTE_S, b"j") == [Paste("half more"), Key("j", "j")]


def test_a_paste_without_measure_is_cut() -> None:
    """It takes no more memory than a message may have, and its end is found."""
    piece, feeder = b"x" * (1 << 20), InputFilter()
    found = feeder.feed(b"\x1b[200~", 0.0)
    for _ in range(12):
        found += feeder.feed(piece, 0.0)
        assert len(feeder._body) <= LARGEST_PASTE + 16
    found += feeder.feed(b"\x1b[20", 0.0) + feeder.feed(b"1~j", 0.0)
    assert found == [Paste("x" * LARGEST_PASTE), Key("j", "j")]


def test_mouse_focus_size_and_frames_are_heard() -> None:
    """What is no key and yet means something."""
    assert heard(b"\x1b[<0;3;4M\x1b[<0;3;4m\x1b[<64;1;1M") == [
        Mouse(0, 2, 3, True),
        Mouse(0, 2, 3, False),
        Mouse(64, 0, 0, True),
    ]
    assert heard(b"\x1b[I\x1b[O") == [Focus(True), Focus(False)]
    assert heard(b"\x1b[48;40;140;800;1400t\x1b[?2026;2$y") == [Resized(), SynchronizedOutput()]

"""What a supervisor says to its engine over their socket."""

import pytest

from kugetsu_engine.domain.supervisor_messages import SupervisorMessage, decode_messages, format_refusal


@pytest.mark.parametrize("message", SupervisorMessage)
def test_what_is_said_is_what_is_heard(message: SupervisorMessage) -> None:
    """Each message alone, and after another one."""
    assert decode_messages(f"{message}\n".encode(), closed=False).messages == {message}
    both = decode_messages(f"started\n{message}\n".encode(), closed=True)
    assert both.messages == {SupervisorMessage.STARTED, message}
    assert both.closed


def test_a_refusal_brings_its_error() -> None:
    """The number of the system's error, and no message beside it."""
    received = decode_messages(format_refusal(28).encode() + b"\n", closed=True)
    assert (received.refusal, received.messages, received.closed) == (28, frozenset(), True)


@pytest.mark.parametrize("data", [b"", b"refused-\n", b"refused-x\n", b"\xff\xfe\n", b"a word of a later version\n"])
def test_what_is_not_known_is_passed_over(data: bytes) -> None:
    """An engine may hear from a supervisor that was started from a later version's files."""
    assert decode_messages(data, closed=False) == (frozenset(), None, False)


def test_the_words_stay_what_earlier_versions_say() -> None:
    """A supervisor in reserve may be older than the files its engine has just been updated to."""
    assert sorted(SupervisorMessage) == [
        "asks", "ended", "moves", "not-paused", "not-prepared", "prepared", "session", "slot-free", "stalled", "started"
    ]  # fmt: skip
    assert format_refusal(28) == "refused-28"

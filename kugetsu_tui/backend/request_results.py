"""One line for the answers to one act, however many tasks it was about."""

from collections.abc import Sequence

from kugetsu_engine.domain.request import Answer, Request
from kugetsu_engine.domain.text.quantities import format_count

from .messages import Answered

_MANY = {
    "hold": "holding {}", "release": "released {}", "cancel": "cancelled {}", "kill": "stopping {}", "retry": "retrying {}",
    "move": "moved {}", "edit": "changed {}", "restore": "put back {}",
}  # fmt: skip


def in_full(answer: Answer) -> str:
    """The answer with its hint."""
    return f"{answer.text}: {answer.hint}" if answer.hint and not answer.ok else answer.text


def summed_up(wishes: Sequence[Request], answers: Sequence[Answer], undoable: bool = True) -> Answered:
    """Say what became of an act; with what takes it back, unless it is itself an undo.

    Args:
        wishes: the requests of the act.
        answers: one for each, in the same order.
        undoable: whether it can be taken back in turn.
    """
    done = [(wish, answer) for wish, answer in zip(wishes, answers, strict=True) if answer.ok]
    failed = [answer for answer in answers if not answer.ok]
    steps = tuple(answer.undo for _, answer in done if answer.undo is not None) if undoable else ()
    if len(answers) == 1:
        return Answered(in_full(answers[0]), not failed, steps)
    counts: dict[str, int] = {}
    for wish, _ in done:
        counts[wish.verb] = counts.get(wish.verb, 0) + 1
    parts = [_MANY.get(verb, f"{verb}: {{}}").format(format_count(count, "task")) for verb, count in counts.items()]
    words = ", ".join(parts) or "nothing was done"
    if failed:
        words = f"{words}; {len(failed)} not: {in_full(failed[0])}"
    return Answered(words, not failed, steps)

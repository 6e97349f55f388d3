"""Summarizes the answers to the requests of one act in one line."""

from collections.abc import Sequence

from kugetsu_engine.domain.request import Answer, Request
from kugetsu_engine.domain.text.quantities import format_count

from .messages import Answered

_TEXTS = {
    "hold": "holding {}", "release": "released {}", "cancel": "cancelled {}", "kill": "stopping {}", "retry": "retrying {}",
    "pause_agent": "pausing {}", "resume_agent": "resuming {}", "park": "parking {}",
    "move": "moved {}", "edit": "changed {}", "restore": "put back {}",
}  # fmt: skip


def format_answer(answer: Answer) -> str:
    """The answer's text, with its hint if it was refused."""
    return f"{answer.text}: {answer.hint}" if answer.hint and not answer.ok else answer.text


def summarize_answers(requests: Sequence[Request], answers: Sequence[Answer], undoable: bool = True) -> Answered:
    """Summarize an act, with the requests that undo it.

    Args:
        requests: those of the act.
        answers: one for each, in the same order.
        undoable: whether it can be undone; an undo cannot.
    """
    done = [(request, answer) for request, answer in zip(requests, answers, strict=True) if answer.ok]
    failed = [answer for answer in answers if not answer.ok]
    steps = tuple(answer.undo for _, answer in done if answer.undo is not None) if undoable else ()
    if len(answers) == 1:
        return Answered(format_answer(answers[0]), not failed, steps)
    counts: dict[str, int] = {}
    for request, _ in done:
        counts[request.verb] = counts.get(request.verb, 0) + 1
    parts = [_TEXTS.get(verb, f"{verb}: {{}}").format(format_count(count, "task")) for verb, count in counts.items()]
    text = ", ".join(parts) or "nothing was done"
    if failed:
        text = f"{text}; {len(failed)} not: {format_answer(failed[0])}"
    return Answered(text, not failed, steps)

"""How to speak to an agent while it works: what is written to its input, and what its output says about that.

A driver has a `Talk` for a program that reads its input while it works. The input is then a pipe: first the prompt, then the
operator's messages and answers. It is closed when the agent is idle and nothing waits. Standard library only.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Ids = dict[str, str]
"""Ids of ours for a message; `id` is the one that the agent's output repeats."""
Decision = Literal["once", "always", "no"]


class TalkEvent(NamedTuple):
    """Something in an agent's output about what was said to it."""

    kind: Literal["read", "idle", "question", "withdrawn"]
    """`read`: it has a message; `idle`: it has nothing to do; `question`: it waits for an answer; `withdrawn`: no longer."""
    id: str = ""
    """The message's id of ours, or the question's id."""
    question: Mapping[str, Any] = {}
    """`what` it asks for, `about` which command, file or address, `where`, and what the driver needs for the answer."""


class Talk:
    """What one program understands on its input."""

    def make_ids(self, seed: str) -> Ids:
        """Make the ids of a message that is about to be sent, always different ones for another seed."""
        raise NotImplementedError

    def write_prompt(self, prompt: str) -> bytes:
        """Return what the input starts with."""
        raise NotImplementedError

    def write_message(self, text: str, ids: Ids) -> bytes:
        """Return a message."""
        raise NotImplementedError

    def write_answer(self, question: Mapping[str, Any], decision: Decision, text: str) -> bytes:
        """Return the answer to a question."""
        raise NotImplementedError

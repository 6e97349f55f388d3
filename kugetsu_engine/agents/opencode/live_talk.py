"""What the live run client reads on its input. Standard library only, as supervisors load it."""

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from ..talk import Decision, Ids, Talk


class OpencodeTalk(Talk):
    """Prompt, messages, answers and interrupts, a line of JSON each."""

    def make_ids(self, seed: str) -> Ids:
        """Ids of a message and of its part, in opencode's own form: its messages are in the order of their ids."""
        stamp = f"{int(time.time() * 1000) * 0x1000:x}"[-12:]
        name = f"{stamp}kug{os.urandom(6).hex()[:11]}"
        return {"id": f"msg_{name}", "part": f"prt_{name}"}

    def write_prompt(self, prompt: str) -> bytes:
        """The first line."""
        return _line({"type": "prompt", "text": prompt})

    def write_message(self, text: str, ids: Ids) -> bytes:
        """A message."""
        return _line({"type": "message", "text": text, **ids})

    def write_answer(self, question: Mapping[str, Any], decision: Decision, text: str) -> bytes:
        """An answer to a permission or a question."""
        return _line({"type": "answer", "id": question["id"], "decision": decision, "text": text})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode("utf-8", "replace") + b"\n"


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Prepare the database of a private server, and the session that it resumes or forks."""
    from . import keeper_protocol
    from .database import prepare_database

    prepare_database(job)
    return keeper_protocol.prepare(job) if job["session"]["mode"] != "new" else {}


talk = OpencodeTalk()

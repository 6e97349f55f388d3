"""What claude reads with `--input-format stream-json`: lines of JSON. Standard library only, as supervisors load it.

Seen with 2.1.197: a message joins at the next step, in the request with the tool's result. With `--replay-user-messages` it is
printed again when the model gets it. claude ends only when its input is closed.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from .talk import Decision, Ids, Talk

ARGUMENTS = ("--input-format=stream-json", "--replay-user-messages")
ASKING = ("--permission-prompt-tool=stdio",)
"""A hidden option with which it asks for permissions over its output."""
REFUSAL = "the operator refused"


class ClaudeTalk(Talk):
    """Messages and answers."""

    def make_ids(self, seed: str) -> Ids:
        """A UUID, which is printed with the message."""
        return {"id": str(uuid.uuid5(uuid.NAMESPACE_OID, seed))}

    def write_prompt(self, prompt: str) -> bytes:
        """The first message."""
        return _message(prompt, {})

    def write_message(self, text: str, ids: Ids) -> bytes:
        """A further message."""
        return _message(text, {"uuid": ids["id"]})

    def write_answer(self, question: Mapping[str, Any], decision: Decision, text: str) -> bytes:
        """Allow the tool, once or for the rest of the session, or refuse it with words."""
        if decision == "no":
            answer: dict[str, Any] = {"behavior": "deny", "message": text or REFUSAL}
        else:
            answer = {"behavior": "allow", "updatedInput": question.get("input") or {}}
            if decision == "always" and question.get("suggestions"):
                rules = [{**rule, "destination": "session"} for rule in question["suggestions"] if isinstance(rule, dict)]
                answer["updatedPermissions"] = rules
        response = {"subtype": "success", "request_id": question["id"], "response": answer}
        return _line({"type": "control_response", "response": response})


def _message(text: str, more: dict[str, Any]) -> bytes:
    return _line({"type": "user", "message": {"role": "user", "content": text}, "parent_tool_use_id": None, **more})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


talk = ClaudeTalk()

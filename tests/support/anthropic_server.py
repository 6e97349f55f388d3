"""A small server that speaks as much of Anthropic's messages as claude needs, and answers by the scripts of `model_server`.

A user message that holds `script NAME` gets that script's replies, one for each turn of the model after it.
"""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from .model_server import NAME, ModelServer, Reply, say, text_of

USAGE = {"input_tokens": 10, "output_tokens": 5}
TOOLS = {"bash": "Bash", "write": "Write"}
"""claude's names of the tools of a script."""


class AnthropicServer(ModelServer):
    """The server, in threads of this process; its address has no `/v1`."""

    def __init__(self) -> None:
        super().__init__()
        self.address = self.address.removesuffix("/v1")
        self.users: list[list[str]] = []
        """The texts of all but the model's own messages in each request."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        asked = json.loads(request.rfile.read(int(request.headers.get("content-length") or 0)) or b"{}")
        if "count_tokens" in request.path or "/messages" not in request.path:
            _send(request, {"input_tokens": 10})
            return
        messages = asked.get("messages", [])
        if not asked.get("tools"):  # a title, or a test of the key
            _send(request, _document([{"type": "text", "text": "side"}], "end_turn"))
            return
        with self.lock:
            self.prompts.append(messages)
            self.users.append([text_of(message["content"]) for message in messages if message["role"] != "assistant"])
        name, turn = _script_and_turn(messages)
        self.asked[name] += 1
        replies = self.scripts.get(name) or (say("nothing to do"),)
        reply = replies[min(turn, len(replies) - 1)]
        if reply.until is not None:
            reply.until.wait(60)
        if reply.status != 200:
            error = {"type": "error", "error": {"type": "api_error", "message": reply.text}}
            _send(request, error, reply.status)
            return
        blocks = _blocks(reply, len(self.prompts))
        reason = "tool_use" if reply.tools else "end_turn"
        if not asked.get("stream"):
            _send(request, _document(blocks, reason))
            return
        request.send_response(200)
        request.send_header("content-type", "text/event-stream")
        request.send_header("connection", "close")
        request.end_headers()
        for event in _events(blocks, reason):
            request.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())


def _send(request: BaseHTTPRequestHandler, document: object, status: int = 200) -> None:
    body = json.dumps(document).encode()
    request.send_response(status)
    for name, value in (("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")):
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def _blocks(reply: Reply, number: int) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    for place, (tool, given) in enumerate(reply.tools):
        blocks.append({"type": "tool_use", "id": f"toolu_{number}_{place}", "name": TOOLS.get(tool, tool), "input": given})
    return blocks


def _document(blocks: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": blocks, "stop_reason": reason,
        "stop_sequence": None, "usage": USAGE,
    }  # fmt: skip


def _events(blocks: list[dict[str, Any]], reason: str) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _document([], None)}
    for index, block in enumerate(blocks):
        if block["type"] == "tool_use":
            yield {"type": "content_block_start", "index": index, "content_block": {**block, "input": {}}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        else:
            yield {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}
            delta = {"type": "text_delta", "text": block["text"]}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def _script_and_turn(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """The script that the newest user message with one names, and how many turns the model has had since."""
    name, turn = "", 0
    for message in messages:
        if message["role"] in ("user", "system"):  # what is sent while a tool runs comes in a message of the system
            found = NAME.findall(text_of(message["content"]))
            name, turn = (found[-1], 0) if found else (name, turn)
        elif message["role"] == "assistant":
            turn += 1
    return name, turn

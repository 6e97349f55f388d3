"""A small server that speaks as much of their providers' protocols as claude, codex, gemini and aider need for a short job.

Every conversation is the same: one call of the shell, then a sentence; for aider an edit in words. Real programs talk to it on
the loopback, with no login and no network; it keeps what they sent, so that a test can see whether a session was gone on with.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMAND = "echo hi >> made.txt; cat made.txt"
LAST_WORDS = "Done: made.txt is there."


class Providers:
    """The server; `address` while it runs."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        """What was asked, as text, in order."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Providers":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _anthropic(asked: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    names = [tool.get("name") for tool in asked.get("tools", [])]
    works = "Bash" in names and "tool_result" not in json.dumps(asked["messages"][-2:])
    usage = {"input_tokens": 100, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": f"msg_{len(asked['messages'])}", "type": "message", "role": "assistant", "model": asked.get("model"),
        "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    if works:
        block = {"type": "tool_use", "id": f"toolu_{len(asked['messages'])}", "name": "Bash", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps({"command": COMMAND, "description": "Write a file"})}
    else:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": LAST_WORDS}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta}, {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta", "delta": {"stop_reason": "tool_use" if works else "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 20},
        },
        {"type": "message_stop"},
    ]  # fmt: skip
    return [(str(event["type"]), event) for event in events]


def _openai(asked: dict[str, Any], number: int) -> list[tuple[str, dict[str, Any]]]:
    names = [tool.get("name") for tool in asked.get("tools", [])]
    items = asked.get("input", [])
    done = bool(items) and str(items[-1].get("type", "")).endswith("_output")
    tool = next((name for name in ("exec_command", "shell_command") if name in names), None)
    if tool and not done:
        given = {"cmd": COMMAND} if tool == "exec_command" else {"command": COMMAND}
        item: dict[str, Any] = {
            "type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": tool,
            "arguments": json.dumps(given),
        }  # fmt: skip
    else:
        content = [{"type": "output_text", "text": LAST_WORDS}]
        item = {"type": "message", "role": "assistant", "id": f"msg_{number}", "content": content}
    usage = {
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 120,
    }  # fmt: skip
    response = {"id": f"resp_{number}"}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {**response, "usage": usage}},
    ]
    return [(str(event["type"]), event) for event in events]


def _google(asked: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    names = [one.get("name") for tool in asked.get("tools", []) for one in tool.get("functionDeclarations", [])]
    works = "run_shell_command" in names and "functionResponse" not in json.dumps(asked.get("contents", [])[-1:])
    call = {"functionCall": {"name": "run_shell_command", "args": {"command": COMMAND, "description": "Write a file"}}}
    part = call if works else {"text": LAST_WORDS}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0, "finishReason": "STOP"}
    return [("", {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "fake"})]


def _chat() -> dict[str, Any]:
    """An answer for aider, whose edits are text."""
    message = {"role": "assistant", "content": "I make the file.\n\nmade.txt\n```\nhi\n```\n"}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice], "usage": usage}


def _handler(server: Providers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            self._send(b'{"models": [], "data": []}', "application/json")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("utf-8", "replace")
            server.bodies.append(body)
            try:
                asked = json.loads(body)
            except ValueError:
                asked = {}
            if self.path.endswith("/chat/completions"):
                self._send(json.dumps(_chat()).encode(), "application/json")
                return
            if self.path.partition("?")[0].endswith("/messages"):
                events = _anthropic(asked)
            elif self.path.endswith("/responses"):
                events = _openai(asked, len(server.bodies))
            elif "streamGenerateContent" in self.path:
                events = _google(asked)
            else:
                self._send(b'{"totalTokens": 1, "input_tokens": 1}', "application/json")
                return
            lines = [(f"event: {name}\n" if name else "") + f"data: {json.dumps(event)}\n\n" for name, event in events]
            self._send("".join(lines).encode(), "text/event-stream")

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler

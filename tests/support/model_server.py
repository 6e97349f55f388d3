"""A small server that speaks as much of OpenAI's chat completions as an agent needs, and answers by a script.

A prompt that holds `script NAME` gets that script's replies, one for each turn of the model after the last user message; so the
server remembers nothing of a conversation. Real programs talk to it, on the loopback, with no key and no network.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

NAME = re.compile(r"\bscript ([\w-]+)")


class Reply(NamedTuple):
    """What the model does in one turn."""

    text: str = ""
    tools: tuple[tuple[str, dict[str, Any]], ...] = ()
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    end: str = "done"
    """`done`; `cut`: the connection drops in the middle; `unending`: there is no reason to finish; `hang`: nothing is sent."""
    until: threading.Event | None = None
    """What the answer waits for."""
    middle: threading.Event | None = None
    """What the answer waits for after its first part."""


def say(text: str) -> Reply:
    """A text, and the turn is over."""
    return Reply(text)


def use(tool: str, **given: Any) -> Reply:
    """One call of a tool."""
    return Reply(tools=((tool, given),))


def bash(command: str) -> Reply:
    """A command."""
    return use("bash", command=command, description="a command of the script")


def fail(status: int, message: str = "no", **headers: str) -> Reply:
    """An error of the provider."""
    return Reply(message, status=status, headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()))


class ModelServer:
    """The server, in threads of this process; `with ModelServer() as server:`."""

    def __init__(self, keep_prompts: bool = True) -> None:
        """Prepare.

        Args:
            keep_prompts: whether to keep the messages of each request; a long run has no room for them.
        """
        self._keep_prompts = keep_prompts
        self.scripts: dict[str, Sequence[Reply]] = {}
        self.asked: Counter[str] = Counter()
        """Requests by name of the script."""
        self.prompts: list[list[dict[str, Any]]] = []
        """The messages of each request."""
        self.closing = threading.Event()
        self.lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self) -> None:
                """Answer a turn."""
                owner.answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            """Clients that are killed are no error."""

            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                """Say nothing."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def script(self, name: str, *replies: Reply) -> str:
        """Make a script known; the last reply counts for all further turns. Returns the words that ask for it."""
        self.scripts[name] = replies
        return f"script {name}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        asked = json.loads(request.rfile.read(int(request.headers.get("content-length") or 0)))
        messages = asked["messages"]
        if self._keep_prompts:
            self.prompts.append(messages)
        name, turn = _script_and_turn(messages)
        self.asked[name] += 1
        replies = self.scripts.get(name) or (say("nothing to do"),)
        reply = replies[min(turn, len(replies) - 1)]
        if reply.until is not None:
            reply.until.wait(60)
        if reply.end == "hang":
            self.closing.wait(120)
            return
        if reply.status != 200:
            body = json.dumps({"error": {"message": reply.text, "type": "error", "code": str(reply.status)}}).encode()
            _head(request, reply.status, "application/json", (*reply.headers, ("content-length", str(len(body)))))
            request.wfile.write(body)
            return
        more = (("content-length", "1000000"),) if reply.end == "cut" else ()  # so that an early end is one
        _head(request, 200, "text/event-stream", (*reply.headers, *more))
        for chunk in _chunks(reply, turn):
            request.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            if reply.middle is not None:
                reply.middle.wait(120)
        if reply.end == "cut":
            request.connection.shutdown(2)
            return
        if reply.end == "done":
            request.wfile.write(b"data: [DONE]\n\n")


def _head(request: BaseHTTPRequestHandler, status: int, kind: str, headers: Sequence[tuple[str, str]]) -> None:
    request.send_response(status)
    for name, value in (("content-type", kind), ("connection", "close"), *headers):
        request.send_header(name, value)
    request.end_headers()


def _chunks(reply: Reply, turn: int) -> Iterator[dict[str, Any]]:
    base = {"id": f"chat-{turn}", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return base | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield chunk({"role": "assistant", "content": reply.text or None})
    if reply.end == "cut":
        return
    for place, (tool, given) in enumerate(reply.tools):
        call = {"index": place, "id": f"call_{turn}_{place}", "type": "function",
                "function": {"name": tool, "arguments": json.dumps(given)}}  # fmt: skip
        yield chunk({"tool_calls": [call]})
    if reply.end == "done":
        yield chunk({}, "tool_calls" if reply.tools else "stop")
        yield base | {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}}


def text_of(content: Any) -> str:
    """The words of a message, which may come in parts."""
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)


def _script_and_turn(messages: Sequence[dict[str, Any]]) -> tuple[str, int]:
    """The script that the newest user message with one names, and how many turns the model has had since."""
    name, turn = "", 0
    for message in messages:
        if message["role"] == "user":
            found = NAME.search(text_of(message["content"]))
            name, turn = (found[1], 0) if found else (name, turn)
        elif message["role"] == "assistant":
            turn += 1
    return name, turn

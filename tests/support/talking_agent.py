"""A program that speaks claude's stream-json: it works in steps, and reads what is written to its input between them.

A program of its own; `TALKS` is the folder for its conversations: one file for each session, one line for each text it got.
A line of a prompt may be a JSON object: `steps` (of 50 ms), `ask` (a command it asks a permission for before the first step),
`exits` (codes, by attempt).
"""

import json
import os
import queue
import select
import sys
import threading
import uuid

STEP_S = 0.05
LIVE = "--input-format=stream-json"


def emit(document: dict[str, object]) -> None:
    """Print one event."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


class Conversation:
    """One session: what it was given is on disk, as a real program's is."""

    def __init__(self, argv: list[str]) -> None:
        names = dict(word.split("=", 1) for word in argv if word.startswith("--") and "=" in word)
        self.session = names.get("--resume") or names.get("--session-id") or str(uuid.uuid4())
        self.live = LIVE in argv
        self.asks = "--permission-prompt-tool=stdio" in argv
        self.known = self._read_known()
        """Names of the messages that the session has: claude does not read one of them again."""
        self.lines: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()

    def _read_known(self) -> set[object]:
        try:
            with open(f"{os.environ['TALKS']}/{self.session}", encoding="utf-8") as file:
                return {json.loads(line)["uuid"] for line in file} - {None}
        except FileNotFoundError:
            return set()

    def keep(self, text: str, name: object) -> None:
        """Add a text to the session."""
        line = {"text": text, "uuid": name, "pid": os.getpid(), "attempt": os.environ.get("KUGETSU_ATTEMPT")}
        fd = os.open(f"{os.environ['TALKS']}/{self.session}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(fd, json.dumps(line).encode() + b"\n")
        os.close(fd)

    def read_input(self) -> None:
        """Read lines until the input ends."""
        for line in sys.stdin:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def handle(self, event: dict[str, object]) -> str | None:
        """Read one line of the input; returns the text of a message."""
        if event["type"] != "user":
            return None
        message = event["message"]
        assert isinstance(message, dict)
        text: str | None = str(message["content"])
        if event.get("uuid") in self.known:
            text = None
        else:
            self.keep(str(text), event.get("uuid"))
        emit({"type": "user", "isReplay": True, "uuid": event.get("uuid"), "session_id": self.session, "message": message})
        return text

    def answer(self, text: str) -> None:
        """One answer of the model."""
        usage = {"input_tokens": 10, "output_tokens": 5}
        blocks = [{"type": "text", "text": text}]
        emit({"type": "assistant", "message": {"id": str(uuid.uuid4()), "content": blocks, "usage": usage}})

    def end_turn(self) -> None:
        """The result."""
        usage = {"input_tokens": 10, "output_tokens": 5}
        emit({"type": "result", "subtype": "success", "result": "done", "total_cost_usd": 0.01, "usage": usage})

    def ask(self, command: str) -> None:
        """Ask for a permission, and wait for the answer; what is said meanwhile is read later."""
        request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}}
        emit({"type": "control_request", "request_id": "ask-1", "request": request})
        later = []
        while (event := self.lines.get()) is not None:
            if event["type"] == "control_response":
                self.keep(json.dumps(event["response"]), "answer")
                break
            later.append(event)
        for one in later:
            self.lines.put(one)

    def work(self, how: dict[str, object]) -> bool:
        """Work in steps, and read the input between them; returns whether the input has ended."""
        for _ in range(int(str(how.get("steps", 2)))):
            select.select([], [], [], STEP_S)
            self.answer("working")
            while not self.lines.empty():
                event = self.lines.get()
                if event is None:
                    return True
                if (text := self.handle(event)) is not None:
                    self.answer(f"heard {text}")
        return False


def main() -> int:
    """Act, and return the exit code."""
    conversation = Conversation(sys.argv[1:])
    emit({"type": "system", "subtype": "init", "session_id": conversation.session, "model": "m"})
    if conversation.live:
        threading.Thread(target=conversation.read_input, daemon=True).start()
        first = conversation.lines.get()
        prompt = conversation.handle(first) if first is not None else ""
    else:
        prompt = sys.stdin.read()
        conversation.keep(prompt, None)
    last = next((line for line in (prompt or "").splitlines() if line.startswith("{")), "{}")
    how = json.loads(last)
    if how.get("ask") and conversation.asks:
        conversation.ask(str(how["ask"]))
    ended = conversation.work(how)
    conversation.end_turn()
    while conversation.live and not ended:
        event = conversation.lines.get()
        if event is None:
            break
        if (text := conversation.handle(event)) is not None:
            conversation.answer(f"heard {text}")
            conversation.end_turn()
    exits = how.get("exits", [0])
    attempt = int(os.environ.get("KUGETSU_ATTEMPT", "1"))
    return int(exits[min(attempt, len(exits)) - 1])


if __name__ == "__main__":
    sys.exit(main())

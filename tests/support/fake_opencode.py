"""Speaks like `opencode serve` 1.18.33, as far as the shared server is used; does the steps of a prompt without a model.

Steps are those of `opencode_fleet`; a `bash` step really runs, in a session of its own as opencode's tools do.
"""

import base64
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Event = dict[str, Any]


class Session:
    """One session: its worktree, and what runs in it."""

    def __init__(self, server: "Server", name: str, directory: str) -> None:
        self.server, self.id, self.directory = server, name, directory
        self.aborted = threading.Event()
        self.answered = threading.Event()
        self.tool: subprocess.Popen[bytes] | None = None
        self.busy = False
        self.parts = 0

    def tell(self, kind: str, **more: Any) -> None:
        self.server.tell(kind, sessionID=self.id, **more)

    def part(self, **part: Any) -> None:
        self.parts += 1
        self.tell("message.part.updated", part={"id": f"prt_{self.id}{self.parts}", "sessionID": self.id, **part})

    def status(self, kind: str) -> None:
        self.busy = kind != "idle"
        self.tell("session.status", status={"type": kind})

    def work(self, text: str) -> None:
        """Do the steps of a prompt."""
        line = next((line for line in reversed(text.splitlines()) if line.startswith("{")), '{"steps": [{"text": "done"}]}')
        self.aborted.clear()
        self.status("busy")
        error = self._steps(json.loads(line)["steps"])
        if error is not None:
            self.tell("session.error", error=error)
        self.status("idle")

    def _steps(self, steps: list[dict[str, Any]]) -> dict[str, Any] | None:
        for step in steps:
            if self.aborted.wait(float(step.get("delay", 0))) or ("hang" in step and self.aborted.wait()):
                return {"name": "MessageAbortedError", "data": {"message": "Aborted"}}
            if "status" in step:
                data = {"message": f"scripted error {step['status']}", "statusCode": step["status"], "isRetryable": False}
                return {"name": "APIError", "data": data}
            self.part(type="step-start")
            reason = "tool-calls" if "text" not in step else "stop"
            if "bash" in step:
                self._bash(step["bash"])
            elif "call" in step:
                self.answered.clear()
                self.tell("permission.asked", id=f"per_{self.id}", permission="external_directory", patterns=["/outside/*"])
                self.answered.wait(10)
                self.part(
                    type="tool", tool=step["call"][0], state={"status": "error", "input": step["call"][1], "error": "rejected"}
                )
            else:
                self.part(type="text", text=step["text"], time={"start": 1, "end": 2})
            tokens = {"total": 110, "input": 100, "output": 10}
            self.part(type="step-finish", reason=reason, tokens=tokens, cost=0.00012)
            if self.aborted.is_set():
                return {"name": "MessageAbortedError", "data": {"message": "Aborted"}}
            if "call" in step:
                return None
        return None

    def _bash(self, command: str) -> None:
        name = hashlib.sha256(self.directory.encode()).hexdigest()
        try:
            with open(f"{os.environ['KUGETSU_SERVER_ATTEMPTS']}/{name}.json", encoding="utf-8") as file:
                own = json.load(file)
        except OSError:
            own = {}
        self.tool = subprocess.Popen(
            ["bash", "-c", command], cwd=self.directory, env=os.environ | own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        output = self.tool.communicate()[0].decode()
        state = {
            "status": "completed",
            "input": {"command": command},
            "output": output,
            "metadata": {"exit": self.tool.returncode},
        }
        self.part(type="tool", tool="bash", state=state)

    def abort(self) -> None:
        self.aborted.set()
        if self.tool is not None and self.tool.poll() is None:
            os.killpg(self.tool.pid, signal.SIGKILL)


class Server:
    """All sessions, and who listens."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.listeners: list[queue.Queue[Event]] = []
        self.disposed: list[str] = []

    def tell(self, kind: str, **properties: Any) -> None:
        for listener in list(self.listeners):
            listener.put({"payload": {"type": kind, "properties": properties}})

    def answer(self, method: str, path: list[str], directory: str, body: dict[str, Any]) -> Any:
        """The answer to a request; None for 204."""
        if path == ["global", "health"]:
            return {"healthy": True, "version": "1.18.33"}
        if path[0] == "experimental":
            self.sessions[body["sessionID"]].directory = body["destination"]["directory"]
            return None
        if path[0] == "session" and path[2:] == ["fork"]:
            path = ["session"]
        if path == ["session"]:
            new = Session(self, f"ses_{len(self.sessions):06d}{os.getpid():014d}", directory)
            self.sessions[new.id] = new
            return {"id": new.id, "directory": directory}
        if path == ["session", "status"]:
            return {one.id: {"type": "busy"} for one in self.sessions.values() if one.busy and one.directory == directory}
        if path == ["instance", "dispose"]:
            self.disposed.append(directory)
            return True
        if path[0] == "permission":
            for one in self.sessions.values():
                one.answered.set()
            return True
        session = self.sessions.get(path[1])
        if session is None and not path[1].startswith("ses_"):
            raise KeyError(path[1])
        if session is None:  # a server before this one knew it
            session = self.sessions[path[1]] = Session(self, path[1], directory)
        if path[2:] == ["prompt_async"]:
            threading.Thread(target=session.work, args=(body["parts"][0]["text"],), daemon=True).start()
        elif path[2:] == ["abort"]:
            session.abort()
        else:
            return {"id": session.id, "directory": session.directory}
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: Server

    def _serve(self) -> None:
        told = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        address = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if told != f"opencode:{os.environ['OPENCODE_SERVER_PASSWORD']}":
            self._send(401, {"message": "who are you?"})
        elif address.path == "/global/event":
            self._events()
        else:
            directory = parse_qs(address.query).get("directory", [""])[0]
            try:
                found = self.server_state.answer(self.command, address.path.strip("/").split("/"), directory, body)
                self._send(204 if found is None else 200, found)
            except KeyError as error:
                self._send(404, {"data": {"message": f"Session not found: {error}"}})

    do_GET = do_POST = do_PATCH = _serve

    def _send(self, status: int, found: Any) -> None:
        data = b"" if found is None else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _events(self) -> None:
        listener: queue.Queue[Event] = queue.Queue()
        self.server_state.listeners.append(listener)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        event: Event = {"payload": {"type": "server.connected", "properties": {}}}
        try:
            while True:
                self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
                self.wfile.flush()
                try:
                    event = listener.get(timeout=5)
                except queue.Empty:
                    event = {"payload": {"type": "server.heartbeat", "properties": {}}}
        except OSError:
            self.server_state.listeners.remove(listener)

    def log_message(self, *_words: Any) -> None:
        return


def main() -> None:
    """`fake_opencode.py serve …`; `OPENCODE_CONFIG_CONTENT` may hold `{"fake": {"start": "never"}}`."""
    if "--version" in sys.argv:
        print("1.18.33")
        return
    if "serve" not in sys.argv:
        sys.exit("Error: this one can only serve")
    how = json.loads(os.environ.get("OPENCODE_CONFIG_CONTENT") or "{}").get("fake", {})
    if how.get("start") == "fails":
        sys.exit("Error: the configuration is broken")
    Handler.server_state = Server()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that was killed
    ballast = bytearray(int(how.get("ballast", 0)))
    ballast[::4096] = b"x" * len(ballast[::4096])
    print(f"opencode server listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

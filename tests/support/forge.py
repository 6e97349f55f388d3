"""A forge on this machine: an HTTP server that speaks the documented shapes of GitHub's and Gitea's REST APIs, and faults."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """One request, as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Reply:
    """What to answer instead of the usual."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    drip: bool = False
    """Send the body byte by byte, until the forge is closed."""
    hang: bool = False
    """Take the request and never answer."""


class FakeForge:
    """Issues, pull requests, statuses and check runs of repositories, by path; `replies` overrides by path."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.issues: dict[str, dict[str, Any]] = {}
        self.pulls: dict[str, list[dict[str, Any]]] = {}
        self.statuses: dict[str, list[str]] = {}
        self.runs: dict[str, list[tuple[str, str | None]]] = {}
        self.replies: dict[str, Reply] = {}
        self.token: str | None = None
        self.asked: list[Asked] = []
        self.page_size = 100
        self._end = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.api = f"http://127.0.0.1:{self.port}{'/api/v1' if kind == 'gitea' else ''}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def add_pull(self, path: str, number: int, branch: str, state: str = "open", sha: str = "c0ffee", **more: Any) -> None:
        """Add a pull request in the forge's own shape."""
        merged = state == "merged"
        pull = {
            "number": number, "html_url": f"https://forge.test/{path}/pulls/{number}", "title": f"Pull {number}",
            "state": "open" if state == "open" else "closed", "draft": False, "head": {"ref": branch, "sha": sha},
            "merged_at": "2026-11-21T10:00:00Z" if merged else None,
        }  # fmt: skip
        if self.kind == "gitea":
            pull["merged"] = merged
        self.pulls.setdefault(path, []).append(pull | more)

    def answer(self, asked: Asked) -> Reply:
        """The usual answer to a request."""
        path = asked.path.removeprefix("/api/v1") if self.kind == "gitea" else asked.path
        if path in self.replies:
            return self.replies[path]
        wanted = {"github": f"Bearer {self.token}", "gitea": f"token {self.token}"}[self.kind]
        if self.token is not None and asked.headers.get("authorization") != wanted:
            return Reply(401, body=b'{"message": "Bad credentials"}')
        parts = path.split("/")
        if len(parts) < 5 or parts[1] != "repos":
            return Reply(404)
        repository, rest = f"{parts[2]}/{parts[3]}", parts[4:]
        if rest[0] == "issues" and f"{repository}#{rest[1]}" in self.issues:
            return _json(self.issues[f"{repository}#{rest[1]}"])
        if rest[0] == "pulls" and repository in self.pulls:
            return self._list(asked, self._chosen(repository, asked))
        if rest[0] == "commits" and rest[2] == "status":
            states = self.statuses.get(rest[1], [])
            key = "state" if self.kind == "github" else "status"
            return _json({"state": "pending", "total_count": len(states), "statuses": [{key: state} for state in states]})
        if rest[0] == "commits" and rest[2] == "check-runs" and self.kind == "github":
            runs = [{"status": status, "conclusion": conclusion} for status, conclusion in self.runs.get(rest[1], [])]
            return self._list(asked, runs, "check_runs")
        return Reply(404, body=b'{"message": "Not Found"}')

    def _chosen(self, repository: str, asked: Asked) -> list[dict[str, Any]]:
        """GitHub filters by `head`; Gitea has no such filter."""
        found = self.pulls[repository]
        if self.kind == "github" and "head" in asked.query:
            branch = asked.query["head"].partition(":")[2]
            found = [pull for pull in found if pull["head"]["ref"] == branch]
        return found

    def _list(self, asked: Asked, items: list[Any], key: str | None = None) -> Reply:
        size = min(int(asked.query.get("per_page" if self.kind == "github" else "limit", 30)), self.page_size)
        page = int(asked.query.get("page", 1))
        shown = items[(page - 1) * size : page * size]
        reply = _json(shown if key is None else {"total_count": len(items), key: shown})
        if page * size < len(items):
            others = "".join(f"{name}={value}&" for name, value in asked.query.items() if name != "page")
            following = f"http://127.0.0.1:{self.port}{asked.path}?{others}page={page + 1}"
            reply.headers["Link"] = f'<{following}>; rel="next", <{following}>; rel="last"'
        return reply


def _json(document: object) -> Reply:
    return Reply(body=json.dumps(document).encode())


def _handler(forge: FakeForge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            asked = Asked(address.path, query, {name.lower(): value for name, value in self.headers.items()})
            forge.asked.append(asked)
            reply = forge.answer(asked)
            if reply.hang:
                forge._end.wait(60)
                return
            self.send_response(reply.status)
            for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if reply.drip:
                self._drip(reply.body)
            else:
                self.wfile.write(reply.body)

        def _drip(self, body: bytes) -> None:
            try:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if forge._end.wait(0.05):
                        return
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            return

    return Handler


def later(seconds: float) -> str:
    """A point in time as GitHub tells a reset."""
    return str(int(time.time() + seconds))

"""HTTP client for an opencode server: requests with a time limit, and its event stream. Standard library only."""

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

SILENCE_S = 300.0
"""The server counts as lost if its event stream is silent this long; it sends a heartbeat every ten seconds.

A server that has ended closes its connections at once, and the keeper ends one that does not answer; a busy one may be slow.
"""
ANSWER_S = 300.0
"""How long a request may take, unless the caller has a reason for less."""
ANSWER_LIMIT = 16 << 20


class ServerLost(Exception):
    """The server does not answer, or its event stream ended."""


class Refused(Exception):
    """The server answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ServerApi:
    """The API of one server."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.password = port, password
        self._headers = {"Authorization": "Basic " + base64.b64encode(f"opencode:{password}".encode()).decode()}

    def call(self, method: str, path: str, directory: str | None = None, body: Any = None, timeout_s: float = ANSWER_S) -> Any:
        """Make one request and return the decoded answer.

        Args:
            directory: the worktree whose instance the request is for.

        Raises:
            ServerLost: there was no complete answer in time.
            Refused: the server answered with an error status.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
            target = path if directory is None else f"{path}?directory={quote(directory, safe='')}"
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read(ANSWER_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise ServerLost(f"{method} {path}: {error or type(error).__name__}") from None
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(response.status, f"{method} {path}: {response.status} {_message(data)}")
        return json.loads(data) if data.startswith((b"{", b"[")) else None

    def stream_events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield type and properties of each event. Once the first is received no later one is missed.

        Raises:
            ServerLost: the stream ended, or was silent for too long.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SILENCE_S)
        try:
            connection.request("GET", "/global/event", headers=self._headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise Refused(response.status, f"GET /global/event: {response.status}")
            for line in response:
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    event = event.get("payload", event)
                    yield str(event.get("type")), event.get("properties") or {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServerLost(f"event stream: {error or type(error).__name__}") from None
        finally:
            connection.close()
        raise ServerLost("its event stream ended")

    def list_busy_sessions(self, directory: str, timeout_s: float = ANSWER_S) -> dict[str, Any]:
        """Return the sessions of a worktree that are not idle, with their status."""
        statuses = self.call("GET", "/session/status", directory, timeout_s=timeout_s) or {}
        return {session: status for session, status in statuses.items() if status.get("type") != "idle"}


def _message(data: bytes) -> str:
    """Return the message of an error, whatever its shape."""
    try:
        error = json.loads(data)
        inner = error.get("data") or error.get("error") or error
        return str(inner.get("message") or error)[:500]
    except (ValueError, AttributeError):
        return data[:500].decode("utf-8", "replace")

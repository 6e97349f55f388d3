"""Talking to an opencode server: requests with a time limit, and its stream of events. Standard library only."""

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

SILENCE_S = 120.0
"""Without a line on the stream of events for so long the server is lost; it sends a heartbeat every ten seconds."""
ANSWER_LIMIT = 16 << 20


class ServerLost(Exception):
    """The server does not answer, or ended while it was listened to."""


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class ServerApi:
    """One server."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.password = port, password
        self._headers = {"Authorization": "Basic " + base64.b64encode(f"opencode:{password}".encode()).decode()}

    def call(self, method: str, path: str, directory: str | None = None, body: Any = None, timeout_s: float = 30.0) -> Any:
        """Make one request and return what the server answered.

        Args:
            directory: the worktree whose instance is meant.

        Raises:
            ServerLost: no whole answer came in time.
            Refused: the answer is an error.
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

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens on the server, as it happens: type and properties. It listens when the first one has come.

        Raises:
            ServerLost: the stream ended, or fell silent.
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
            raise ServerLost(f"its events: {error or type(error).__name__}") from None
        finally:
            connection.close()
        raise ServerLost("its stream of events ended")

    def busy(self, directory: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """The sessions of a worktree that are at work, with their status."""
        found = self.call("GET", "/session/status", directory, timeout_s=timeout_s)
        return {name: status for name, status in (found or {}).items() if status.get("type") != "idle"}


def _message(data: bytes) -> str:
    """The words of an error, from whichever shape it has."""
    try:
        found = json.loads(data)
        inner = found.get("data") or found.get("error") or found
        return str(inner.get("message") or found)[:500]
    except (ValueError, AttributeError):
        return data[:500].decode("utf-8", "replace")

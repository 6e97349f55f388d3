"""S28: in a sandbox with a list of hosts these can be reached and nothing else, and what was refused is told."""

import http.server
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.supervisor.network_proxy import is_allowed
from tests.security.test_sandbox import WHY_NOT, Boxed
from tests.support.fleet import Fleet

needs_sandbox = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
CLIENT = """
import os, socket, sys
def ask(first, rest=b"", proxy=True, to=("127.0.0.1", 3128)):
    try:
        with socket.create_connection(to, 5) as end:
            end.sendall(first.encode() + b"\\r\\nHost: x\\r\\n\\r\\n")
            if rest:
                head = b""
                while b"\\r\\n\\r\\n" not in head:
                    data = end.recv(1000)
                    if not data:
                        return head.decode()
                    head += data
                end.sendall(rest)
            got = b""
            while data := end.recv(1000):
                got += data
            return got.decode()
    except OSError as error:
        return str(error)
port, other = int(sys.argv[1]), int(sys.argv[2])
print("TUNNEL", ask(f"CONNECT 127.0.0.1:{port} HTTP/1.1", b"GET /one HTTP/1.0\\r\\n\\r\\n").split("\\n")[-1], flush=True)
print("PLAIN", ask(f"GET http://127.0.0.1:{port}/two HTTP/1.0").split("\\n")[-1], flush=True)
print("PORT", ask(f"CONNECT 127.0.0.1:{other} HTTP/1.1").split("\\r\\n")[0], flush=True)
print("HOST", ask("CONNECT other.example.org:443 HTTP/1.1").split("\\r\\n")[0], flush=True)
print("HOST", ask("CONNECT other.example.org:443 HTTP/1.1").split("\\r\\n")[0], flush=True)
print("BROKEN", ask("nonsense"), flush=True)
print("DIRECT", ask("GET / HTTP/1.0", to=("127.0.0.1", port)), flush=True)
print("OUTSIDE", ask("GET / HTTP/1.0", to=("192.0.2.1", 80)), flush=True)
print("PROXY", os.environ["HTTPS_PROXY"], os.environ["no_proxy"], os.environ["https_proxy"], flush=True)
server = socket.create_server(("127.0.0.1", 0))
print("OWN", socket.create_connection(server.getsockname()).getpeername()[0], flush=True)
"""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with the path."""
        body = f"here is {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent."""


@pytest.fixture
def site() -> Iterator[int]:
    """A server on this machine; returns its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("rule", "allowed", "refused"),
    [
        ("example.org", ["example.org:443", "EXAMPLE.org:80", "example.org.:443"], ["a.example.org:443", "example.orgx:443"]),
        ("*.example.org", ["a.example.org:443", "a.b.example.org:1"], ["example.org:443", "badexample.org:443", ".org:443"]),
        ("example.org:443", ["example.org:443"], ["example.org:80"]),
        ("[::1]:443", ["[::1]:443"], ["[::1]:80", "[::2]:443"]),
    ],
)
def test_s28_a_rule_means_what_it_says(rule: str, allowed: list[str], refused: list[str]) -> None:
    """Names, subdomains and ports."""
    for words, expected in ((allowed, True), (refused, False)):
        for word in words:
            host, _, port = word.rpartition(":")
            assert is_allowed(host, int(port), [rule]) is expected, word


@needs_sandbox
@pytest.mark.parametrize("through", ["directly", "through the operator's proxy"])
def test_s28_only_named_hosts_are_reached(fleet: Fleet, site: int, through: str) -> None:
    """By tunnel and by plain request; the rest is refused, noted once, and kept with the attempt."""
    boxed = Boxed(fleet)
    client = boxed.home / "client.py"
    client.write_text(CLIENT, encoding="utf-8")
    environ = dict(os.environ)
    if through != "directly":
        import socket

        from kugetsu_engine.supervisor.network_proxy import Gate

        listener = socket.create_server(("127.0.0.1", 0))
        gate = Gate([f"127.0.0.1:{site}"], "")
        threading.Thread(target=gate.accept_from, args=(listener,), daemon=True).start()
        environ["https_proxy"] = f"http://me:word@127.0.0.1:{listener.getsockname()[1]}"
    boxed.settings(f"{sys.executable} {client} {site} 9", f"sandbox_net = {json.dumps([f'127.0.0.1:{site}'])}")
    task_id = boxed.enqueue()
    fleet.start_engine(environ)
    task = fleet.wait_for_end([task_id])[0]
    log = fleet.log(task_id).decode()
    lines = [line.partition(" ")[::2] for line in log.splitlines()]
    assert dict(lines)["TUNNEL"] == "here is /one", log
    assert dict(lines)["PLAIN"] == "here is /two"
    assert dict(lines)["PORT"] == "HTTP/1.1 403 Forbidden"
    assert dict(lines)["HOST"] == "HTTP/1.1 403 Forbidden"
    assert "refused" in dict(lines)["DIRECT"]
    assert "unreachable" in dict(lines)["OUTSIDE"]
    assert dict(lines)["PROXY"].split()[0] == "http://127.0.0.1:3128"
    assert dict(lines)["OWN"] == "127.0.0.1"
    assert task.attempts[0].refused == ["127.0.0.1:9", "other.example.org:443"]
    assert log.count("refused other.example.org:443") == 1
    assert task.attempts[0].sandbox == f"network: 127.0.0.1:{site}"
    result = fleet.result(task_id)
    assert result is not None
    assert result.swept == 0


@needs_sandbox
def test_s28_without_a_network_there_is_none(fleet: Fleet, site: int) -> None:
    """Not even this machine's own loopback."""
    boxed = Boxed(fleet)
    client = boxed.home / "client.py"
    client.write_text(CLIENT.replace('os.environ["', 'os.environ.get("').replace('"]', '")'), encoding="utf-8")
    _, log = boxed.run(f"{sys.executable} {client} {site} 9", 'sandbox_net = "off"')
    lines = dict(line.partition(" ")[::2] for line in log.splitlines())
    assert "refused" in lines["TUNNEL"], log
    assert "refused" in lines["DIRECT"]
    assert "unreachable" in lines["OUTSIDE"]


@needs_sandbox
def test_s28_the_process_for_the_network_ends_with_the_attempt(fleet: Fleet, site: int) -> None:
    """However it ends: by itself, or with its supervisor."""
    boxed = Boxed(fleet)
    boxed.settings("echo x > ready; while :; do sleep 1; done", f"sandbox_net = {json.dumps([f'127.0.0.1:{site}'])}")
    task_id = boxed.enqueue()
    fleet.start_engine()
    from tests.support.waiting import wait_until

    wait_until(Path(fleet.paths.worktree("local-work-1"), "ready").exists, 15, "the agent")
    record = fleet.record(task_id)
    assert record is not None
    children = Path(f"/proc/{record.supervisor_pid}/task/{record.supervisor_pid}/children").read_text(encoding="ascii").split()
    gates = [pid for pid in children if b"network-gate" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(gates) == 1
    os.kill(record.supervisor_pid, 9)
    wait_until(lambda: not os.path.exists(f"/proc/{gates[0]}") and boxed.marked(task_id) == [], 5, "everything to end")

"""The programs of a sandbox's network: `network-gate` outside of it, and `network-enter` inside. Standard library only.

The gate is an HTTP proxy: CONNECT, and plain requests by absolute address. It resolves names, so the sandbox needs no DNS.
"""

import base64
import os
import select
import socket
import threading
from urllib.parse import unquote, urlsplit

from ..process import tree

HEAD_BYTES = 64 << 10
CONNECT_S = 20.0
HEAD_S = 60.0
MAX_CONNECTIONS = 256


def is_allowed(host: str, port: int, rules: list[str]) -> bool:
    """Whether a rule names a host: `example.org`, `*.example.org` for its subdomains, `example.org:443` for one port."""
    host = host.strip("[]").rstrip(".").lower()
    return any(_matches(host, port, rule.lower()) for rule in rules)


def _matches(host: str, port: int, rule: str) -> bool:
    name, colon, wanted = (
        rule.rpartition(":") if rule.rpartition(":")[2].isdigit() and not rule.endswith("]") else (rule, "", "")
    )
    if colon and int(wanted) != port:
        return False
    name = name.strip("[]")
    return host.endswith(name[1:]) and len(host) > len(name) - 1 if name.startswith("*.") else host == name


class Gate:
    """Connects for the sandbox."""

    def __init__(self, rules: list[str], upstream: str) -> None:
        """`upstream`: the operator's own proxy, if there is one."""
        self._rules = rules
        self._upstream = urlsplit(upstream) if upstream else None
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()

    def accept_from(self, listener: socket.socket) -> None:
        """Serve the connections of one sandbox."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._free.acquire()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                client.settimeout(HEAD_S)
                self._answer(client)
        except (OSError, ValueError, UnicodeError):
            return
        finally:
            self._free.release()

    def _answer(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data or len(head) > HEAD_BYTES:
                return
            head += data
        line, _, rest = head.partition(b"\r\n")
        method, target, version = [*line.decode("latin-1").split(" "), "", ""][:3]
        host, port, path = _read_target(method, target)
        if not is_allowed(host, port, self._rules):
            self._refuse(client, f"{host}:{port}")
            return
        try:
            server = self._connect(host, port, method == "CONNECT")
        except OSError as error:
            _reply(client, "502 Bad Gateway", f"kugetsu: {host}:{port} cannot be reached: {error}")
            return
        with server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                later = rest.partition(b"\r\n\r\n")[2]
                if later:
                    server.sendall(later)
            else:  # one request per connection: another might be for another host
                headers = [one for one in rest.split(b"\r\n\r\n")[0].split(b"\r\n") if not one.lower().startswith(
                    (b"connection:", b"proxy-", b"keep-alive:"))]  # fmt: skip
                body = rest.partition(b"\r\n\r\n")[2]
                address = target if self._upstream is not None else path
                start = f"{method} {address} {version}".encode("latin-1")
                server.sendall(b"\r\n".join([start, *headers, b"Connection: close", b"", body]))
            _copy(client, server)

    def _connect(self, host: str, port: int, tunnel: bool) -> socket.socket:
        if self._upstream is None or not self._upstream.hostname:
            server = socket.create_connection((host, port), CONNECT_S)
            server.settimeout(None)
            return server
        server = socket.create_connection((self._upstream.hostname, self._upstream.port or 80), CONNECT_S)
        if tunnel:
            login = ""
            if self._upstream.username:
                pair = f"{unquote(self._upstream.username)}:{unquote(self._upstream.password or '')}"
                login = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
            server.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n".encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                byte = server.recv(1)
                if not byte or len(answer) > HEAD_BYTES:
                    raise OSError("the proxy of this machine closed the connection")
                answer += byte
            if answer.split(b" ")[1:2] != [b"200"]:
                raise OSError(f"the proxy of this machine refused: {answer.split(bytes([13]))[0].decode('latin-1')}")
        server.settimeout(None)
        return server

    def _refuse(self, client: socket.socket, where: str) -> None:
        with self._lock:
            try:
                os.write(1, f"{where}\n".encode("utf-8", "replace"))
            except OSError:
                pass  # the supervisor has ended
        _reply(client, "403 Forbidden", f"kugetsu: {where} is not in sandbox_net, the list of hosts this agent may reach")


def _read_target(method: str, target: str) -> tuple[str, int, str]:
    """Host, port and path of a request.

    Raises:
        ValueError: it has none.
    """
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return host.strip("[]"), int(port), ""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(target)
    return parts.hostname, parts.port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _reply(client: socket.socket, status: str, text: str) -> None:
    body = f"{text}\n".encode("utf-8", "replace")
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)


def _copy(client: socket.socket, server: socket.socket) -> None:
    """Copy in both directions until both ends are closed."""
    client.settimeout(None)
    ends = {client: server, server: client}
    while ends:
        for source in select.select(list(ends), [], [])[0]:
            target = ends[source]
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            try:
                if data:
                    target.sendall(data)
                    continue
                target.shutdown(socket.SHUT_WR)
            except OSError:
                return
            del ends[source]


def run_gate(argv: list[str]) -> int:
    """Serve every socket that comes from a sandbox, until the supervisor ends."""
    tree.die_with_parent(int(argv[0]))
    channel = socket.socket(fileno=int(argv[1]))
    gate = Gate(argv[2:], os.environ.get("KUGETSU_UPSTREAM_PROXY", ""))
    while True:
        data, fds, _, _ = socket.recv_fds(channel, 16, 4)
        if not data and not fds:
            return 0
        for fd in fds:
            listener = socket.socket(fileno=fd)
            threading.Thread(target=gate.accept_from, args=(listener,), daemon=True).start()


def enter(argv: list[str]) -> int:
    """Hand out a socket that listens in this sandbox, and become the command."""
    from .network_gate import proxy_variables

    fd, port, command = int(argv[0]), int(argv[1]), argv[2:]
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    channel = socket.socket(fileno=fd)
    socket.send_fds(channel, [b"1"], [listener.fileno()])
    channel.close()
    listener.close()
    try:
        os.execvpe(command[0], command, {**os.environ, **proxy_variables()})
    except OSError as error:
        os.write(2, f"{command[0]} cannot be run: {error.strerror}\n".encode("utf-8", "replace"))
        return 127

"""Both sides of the proxy by hand: a provider and a caller that do, byte by byte, what a test says, when it says it.

No threads and no pauses: a test reads what has arrived on one side before it goes on with the other.
"""

import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from tests.integration.proxy.configurations import KEY
from tests.integration.proxy.gateway import Answer
from tests.integration.proxy.process import PATIENCE_S

EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
HELLO = [{"role": "user", "content": "Ahoy"}]
# struct tcp_info of linux/tcp.h.
_DATA_SEGMENTS_IN = 152
_RESET = struct.pack("ii", 1, 0)


class Line:
    """One connection that the proxy has opened to a provider."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._file = sock.makefile("rb")

    def head(self) -> int:
        """Read the head of the next request: the size of its body."""
        size = 0
        while (line := self._file.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        return size

    def request(self) -> Any:
        """The body of the next request, as JSON."""
        return json.loads(self._file.read(self.head()))

    def cut_off(self) -> int:
        """How many bytes of what is under way still come, until the proxy has given this connection up."""
        size = 0
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := self._file.read1():
                size += len(piece)
        return size

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def answer(self, body: Any, *, status: int = 200, more: bytes = b"") -> None:
        """A whole one, with `more` right behind it."""
        encoded = json.dumps(body).encode()
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.send(head % (status, len(encoded)) + encoded + more)

    def gone(self) -> None:
        """Return when the proxy has given this connection up; fails if it sends something more."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert self._file.read(1) == b""

    def reset(self) -> None:
        """As a machine does where nothing listens any more."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()


class Cloud:
    """A provider: a socket that listens, for TLS where a context is given."""

    def __init__(self, *, backlog: int = 128, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._listener.settimeout(PATIENCE_S)
        self.lines: list[Line] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def accept(self) -> Line:
        """The proxy's next connection."""
        sock, _ = self._listener.accept()
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True)
        self.lines.append(Line(sock))
        return self.lines[-1]

    def asked(self) -> Line:
        """The same, with its request read."""
        line = self.accept()
        line.request()
        return line

    def __enter__(self) -> "Cloud":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for line in self.lines:
            line.close()
        self._listener.close()


class Caller:
    """One connection to the proxy."""

    def __init__(self, port: int, *, buffer_bytes: int | None = None) -> None:
        self.sock = socket.socket()
        if buffer_bytes is not None:
            # Before the connection: it decides on the window that is offered.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(("127.0.0.1", port))
        self._file = self.sock.makefile("rb")

    def ask(self, **more: Any) -> None:
        """Send a chat request."""
        self.sock.sendall(request(**more))

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def chunk(self) -> bytes:
        """The next one of a chunked body; empty at its end."""
        size = int(self._file.readline(), 16)
        data = self._file.read(size)
        assert (len(data), self._file.readline()) == (size, b"\r\n")
        return data

    def answer(self) -> Answer:
        """A whole one, or what is left of a stream."""
        status, headers = self.head()
        return Answer(status, headers, self.body(headers))

    def body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return self._file.read(int(headers["content-length"]))
        return self.rest()

    def rest(self) -> bytes:
        """The chunks that are left, joined."""
        return b"".join(iter(self.chunk, b""))

    def ended(self) -> bytes:
        """What is left to read when the proxy has closed the connection."""
        return self._file.read()

    @property
    def segments(self) -> int:
        """How many segments with data have come: as many as the proxy has made writes, if each was read in between."""
        told = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        found: int = struct.unpack_from("I", told, _DATA_SEGMENTS_IN)[0]
        return found

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@contextlib.contextmanager
def calling(port: int) -> Iterator[Caller]:
    """A connection for the length of a block."""
    caller = Caller(port)
    try:
        yield caller
    finally:
        caller.close()


def request(*, named: str = "", **more: Any) -> bytes:
    """A chat request, written out; `named` is its id."""
    body = json.dumps({"model": "chat", "messages": HELLO, **more}).encode()
    return head(len(body), named=named) + body


def head(size: int, *, named: str = "") -> bytes:
    """Of a request with a body of that size."""
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: x", f"authorization: Bearer {KEY}", f"content-length: {size}"]
    return "\r\n".join([*lines, *([f"x-request-id: {named}"] if named else []), "", ""]).encode()


def event(value: Any) -> bytes:
    """A server-sent one."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"

"""How an application answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pilothouse_proxy.http.messages import Headers, Lines
from pilothouse_proxy.http.parser import Received

if TYPE_CHECKING:
    from pilothouse_proxy.http.server import Connection

_BODILESS: Final = frozenset([204, 304])
_SIZES_MADE: Final = 2_048
_SIZES: Final = [b"%x\r\n" % size for size in range(_SIZES_MADE)]
"""How the chunks of most events begin: to write a number costs as much as all the rest of a chunk."""


class Responder:
    """How an application answers one request: either `respond`, or `start`, `write`…, `finish`. Each one system call.

    The server adds `date`, `connection` and the framing headers; what the application gives of these is left out. After
    the client has gone every call is without effect. An application that is no coroutine says `done` at the end.
    """

    def __init__(self, connection: "Connection", request: Received) -> None:
        self._connection = connection
        self.request = request
        self._head = b""
        self._verbatim = False
        self.started = False
        self.finished = False
        self.over = False
        """Whether the application is done with the request."""
        self.failed = False
        self.last_words: Callable[[], None] | None = None
        """Ends an answer that has begun, where the server must close before it is whole."""

    def respond(self, status: int, headers: Headers | Lines, body: bytes) -> None:
        """The whole answer, in one write. A HEAD request gets the head that the body would have."""
        self._begin()
        self.finished = True
        connection = self._connection
        if status in _BODILESS:
            head = connection.head(self.request, status, headers, b"")
            connection.write(head)
            return
        framing = b"".join((b"content-length: ", str(len(body)).encode(), b"\r\n"))
        head = connection.head(self.request, status, headers, framing)
        connection.write(head if self.request.method == b"HEAD" else head + body)

    def start(self, status: int, headers: Headers | Lines) -> None:
        """A chunked answer of unknown length; its head leaves with the first write."""
        self._begin()
        request = self.request
        if request.version == "1.1":
            framing = b"transfer-encoding: chunked\r\n"
        else:
            # HTTP/1.0 knows no chunks: the end of the connection ends the body (RFC 9112, section 6.3).
            request.keep_alive = False
            self._verbatim = True
            framing = b""
        self._head = self._connection.head(request, status, headers, framing)

    def write(self, data: bytes) -> None:
        """One chunk in one write. Use `drain` after it where much is written."""
        if not self.started or self.finished:
            raise RuntimeError("write comes between start and finish")
        if not data or self.request.method == b"HEAD":
            return
        head = self._head
        if head:
            self._head = b""
        connection = self._connection
        if connection.lost:
            return
        if self._verbatim:
            connection.transport.write(head + data)
            return
        size = len(data)
        length = _SIZES[size] if size < _SIZES_MADE else b"%x\r\n" % size
        connection.transport.write(length + data + b"\r\n" if not head else b"".join((head, length, data, b"\r\n")))

    def forward(self, chunk: bytes) -> bool:
        """A chunk in the framing in which it came. False: not like that, or not now, and nothing was done."""
        connection = self._connection
        if (
            not self.started
            or self.finished
            or self._head
            or self._verbatim
            or connection.lost
            or connection.flow.paused
        ):
            return False
        connection.transport.write(chunk)
        return True

    @property
    def streams(self) -> bool:
        """Whether the client can be sent an answer bit by bit that does not end the connection."""
        return self.request.version == "1.1" and self.request.method != b"HEAD"

    @property
    def paused(self) -> bool:
        """Whether the client is owed more than the high-water mark, so that `drain` would wait."""
        return self._connection.flow.paused

    def when_resumed(self, go_on: Callable[[], None]) -> None:
        """Call it once, when the client has taken enough, or is gone. For who is `paused`."""
        self._connection.flow.when_resumed(go_on)

    async def drain(self) -> None:
        """Waits only while the client is owed more than the high-water mark."""
        flow = self._connection.flow
        if flow.paused:
            await flow.drain()

    def finish(self, data: bytes = b"") -> None:
        """The end of an answer begun with `start`, with the last bytes of its body in the same write."""
        if not self.started or self.finished:
            raise RuntimeError("finish comes once, after start")
        self.finished = True
        end = self._head
        if self.request.method != b"HEAD":
            if self._verbatim:
                end += data
            elif data:
                end = b"%b%x\r\n%b\r\n0\r\n\r\n" % (end, len(data), data)
            else:
                end += b"0\r\n\r\n"
        if end:
            self._connection.write(end)

    def done(self) -> None:
        """The application has nothing more to do with this request: the connection goes on to the next."""
        if not self.over:
            self.over = True
            self._connection.answered(self)

    def _begin(self) -> None:
        if self.started:
            raise RuntimeError("this request has its answer already")
        self.started = True

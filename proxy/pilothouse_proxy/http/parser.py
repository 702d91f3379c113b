"""Bytes in, messages out, for both sides. Pure: no sockets, no clock.

What is of the plainest form is read by `plain`, all else by llhttp, which is strict: it refuses bare CR and LF,
obs-fold, NUL and controls, blanks before a colon, repeated or malformed Content-Length, Content-Length beside
Transfer-Encoding, bad chunk sizes and their overflow. What it leaves open is closed here: limits, Host, target forms,
versions, codings other than chunked, Expect, Upgrade, trailers. An empty line before a request is skipped, as RFC 9112
section 2.2 allows.
"""

import enum
from collections import deque
from typing import Final

import httptools

from pilothouse_proxy.http import plain
from pilothouse_proxy.http.limits import KIB, ClientLimits, Limits
from pilothouse_proxy.http.messages import Closed, Headers, HTTPError, ProtocolError, TooLarge
from pilothouse_proxy.http.request import Memory, Request

_METHODS: Final = frozenset([b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"])
_MET: Final = (b"", b"100-continue")
_MARKED: Final = frozenset([b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"])

# Chunk extensions and tiny chunks cost work and carry nothing: so many raw bytes are granted to a chunked body.
_CHUNK_OVERHEAD: Final = 16
_CHUNK_GRACE = 16 * KIB


class Stage(enum.Enum):
    """How far the current message has come."""

    BETWEEN = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


_BETWEEN: Final = Stage.BETWEEN


class Refused(Exception):
    """A request that the protocol layer answers itself. The message is for the client's author."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Received(Request):
    """A request and what its answer's framing depends on."""

    def __init__(
        self,
        method: bytes,
        path: bytes,
        query: bytes,
        headers: Headers,
        body: bytes,
        peer: str,
        keep_alive: bool,  # noqa: FBT001 -- one caller, once a request, where keywords and super() cost 1 µs
        version: str,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
        self.keep_alive = keep_alive
        self.version = version
        self.memory = None


class RequestParser:
    """The server's side of one connection.

    Feed it what arrives; complete requests collect in `completed`, in order. After a violation `refusal` is set, and
    everything that follows on the connection is ignored: its framing is no longer known.
    """

    def __init__(self, limits: Limits, peer: str) -> None:
        self._limits = limits
        self._peer = peer
        self._llhttp: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._lines: list[tuple[bytes, bytes]] = []
        self._head_fed = self._feeding = 0
        self._last = self._plain = False
        self._line = plain.RequestLine(b"", b"", b"")
        self._recurrence = plain.Recurrence()
        self._memory: Memory | None = None
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._taken = 0
        self.completed: deque[Received] = deque()
        self.refusal: Refused | None = None
        self.stage = Stage.BETWEEN
        self.awaits_continue = False
        self.on_message_begin()
        self.stage = Stage.BETWEEN

    @property
    def body_bytes(self) -> int:
        """How much of the current message's body has arrived."""
        return self._body_bytes

    @property
    def body_left(self) -> int:
        """How much of it is still to come, as far as its length was declared."""
        return max(0, self._declared - self._body_bytes)

    @property
    def path(self) -> bytes:
        """Of the message that is being read, as far as it is known; empty if nothing is."""
        return self._line.path if self._plain else self._target.partition(b"?")[0]

    def forget_body(self) -> None:
        """Of a message that will not be read to its end."""
        self._body.clear()

    def close(self) -> None:
        """Breaks the reference cycle with llhttp, so that a closed connection is freed at once."""
        self._llhttp = None

    def feed(self, received: bytes | memoryview) -> None:
        """Never raises for what the client did; see `refusal`."""
        if self._plain:
            left = self._declared - self._body_bytes
            self._add(bytes(received[:left]))
            received = received[left:]
        while received and self.stage is _BETWEEN and self._begins_plainly(received):
            received = received[self._taken :]
        if received:
            self._feed_llhttp(received)

    def _begins_plainly(self, received: bytes | memoryview) -> bool:
        """Whether the next request is of the plainest form; as much of it as is there has been read then: `_taken`."""
        if self._deaf():
            return False
        data = received if isinstance(received, bytes) else bytes(received)
        found = self._recurrence.recall(data)
        if found is None:
            found = plain.request(data)
            if found is None:
                return False
            self._recurrence.learn(data, found)
        line, headers, size, length = found.line, found.headers, found.size, found.length
        limits = self._limits
        if (
            line is None
            or length > limits.body_bytes
            or size > limits.header_bytes
            or len(headers) > limits.header_count
            or len(line.path) + len(line.query) >= limits.request_line_bytes
        ):
            return False
        self._line, self._headers, self._memory = line, headers, found.memory
        self._declared = max(length, 0)
        self._body = []
        self._body_bytes = 0
        self._chunked = False
        self._taken = end = size + self._declared
        if end > len(data):
            self._taken = len(data)
            self.stage = Stage.BODY
            self._plain = True
        self._add(data[size:end])
        return True

    def _add(self, part: bytes) -> None:
        """To the body of a plain request."""
        if part:
            self._body.append(part)
            self._body_bytes += len(part)
        if self._body_bytes < self._declared:
            return
        self._plain = False
        self.stage = Stage.BETWEEN
        parts = self._body
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._body = []
        line, keep_alive = self._line, True
        request = Received(line.method, line.path, line.query, self._headers, body, self._peer, keep_alive, "1.1")
        request.memory = self._memory
        self.completed.append(request)

    def _deaf(self) -> bool:
        """Whether what follows on the connection is ignored. Callbacks change that, as no reader of types can tell:
        compiled code must ask anew.
        """
        return self.refusal is not None or self._last or self._llhttp is None

    def _feed_llhttp(self, received: bytes | memoryview) -> None:
        before = len(self.completed)
        self._feeding = len(received)
        while received:
            llhttp = self._llhttp
            if self._deaf() or llhttp is None:
                return
            try:
                llhttp.feed_data(received)
                break
            except httptools.HttpParserUpgrade as switch:
                received = received[switch.args[0] :]
                self._ignore_upgrade()
            except httptools.HttpParserError as error:
                # `Connection: close` makes llhttp refuse what follows; RFC 9112 section 9.6 lets it be ignored.
                if not self._deaf():
                    self.refusal = _translated(error)
                return
        if len(self.completed) > before:
            self._head_fed = 0
        elif self.stage is Stage.BODY:
            self._count_raw(len(received))
        else:
            self._count_head(len(received))

    def _count_head(self, received: int) -> None:
        """Bounds what llhttp and its binding gather before the first callback tells of it."""
        self._head_fed += received
        if self._head_fed > self._limits.request_line_bytes + self._limits.header_bytes:
            self.refusal = Refused(431, f"the request head is larger than {self._limits.header_bytes} bytes")

    def _count_raw(self, received: int) -> None:
        if self._chunked:
            self._raw_bytes += received
            if self._raw_bytes > _CHUNK_OVERHEAD * self._body_bytes + _CHUNK_GRACE + self._limits.header_bytes:
                self.refusal = Refused(400, "the chunked body consists of little but chunk framing")
            self._excess(0)

    def _refuse(self, status: int, message: str) -> Refused:
        """To be raised inside of a callback: it stops llhttp; `feed` finds it in `refusal`."""
        self.refusal = refusal = Refused(status, message)
        return refusal

    # llhttp's callbacks.

    def on_message_begin(self) -> None:
        if self._last:
            raise Refused(400, "there is nothing behind the last request")  # stops llhttp; nobody is told
        self.stage = Stage.HEAD
        self._target = b""
        self._headers = []
        self._hosts = 0
        self._declared = 0
        self._chunked = self._upgrade = False
        self._expect = b""
        self._body = []
        self._body_bytes = self._raw_bytes = 0

    def on_url(self, part: bytes) -> None:
        self._target = target = self._target + part if self._target else part
        if len(target) > self._limits.request_line_bytes:
            raise self._refuse(414, f"the request target is longer than {self._limits.request_line_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers too. Looked at when the head is complete, limits included: what gathers until then is one read.
        self._lines.append((name, value))

    def _mark(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
            if not plain.is_host(value):
                raise self._refuse(400, "the Host header is not a host and port")
        elif name == b"content-length":
            self._declared = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                known = value.lower().endswith(b"chunked") and b"," in value
                raise self._refuse(501 if known else 400, "the only Transfer-Encoding accepted is chunked, once")
            self._chunked = True
        elif name == b"expect":
            # What cannot be met stays, whatever else is expected.
            if self._expect in _MET:
                self._expect = value.lower()
        else:
            self._upgrade = True

    def on_headers_complete(self) -> None:
        llhttp = self._llhttp
        if llhttp is None:
            return
        self._read_lines()
        self._version = version = llhttp.get_http_version()
        self._method = method = llhttp.get_method()
        if version == "1.1":
            if self._hosts != 1:
                raise self._refuse(400, "an HTTP/1.1 request has exactly one Host header")
        elif version != "1.0":
            raise self._refuse(505, "this server speaks HTTP/1.1 and HTTP/1.0")
        elif self._chunked or self._hosts > 1:
            raise self._refuse(400, "an HTTP/1.0 request has no Transfer-Encoding and at most one Host header")
        if method not in _METHODS:
            raise self._refuse(501, "this server does not implement the request's method")
        self._check_target()
        if self._declared > self._limits.body_bytes:
            raise self._refuse(413, f"the body is larger than {self._limits.body_bytes} bytes")
        self._keep_alive = llhttp.should_keep_alive() and (version == "1.1" or not _closes(self._headers))
        self.stage = Stage.BODY
        if self._expect and version == "1.1":
            if self._expect not in _MET:
                raise self._refuse(417, "the only expectation that can be met is 100-continue")
            self.awaits_continue = self._chunked or self._declared > 0

    def _read_lines(self) -> None:
        lines = self._lines
        # The exact sum only where it can be over: mostly the whole read is smaller than the limit.
        excess = self._excess(self._limits.header_bytes - self._head_fed - self._feeding)
        if excess is not None:
            raise excess
        # llhttp has left no whitespace in a value but blanks and tabs around it.
        self._headers = headers = [(name.lower(), value.strip()) for name, value in lines]
        lines.clear()
        for name, value in headers:
            if name in _MARKED:
                self._mark(name, value)

    def _excess(self, spare: int) -> Refused | None:
        """Of a head, or of trailers, which never become headers (RFC 9110, section 6.5.1) but count as much."""
        limits = self._limits
        lines = self._lines
        if len(lines) > limits.header_count:
            return self._refuse(431, f"there are more than {limits.header_count} headers")
        if spare <= 0 and sum(len(name) + len(value) + 4 for name, value in lines) > limits.header_bytes:
            return self._refuse(431, f"the headers are larger than {limits.header_bytes} bytes")
        return None

    def _check_target(self) -> None:
        target = self._target
        if target[:1] != b"/" and not (target == b"*" and self._method == b"OPTIONS"):
            raise self._refuse(400, "the request target is a path: this server is not a forward proxy")
        if b"#" in target:
            raise self._refuse(400, "the request target holds a fragment")

    def on_body(self, part: bytes) -> None:
        self.awaits_continue = False
        self._body_bytes = size = self._body_bytes + len(part)
        if size > self._limits.body_bytes:
            raise self._refuse(413, f"the body is larger than {self._limits.body_bytes} bytes")
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._upgrade and self._llhttp is not None and self._llhttp.should_upgrade():
            return  # llhttp stops before the body here; see _ignore_upgrade
        self._complete()

    def _complete(self) -> None:
        if self._lines:
            excess = self._excess(0)
            if excess is not None:
                raise excess
            self._lines.clear()
        # Let go of now: the next message may be long in coming.
        parts, self._body = self._body, []
        self.stage = Stage.BETWEEN
        self.awaits_continue = False
        self._last = not self._keep_alive
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        path, _, query = self._target.partition(b"?")
        self.completed.append(
            Received(self._method, path, query, self._headers, body, self._peer, self._keep_alive, self._version)
        )

    def _ignore_upgrade(self) -> None:
        """Read on as if Upgrade were not there, as RFC 9110 section 7.8 lets a server do.

        llhttp has left the message before its body and cannot be told otherwise: a fresh one is set to the same
        framing. Java's HTTP client sends `Upgrade: h2c` with every first request, bodies included.
        """
        self._llhttp = llhttp = httptools.HttpRequestParser(self)
        if not self._chunked and not self._declared:
            self._complete()
            return
        kept = (self._method, self._target, self._headers)
        answer = (self._version, self._keep_alive, self.awaits_continue)
        framing = b"transfer-encoding: chunked" if self._chunked else b"content-length: %d" % self._declared
        end = b"\r\n\r\n" if self._keep_alive else b"\r\nconnection: close\r\n\r\n"
        llhttp.feed_data(b"POST / HTTP/1.1\r\nhost: h\r\n" + framing + end)
        self._method, self._target, self._headers = kept
        self._version, self._keep_alive, self.awaits_continue = answer


def _closes(headers: Headers) -> bool:
    """Close beats keep-alive, in HTTP/1.0 too, where llhttp sees it otherwise (RFC 9112, section 9.3)."""
    return any(
        name == b"connection" and b"close" in [word.strip() for word in value.lower().split(b",")]
        for name, value in headers
    )


def _translated(error: httptools.HttpParserError) -> Refused:
    reason = str(error)
    if isinstance(error, httptools.HttpParserInvalidMethodError) and reason == "Invalid method encountered":
        return Refused(501, "this server does not know the request's method, or the bytes are not HTTP")
    if reason in {"Invalid HTTP version", "Pause on PRI/Upgrade"}:
        return Refused(505, "this server speaks HTTP/1.1 and HTTP/1.0")
    return Refused(400, f"the request is not well-formed HTTP: {reason}")


class ResponseParser:
    """The client's side of one connection: one response at a time; `expect` comes before each.

    `body` is a list to which parts are appended as they arrive; whoever takes them clears it.
    """

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._lines: list[tuple[bytes, bytes]] = []
        self._llhttp: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.expect(b"GET")

    def expect(self, method: bytes) -> None:
        """Forget the last response; the next one answers a request of this method."""
        self._bodiless = method == b"HEAD"
        self._head_fed = 0
        self._lines.clear()
        self._interim = False
        self._until_close = True
        # Of an answer in plain form: what is still to come by its length, whether it comes in chunks; and whether
        # llhttp has been told of it, and stands between two of its chunks.
        self._left = 0
        self._plain = self._chunks = self._told = False
        self._aligned = True
        self.status = 0
        self.headers: Headers = []
        self.body: list[bytes] = []
        self.head_complete = self.complete = self.keep_alive = self.surplus = False
        self.violation: HTTPError | None = None

    def close(self) -> None:
        """Breaks the reference cycle with llhttp."""
        self._llhttp = None

    @property
    def between_chunks(self) -> bool:
        """Whether the next byte begins a chunk of an answer in plain form."""
        return self._chunks and self._aligned and not self.complete

    def feed(self, received: bytes) -> None:
        """What arrived for the response that is expected.

        Raises:
            ProtocolError: not HTTP/1.1, or an answer to a question that was not asked.
            TooLarge: the head is over its limits.
        """
        if self._llhttp is None or not received:
            return
        if self._plain:
            if not self._chunks:
                self._take(received)
                return
            if self._aligned:
                taken = self._take_chunks(received, 0)
                if taken == len(received):
                    return
                received = received[taken:]
            self._feed_llhttp(received)
        elif self._head_fed or self._bodiless or self.head_complete or not self._begins_plainly(received):
            self._feed_llhttp(received)

    def _begins_plainly(self, received: bytes) -> bool:
        """Whether the answer is of the plainest form; all that is there of it has been read then."""
        found = plain.response(received)
        if found is None:
            return False
        headers, size = found.headers, found.size
        if size > self._limits.header_bytes or len(headers) > self._limits.header_count:
            return False
        self.status, self.headers = found.status, headers
        self.head_complete = self.keep_alive = self._plain = True
        self._until_close = False
        if found.chunked:
            self._chunks = True
            taken = self._take_chunks(received, size)
            if taken < len(received):
                self._feed_llhttp(received[taken:])
        else:
            self._left = found.length
            self._take(received[size:])
        return True

    def _take(self, part: bytes) -> None:
        """Of a body whose length is known."""
        left = self._left
        if self.complete or len(part) > left:
            self.surplus = True
            part = part[:left]
        if part:
            self.body.append(part)
        self._left = left = left - len(part)
        if not left:
            self.complete = True

    def _take_chunks(self, received: bytes, start: int) -> int:
        """Those that are whole. Where the next begins that is llhttp's business."""
        while start < len(received) and not self.complete:
            at, end = plain.chunk(received, start)
            if at < 0:
                break
            if at == end:
                if self._told:
                    break
                self.complete = True
            else:
                self.body.append(received[at:end])
            start = end + 2
        return start

    def _feed_llhttp(self, received: bytes) -> None:
        llhttp = self._llhttp
        if llhttp is None:
            return
        if not self.head_complete:
            self._head_fed += len(received)
        try:
            if self._plain and not self._told and not self.complete:
                self._tell(llhttp)
            llhttp.feed_data(received)
        except httptools.HttpParserUpgrade:
            raise ProtocolError("the upstream switched protocols, which was not asked for") from None
        except httptools.HttpParserError as error:
            if self.complete:
                # The message itself is whole; what follows it was not asked for.
                self.surplus = True
                return
            raise self.violation or ProtocolError(f"the upstream's answer is not well-formed HTTP: {error}") from None
        if self._lines:
            self._count_lines()
        if not self.head_complete and self._head_fed > 2 * self._limits.header_bytes:
            raise TooLarge(f"the head of the upstream's answer is larger than {self._limits.header_bytes} bytes")

    def finish(self) -> None:
        """The connection has ended.

        Raises:
            Closed: before the response had.
        """
        if self.complete:
            return
        if self.head_complete and self._until_close:
            self.complete = True
            return
        raise Closed(
            "the upstream closed the connection " + ("within its answer" if self.head_complete else "without an answer")
        )

    def _tell(self, llhttp: httptools.HttpResponseParser) -> None:
        """Bring llhttp to where a plain answer stands: between two of its chunks."""
        kept = (self.status, self.headers)
        llhttp.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        self.status, self.headers = kept
        self._told = True

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another exchange."""
        return self.complete and self.keep_alive and not self.surplus and not self._bodiless

    def _violate(self, violation: HTTPError) -> HTTPError:
        self.violation = violation
        return violation

    # llhttp's callbacks.

    def on_message_begin(self) -> None:
        if self.complete:
            raise self._violate(ProtocolError("the upstream sent an answer that was not asked for"))
        self._interim = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name, value))

    def _read_lines(self) -> None:
        lines = self._lines
        # The exact sum only where it can be over: mostly the whole read is smaller than the limit.
        if self._head_fed > self._limits.header_bytes or len(lines) > self._limits.header_count:
            self._count_lines()
        self.headers = headers = [(name.lower(), value.strip()) for name, value in lines]
        lines.clear()
        for name, value in headers:
            if name == b"content-length":
                self._until_close = False
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked":
                    raise self._violate(ProtocolError("the upstream used a Transfer-Encoding other than chunked"))
                self._until_close = False

    def _count_lines(self) -> None:
        """Of a head, or of trailers, which never become headers but count as much."""
        limits = self._limits
        size = sum(len(name) + len(value) + 4 for name, value in self._lines)
        if size > limits.header_bytes or len(self._lines) > limits.header_count:
            raise self._violate(
                TooLarge(f"the upstream's headers are over {limits.header_bytes} bytes or {limits.header_count} lines")
            )

    def on_headers_complete(self) -> None:
        llhttp = self._llhttp
        if llhttp is None:
            return
        status = llhttp.get_status_code()
        if 100 <= status < 200:
            # Interim answers (100, 103) are skipped; the limits hold for all heads together. 101 raises in `feed`.
            self._interim = True
            self._lines.clear()
            return
        self._read_lines()
        if not 200 <= status <= 599 or llhttp.get_http_version() not in ("1.1", "1.0"):
            raise self._violate(ProtocolError("the upstream's answer has a status or version outside of HTTP/1.1"))
        self.status = status
        self.head_complete = True
        self.keep_alive = llhttp.should_keep_alive()
        if self._bodiless:
            # llhttp cannot be told that no body follows; the connection is not used again (see `reusable`).
            self.complete = True

    def on_chunk_header(self) -> None:
        self._aligned = False

    def on_chunk_complete(self) -> None:
        self._aligned = True

    def on_body(self, part: bytes) -> None:
        if self._interim:
            # RFC 9110, section 15.2: its head is all of it. llhttp reads on where it does not know the status.
            raise self._violate(ProtocolError("the upstream sent a body with an interim answer"))
        if not self._bodiless:
            self.body.append(part)

    def on_message_complete(self) -> None:
        if not self._interim:
            self.complete = True

"""Content codings (RFC 9110, section 8.4.1), undone as the bytes arrive. Sans-I/O.

Upstreams are asked not to compress; some servers, and boxes in between, do it all the same.
"""

import importlib
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from pilothouse_proxy.http.limits import MIB
from pilothouse_proxy.http.messages import Headers, ProtocolError, TooLarge

PIECE_BYTES: Final = 16 * MIB
"""What one piece of a body, a few hundred KiB at most, may become: text has never been compressed as well as that."""
_WINDOW_LOG: Final = 23
"""How far back a zstd body may refer (RFC 9659): 8 MiB, which a decoder must hold."""


class Decoder(Protocol):
    """For one body."""

    def feed(self, data: bytes) -> bytes:
        """All that can be decoded by now, perhaps nothing.

        Raises:
            ProtocolError: the body is not in its coding, or in one that is not known.
            TooLarge: a bomb.
        """
        ...

    def finish(self) -> None:
        """The body has ended. Raises ProtocolError where it ends too early."""
        ...


def decoder(headers: Headers) -> Decoder | None:
    """For the body behind these headers; None where it is as it should be."""
    for name, _ in headers:
        if name == b"content-encoding":
            return _decoder(headers)
    return None


def _decoder(headers: Headers) -> Decoder | None:
    lines = [value for name, value in headers if name == b"content-encoding"]
    codings = [coding.strip().lower() for coding in b",".join(lines).split(b",")]
    codings = [coding for coding in codings if coding not in (b"", b"identity")]
    if not codings:
        return None
    make = _DECODERS.get(codings[0]) if len(codings) == 1 else None
    return make() if make is not None else _Unknown(codings)


class _Unknown:
    """Refuses with the first byte: without a body there is nothing to refuse."""

    def __init__(self, codings: list[bytes]) -> None:
        told = b", ".join(codings)[:40].decode("ascii", "replace")
        self._name = told if told.isprintable() else "a coding without a readable name"

    def feed(self, data: bytes) -> bytes:
        known = ", ".join(sorted(coding.decode() for coding in _DECODERS))
        raise ProtocolError(
            f"the upstream's answer has the Content-Encoding {self._name}, though none was asked for; what can be "
            f"decoded is one of {known}"
        )

    def finish(self) -> None: ...


class _Members:
    """gzip and zstd: a body may consist of several that follow one another (RFC 1952, section 2.2; RFC 8878)."""

    def __init__(self, coding: str, member: Callable[[], Any], broken: type[Exception]) -> None:
        self._coding = coding
        self._member = member
        self._broken = broken
        self._current: Any = None

    def feed(self, data: bytes) -> bytes:
        decoded = b""
        while data:
            if self._current is None:
                self._current = self._member()
            try:
                decoded += self._current.decompress(data, PIECE_BYTES + 1 - len(decoded))
            except self._broken:
                raise _malformed(self._coding) from None
            if len(decoded) > PIECE_BYTES:
                raise _bomb(self._coding)
            data = b""
            if self._current.eof:
                data = self._current.unused_data
                self._current = None
        return decoded

    def finish(self) -> None:
        if self._current is not None:
            raise _cut(self._coding)


class _Deflate:
    def __init__(self) -> None:
        self._start = b""
        self._inflater: Any = None

    def feed(self, data: bytes) -> bytes:
        if self._inflater is None:
            self._start += data
            if len(self._start) < 2:
                return b""
            data, self._start = self._start, b""
            # RFC 1950, section 2.2: the method and the check of a zlib header.
            headed = data[0] & 15 == 8 and not (data[0] << 8 | data[1]) % 31
            self._inflater = zlib.decompressobj(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)
        try:
            decoded: bytes = self._inflater.decompress(data, PIECE_BYTES + 1)
        except zlib.error:
            raise _malformed("deflate") from None
        if len(decoded) > PIECE_BYTES:
            raise _bomb("deflate")
        if self._inflater.unused_data:
            raise _malformed("deflate")
        return decoded

    def finish(self) -> None:
        if self._start or (self._inflater is not None and not self._inflater.eof):
            raise _cut("deflate")


class _Brotli:
    def __init__(self) -> None:
        self._library = importlib.import_module("brotli")
        self._inflater = self._library.Decompressor()
        self._fed = False

    def feed(self, data: bytes) -> bytes:
        self._fed = True
        try:
            decoded: bytes = self._inflater.process(data, output_buffer_limit=PIECE_BYTES + 1)
        except self._library.error:
            raise _malformed("br") from None
        if len(decoded) > PIECE_BYTES:
            raise _bomb("br")
        return decoded

    def finish(self) -> None:
        if self._fed and not self._inflater.is_finished():
            raise _cut("br")


def _gzip() -> Decoder:
    return _Members("gzip", lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), zlib.error)


def _zstd() -> Decoder:
    library = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    options = {library.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return _Members("zstd", lambda: library.ZstdDecompressor(options=options), library.ZstdError)


_DECODERS: Final[Mapping[bytes, Callable[[], Decoder]]] = {
    b"br": _Brotli,
    b"deflate": _Deflate,
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"zstd": _zstd,
}
"""Made, and their libraries loaded, when an answer is compressed."""


def _malformed(coding: str) -> ProtocolError:
    return ProtocolError(f"the upstream's answer is not the {coding} that its Content-Encoding says")


def _cut(coding: str) -> ProtocolError:
    return ProtocolError(f"the upstream's answer ends within its {coding}")


def _bomb(coding: str) -> TooLarge:
    return TooLarge(f"a piece of the upstream's answer becomes more than {PIECE_BYTES} bytes out of its {coding}")

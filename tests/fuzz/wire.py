"""A transport without a socket: takes what is written, and delivers what a test feeds as an event loop would."""

import asyncio
from typing import Any


class Wire(asyncio.Transport):
    """Nothing is delivered while the protocol has paused it, or once it is closing."""

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._reading = True
        self._closing = self._lost = False
        self.written = bytearray()
        self.ended = False
        """Whether the protocol has closed its sending half."""
        protocol.connection_made(self)

    async def feed(self, pieces: list[bytes], *, tick: int) -> None:
        """With a turn of the loop behind every `tick`-th piece; 0 = only where the protocol wants no more."""
        for number, piece in enumerate(pieces):
            while not self._reading and not self._closing:  # noqa: ASYNC110 -- a turn of the loop, not a state
                await asyncio.sleep(0)
            if self._closing:
                return
            if piece:
                self._protocol.data_received(piece)
            if tick and number % tick == 0:
                await asyncio.sleep(0)

    async def settle(self) -> None:
        """Until nothing happens any more."""
        quiet = 0
        while quiet < 6:
            before = len(self.written), self._reading, self._closing
            await asyncio.sleep(0)
            quiet = quiet + 1 if before == (len(self.written), self._reading, self._closing) else 0

    async def hang_up(self) -> None:
        """The other side closes."""
        if not self._closing:
            self._protocol.eof_received()
            await asyncio.sleep(0)
        self._closing = True
        self._lose()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    # The protocol's calls.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 1) if name == "peername" else _Mute() if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._lost:
            raise RuntimeError("written to a transport that is gone")
        if not self._closing:
            self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Everything is taken at once."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._lose)

    abort = close

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(None)


class _Mute:
    def getsockopt(self, *_: int) -> bytes:
        raise OSError("this is no TCP")

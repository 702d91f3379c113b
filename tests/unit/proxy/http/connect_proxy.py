"""A CONNECT proxy that is nothing but that: it notes what it was asked, answers, and passes bytes both ways."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.unit.proxy.http.rig import Peer, upstream

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class ConnectProxy:
    answer: bytes = OPENED
    port: int = 0
    heads: list[bytes] = field(default_factory=list)

    @property
    def asked(self) -> list[bytes]:
        """The request lines."""
        return [head.split(b"\r\n")[0] for head in self.heads]

    async def accept(self, client: Peer) -> None:
        try:
            head = await client.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        self.heads.append(head)
        client.send(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        try:
            await asyncio.gather(pump(client.reader, writer), pump(reader, client.writer))
        finally:
            writer.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def connect_proxy(
    answer: bytes = OPENED, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[ConnectProxy]:
    proxy = ConnectProxy(answer)
    async with upstream(proxy.accept, context=context) as listening:
        proxy.port = listening.port
        yield proxy

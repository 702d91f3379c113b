"""Callers that ask again and again, whole and streamed, over connections that they keep."""

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

from tests.integration.proxy.faults.crowd import play, said
from tests.integration.proxy.faults.wire import request


@dataclass
class Result:
    """What became of one request."""

    name: str
    status: int = 0
    body: bytes = b""
    broken: str = ""
    """Why there is no whole answer."""

    @property
    def unanswered(self) -> bool:
        """Not a byte has come: the connection was closed before its request was read."""
        return bool(self.broken) and not self.status


@dataclass
class Load:
    """Its figures while it runs; `results` of all requests when it has ended."""

    port: int
    events: int
    pause_s: float
    results: list[Result] = field(default_factory=list)
    stopping: bool = False
    ended: bool = False
    _names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def failures(self) -> list[Result]:
        return [result for result in self.results if not whole(result, events=self.events)]

    async def run(self, callers: int) -> None:
        await asyncio.gather(*[self._call(number) for number in range(callers)])
        self.ended = True

    async def _call(self, number: int) -> None:
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return
            try:
                while not self.stopping and await self._ask(number, reader, writer):
                    pass
            finally:
                writer.close()

    async def _ask(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether its connection may be used again."""
        result = Result(f"{number}-{next(self._names)}{'-streamed' * (number % 2)}")
        self.results.append(result)
        how = play(result.name, events=self.events, pause_s=self.pause_s)
        try:
            writer.write(request(stream=bool(number % 2), play=how, named=result.name))
            return await read(reader, result)
        except (OSError, EOFError, ValueError) as error:
            result.broken = repr(error)
            return False


async def read(reader: asyncio.StreamReader, result: Result) -> bool:
    """One answer into `result`; whether the connection stays."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    result.status = int(head.split(b" ", 2)[1])
    if b"transfer-encoding: chunked" not in head:
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        result.body = await reader.readexactly(size)
    else:
        while size := int(await reader.readline(), 16):
            result.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    return b"connection: close" not in head


def whole(result: Result, *, events: int) -> bool:
    """Whether it is answered, with all events and in their order."""
    text = "".join(said(result.name, number) for number in range(events))
    if result.broken or result.status != 200:
        return False
    if not result.name.endswith("-streamed"):
        return bool(json.loads(result.body)["choices"][0]["message"]["content"] == text)
    *told, done = [part.removeprefix(b"data: ") for part in result.body.split(b"\n\n") if part]
    return done == b"[DONE]" and "".join(_text(json.loads(event)) for event in told) == text


def _text(event: dict[str, Any]) -> str:
    return "".join(choice["delta"].get("content", "") for choice in event.get("choices", []))


@contextlib.contextmanager
def load(port: int, *, callers: int, events: int = 5, pause_s: float = 0.01) -> Iterator[Load]:
    """Runs during a block, half of the callers streaming; at its end every request under way is waited for."""
    running = Load(port, events, pause_s)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        thread = threading.Thread(target=runner.run, args=(running.run(callers),))
        thread.start()
        try:
            yield running
        finally:
            running.stopping = True
            thread.join()

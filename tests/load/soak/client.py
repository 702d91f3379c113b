"""A client of the soak: one connection, kept for as long as the other side keeps it."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httptools

from tests.integration.proxy.configurations import KEY

_READ_S = 60.0
_SMALL = 4096


class Wrong(Exception):
    """What came back is not what must come back."""


@dataclass
class Answer:
    """One answer, as far as it has come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    # httptools' calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    # The scenarios'.

    def expect(self, status: int) -> "Answer":
        """Itself, if it is whole and has this status."""
        if not self.complete or self.status != status:
            how = "" if self.complete else ", cut off"
            raise Wrong(f"{self.status}{how} and not {status}: {bytes(self.body[:300])!r}")
        return self

    def text(self) -> str:
        """Of a whole completion."""
        return str(json.loads(self.body)["choices"][0]["message"]["content"])

    def events(self) -> list[str]:
        """The data of a stream's events."""
        return [event[6:] for event in self.body.decode().split("\n\n") if event.startswith("data: ")]

    def streamed_text(self) -> str:
        """Of a stream that must be whole."""
        events = self.events()
        if not events or events[-1] != "[DONE]":
            raise Wrong(f"a stream without its end: {bytes(self.body[-300:])!r}")
        return "".join(content_of(event) for event in events[:-1])


def content_of(event: str) -> str:
    """The text that one event of a stream adds."""
    choices = json.loads(event).get("choices")
    return str(choices[0]["delta"].get("content") or "") if choices else ""


def request(
    body: Any = None, *, method: str = "POST", path: str = "/v1/chat/completions", key: str = KEY, version: str = "1.1"
) -> bytes:
    """A request's bytes."""
    encoded = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", "host: gateway", f"authorization: Bearer {key}"]
    if encoded:
        lines += ["content-type: application/json", f"content-length: {len(encoded)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + encoded


def chat(model: str, prompt: str, **more: Any) -> dict[str, Any]:
    """A request's document."""
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


class Client:
    """Asks one thing after the other. `slow` takes little at a time, with a small socket buffer."""

    def __init__(self, port: int, *, slow: bool = False) -> None:
        self._port = port
        self._slow = slow
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, sent: bytes, *, answers: int = 1) -> Answer:
        """The last of so many answers to what was sent."""
        seen = [answer async for answer in self.stream(sent, answers=answers)]
        return seen[-1]

    async def stream(self, sent: bytes, *, answers: int = 1) -> AsyncIterator[Answer]:
        """The answer after each piece of it that has come."""
        reader, writer = await self._open()
        writer.write(sent)
        await writer.drain()
        answer = Answer()
        parser = httptools.HttpResponseParser(answer)
        while not answer.complete:
            async with asyncio.timeout(_READ_S):
                piece = await reader.read(_SMALL if self._slow else 1 << 16)
            if not piece:
                await self.close()
                if answer.status and "content-length" not in answer.headers and not self._chunked(answer):
                    answer.complete = True
                yield answer
                return
            while piece:
                piece = self._feed(parser, answer, piece)
                if answer.complete and answers > 1:
                    answers -= 1
                    answer.expect(200)
                    answer = Answer()
                    parser = httptools.HttpResponseParser(answer)
            yield answer
        if answer.headers.get("connection") == "close":
            await self.close()

    async def close(self) -> None:
        """Leave, whatever is under way."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def until_closed(self) -> None:
        """Until the other side has closed."""
        if self._reader is not None:
            async with asyncio.timeout(_READ_S):
                if await self._reader.read():
                    raise Wrong("something came behind a refusal")
        await self.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            sock = socket.socket()
            sock.setblocking(False)
            if self._slow:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
            self._reader, self._writer = await asyncio.open_connection(
                sock=sock, limit=_SMALL if self._slow else 1 << 16
            )
        return self._reader, self._writer

    @staticmethod
    def _chunked(answer: Answer) -> bool:
        return "transfer-encoding" in answer.headers

    @staticmethod
    def _feed(parser: httptools.HttpResponseParser, answer: Answer, piece: bytes) -> bytes:
        """Feeds up to the end of one answer; what belongs to the next is given back."""
        # One answer at a time: pipelined ones are short, and come with their length.
        head, blank, rest = piece.partition(b"\r\n\r\n")
        if not answer.status and blank and b"content-length: " in head.lower():
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            piece, behind = head + blank + rest[:length], rest[length:]
        else:
            behind = b""
        parser.feed_data(piece)
        answer.status = parser.get_status_code()
        return behind

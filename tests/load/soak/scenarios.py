"""What callers do, each with what must come back."""

import asyncio
import json
import random
import socket
from collections.abc import Awaitable, Callable

from tests.load.soak.client import Answer, Client, Wrong, chat, content_of, request
from tests.load.soak.cloud import words
from tests.unit.proxy.http.corpus import REFUSED

Scenario = Callable[["Caller"], Awaitable[None]]


class Caller:
    """One of many; keeps its connection from one scenario to the next, as an SDK does."""

    def __init__(self, port: int, rng: random.Random) -> None:
        self.port = port
        self.rng = rng
        self.client = Client(port)

    def nonce(self) -> str:
        return f"{self.rng.getrandbits(48):x}"


def _same(said: str, wanted: str) -> None:
    if said != wanted:
        raise Wrong(f"said {said[:200]!r} and not {wanted[:200]!r}")


async def whole(caller: Caller) -> None:
    """A whole answer."""
    count, nonce = caller.rng.randint(1, 200), caller.nonce()
    answer = await caller.client.ask(request(chat("steady", f"whole {count} {nonce}")))
    _same(answer.expect(200).text(), "".join(words(count, nonce)))


async def large_prompt(caller: Caller) -> None:
    """A prompt of 100 KB and more."""
    nonce = caller.nonce()
    prompt = f"whole 3 {nonce} " + "ahoy " * caller.rng.randint(20_000, 60_000)
    answer = await caller.client.ask(request(chat("steady", prompt)))
    _same(answer.expect(200).text(), "".join(words(3, nonce)))


async def stream(caller: Caller) -> None:
    """A stream, at once or paced."""
    verb, count, nonce = caller.rng.choice(("stream", "paced")), caller.rng.randint(1, 60), caller.nonce()
    answer = await caller.client.ask(request(chat("steady", f"{verb} {count} {nonce}", stream=True)))
    _same(answer.expect(200).streamed_text(), "".join(words(count, nonce)))


async def old_client(caller: Caller) -> None:
    """HTTP/1.0: the end of the connection is the end of the stream."""
    nonce = caller.nonce()
    client = Client(caller.port)
    answer = await client.ask(request(chat("steady", f"stream 9 {nonce}", stream=True), version="1.0"))
    _same(answer.expect(200).streamed_text(), "".join(words(9, nonce)))


async def bedrock(caller: Caller) -> None:
    """Translated, whole or as a stream."""
    count = caller.rng.randint(1, 80)
    streams = caller.rng.random() < 0.5
    answer = await caller.client.ask(request(chat("claude", f"simulate words={count}", stream=streams)))
    text = answer.expect(200).streamed_text() if streams else answer.text()
    if len(text.split()) != count:
        raise Wrong(f"{len(text.split())} words and not {count}: {text[:200]!r}")


async def leaves(caller: Caller) -> None:
    """A stream that has no end is left half-way."""
    nonce = caller.nonce()
    client = Client(caller.port)
    seen = 0
    try:
        async for answer in client.stream(request(chat("steady", f"open 100 {nonce}", stream=True))):
            seen = len(answer.events())
            if answer.complete or seen > 5:
                break
    finally:
        await client.close()
    if seen <= 5:
        raise Wrong(f"a stream without end has ended: {bytes(answer.body[-300:])!r}")


async def slow_reader(caller: Caller) -> None:
    """Megabytes for a client that takes its time."""
    count, nonce = 8_000, caller.nonce()
    client = Client(caller.port, slow=True)
    seen = Answer()
    async for answer in client.stream(request(chat("steady", f"stream {count} {nonce}", stream=True))):
        seen = answer
        await asyncio.sleep(0.005)
    await client.close()
    _same(seen.expect(200).streamed_text(), "".join(words(count, nonce)))


async def flaky(caller: Caller) -> None:
    """The first attempt fails unseen. One that does not comes first: retries are a share of requests."""
    for verb in ("whole", "flaky"):
        count, nonce, streams = caller.rng.randint(1, 50), caller.nonce(), caller.rng.random() < 0.5
        answer = await caller.client.ask(request(chat("flaky", f"{verb} {count} {nonce}", stream=streams)))
        text = answer.expect(200).streamed_text() if streams else answer.text()
        _same(text, "".join(words(count, nonce)))


async def broken(caller: Caller) -> None:
    """The upstream breaks off behind content: what came stands, and an error event says that it is not all."""
    nonce = caller.nonce()
    answer = await caller.client.ask(request(chat("broken", f"broken 40 {nonce}", stream=True)))
    events = answer.expect(200).events()
    said = "".join(words(40, nonce))
    if "[DONE]" in events or "error" not in json.loads(events[-1]):
        raise Wrong(f"a broken stream ends as {events[-1]!r}")
    text = "".join(content_of(event) for event in events[:-1])
    if not text or not said.startswith(text):
        raise Wrong(f"said {text[:200]!r} of {said[:200]!r}")


async def malformed(caller: Caller) -> None:
    """What is not HTTP as it should be is refused, and nothing behind it is served."""
    stream, status = caller.rng.choice(list(REFUSED.values()))
    client = Client(caller.port)
    answer = await client.ask(stream + request(chat("steady", f"whole 1 {caller.nonce()}")))
    if answer.status != status:
        raise Wrong(f"{answer.status} and not {status} for {stream[:100]!r}")
    await client.until_closed()


async def bad_request(caller: Caller) -> None:
    """What is no chat request, or asks for a model that is not there."""
    body, status = caller.rng.choice(
        [
            (b"{", 400),
            (b"[]", 400),
            (chat("no-such-model", "whole 1 x"), 404),
            ({"messages": []}, 400),
            (chat("claude", "Hello", n=2), 400),
        ]
    )
    answer = await caller.client.ask(request(body))
    if "error" not in json.loads(answer.expect(status).body):
        raise Wrong(f"a refusal without an error: {bytes(answer.body[:300])!r}")


async def stranger(caller: Caller) -> None:
    """A key that nobody has given out."""
    answer = await caller.client.ask(request(chat("steady", "whole 1 x"), key=f"key-{caller.nonce()}"))
    answer.expect(401)


async def models(caller: Caller) -> None:
    """The list of models."""
    answer = await caller.client.ask(request(method="GET", path="/v1/models"))
    listed = {model["id"] for model in json.loads(answer.expect(200).body)["data"]}
    if not {"steady", "flaky", "broken", "claude"} <= listed:
        raise Wrong(f"models are missing in {sorted(listed)[:10]}")


async def pipelined(caller: Caller) -> None:
    """Several requests in one write, answered in order."""
    nonces = [caller.nonce() for _ in range(3)]
    sent = b"".join(request(chat("steady", f"whole 5 {nonce}")) for nonce in nonces)
    answer = await caller.client.ask(sent, answers=len(nonces))
    _same(answer.expect(200).text(), "".join(words(5, nonces[-1])))


async def passer_by(caller: Caller) -> None:
    """A connection that says nothing, or half of something, and goes."""
    with socket.socket() as sock:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", caller.port))
        said = request(chat("steady", "whole 1 x"))
        await loop.sock_sendall(sock, said[: caller.rng.randint(0, len(said) - 1)])
        await asyncio.sleep(caller.rng.random() / 10)


async def new_connection(caller: Caller) -> None:
    """The one that was kept is closed; the next scenario opens another."""
    await caller.client.close()


WEIGHTS: dict[Scenario, int] = {
    whole: 30,
    large_prompt: 3,
    stream: 20,
    old_client: 3,
    bedrock: 10,
    leaves: 8,
    slow_reader: 1,
    flaky: 8,
    broken: 4,
    malformed: 6,
    bad_request: 6,
    stranger: 5,
    models: 2,
    pipelined: 4,
    passer_by: 5,
    new_connection: 5,
}

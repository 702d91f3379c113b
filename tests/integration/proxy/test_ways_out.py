"""Between the proxy and a provider: forward proxies, and answers that somebody compressed unasked."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest

from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import Basic
from pilothouse_api.snapshot.providers import Proxy
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_proxy.http import tls
from tests.integration.proxy.configurations import AUTHORIZED, UPSTREAM_KEY, provider, route, snapshot, target
from tests.integration.proxy.gateway import gateway
from tests.integration.proxy.upstream import Received, Upstream, completion, failure, upstream, whole, words
from tests.unit.proxy.http.certificates import Authority
from tests.unit.proxy.http.connect_proxy import OPENED, connect_proxy
from tests.zstandard import zstd

ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def one(url: str, **connection: Any) -> Snapshot:
    return snapshot({"a": provider(url, **connection)}, {"r": route(target("a"))})


def encoded(coding: str, body: Any, status: int = 200) -> Any:
    return whole(ENCODE[coding](json.dumps(body).encode()), status, content_encoding=coding)


@pytest.mark.parametrize("coding", ENCODE)
async def test_a_compressed_answer_reaches_the_caller_as_it_should_be(coding: str) -> None:
    async with upstream(encoded(coding, completion("Land ho"))) as cloud, gateway(one(cloud.url)) as proxy:
        answer = await proxy.chat()
        line = await proxy.line()
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, "Land ho")
    assert "content-encoding" not in answer.headers
    assert (line["input_tokens"], line["output_tokens"]) == (11, 7)


@pytest.mark.parametrize("coding", ENCODE)
async def test_what_a_compressed_error_says_is_understood(coding: str) -> None:
    refusal = {"error": {"message": "too long", "type": "x", "code": "context_length_exceeded", "param": None}}
    async with upstream(encoded(coding, refusal, 400)) as cloud, gateway(one(cloud.url)) as proxy:
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("body", [b"\0" * (2 << 20), gzip.compress(b"\0" * (2 << 20))], ids=["plain", "compressed"])
async def test_an_error_that_is_too_long_to_read_is_understood_by_its_status(body: bytes) -> None:
    headers = {"content_encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
    async with upstream(whole(body, 429, **headers)) as cloud, gateway(one(cloud.url)) as proxy:
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")


async def test_an_answer_in_an_unknown_coding_is_a_provider_error_that_names_it() -> None:
    async with upstream(whole(completion(), content_encoding="compress")) as cloud, gateway(one(cloud.url)) as proxy:
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"]) == (502, "provider_error")
    assert "Content-Encoding compress" in answer.error["message"]


async def test_the_events_of_a_compressed_stream_are_relayed_as_they_come() -> None:
    seen = asyncio.Event()

    async def answer(request: Received, writer: asyncio.StreamWriter) -> None:
        packed = zlib.compressobj(wbits=31)

        def send(data: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> None:
            piece = packed.compress(data) + packed.flush(flush)
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))

        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        for event in words("Land", " ho"):
            seen.clear()
            send(b"data: " + json.dumps(event).encode() + b"\n\n")
            if event["choices"] and event["choices"][0]["delta"].get("content"):
                await seen.wait()
        send(b"data: [DONE]\n\n", zlib.Z_FINISH)
        writer.write(b"0\r\n\r\n")

    body = {"model": "chat", "messages": [{"role": "user", "content": "Ahoy"}], "stream": True}
    received = b""
    async with (
        upstream(answer) as cloud,
        gateway(one(cloud.url)) as proxy,
        proxy.session.post(f"{proxy.url}/v1/chat/completions", json=body, headers=AUTHORIZED) as response,
    ):
        assert "content-encoding" not in response.headers
        async for piece in response.content.iter_any():
            received += piece
            seen.set()
    assert received.endswith(b"data: [DONE]\n\n")
    assert b"Land" in received


async def over_tls(authority: Authority, running: Upstream) -> asyncio.Server:
    leaf = authority.leaf("localhost")
    context = tls.server_context(leaf.cert_file, leaf.key_file)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0, ssl=context)
    running.port = server.sockets[0].getsockname()[1]
    return server


def signed(of: Snapshot, password: str = "sesame") -> Snapshot:
    of.proxy_credentials[ProviderKey("clouds/a")] = Basic(username=Secret("aladdin"), password=Secret(password))
    return of


async def test_a_provider_behind_a_forward_proxy_is_served_and_the_proxy_sees_no_key(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    cloud = Upstream(otherwise=whole(completion()))
    server = await over_tls(authority, cloud)
    async with server, connect_proxy() as way:
        through = Proxy(url=f"http://127.0.0.1:{way.port}")
        url = f"https://localhost:{cloud.port}/v1"
        async with gateway(signed(one(url, ca_bundle=authority.pem, proxy=through))) as proxy:
            answers = [await proxy.chat() for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert cloud.received[0].headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    (head,) = way.heads
    assert b"proxy-authorization: Basic YWxhZGRpbjpzZXNhbWU=" in head
    assert UPSTREAM_KEY.encode() not in head


async def test_a_long_prompt_reaches_a_provider_over_tls_to_its_last_byte(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    cloud = Upstream(otherwise=whole(completion()))
    said = [{"role": "user", "content": "Ahoy \u2693 " * 20_000}]
    async with await over_tls(authority, cloud):
        configured = one(f"https://localhost:{cloud.port}/v1", ca_bundle=authority.pem)
        async with gateway(configured) as proxy:
            answer = await proxy.chat(messages=said, temperature=0.5)
    assert answer.status == 200
    assert cloud.received[0].json == {"model": cloud.received[0].json["model"], "messages": said, "temperature": 0.5}


async def test_a_forward_proxy_that_refuses_is_told_apart_from_the_provider() -> None:
    async with (
        upstream(failure(500)) as cloud,
        connect_proxy(b"HTTP/1.1 407 No\r\n\r\n") as way,
        gateway(signed(one(cloud.url, proxy=Proxy(url=f"http://127.0.0.1:{way.port}")))) as proxy,
    ):
        answer = await proxy.chat()
        line = await proxy.line()
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    assert f"the proxy 127.0.0.1:{way.port} refuses the user and password (407)" in line["note"]
    assert "sesame" not in json.dumps(line) + answer.body.decode()
    assert not cloud.received


async def test_a_changed_forward_proxy_is_used_from_the_next_request_on() -> None:
    async with upstream() as cloud, connect_proxy() as one_way, connect_proxy(OPENED) as other_way:
        ways = [Proxy(url=f"http://127.0.0.1:{way.port}") for way in (one_way, other_way)]
        async with gateway(None) as proxy:
            for way in ways:
                proxy.configure(one(cloud.url, proxy=way))
                assert (await proxy.chat()).status == 200
            proxy.configure(signed(one(cloud.url, proxy=ways[1])))
            assert (await proxy.chat()).status == 200
    assert (len(one_way.heads), len(other_way.heads)) == (1, 2)
    assert b"proxy-authorization" in other_way.heads[1]

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pilothouse_api.secret import Secret
from pilothouse_proxy.http import tls, tunnel
from pilothouse_proxy.http.client import Client
from pilothouse_proxy.http.limits import ClientLimits
from pilothouse_proxy.http.messages import Closed, ConnectError, Origin, Proxy, TimedOut, UpstreamRequest
from tests.unit.proxy.http.certificates import Authority
from tests.unit.proxy.http.connect_proxy import OPENED, ConnectProxy, connect_proxy
from tests.unit.proxy.http.rig import WAIT_S, Peer, echo, request_of, serving, until, upstream

PASSWORD = "hunter2"
CREDENTIAL = tunnel.credential(Secret("aladdin"), Secret(PASSWORD))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "throw-away")


def server_context(authority: Authority, host: str = "localhost") -> ssl.SSLContext:
    leaf = authority.leaf(host)
    return tls.server_context(leaf.cert_file, leaf.key_file)


def through(
    proxy: Proxy, port: int, *, scheme: str = "http", bundle: str | None = None, wait_s: float = WAIT_S
) -> UpstreamRequest:
    origin = Origin(scheme=scheme, host="localhost", port=port, ca_bundle=bundle, connect_timeout_s=wait_s, proxy=proxy)
    return UpstreamRequest(origin=origin, method=b"POST", target=b"/x", body=b"hello")


def at(port: int, *, scheme: str = "http", bundle: str | None = None, authorization: Secret | None = None) -> Proxy:
    return Proxy(scheme=scheme, host="localhost", port=port, ca_bundle=bundle, authorization=authorization)


@contextlib.contextmanager
def client() -> Iterator[Client]:
    # Each kept connection is looked at before it is used again, whatever there is between it and the socket.
    sender = Client(ClientLimits(peek_after_s=0))
    try:
        yield sender
    finally:
        sender.close()


async def call(sender: Client, request: UpstreamRequest) -> bytes:
    response = await sender.send(request, first_byte_timeout_s=WAIT_S)
    return await response.read(10_000_000, WAIT_S)


@pytest.mark.parametrize("inner", ["http", "https"])
@pytest.mark.parametrize("outer", ["http", "https"])
async def test_requests_reach_either_kind_of_upstream_through_either_kind_of_proxy(
    outer: str, inner: str, authority: Authority
) -> None:
    context = server_context(authority)
    async with (
        serving(echo, context=context if inner == "https" else None) as rig,
        connect_proxy(context=context if outer == "https" else None) as proxy,
    ):
        with client() as sender:
            way = at(proxy.port, scheme=outer, bundle=authority.pem)
            for _ in range(3):
                asked = through(way, rig.port, scheme=inner, bundle=authority.pem)
                assert await call(sender, asked) == b"POST /x hello"
            assert rig.server.connections_accepted == 1
        await until(lambda: rig.server.connections == 0)
    assert proxy.heads == [f"CONNECT localhost:{rig.port} HTTP/1.1\r\nhost: localhost:{rig.port}\r\n\r\n".encode()]


@pytest.mark.parametrize("outer", ["http", "https"])
async def test_streams_and_large_bodies_pass_whole(outer: str, authority: Authority) -> None:
    context = server_context(authority)
    body = bytes(range(256)) * 20_000

    async with (
        serving(echo, context=context) as rig,
        connect_proxy(context=context if outer == "https" else None) as proxy,
    ):
        with client() as sender:
            way = at(proxy.port, scheme=outer, bundle=authority.pem)
            asked = through(way, rig.port, scheme="https", bundle=authority.pem)
            asked.body = body
            assert await call(sender, asked) == b"POST /x " + body


async def test_user_and_password_are_shown_to_the_proxy_alone(authority: Authority) -> None:
    seen: list[bytes] = []

    async def script(server: Peer) -> None:
        seen.append((await request_of(server))[0])
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await server.rest()

    async with upstream(script) as server, connect_proxy() as proxy:
        with client() as sender:
            await call(sender, through(at(proxy.port, authorization=CREDENTIAL), server.port))
    assert b"\r\nproxy-authorization: Basic YWxhZGRpbjpodW50ZXIy\r\n" in proxy.heads[0]
    assert b"proxy-authorization" not in seen[0]


def test_an_origin_with_a_proxy_never_shows_its_credential() -> None:
    origin = through(at(3128, authorization=CREDENTIAL), 443).origin
    assert "YWxh" not in repr(origin)
    assert PASSWORD not in repr(origin)


def test_an_address_of_the_sixth_version_is_asked_for_in_brackets() -> None:
    origin = Origin(scheme="https", host="2001:db8::1", port=443)
    head = b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nhost: [2001:db8::1]:443\r\n\r\n"
    assert tunnel.request(origin, at(3128)) == head


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\n\r\n", r"asks for a user and password \(407\): name"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", r"let connections to localhost:9 through \(403\)"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", r"does not reach localhost:9 \(502\)"),
        (b"HTTP/1.1 504 Late\r\n\r\n", r"does not reach localhost:9 \(504\)"),
        (b"HTTP/1.1 500 Oh\r\n\r\n", r"refuses to connect to localhost:9 \(500\)"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n", r"refuses to connect to localhost:9 \(302\)"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "did not answer CONNECT with well-formed HTTP"),
        (b"SSH-2.0-OpenSSH\r\n", "did not answer CONNECT with well-formed HTTP"),
        (b"HTTP/1.1 200 OK\nX: y\n\n", "did not answer CONNECT with well-formed HTTP"),
        (b"HTTP/2 200\r\n\r\n", "did not answer CONNECT with well-formed HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000, "did not answer CONNECT with well-formed HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100 + b"\r\n", "did not answer CONNECT with well-formed HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, "did not answer CONNECT with well-formed HTTP"),
        (b"", "closed the connection instead of answering CONNECT"),
        (b"HTTP/1.1 200 OK\r\nX: y", "closed the connection instead of answering CONNECT"),
        (OPENED + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", "sent data of its own behind its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "sent data of its own behind its answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "sent data of its own behind its answer"),
    ],
)
async def test_a_proxy_that_does_not_open_the_way_is_a_connect_error_in_words(answer: bytes, says: str) -> None:
    async def script(server: Peer) -> None:
        await server.reader.readuntil(b"\r\n\r\n")
        server.send(answer)

    async with upstream(script) as proxy:
        with client() as sender:
            with pytest.raises(ConnectError, match=rf"the proxy localhost:{proxy.port} .*{says}"):
                await call(sender, through(at(proxy.port), 9))
            assert sender.connections == 0


async def test_an_answer_may_come_byte_by_byte_and_behind_interim_ones() -> None:
    async def script(server: Peer) -> None:
        await server.reader.readuntil(b"\r\n\r\n")
        for byte in b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Fine\r\nVia: 1.0 a\r\nContent-Length: 0\r\n\r\n":
            server.send(bytes([byte]))
            await asyncio.sleep(0)
        await request_of(server)
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await server.rest()

    async with upstream(script) as proxy:
        with client() as sender:
            assert await call(sender, through(at(proxy.port), 9)) == b"ok"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_what_the_proxy_says_before_it_was_asked_is_not_taken_for_an_answer(
    secure: bool, authority: Authority
) -> None:
    async def script(server: Peer) -> None:
        await server.reader.readuntil(b"\r\n\r\n")
        server.send(OPENED)
        await asyncio.sleep(0.01)
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        with contextlib.suppress(ConnectionError):
            await server.rest()

    async with upstream(script) as proxy:
        with client() as sender:
            asked = through(at(proxy.port), 9, scheme="https" if secure else "http", bundle=authority.pem)
            if secure:
                with pytest.raises(ConnectError, match="TLS with localhost:9, through the proxy"):
                    await call(sender, asked)
            else:
                pool, _ = sender._pool(asked.origin)
                connection = await pool.connect(WAIT_S)
                await until(connection.transport.is_closing)
            await until(lambda: sender.connections == 0)


async def test_a_refused_password_names_the_field_and_not_the_password() -> None:
    async with connect_proxy(b"HTTP/1.1 407 No\r\nX-Echo: Basic YWxhZGRpbjpodW50ZXIy\r\n\r\n") as proxy:
        with (
            client() as sender,
            pytest.raises(ConnectError, match=r"correct the Secret that connection\.proxy\.auth names") as caught,
        ):
            await call(sender, through(at(proxy.port, authorization=CREDENTIAL), 9))
    assert PASSWORD not in str(caught.value)
    assert "YWxh" not in str(caught.value)


async def test_the_errors_of_a_proxy_that_is_not_there_speak_of_the_proxy(authority: Authority) -> None:
    async with connect_proxy() as gone:
        port = gone.port
    with client() as sender:
        with pytest.raises(ConnectError, match=f"the proxy localhost:{port} refuses connections"):
            await call(sender, through(at(port), 9))
        nowhere = Proxy(scheme="http", host="no-such-name.invalid", port=3128)
        with pytest.raises(ConnectError, match=r"no-such-name\.invalid cannot be resolved"):
            await call(sender, through(nowhere, 9))
        async with connect_proxy() as proxy:
            unread = Proxy(scheme="https", host="localhost", port=proxy.port, ca_bundle="no PEM")
            with pytest.raises(ConnectError, match="CA bundle for the proxy localhost"):
                await call(sender, through(unread, 9))


async def test_the_certificates_of_proxy_and_upstream_are_told_apart(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    context = server_context(authority)
    async with serving(echo, context=context) as rig, connect_proxy(context=context) as proxy:
        trusted, unknown = authority.pem, stranger.pem
        with client() as sender:
            with pytest.raises(ConnectError, match=f"certificate of the proxy localhost:{proxy.port} is not trusted"):
                await call(sender, through(at(proxy.port, scheme="https", bundle=unknown), rig.port))
            way = at(proxy.port, scheme="https", bundle=trusted)
            words = f"certificate of localhost:{rig.port}, through the proxy localhost:{proxy.port}, is not trusted"
            with pytest.raises(ConnectError, match=words):
                await call(sender, through(way, rig.port, scheme="https", bundle=unknown))
            assert sender.connections == 0


@pytest.mark.parametrize("step", ["answer", "handshake"])
async def test_who_does_not_answer_is_named(step: str, authority: Authority) -> None:
    async def mute(server: Peer) -> None:
        await server.reader.readuntil(b"\r\n\r\n")
        if step == "handshake":
            server.send(OPENED)
        with contextlib.suppress(ConnectionError):
            await server.rest()

    says = {
        "answer": "no answer from the proxy localhost",
        "handshake": "no answer from localhost:9, through the proxy",
    }
    async with upstream(mute) as proxy:
        with client() as sender:
            asked = through(at(proxy.port), 9, scheme="https", bundle=authority.pem, wait_s=0.1)
            with pytest.raises(TimedOut, match=says[step]):
                await call(sender, asked)
            assert sender.connections == 0


async def test_ways_that_differ_in_their_proxy_share_no_connection() -> None:
    async with serving(echo) as rig, connect_proxy() as one, connect_proxy() as other:
        with client() as sender:
            ways = [
                at(one.port),
                at(other.port),
                at(one.port, authorization=CREDENTIAL),
                at(one.port, authorization=tunnel.credential(Secret("aladdin"), Secret("rotated"))),
            ]
            for way, _ in itertools.product(ways, range(2)):
                await call(sender, through(way, rig.port))
            assert rig.server.connections_accepted == len(ways)
    assert (len(one.heads), len(other.heads)) == (3, 1)


@pytest.mark.parametrize("outer", ["http", "https"])
async def test_however_late_a_dial_through_a_proxy_is_cancelled_its_slot_comes_back_once(
    outer: str, authority: Authority
) -> None:
    context = server_context(authority)
    async with (
        serving(echo, context=context) as rig,
        connect_proxy(context=context if outer == "https" else None) as proxy,
    ):
        with client() as sender:
            way = at(proxy.port, scheme=outer, bundle=authority.pem)
            for step in range(60):
                calling = asyncio.ensure_future(
                    call(sender, through(way, rig.port, scheme="https", bundle=authority.pem))
                )
                await asyncio.sleep(step * 0.0003)
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)
            assert await call(sender, through(way, rig.port, scheme="https", bundle=authority.pem)) == b"POST /x hello"
            await until(lambda: sender.connections == 1)


async def test_a_proxy_that_drops_the_connection_ends_the_exchange() -> None:
    @contextlib.asynccontextmanager
    async def dropping() -> AsyncIterator[ConnectProxy]:
        async def script(client: Peer) -> None:
            await client.reader.readuntil(b"\r\n\r\n")
            client.send(OPENED)
            await request_of(client)

        async with upstream(script) as listening:
            yield ConnectProxy(port=listening.port)

    async with dropping() as proxy:
        with client() as sender:
            with pytest.raises(Closed):
                await call(sender, through(at(proxy.port), 9))
            assert sender.stale_retries == 0

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest

from pilothouse_proxy.http import tls
from pilothouse_proxy.http.client import Client
from pilothouse_proxy.http.limits import ClientLimits, Limits
from pilothouse_proxy.http.messages import Closed, ConnectError, Origin, Phase, TimedOut, UpstreamRequest
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.http.server import Responder
from tests.unit.proxy.http.certificates import Authority
from tests.unit.proxy.http.corpus import chunked
from tests.unit.proxy.http.rig import WAIT_S, Peer, echo, peer, request_of, serving, until, upstream

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "throw-away")


def server_context(authority: Authority, host: str = "localhost") -> ssl.SSLContext:
    leaf = authority.leaf(host)
    return tls.server_context(leaf.cert_file, leaf.key_file)


def to(port: int, bundle: str | None, host: str = "localhost", wait_s: float = WAIT_S) -> UpstreamRequest:
    origin = Origin(scheme="https", host=host, port=port, ca_bundle=bundle, connect_timeout_s=wait_s)
    return UpstreamRequest(origin=origin, method=b"POST", target=b"/x", body=b"hello")


async def test_server_and_client_speak_to_each_other_over_one_kept_connection(authority: Authority) -> None:
    async with serving(echo, context=server_context(authority)) as rig:
        sender = Client(ClientLimits())
        for _ in range(3):
            response = await sender.send(to(rig.port, authority.pem), first_byte_timeout_s=WAIT_S)
            assert await response.read(100, WAIT_S) == b"POST /x hello"
        assert rig.server.connections_accepted == 1
        sender.close()
        await until(lambda: rig.server.connections == 0)


async def test_an_address_can_be_certified_too(authority: Authority) -> None:
    async with serving(echo, context=server_context(authority, "127.0.0.1")) as rig:
        sender = Client(ClientLimits())
        response = await sender.send(to(rig.port, authority.pem, "127.0.0.1"), first_byte_timeout_s=WAIT_S)
        assert response.status == 200
        response.abort()
        sender.close()


async def test_streams_flow_and_large_answers_arrive_whole(authority: Authority) -> None:
    async def stream(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        for _ in range(100):
            responder.write(b"x" * 50_000)
            await responder.drain()
        responder.finish()

    async with serving(stream, context=server_context(authority)) as rig:
        sender = Client(ClientLimits())
        response = await sender.send(to(rig.port, authority.pem), first_byte_timeout_s=WAIT_S)
        assert len(await response.read(5_000_000, WAIT_S)) == 5_000_000
        sender.close()


async def test_only_http_1_1_is_agreed_on(authority: Authority) -> None:
    context = ssl.create_default_context(cadata=authority.pem)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(echo, context=server_context(authority)) as rig, peer(rig.port, context) as client:
        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        client.send(GET)
        assert (await client.answer())[2] == b"GET /a "


async def test_old_versions_are_not_spoken(authority: Authority) -> None:
    contexts = [server_context(authority), tls.client_context(None)]
    assert {context.minimum_version for context in contexts} == {ssl.TLSVersion.TLSv1_2}


async def test_a_refusal_reaches_a_client_over_tls(authority: Authority) -> None:
    context = ssl.create_default_context(cadata=authority.pem)
    limits = Limits(linger_s=0.05)
    async with serving(echo, limits, server_context(authority)) as rig, peer(rig.port, context) as client:
        client.send(chunked(b"zz\r\n"))
        assert (await client.answer())[0] == 400
        assert await client.rest() == b""


async def test_a_client_that_leaves_over_tls_cancels_the_application(authority: Authority) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def waiting(request: Request, responder: Responder) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    context = ssl.create_default_context(cadata=authority.pem)
    async with serving(waiting, context=server_context(authority)) as rig, peer(rig.port, context) as client:
        client.send(GET)
        await started.wait()
        client.reset()
        async with asyncio.timeout(WAIT_S):
            await ended.wait()


async def test_an_upstream_that_dies_over_tls_is_closed(authority: Authority) -> None:
    async def script(server: Peer) -> None:
        await request_of(server)
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")

    async with upstream(script, context=server_context(authority)) as server:
        sender = Client(ClientLimits())
        response = await sender.send(to(server.port, authority.pem), first_byte_timeout_s=WAIT_S)
        with pytest.raises(Closed):
            await response.read(100, WAIT_S)
        sender.close()
        await until(lambda: sender.connections == 0)


async def test_an_unknown_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with serving(echo, context=server_context(authority)) as rig:
        sender = Client(ClientLimits())
        for bundle in (stranger.pem, None):
            with pytest.raises(ConnectError, match=f"the certificate of localhost:{rig.port} is not trusted"):
                await sender.send(to(rig.port, bundle), first_byte_timeout_s=WAIT_S)
        assert sender.connections == 0


async def test_a_certificate_for_another_name_is_not_trusted(authority: Authority) -> None:
    async with serving(echo, context=server_context(authority, "other.example")) as rig:
        with pytest.raises(ConnectError, match="is not trusted: Hostname mismatch"):
            await Client(ClientLimits()).send(to(rig.port, authority.pem), first_byte_timeout_s=WAIT_S)


async def test_a_server_that_speaks_no_tls_is_a_connect_error(authority: Authority) -> None:
    async with serving(echo) as rig:
        with pytest.raises(ConnectError, match="TLS with localhost"):
            await Client(ClientLimits()).send(to(rig.port, authority.pem), first_byte_timeout_s=WAIT_S)


async def test_a_handshake_that_is_not_answered_times_out(authority: Authority) -> None:
    async def mute(server: Peer) -> None:
        await server.rest()

    async with upstream(mute) as server:
        with pytest.raises(TimedOut) as caught:
            await Client(ClientLimits()).send(to(server.port, authority.pem, wait_s=0.05), first_byte_timeout_s=WAIT_S)
    assert caught.value.phase is Phase.CONNECT


async def test_a_new_certificate_is_used_without_a_restart(authority: Authority, tmp_path: Path) -> None:
    context = server_context(authority)
    successor = Authority(tmp_path, "successor")
    async with serving(echo, context=context) as rig:
        sender = Client(ClientLimits())
        for bundle in (authority.pem, successor.pem):
            response = await sender.send(to(rig.port, bundle), first_byte_timeout_s=WAIT_S)
            assert await response.read(100, WAIT_S) == b"POST /x hello"
            leaf = successor.leaf("localhost")
            context.load_cert_chain(leaf.cert_file, leaf.key_file)
        assert rig.server.connections_accepted == 2
        sender.close()


@pytest.mark.parametrize(("host", "named"), [("localhost", "localhost"), ("127.0.0.1", None)])
async def test_a_name_is_told_in_the_handshake_and_an_address_is_not(
    host: str, named: str | None, authority: Authority
) -> None:
    told: list[str | None] = []
    context = server_context(authority, host)
    context.sni_callback = lambda _, name, __: told.append(name)
    async with serving(echo, context=context) as rig:
        sender = Client(ClientLimits())
        response = await sender.send(to(rig.port, authority.pem, host), first_byte_timeout_s=WAIT_S)
        assert await response.read(100, WAIT_S) == b"POST /x hello"
        sender.close()
    assert told == [named]


async def test_the_client_offers_http_1_1_and_no_other(authority: Authority) -> None:
    agreed: list[str | None] = []

    async def script(server: Peer) -> None:
        agreed.append(server.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await request_of(server)
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await server.rest()

    context = server_context(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with upstream(script, context=context) as server:
        sender = Client(ClientLimits())
        response = await sender.send(to(server.port, authority.pem), first_byte_timeout_s=WAIT_S)
        await response.read(100, WAIT_S)
        sender.close()
    assert agreed == ["http/1.1"]


async def test_a_server_of_an_old_version_is_not_spoken_to(authority: Authority) -> None:
    context = server_context(authority)
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(echo, context=context) as rig:
        with pytest.raises(ConnectError, match=r"localhost:\d+( failed|: the other side closed it)"):
            await Client(ClientLimits()).send(to(rig.port, authority.pem), first_byte_timeout_s=WAIT_S)


YEAR = datetime.timedelta(days=365)
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("host", "start", "end", "says"),
    [
        ("localhost", NOW - 3 * YEAR, NOW - 2 * YEAR, "certificate has expired; have it renewed on the server"),
        ("localhost", NOW + 80 * YEAR, NOW + 90 * YEAR, "certificate is not yet valid; .* compare the clocks"),
        ("other.example", NOW - YEAR, NOW + 90 * YEAR, "Hostname mismatch.*; call the server by a name that stands"),
        ("127.0.0.1", NOW - YEAR, NOW + 90 * YEAR, "Hostname mismatch.*; call the server by a name that stands"),
    ],
)
async def test_a_certificate_that_is_not_trusted_says_why_and_what_to_do(
    host: str, start: datetime.datetime, end: datetime.datetime, says: str, authority: Authority
) -> None:
    leaf = authority.leaf(host, start=start, end=end)
    async with serving(echo, context=tls.server_context(leaf.cert_file, leaf.key_file)) as rig:
        with pytest.raises(ConnectError, match=f"certificate of localhost:{rig.port} is not trusted: {says}"):
            await Client(ClientLimits()).send(to(rig.port, authority.pem), first_byte_timeout_s=WAIT_S)


async def test_an_address_that_the_certificate_does_not_hold_is_not_trusted(authority: Authority) -> None:
    async with serving(echo, context=server_context(authority, "localhost")) as rig:
        with pytest.raises(ConnectError, match=r"IP address mismatch.*; call the server by a name that stands"):
            await Client(ClientLimits()).send(to(rig.port, authority.pem, "127.0.0.1"), first_byte_timeout_s=WAIT_S)


async def test_an_unknown_signer_is_told_where_the_ca_belongs(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with serving(echo, context=server_context(authority)) as rig:
        with pytest.raises(ConnectError, match="put the CA that signed it, or itself if nobody did, into the caBundle"):
            await Client(ClientLimits()).send(to(rig.port, stranger.pem), first_byte_timeout_s=WAIT_S)


async def test_another_bundle_is_another_pool(authority: Authority, tmp_path: Path) -> None:
    both = authority.pem + Authority(tmp_path, "further").pem
    async with serving(echo, context=server_context(authority)) as rig:
        sender = Client(ClientLimits())
        for bundle in (authority.pem, authority.pem, both):
            response = await sender.send(to(rig.port, bundle), first_byte_timeout_s=WAIT_S)
            assert await response.read(100, WAIT_S) == b"POST /x hello"
        assert rig.server.connections_accepted == 2
        sender.close()


def test_a_bundle_of_nothing_is_refused() -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        tls.client_context("no certificate at all")


def test_a_key_that_does_not_fit_is_refused(authority: Authority) -> None:
    with pytest.raises(tls.Unusable, match="does not belong to the certificate"):
        tls.server_context(authority.leaf("a").cert_file, authority.leaf("b").key_file)


def test_a_bundle_is_read_once() -> None:
    assert tls.client_context(None) is tls.client_context(None)

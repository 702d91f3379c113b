"""The control stream over HTTPS: `GET /v1/snapshots`, `POST` of acks, reports and refusals, and the peers' view.

Plain HTTP/1.1 and JSON, so that `curl` can show what a proxy is told.
"""

import asyncio
import hmac
import logging
import math
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

import msgspec
from aiohttp import hdrs, web

from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.stream import HEARTBEAT_S, Ack, Heartbeat, Hello, Refusal, Report
from pilothouse_operator.distribution import audit
from pilothouse_operator.distribution.hub import Hub, Subscription, Taken
from pilothouse_operator.distribution.pacing import PodLimit
from pilothouse_operator.ports import Clock, ProxyIdentity, ProxyVerifier

_log = logging.getLogger(__name__)

_STUCK_S = 60
"""A reader that takes nothing for so long is dropped; its place in memory is dearer than its reconnect."""
_PIECE_BYTES = 16_384
"""OpenSSL's buffers grow to the longest write and never shrink: a whole snapshot would be most of a stream's memory."""
_ACK_BYTES = 8_192
_BODY_BYTES = 262_144
_HANDSHAKE_S = 10.0
_EXPIRY_JITTER = 0.1
_SKEWED_S = 60.0
_HEARTBEAT = Taken(lines=(msgspec.json.encode(Heartbeat()) + b"\n",), handed={})

_T = TypeVar("_T")
_acks = msgspec.json.Decoder(Ack)
_reports = msgspec.json.Decoder(Report)
_refusals = msgspec.json.Decoder(Refusal)


class ControlServer:
    """Serves one hub. `peer_key` is what replicas show one another; None: there are no peers."""

    def __init__(
        self,
        *,
        hub: Hub,
        verifier: ProxyVerifier,
        clock: Clock,
        rng: Random,
        peer_key: Callable[[], Secret | None] = lambda: None,
    ) -> None:
        self._hub = hub
        self._verifier = verifier
        self._clock = clock
        self._rng = rng
        self._peer_key = peer_key
        self._stream_pace = PodLimit(burst=10, per_second=1)
        self._ack_pace = PodLimit(burst=50, per_second=20)
        self._report_pace = PodLimit(burst=10, per_second=1)
        self._refusal_pace = PodLimit(burst=50, per_second=1)

    @asynccontextmanager
    async def listening(self, *, host: str, port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
        """Serves inside the block; gives the port. On leaving, streams end properly and others may be answered."""
        app = web.Application(client_max_size=_BODY_BYTES)
        app.router.add_get("/v1/snapshots", self._snapshots)
        app.router.add_post("/v1/acks", self._ack)
        app.router.add_post("/v1/reports", self._report)
        app.router.add_post("/v1/refusals", self._refuse)
        app.router.add_get("/v1/peers/acks", self._peers_acks)
        app.router.add_get("/v1/peers/reports", self._peers_reports)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=5)
        await runner.setup()
        if runner.server is None:
            raise RuntimeError("the control server was not set up")
        server = await asyncio.get_running_loop().create_server(
            runner.server, host, port, ssl=tls, ssl_handshake_timeout=_HANDSHAKE_S, backlog=1_024, reuse_address=True
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            self._hub.close()
            await runner.cleanup()

    async def _snapshots(self, request: web.Request) -> web.StreamResponse:
        identity = await self._identify(request, self._stream_pace)
        if not self._hub.open:
            # An empty snapshot would erase what the proxy serves; another replica may know better.
            raise _unavailable("this replica has not seen the whole configuration yet")
        _drop_when_unreachable(request)
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "application/x-ndjson", hdrs.CACHE_CONTROL: "no-store"}
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        wake = asyncio.Event()
        subscription = self._hub.attach(identity, wake=wake.set, now=self._clock.monotonic())
        try:
            hello = Hello(scope=identity.scope, subject=identity.subject, replica=self._hub.replica)
            await response.write(msgspec.json.encode(hello) + b"\n")
            await self._relay(response, subscription, wake, self._lifetime_s(identity))
            await response.write_eof()
        except ConnectionError as gone:
            _log.info("the control stream of %s ended: %s", identity.pod, gone)
        except TimeoutError:
            _log.warning("the control stream of %s was dropped: it took nothing for %d s", identity.pod, _STUCK_S)
            if request.transport is not None:
                # A proper end would wait for the reader once more.
                request.transport.abort()
        finally:
            self._hub.detach(subscription, now=self._clock.monotonic())
        return response

    async def _relay(
        self, response: web.StreamResponse, subscription: Subscription, wake: asyncio.Event, lifetime_s: float
    ) -> None:
        ends = self._clock.monotonic() + lifetime_s
        while not subscription.closed:
            left = ends - self._clock.monotonic()
            if left <= 0:
                return
            taken = subscription.take()
            if taken is None:
                wake.clear()
                try:
                    async with asyncio.timeout(min(HEARTBEAT_S, left)):
                        await wake.wait()
                    continue
                except TimeoutError:
                    taken = _HEARTBEAT
            # Before the first byte: what was handed out only in part was handed out.
            audit.handed_out(subscription.identity, taken.handed)
            for line in taken.lines:
                await _write(response, line)

    def _lifetime_s(self, identity: ProxyIdentity) -> float:
        """Until the token expires, a little less: else all proxies of one rollout would return at once.

        A minute for one that was let in although it has ended: the clock here is fast.
        """
        if math.isinf(identity.expires):
            return math.inf
        left_s = identity.expires - self._clock.wall()
        return (left_s if left_s > 0 else _SKEWED_S) * (1 - self._rng.uniform(0, _EXPIRY_JITTER))

    async def _ack(self, request: web.Request) -> web.Response:
        identity = await self._identify(request, self._ack_pace)
        ack = await _body(request, _acks, _ACK_BYTES)
        if not self._hub.ack(identity, ack, now=self._clock.monotonic()):
            return web.json_response({"message": "this replica has not published that version"}, status=409)
        return web.Response(status=204)

    async def _report(self, request: web.Request) -> web.Response:
        identity = await self._identify(request, self._report_pace)
        self._hub.report(identity, await _body(request, _reports, _BODY_BYTES), now=self._clock.monotonic())
        return web.Response(status=204)

    async def _refuse(self, request: web.Request) -> web.Response:
        identity = await self._identify(request, self._refusal_pace)
        self._hub.refuse(identity, await _body(request, _refusals, _ACK_BYTES))
        return web.Response(status=204)

    async def _peers_acks(self, request: web.Request) -> web.Response:
        self._admit_peer(request)
        if request.query.get("revision") == self._hub.revision:
            return web.Response(status=304)
        return _json(msgspec.json.encode(self._hub.fleet()))

    async def _peers_reports(self, request: web.Request) -> web.Response:
        self._admit_peer(request)
        return _json(msgspec.json.encode(self._hub.reports(self._clock.monotonic())))

    def _admit_peer(self, request: web.Request) -> None:
        key = self._peer_key()
        if key is None or not hmac.compare_digest(_bearer(request).encode(), key.reveal().encode()):
            raise _refused()

    async def _identify(self, request: web.Request, pace: PodLimit) -> ProxyIdentity:
        token = _bearer(request)
        try:
            identity = await self._verifier.verify(token) if token else None
        except ConnectionError as away:
            _log.warning("cannot verify a control token: %s", away)
            raise _unavailable("the operator cannot verify tokens at the moment") from away
        if identity is None:
            raise _refused()
        wait_s = pace.wait_s(identity.pod_uid, now=self._clock.monotonic())
        if wait_s > 0:
            raise web.HTTPTooManyRequests(
                text='{"message":"too many requests of one proxy"}',
                content_type="application/json",
                headers={hdrs.RETRY_AFTER: str(math.ceil(wait_s))},
            )
        return identity


async def _write(response: web.StreamResponse, line: bytes) -> None:
    for begin in range(0, len(line), _PIECE_BYTES):
        async with asyncio.timeout(_STUCK_S):
            await response.write(line[begin : begin + _PIECE_BYTES])


async def _body(request: web.Request, decoder: msgspec.json.Decoder[_T], limit: int) -> _T:
    body = await request.read()
    if len(body) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, len(body))
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as fault:
        raise web.HTTPBadRequest(
            text=msgspec.json.encode({"message": str(fault)}).decode(), content_type="application/json"
        ) from fault


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


def _refused() -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(
        text='{"message":"token refused"}',
        content_type="application/json",
        headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
    )


def _unavailable(message: str) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(
        text=msgspec.json.encode({"message": message}).decode(),
        content_type="application/json",
        headers={hdrs.RETRY_AFTER: "1"},
    )


def _drop_when_unreachable(request: web.Request) -> None:
    """Lets the kernel end a connection whose peer acknowledges nothing: heartbeats alone fill its buffer for hours."""
    transport = request.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it, macOS does not
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK_S * 1_000)

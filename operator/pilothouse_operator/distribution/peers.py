"""What other replicas know of their proxies: read every second by the one that writes status."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from pilothouse_operator.distribution.fleet import FleetView, ReportsView
from pilothouse_operator.distribution.keyring import Keyring
from pilothouse_operator.distribution.keys import Keys
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.ports import Clock

_log = logging.getLogger(__name__)

_ACKS_S = 1.0
_REPORTS_S = 10.0
_DISCOVERY_S = 5.0
_SILENT_S = 3.0
"""A replica that has not answered for so long is unreachable: its proxies are unknown, not gone."""
_PORT = "control"
_TIMEOUT = aiohttp.ClientTimeout(total=2)

_fleets = msgspec.json.Decoder(FleetView)
_reports = msgspec.json.Decoder(ReportsView)


@dataclass(slots=True)
class _Peer:
    url: str
    heard: float
    fleet: FleetView | None = None
    reports: ReportsView = field(default_factory=ReportsView)
    reported: float = float("-inf")


class Peers:
    """The other replicas behind the release's Service."""

    def __init__(
        self,
        *,
        api: Api,
        keyring: Keyring,
        namespace: str,
        service: str,
        replica: str,
        clock: Clock,
        is_leader: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        """`replica` is our own pod; `changed` hears when what peers say has changed."""
        self._api = api
        self._keyring = keyring
        self._namespace = namespace
        self._service = service
        self._replica = replica
        self._clock = clock
        self._is_leader = is_leader
        self._changed = changed
        self._peers: dict[str, _Peer] = {}
        self._silent: frozenset[str] = frozenset()
        self._discovered = float("-inf")

    @property
    def fleets(self) -> tuple[FleetView, ...]:
        """As last heard of the replicas that answer."""
        return tuple(peer.fleet for name, peer in self._peers.items() if peer.fleet and name not in self._silent)

    @property
    def reports(self) -> tuple[ReportsView, ...]:
        """As last heard of the replicas that answer."""
        return tuple(peer.reports for name, peer in self._peers.items() if name not in self._silent)

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Replicas that do not answer."""
        return tuple(sorted(self._silent))

    async def run(self) -> None:
        """Until cancelled. Idle while another replica leads."""
        session, keys = None, None
        try:
            while True:
                if self._is_leader() and self._keyring.keys is not None:
                    if session is None or keys != self._keyring.keys:
                        keys = self._keyring.keys
                        if session is not None:
                            await session.close()
                        session = _session(keys)
                    await self._round(session, keys)
                elif not self._is_leader():
                    self._forget()
                await asyncio.sleep(_ACKS_S)
        finally:
            if session is not None:
                await session.close()

    async def _round(self, session: aiohttp.ClientSession, keys: Keys) -> None:
        now = self._clock.monotonic()
        if now - self._discovered >= _DISCOVERY_S:
            await self._discover(now)
        await asyncio.gather(*(self._ask(session, keys, peer) for peer in self._peers.values()))
        now = self._clock.monotonic()
        silent = frozenset(name for name, peer in self._peers.items() if now - peer.heard > _SILENT_S)
        if silent != self._silent:
            self._silent = silent
            self._changed()

    def _forget(self) -> None:
        """What was heard while we led grows old: whoever leads next asks anew."""
        self._peers, self._silent, self._discovered = {}, frozenset(), float("-inf")

    async def _discover(self, now: float) -> None:
        try:
            slices = await self._api.list(
                resources.ENDPOINT_SLICES,
                namespace=self._namespace,
                labels=f"kubernetes.io/service-name={self._service}",
            )
        except errors.KubeError as fault:
            _log.warning("the other replicas cannot be found: %s", fault)
            return
        self._discovered = now
        urls = {name: url for item in slices.items for name, url in _endpoints(item).items() if name != self._replica}
        if urls == {name: peer.url for name, peer in self._peers.items()}:
            return
        known = self._peers
        self._peers = {
            name: known[name] if name in known and known[name].url == url else _Peer(url, heard=now)
            for name, url in urls.items()
        }
        self._changed()

    async def _ask(self, session: aiohttp.ClientSession, keys: Keys, peer: _Peer) -> None:
        try:
            revision = peer.fleet.revision if peer.fleet else ""
            body = await self._get(session, keys, f"{peer.url}/v1/peers/acks?revision={revision}")
            peer.heard = self._clock.monotonic()
            if body is not None:
                peer.fleet = _fleets.decode(body)
                self._changed()
            if self._clock.monotonic() - peer.reported >= _REPORTS_S:
                body = await self._get(session, keys, f"{peer.url}/v1/peers/reports")
                peer.reported = self._clock.monotonic()
                if body is not None and (reports := _reports.decode(body)) != peer.reports:
                    peer.reports = reports
                    self._changed()
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as fault:
            _log.debug("%s does not answer: %s", peer.url, fault)

    async def _get(self, session: aiohttp.ClientSession, keys: Keys, url: str) -> bytes | None:
        """None: nothing has changed."""
        headers = {"authorization": f"Bearer {keys.peer.reveal()}"}
        # Peers are dialled by address; their certificate bears the Service's name.
        name = f"{self._service}.{self._namespace}.svc"
        async with session.get(url, headers=headers, server_hostname=name) as answer:
            if answer.status == 304:
                return None
            answer.raise_for_status()
            return await answer.read()


def _session(keys: Keys) -> aiohttp.ClientSession:
    trust = ssl.create_default_context(cadata=keys.trust)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), timeout=_TIMEOUT, trust_env=False)


def _endpoints(endpoint_slice: Mapping[str, Any]) -> dict[str, str]:
    """Pod → URL of the ready endpoints.

    https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
    """
    ports = [port["port"] for port in endpoint_slice.get("ports") or () if port.get("name") == _PORT]
    if not ports:
        return {}
    ipv6 = endpoint_slice.get("addressType") == "IPv6"
    found = {}
    for endpoint in endpoint_slice.get("endpoints") or ():
        ready = (endpoint.get("conditions") or {}).get("ready", True)
        pod = (endpoint.get("targetRef") or {}).get("name")
        if ready and pod and endpoint.get("addresses"):
            address = endpoint["addresses"][0]
            found[pod] = f"https://[{address}]:{ports[0]}" if ipv6 else f"https://{address}:{ports[0]}"
    return found

"""The release's key material in one Secret that the operator owns: made by whoever is first, shared by all replicas."""

import asyncio
import base64
import binascii
import logging
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse_api.secret import Secret
from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.certificates import CertificateFault, KeyPair
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.ports import Clock

_log = logging.getLogger(__name__)

_LOOK_S = 60.0
"""A new leaf is made thirty days before the old one ends: that another replica shows it a minute late is no harm."""
_RETRY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """`peer` is what replicas show one another."""

    authority: KeyPair
    leaf: KeyPair
    peer: Secret


class Keyring:
    """Holds the keys and the server's SSL context, and keeps both current."""

    def __init__(
        self,
        *,
        api: Api,
        namespace: str,
        secret: str,
        names: tuple[str, ...],
        clock: Clock,
        is_leader: Callable[[], bool],
    ) -> None:
        """`names` are the DNS names and addresses by which proxies and peers reach this release."""
        self._api = api
        self._namespace = namespace
        self._secret = secret
        self._names = names
        self._clock = clock
        self._is_leader = is_leader
        self._keys: Keys | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def keys(self) -> Keys | None:
        """None until the Secret was read or made."""
        return self._keys

    @property
    def peer_key(self) -> Secret | None:
        """What a peer must show."""
        return self._keys.peer if self._keys else None

    async def ready(self) -> ssl.SSLContext:
        """Reads or makes the keys, as often as it takes; the context shows whatever leaf is current."""
        while self._context is None:
            await self._attempt()
            if self._context is None:
                await asyncio.sleep(_RETRY_S)
        return self._context

    async def run(self) -> None:
        """Follows the Secret, and renews what ends soon while this replica leads. Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self._attempt()

    async def _attempt(self) -> None:
        try:
            await self._look()
        except (errors.KubeError, CertificateFault) as fault:
            _log.error(
                "the Secret %s/%s with the control stream's certificate cannot be used: %s. %s",
                self._namespace,
                self._secret,
                fault,
                "What was read before stays in use." if self._keys else "No proxy can connect until it can.",
            )

    async def _look(self) -> None:
        try:
            found = await self._api.get(resources.SECRETS, name=self._secret, namespace=self._namespace)
        except errors.NotFound:
            await self._create()
            return
        try:
            keys = _keys(found.get("data") or {})
            certificates.check(authority=keys.authority, leaf=keys.leaf, now=self._clock.wall())
        except CertificateFault as fault:
            raise CertificateFault(f"{fault}; delete the Secret, and the operator makes a new one") from fault
        if self._is_leader() and certificates.leaf_is_due(keys.leaf, names=self._names, now=self._clock.wall()):
            keys = await self._renew(found, keys)
        self._use(keys)

    async def _create(self) -> None:
        now = self._clock.wall()
        keys = self._keys
        if keys is None:
            authority = certificates.make_authority(name=f"pilothouse {self._namespace}/{self._secret}", now=now)
            leaf = certificates.make_leaf(authority=authority, names=self._names, now=now)
            keys = Keys(authority=authority, leaf=leaf, peer=Secret(secrets.token_urlsafe(32)))
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._secret, "namespace": self._namespace},
            "type": "Opaque",
            "data": _encoded(keys),
        }
        try:
            await self._api.create(resources.SECRETS, namespace=self._namespace, body=body)
        except errors.AlreadyExists:
            return  # another replica was faster: the next look finds its keys
        _log.info("made the control stream's certificate, in the Secret %s/%s", self._namespace, self._secret)
        self._use(keys)

    async def _renew(self, found: Mapping[str, Any], keys: Keys) -> Keys:
        leaf = certificates.make_leaf(authority=keys.authority, names=self._names, now=self._clock.wall())
        renewed = Keys(authority=keys.authority, leaf=leaf, peer=keys.peer)
        try:
            await self._api.replace(
                resources.SECRETS,
                name=self._secret,
                namespace=self._namespace,
                body={**found, "data": {**found["data"], **_encoded(renewed)}},
            )
        except errors.Conflict:
            return keys  # somebody else has written it just now: the next look sees what
        _log.info("renewed the control stream's certificate")
        return renewed

    def _use(self, keys: Keys) -> None:
        if self._context is None:
            self._context = certificates.server_context(keys.leaf)
        elif self._keys is None or keys.leaf != self._keys.leaf:
            certificates.serve(self._context, keys.leaf)
        self._keys = keys


def _encoded(keys: Keys) -> dict[str, str]:
    plain = {
        "ca.crt": keys.authority.certificate,
        "ca.key": keys.authority.key.reveal(),
        "tls.crt": keys.leaf.certificate,
        "tls.key": keys.leaf.key.reveal(),
        "peer.key": keys.peer.reveal(),
    }
    return {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}


def _keys(encoded: Mapping[str, str]) -> Keys:
    def value(name: str) -> str:
        try:
            found = base64.b64decode(encoded[name], validate=True).decode()
        except KeyError:
            raise CertificateFault(f"it has no key {name!r}") from None
        except (binascii.Error, UnicodeDecodeError):
            raise CertificateFault(f"its key {name!r} is not text") from None
        if not found:
            raise CertificateFault(f"its key {name!r} is empty")
        return found

    return Keys(
        authority=KeyPair(certificate=value("ca.crt"), key=Secret(value("ca.key"))),
        leaf=KeyPair(certificate=value("tls.crt"), key=Secret(value("tls.key"))),
        peer=Secret(value("peer.key")),
    )

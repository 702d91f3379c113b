"""The release's key material in one Secret that the operator owns: made by whoever is first, shared by all replicas."""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse_api.secret import Secret
from pilothouse_operator.distribution import certificates, keys, succession
from pilothouse_operator.distribution.certificates import Authority, CertificateFault, KeyPair
from pilothouse_operator.distribution.issued import IssuedSecret
from pilothouse_operator.distribution.keys import Keys
from pilothouse_operator.distribution.succession import Phase, Situation, Step
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Clock

_log = logging.getLogger(__name__)

ROTATE = "pilothouse.dev/rotate"
"""Annotation of the Secret: `ca` asks for another authority. It is taken off once that is announced."""
_LOOK_S = 60.0
"""A new leaf is made thirty days before the old one ends: that another replica shows it a minute late is no harm."""
_RETRY_S = 2.0
_STEPS = 4
"""At most so many in a row: with a leaf that has ended, a new authority is announced and shown at once."""
_SAID = {
    Step.RENEW: "the control stream's certificate has been renewed",
    Step.ANNOUNCE: "another authority for the control stream is announced: proxies get to trust it beside the present",
    Step.WITHDRAW: "the authority that was announced for the control stream is not wanted any more",
    Step.CONFIRM: "every namespace with proxies has the trust in both authorities of the control stream",
    Step.SWITCH: "the control stream shows a certificate of its new authority from now on",
    Step.DOUBT: "the control stream's new authority is not trusted everywhere any more: the wait begins anew",
    Step.RETIRE: "the control stream's former authority is trusted no more",
}


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
        metrics: Metrics,
        is_leader: Callable[[], bool],
        issued: IssuedSecret | None = None,
    ) -> None:
        """`names` are the DNS names and addresses by which proxies and peers reach this release.

        `issued` is where somebody else keeps a certificate for it; without one the operator is its own authority.
        """
        self._api = api
        self._namespace = namespace
        self._secret = secret
        self._names = names
        self._clock = clock
        self._metrics = metrics
        self._is_leader = is_leader
        self._issued = issued
        self._keys: Keys | None = None
        self._context: ssl.SSLContext | None = None
        self._spread: str | None = None
        self._lacking: tuple[str, ...] = ()
        self._request = ""

    @property
    def keys(self) -> Keys | None:
        """None until the Secret was read or made."""
        return self._keys

    @property
    def peer_key(self) -> Secret | None:
        """What a peer must show."""
        return self._keys.peer if self._keys else None

    def spread(self, trust: str, *, lacking: tuple[str, ...]) -> None:
        """Hears that this trust is wherever proxies are; `lacking` names the places where it is not."""
        self._spread = None if lacking else trust
        waits = self._keys is not None and self._keys.successor is not None
        if waits and lacking and lacking != self._lacking:
            _log.warning(
                "the control stream's new authority waits: its certificate could not be brought to %s",
                ", ".join(lacking),
            )
        self._lacking = lacking if waits else ()

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
            present = keys.decode(found.get("data") or {})
            if self._is_leader():
                present = await self._advance(found, present)
            else:
                self._spread, self._lacking = None, ()  # whoever leads may publish something else
            now = self._clock.wall()
            certificates.check(trust=present.authority.certificate, leaf=present.leaf, now=now)
        except CertificateFault as fault:
            raise CertificateFault(f"{fault}; delete the Secret, and the operator makes a new one") from fault
        self._use(present)

    async def _create(self) -> None:
        """A Secret that was there is made again with what was in it, for proxies trust that.

        But as somebody seems to want to be rid of it, another authority is announced.
        """
        made = self._keys
        if made is None:
            made = await self._first()
        elif self._issued is None and succession.phase(made) is Phase.STEADY:
            made = self._taken(Step.ANNOUNCE, made, self._situation(found={}, issued=None, present=made))
        if made is None:
            return
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._secret, "namespace": self._namespace},
            "type": "Opaque",
            "data": keys.encode(made),
        }
        try:
            await self._api.create(resources.SECRETS, namespace=self._namespace, body=body)
        except errors.AlreadyExists:
            return  # another replica was faster: the next look finds its keys
        _log.info("made the control stream's certificate, in the Secret %s/%s", self._namespace, self._secret)
        self._use(made)

    async def _first(self) -> Keys | None:
        peer = Secret(secrets.token_urlsafe(32))
        if self._issued is None:
            authority = self._new_authority()
            return Keys(authority=authority, leaf=self._new_leaf(authority), peer=peer)
        issued = await self._issued.read()
        if issued is None:
            return None
        return Keys(authority=Authority(certificate=issued.authority), leaf=issued.leaf, peer=peer)

    async def _advance(self, found: Mapping[str, Any], present: Keys) -> Keys:
        """Writes one step after the other, each of them to the Secret before anything follows from it."""
        self._answer(_request(found))
        issued = await self._issued.read() if self._issued else None
        for _ in range(_STEPS):
            at = self._situation(found=found, issued=issued, present=present)
            step = succession.decide(present, at)
            if step is Step.NONE:
                break
            after = self._taken(step, present, at)
            body = {**found, "data": {**found["data"], **keys.encode(after)}}
            if step is Step.ANNOUNCE:
                body["metadata"] = _without_request(found["metadata"])
            try:
                found = await self._api.replace(
                    resources.SECRETS, name=self._secret, namespace=self._namespace, body=body
                )
            except errors.Conflict:
                break  # somebody else has written it just now: the next look sees what
            _log.info("%s", _SAID[step])
            self._metrics.certificate_steps.labels(step).inc()
            present = after
        return present

    def _answer(self, request: str) -> None:
        """Tells once why a request is not heeded."""
        if request and request != self._request and (request != "ca" or self._issued is not None):
            _log.warning(
                "the annotation %s=%s of the Secret %s/%s is not heeded: %s",
                ROTATE,
                request,
                self._namespace,
                self._secret,
                "another issues the certificate, and is to be asked" if self._issued else "it may be `ca` alone",
            )
        self._request = request

    def _situation(self, *, found: Mapping[str, Any], issued: succession.Issued | None, present: Keys) -> Situation:
        return Situation(
            names=self._names,
            now=self._clock.wall(),
            published=self._spread == present.trust,
            lacking=bool(self._lacking),
            foreign=self._issued is not None,
            issued=issued,
            asked=_request(found) == "ca",
        )

    def _taken(self, step: Step, present: Keys, at: Situation) -> Keys:
        return succession.take(step, present, at, authority=self._new_authority, leaf=self._new_leaf)

    def _new_authority(self) -> Authority:
        return certificates.make_authority(name=f"pilothouse {self._namespace}/{self._secret}", now=self._clock.wall())

    def _new_leaf(self, authority: Authority) -> KeyPair:
        return certificates.make_leaf(authority=authority, names=self._names, now=self._clock.wall())

    def _use(self, present: Keys) -> None:
        if self._context is None:
            self._context = certificates.server_context(present.leaf)
        elif self._keys is None or present.leaf != self._keys.leaf:
            certificates.serve(self._context, present.leaf)
        self._keys = present
        ends = self._metrics.certificate_ends
        ends.labels("leaf").set(certificates.ends(present.leaf.certificate))
        ends.labels("authority").set(certificates.ends(present.authority.certificate))
        for phase in Phase:
            self._metrics.certificate_succession.labels(phase).set(phase is succession.phase(present))


def _request(found: Mapping[str, Any]) -> str:
    annotations: Mapping[str, str] = (found.get("metadata") or {}).get("annotations") or {}
    return annotations.get(ROTATE, "")


def _without_request(metadata: Mapping[str, Any]) -> dict[str, Any]:
    annotations = metadata.get("annotations") or {}
    return {**metadata, "annotations": {name: text for name, text in annotations.items() if name != ROTATE}}

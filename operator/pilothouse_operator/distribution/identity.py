"""Who is at the other end of a control stream: from its token, and from nothing that it says itself.

TokenReview: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
Pod-bound tokens: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse_api.names import CONTROL_AUDIENCE, GATEWAY_SCOPE, sidecar_scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.stream import Subject
from pilothouse_operator.ports import Clock, ProxyIdentity

_log = logging.getLogger(__name__)

_ACCEPTED_S = 60.0
_REFUSED_S = 5.0
_CACHED = 10_000
_REVIEWS_AT_ONCE = 32
_TOKEN_CHARS = 16_384
_USER_PREFIX = "system:serviceaccount:"
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"

Review = Callable[[Secret, str], Awaitable[Mapping[str, Any]]]
"""(token, audience) → the `status` of a TokenReview. Raises ConnectionError while the API server cannot tell."""


@dataclass(frozen=True, slots=True, order=True)
class ServiceAccount:
    """Names one."""

    namespace: str
    name: str


class _Claims(msgspec.Struct):
    """What we read of a token before anybody has checked it: enough to spare the API server the hopeless ones."""

    aud: str | list[str] = ""
    exp: float = 0.0


class RunToken:
    """One random token for one proxy, made by the process that starts it."""

    def __init__(self, *, token: Secret, identity: ProxyIdentity) -> None:
        self._token = token
        self._identity = identity

    async def verify(self, token: str) -> ProxyIdentity | None:
        """Compares in constant time."""
        same = hmac.compare_digest(token.encode(), self._token.reveal().encode())
        return self._identity if same else None


class TokenReviewVerifier:
    """Asks the API server, and remembers for a minute what it said (a refusal for five seconds).

    Whether a token has ended is the API server's to say: the clock here may be wrong.
    The scope is the gateways' for the ServiceAccounts in `gateways`, else that of the pod's namespace.
    """

    def __init__(self, *, review: Review, gateways: frozenset[ServiceAccount], clock: Clock) -> None:
        self._review = review
        self._gateways = gateways
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[ProxyIdentity | None, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[ProxyIdentity | None]] = {}
        self._turn = asyncio.Semaphore(_REVIEWS_AT_ONCE)
        self._skewed = False

    async def verify(self, token: str) -> ProxyIdentity | None:
        """None for a token that is not ours, not bound to a pod, or no longer good."""
        claims = _claims(token)
        if claims is None:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        asking = self._asking.get(digest)
        if asking is None:
            asking = self._asking[digest] = asyncio.create_task(self._ask(digest, Secret(token), claims.exp))
            asking.add_done_callback(lambda task: self._answered(digest, task))
        # A caller that hangs up must not take the answer away from others who wait for it.
        return await asyncio.shield(asking)

    def _answered(self, digest: bytes, task: asyncio.Task[ProxyIdentity | None]) -> None:
        del self._asking[digest]
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; if nobody does, it is not worth a warning

    async def _ask(self, digest: bytes, token: Secret, expires: float) -> ProxyIdentity | None:
        async with self._turn:
            status = await self._review(token, CONTROL_AUDIENCE)
        identity = self._identity(status, expires)
        left = expires - self._clock.wall()
        if identity is not None and left <= 0 and not self._skewed:
            self._skewed = True
            _log.warning(
                "the API server takes a token that ended %d s ago by the clock here: is the clock of this node fast?",
                -left,
            )
        keep_s = _REFUSED_S if identity is None else max(_REFUSED_S, min(_ACCEPTED_S, left))
        self._known[digest] = (identity, self._clock.monotonic() + keep_s)
        self._known.move_to_end(digest)
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return identity

    def _identity(self, status: Mapping[str, Any], expires: float) -> ProxyIdentity | None:
        if status.get("authenticated") is not True or CONTROL_AUDIENCE not in (status.get("audiences") or ()):
            return None
        user = status.get("user") or {}
        namespace, _, name = str(user.get("username", "")).removeprefix(_USER_PREFIX).partition(":")
        extra = user.get("extra") or {}
        pod, uid = _only(extra.get(_POD_NAME)), _only(extra.get(_POD_UID))
        if not str(user.get("username", "")).startswith(_USER_PREFIX) or not name:
            return None
        if not pod or not uid:
            _log.warning("refused a control token of %s/%s that is not bound to a pod", namespace, name)
            return None
        gateway = ServiceAccount(namespace, name) in self._gateways
        return ProxyIdentity(
            scope=GATEWAY_SCOPE if gateway else sidecar_scope(namespace),
            subject=Subject(namespace=namespace, service_account=name),
            pod=pod,
            pod_uid=uid,
            expires=expires,
        )


def _claims(token: str) -> _Claims | None:
    """None for what no API server would accept as a token of the control audience."""
    parts = token.split(".")
    if len(token) > _TOKEN_CHARS or len(parts) != 3 or not token.isascii():
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(payload, type=_Claims)
    except (binascii.Error, msgspec.MsgspecError):
        return None
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    return claims if CONTROL_AUDIENCE in audiences and math.isfinite(claims.exp) else None


def _only(values: Sequence[str] | None) -> str:
    return values[0] if values and len(values) == 1 else ""

"""Who may call a shared gateway, as the cluster says: API keys in labelled Secrets, and the cluster's token signers."""

import asyncio
import base64
import binascii
import logging
import random
from collections.abc import Mapping
from typing import Any

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import CALLER_AUDIENCE
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.identity import Identity, Issuer
from pilothouse_operator.kube import follow, resources
from pilothouse_operator.kube.errors import KubeError, Unavailable
from pilothouse_operator.kube.requests import Api, Listing
from pilothouse_operator.kube.stream import EventType
from pilothouse_operator.ports import Changed
from pilothouse_operator.sources import api_keys
from pilothouse_operator.sources.ledger import Item, Ledger, Move, Sight
from pilothouse_operator.sources.watch import WatchScope

_log = logging.getLogger(__name__)

_REFRESH_S = 600.0
_RETRY_S = 5.0
_AT_MOST_EACH_S = 30.0
# RFC 7517 and 7518: what a public key consists of. Anything else is not passed on.
_PUBLIC = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")


class ClusterCallers:
    """Keeps both current. Without the right to see API keys, or signers, there are none, and `problems` says so."""

    def __init__(self, *, api: Api, scope: WatchScope, rng: random.Random) -> None:
        self._api = api
        self._rng = rng
        self._ledgers = {name: Ledger(read=_key_secret, same=_equal) for name in scope.namespaces or ("",)}
        self._answered: set[str] = set()
        self._refused: dict[str, Problem] = {}
        self._issuers: tuple[Issuer, ...] | None = None
        self._identity: Identity | None = None
        self._problems: tuple[Problem, ...] = ()
        self._wanted = asyncio.Event()
        self._changed: Changed | None = None

    @property
    def identity(self) -> Identity | None:
        """None until API keys and signers were read once, or refused."""
        return self._identity

    @property
    def problems(self) -> tuple[Problem, ...]:
        """API key Secrets that cannot be used, and rights that are missing."""
        return self._problems

    def refresh(self) -> None:
        """Asks for the signers' keys again soon, since a token named one that is not known; at most each 30 s."""
        self._wanted.set()

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        self._changed = changed
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_signers())
            for namespace in self._ledgers:
                group.create_task(self._follow_keys(namespace))

    async def _follow_keys(self, namespace: str) -> None:
        labels = f"{api_keys.TYPE_LABEL}={api_keys.TYPE_API_KEY}"
        following = follow.Following(kind=resources.SECRETS, namespace=namespace or None, labels=labels)
        ledger = self._ledgers[namespace]
        async for news in follow.follow(self._api, following, self._rng):
            if isinstance(news, KubeError):
                if not isinstance(news, Unavailable):
                    self._refuse(f"keys {namespace}", f"API keys of callers cannot be read: {news}")
                    self._answered.add(namespace)
                    self._identify()
                continue
            if isinstance(news, Listing):
                move = ledger.take(news.items, int(news.version))
            else:
                move = ledger.see(news.object, Sight.ABSENT if news.type is EventType.DELETED else Sight.PRESENT)
            healed = self._refused.pop(f"keys {namespace}", None) is not None
            if healed or move is Move.CONTENT or namespace not in self._answered:
                self._answered.add(namespace)
                self._identify()

    async def _follow_signers(self) -> None:
        while True:
            self._wanted.clear()
            pause = _REFRESH_S
            try:
                self._issuers = (await self._read_signers(),)
                self._refused.pop("signers", None)
            except Unavailable as error:
                _log.info("keys that sign ServiceAccount tokens: %s", error)
                pause = _RETRY_S
            except KubeError as error:
                self._refuse("signers", f"ServiceAccount tokens cannot be verified, no signing keys: {error}")
                self._issuers = self._issuers or ()
                pause = _AT_MOST_EACH_S
            self._identify()
            await asyncio.sleep(min(pause, _AT_MOST_EACH_S) * self._rng.uniform(0.8, 1.2))
            try:
                async with asyncio.timeout(max(0.0, pause - _AT_MOST_EACH_S)):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _read_signers(self) -> Issuer:
        """https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery"""
        configuration = await self._api.raw("/.well-known/openid-configuration")
        found = await self._api.raw("/openid/v1/jwks")
        keys = [_public(key) for key in found.get("keys") or () if isinstance(key, dict)]
        keys.sort(key=lambda key: str(key.get("kid", "")))
        return Issuer(issuer=str(configuration.get("issuer", "")), audience=CALLER_AUDIENCE, keys=tuple(keys))

    def _refuse(self, what: str, message: str) -> None:
        if what not in self._refused:
            _log.warning("%s", message)
        self._refused[what] = Problem(reason=Reason.SECRET_FORBIDDEN, message=message)

    def _identify(self) -> None:
        if self._issuers is None or len(self._answered) < len(self._ledgers):
            return
        found = api_keys.holders(secret for ledger in self._ledgers.values() for secret in ledger.values().values())
        identity = Identity(issuers=self._issuers, api_keys=dict(found.keys))
        problems = (*self._refused.values(), *found.problems)
        for problem in found.problems:
            if problem not in self._problems:
                _log.warning("%s", problem.message)
        if (identity, problems) != (self._identity, self._problems):
            self._identity, self._problems = identity, problems
            if self._changed is not None:
                self._changed()


def _public(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: key[name] for name in _PUBLIC if name in key}


def _key_secret(item: Item) -> api_keys.KeySecret:
    """Only the one value that counts is kept."""
    metadata, content = item["metadata"], item.get("data") or {}
    values: dict[str, Secret | None] = {}
    if api_keys.KEY in content:
        try:
            values[api_keys.KEY] = Secret(base64.b64decode(content[api_keys.KEY]).decode())
        except (binascii.Error, UnicodeDecodeError):
            values[api_keys.KEY] = None
    labels = metadata.get("labels") or {}
    return api_keys.KeySecret(namespace=metadata["namespace"], name=metadata["name"], labels=labels, values=values)


def _equal(before: api_keys.KeySecret, after: api_keys.KeySecret) -> bool:
    return before == after

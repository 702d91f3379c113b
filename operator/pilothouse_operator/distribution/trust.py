"""The authorities that proxies trust: the ConfigMap `pilothouse-ca` in their namespaces, kept by the leader."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pilothouse_api.names import GATEWAY_SCOPE
from pilothouse_operator.distribution.hub import Hub
from pilothouse_operator.distribution.keyring import Keyring
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api, Force
from pilothouse_operator.ports import Clock

_log = logging.getLogger(__name__)

CONFIG_MAP = "pilothouse-ca"
_INJECTED = "pilothouse.dev/injected=true"
_LOOK_S = 5.0
_WAIT_S = 0.5
_AGAIN_S = 300.0
"""So often it is written anew, in case somebody has changed or deleted it."""
_YIELD_S = 20.0


class Trust:
    """Writes it to the release's namespace and to those with sidecars, whether these are connected yet or not."""

    def __init__(
        self,
        *,
        api: Api,
        keyring: Keyring,
        hub: Hub,
        namespace: str,
        field_manager: str,
        clock: Clock,
        is_leader: Callable[[], bool],
        rival: Callable[[frozenset[str]], Awaitable[str | None]],
    ) -> None:
        """`rival` tells which of some field managers is another release that lives: that of a dead one is ours."""
        self._api = api
        self._keyring = keyring
        self._hub = hub
        self._namespace = namespace
        self._field_manager = field_manager
        self._clock = clock
        self._is_leader = is_leader
        self._rival = rival
        self._written: dict[str, tuple[str, float]] = {}
        self._yielded: dict[str, float] = {}
        self._blind = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            ready = self._is_leader() and self._keyring.keys is not None
            if ready:
                await self.round()
            else:
                # Whoever leads meanwhile may write something else.
                self._written.clear()
            await asyncio.sleep(_LOOK_S if ready else _WAIT_S)

    async def round(self) -> None:
        """Looks once where it is needed, writes what is not there yet, and tells the keyring where it could not."""
        keys = self._keyring.keys
        if keys is not None:
            trust = keys.trust
            places = {namespace: await self._keep(namespace, trust) for namespace in sorted(await self._namespaces())}
            lacking = [f"the namespace {namespace}" for namespace, kept in places.items() if not kept]
            if self._blind:
                lacking.append("namespaces with sidecars, which cannot be listed")
            self._keyring.spread(trust, lacking=tuple(lacking))

    async def _namespaces(self) -> set[str]:
        connected = {
            scope.partition("/")[2]
            for scope, streams in self._hub.connected().items()
            if streams and scope != GATEWAY_SCOPE
        }
        return {self._namespace} | connected | await self._with_sidecars()

    async def _with_sidecars(self) -> set[str]:
        try:
            pods = await self._api.list(resources.PODS, labels=_INJECTED)
        except errors.KubeError as fault:
            if not self._blind:
                _log.warning(
                    "pods with sidecars cannot be listed, so their namespaces may lack %s: %s", CONFIG_MAP, fault
                )
            self._blind = True
            return set()
        self._blind = False
        return {str(pod["metadata"]["namespace"]) for pod in pods.items}

    async def _keep(self, namespace: str, trust: str) -> bool:
        """Whether it is there now, or is for another release to write."""
        now = self._clock.monotonic()
        known = self._written.get(namespace)
        if known is not None and known[0] == trust and now - known[1] < _AGAIN_S:
            return True
        if now - self._yielded.get(namespace, -_YIELD_S) < _YIELD_S:
            return True
        try:
            rival = await self._write(namespace, trust)
        except errors.KubeError as fault:
            _log.info("the ConfigMap %s/%s could not be written: %s", namespace, CONFIG_MAP, fault)
            return False
        if rival is not None:
            self._yield_to(rival, namespace, now)
            return True
        self._yielded.pop(namespace, None)
        self._written[namespace] = (trust, now)
        return True

    async def _write(self, namespace: str, trust: str) -> str | None:
        """The living release whose it is, and to which it was left."""
        try:
            await self._apply(namespace, trust, Force.NO)
        except errors.Conflict as conflict:
            rival = await self._rival(conflict.managers)
            if rival is None:
                await self._apply(namespace, trust, Force.YES)
            return rival
        return None

    def _yield_to(self, rival: str, namespace: str, now: float) -> None:
        if namespace not in self._yielded:
            _log.warning(
                "the ConfigMap %s/%s belongs to another release that is alive (%s); proxies there trust that one only",
                namespace,
                CONFIG_MAP,
                rival,
            )
        self._yielded[namespace] = now

    async def _apply(self, namespace: str, trust: str, force: Force) -> None:
        await self._api.apply(
            resources.CONFIG_MAPS,
            name=CONFIG_MAP,
            namespace=namespace,
            body={
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": CONFIG_MAP, "namespace": namespace},
                "data": {"ca.crt": trust},
            },
            field_manager=self._field_manager,
            force=force,
        )

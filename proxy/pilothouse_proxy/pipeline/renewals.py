"""Credentials that providers refuse although they were renewed: what signs in now, and who waits for another.

Here nothing is sent: the configuration's room tells the operator what `untold` has, and brings what `arrived` takes.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from pilothouse_api.names import ProviderKey
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.ports import SignIn

WAIT_S = 2.0
"""How long after its first refusal a credential is waited for to be replaced; then requests go on without."""

logger = logging.getLogger(__name__)


class Wait:
    """One request's. `then` is called once, from the loop, unless it is cancelled before."""

    def __init__(self, waits: "set[Wait]", then: Callable[[], None], seconds: float) -> None:
        self._waits = waits
        self._then = then
        self._handle: asyncio.Handle = asyncio.get_running_loop().call_later(seconds, self._end)
        waits.add(self)

    def cancel(self) -> None:
        self._handle.cancel()
        self._waits.discard(self)

    def end(self) -> None:
        """Before its time."""
        self._handle.cancel()
        self._handle = asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._waits.discard(self)
        self._then()


class _Refused:
    """A sign-in that its provider has refused, until there is another."""

    def __init__(self, sign_in: SignIn, until: float) -> None:
        self.sign_in = sign_in
        self.until = until
        self.told = False
        self.waits: set[Wait] = set()


class Renewals:
    """One a proxy. Times in monotonic seconds."""

    def __init__(self, metrics: Metrics) -> None:
        self.sign_ins: Mapping[ProviderKey, SignIn] = {}
        """Those of the configuration that runs."""
        self._metrics = metrics
        self._refused: dict[ProviderKey, _Refused] = {}
        self._news = asyncio.Event()

    def another(self, refused: SignIn) -> bool:
        """Whether its provider is signed in to with another credential by now."""
        current = self.sign_ins.get(refused.provider)
        return current is not None and current.credential != refused.credential

    def wait(self, refused: SignIn, then: Callable[[], None], *, now: float, deadline: float) -> Wait | None:
        """Ask for another, once for all requests that are refused, and call `then` when it is there or the time is up.

        None: there is nothing to wait for, because the provider is gone, or because others have waited in vain.
        """
        if self.sign_ins.get(refused.provider) is None:
            return None
        found = self._refused.get(refused.provider)
        if found is None:
            found = self._refused[refused.provider] = _Refused(refused, now + WAIT_S)
            self._metrics.credential_refusals.series(refused.provider).value += 1
            logger.warning(
                'provider "%s" refuses the credential that was renewed last; the operator is asked for another',
                refused.provider,
            )
            self._news.set()
        seconds = min(found.until, deadline) - now
        return Wait(found.waits, then, seconds) if seconds > 0 else None

    def arrived(self, sign_ins: Mapping[ProviderKey, SignIn]) -> None:
        """These count from now on; who waits for a credential that is among them goes on with it."""
        self.sign_ins = sign_ins
        for provider, refused in list(self._refused.items()):
            if provider not in sign_ins or self.another(refused.sign_in):
                del self._refused[provider]
                for wait in refused.waits:
                    wait.end()

    async def untold(self) -> SignIn:
        """The next that the operator must hear of; the same one again until it is `told`."""
        while True:
            for refused in self._refused.values():
                if not refused.told:
                    return refused.sign_in
            self._news.clear()
            await self._news.wait()

    def told(self, sign_in: SignIn) -> None:
        """The operator knows."""
        refused = self._refused.get(sign_in.provider)
        if refused is not None and refused.sign_in is sign_in:
            refused.told = True

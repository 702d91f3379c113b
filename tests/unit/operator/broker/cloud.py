"""A cloud that issues credentials on demand, and a broker that runs against it in virtual time."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pilothouse_api.conditions import Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import BearerToken
from pilothouse_operator.broker.broker import SessionBroker
from pilothouse_operator.compile.identities import AWSIdentity, AWSSession
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Application, Fault, Issued
from tests import virtual

HOUR = 3_600.0
PROVIDER = ProviderKey("ns/provider")

DOWN = Fault("STS does not answer", reason=Reason.SIGN_IN_UNAVAILABLE, passing=True)
DENIED = Fault("the role does not trust us", reason=Reason.SIGN_IN_REFUSED, passing=False, field="roles[0].roleArn")
BUSY = Fault("STS asks to slow down", reason=Reason.SIGN_IN_UNAVAILABLE, passing=True, throttled=True)


def application(secret: str | None = "key", region: str = "eu-central-1", **changed: Any) -> Application:
    """Without a secret, the operator's own identity signs in."""
    grant = replace(AWSSession(identity=AWSIdentity(region=region)), **changed)
    return Application(grant=grant, values={} if secret is None else {"secretAccessKey": Secret(secret)})


class Cloud:
    """Issues what lives `life_s`; does whatever `behaviour` does first: raises, or takes its time."""

    def __init__(self) -> None:
        self.life_s = HOUR
        self.note = ""
        self.behaviour: Callable[[float], Fault | None] = lambda now: None
        self.hangs: Callable[[float], bool] = lambda now: False
        self.asked: list[float] = []
        self.issued = 0
        self.same: BearerToken | None = None
        self._at_once: Counter[str] = Counter()

    async def issue(self, application: Application) -> Issued:
        who = repr(application.grant)
        self._at_once[who] += 1
        try:
            return await self._issue()
        finally:
            self._at_once[who] -= 1

    @property
    def under_way(self) -> int:
        return self._at_once.total()

    async def _issue(self) -> Issued:
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        if self.hangs(now):
            await asyncio.Event().wait()
        fault = self.behaviour(now)
        if fault is not None:
            raise fault
        await asyncio.sleep(0.1)
        self.issued += 1
        ends = virtual.WALL + now + self.life_s
        token = self.same or BearerToken(token=Secret(f"token {self.issued}"), expires_at=int(ends))
        return Issued(credential=token, expires_at=ends, note=self.note)


class Rig:
    """A broker over that cloud, and what it has told."""

    def __init__(self, *, seed: int = 1) -> None:
        self.cloud = Cloud()
        self.clock = virtual.VirtualClock()
        self.metrics = Metrics()
        self.broker = SessionBroker(
            services={AWSSession: self.cloud}, clock=self.clock, rng=random.Random(seed), metrics=self.metrics
        )
        self.changes: list[float] = []
        self.renewals: list[tuple[float, ProviderKey]] = []

    def want(self, *applications: Application) -> None:
        """The first is PROVIDER's; the others have numbers."""
        keys = [PROVIDER, *(ProviderKey(f"ns/provider-{number}") for number in range(1, len(applications)))]
        self.broker.want(dict(zip(keys, applications, strict=True)))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(
            self.broker.run(
                lambda: self.changes.append(loop.time()),
                lambda provider: self.renewals.append((loop.time(), provider)),
            )
        )
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not self.cloud.under_way

    @property
    def token(self) -> str | None:
        """What PROVIDER has."""
        issued = self.broker.read(PROVIDER).issued
        if issued is None:
            return None
        assert isinstance(issued.credential, BearerToken)
        return issued.credential.token.reveal()

    @property
    def fingerprint(self) -> str:
        """Of that."""
        issued = self.broker.read(PROVIDER).issued
        assert issued is not None
        return canonical.fingerprint(issued.credential)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"pilothouse_operator_{name}", labels)


async def until(at: float) -> None:
    """Sleeps to a moment of the loop's clock."""
    await asyncio.sleep(at - asyncio.get_running_loop().time())

"""Thousands of credentials that were all issued in the same minute: `python -m tests.load.broker`.

The broker as it is, in virtual time, over a simulated STS: sessions of an hour, answers after 80 to 300 ms, and calls
above a number a second are throttled. Three scenarios differ in that number; the first minute is generous in all of
them, so that everything is issued together. The last line is JSON, of the scarcest.
"""

import asyncio
import json
import logging
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from pilothouse_api.conditions import Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey
from pilothouse_operator.broker.broker import SessionBroker
from pilothouse_operator.compile.identities import AssumedRole, AWSIdentity, AWSSession
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Application, Fault, Issued
from tests import virtual

CREDENTIALS = 5_000
CYCLES = 3
LIFE_S = 3_600
GENEROUS_S = 60
GENEROUS = 600
ALLOWED = (GENEROUS, 10, 3)
"""Calls a second behind the first minute: as before; what others leave of it; hardly more than needed."""

_THROTTLED = Fault("Throttling: Rate exceeded", reason=Reason.SIGN_IN_UNAVAILABLE, passing=True, throttled=True)


@dataclass
class SimulatedSTS:
    """A token bucket of one second's calls."""

    allowed: int
    rng: random.Random
    tokens: float = GENEROUS
    filled: float = 0.0
    calls: Counter[int] = field(default_factory=Counter)
    """By second."""
    throttled: int = 0
    issued: int = 0

    async def issue(self, application: Application) -> Issued:
        now = asyncio.get_running_loop().time()
        self.calls[int(now)] += 1
        allowed = GENEROUS if now < GENEROUS_S else self.allowed
        self.tokens = min(float(allowed), self.tokens + (now - self.filled) * allowed)
        self.filled = now
        if self.tokens < 1:
            self.throttled += 1
            await asyncio.sleep(self.rng.uniform(0.02, 0.05))
            raise _THROTTLED
        self.tokens -= 1
        await asyncio.sleep(self.rng.uniform(0.08, 0.3))
        self.issued += 1
        ends = virtual.WALL + now + LIFE_S
        key = AccessKey(
            access_key_id=f"ASIA{self.issued:016}",
            secret_access_key=Secret("secret"),
            session_token=Secret("token"),
            expires_at=int(ends),
        )
        return Issued(credential=key, expires_at=ends)


@dataclass
class Outcome:
    """Of one scenario; rates are of all calls, the throttled too, behind the first issue of the last credential."""

    allowed_per_s: int
    issues: int
    throttled: int
    expired: int
    first_issued_s: float
    peak_per_s: int
    mean_per_s: float
    cpu_s: float


def applications() -> dict[ProviderKey, Application]:
    """A role for each provider, assumed with the operator's own identity: one lane."""
    made = {}
    for number in range(CREDENTIALS):
        role = AssumedRole(role_arn=f"arn:aws:iam::123456789012:role/provider-{number}")
        grant = AWSSession(identity=AWSIdentity(region="eu-central-1", roles=(role,)), duration_s=LIFE_S)
        made[ProviderKey(f"team/provider-{number}")] = Application(grant=grant, values={})
    return made


class Watch:
    """What the broker tells: when all have their first credential, whether one ever ended, when all are through."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.all_issued = asyncio.Event()
        self.all_renewed = asyncio.Event()
        self.expired = 0
        self._renewals: Counter[ProviderKey] = Counter()
        self._through = 0

    def changed(self) -> None:
        """The first of each, and every end without a successor."""
        none = self.metrics.registry.get_sample_value("pilothouse_operator_credentials", {"state": "none"})
        if self.all_issued.is_set():
            self.expired += bool(none)
        elif not none:
            self.all_issued.set()

    def renewed(self, provider: ProviderKey) -> None:
        """Counts those that have been renewed often enough."""
        self._renewals[provider] += 1
        self._through += self._renewals[provider] == CYCLES
        if self._through == CREDENTIALS:
            self.all_renewed.set()


async def scenario(allowed: int) -> Outcome:
    """Until every credential has been renewed so many times."""
    began = time.process_time()
    loop = asyncio.get_running_loop()
    sts, watch = SimulatedSTS(allowed, random.Random(2)), Watch()
    broker = SessionBroker(
        services={AWSSession: sts}, clock=virtual.VirtualClock(), rng=random.Random(1), metrics=watch.metrics
    )
    broker.want(applications())
    running = asyncio.create_task(broker.run(watch.changed, watch.renewed))
    await watch.all_issued.wait()
    first_issued_s = loop.time()
    await watch.all_renewed.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    later = {second: calls for second, calls in sts.calls.items() if second > first_issued_s}
    return Outcome(
        allowed_per_s=allowed,
        issues=sts.issued,
        throttled=sts.throttled,
        expired=watch.expired,
        first_issued_s=first_issued_s,
        peak_per_s=max(later.values()),
        mean_per_s=round(sum(later.values()) / (loop.time() - first_issued_s), 2),
        cpu_s=time.process_time() - began,
    )


def main() -> None:
    """Runs and prints."""
    logging.disable(logging.WARNING)  # that the service asks to slow down is what the table counts
    print("allowed/s   issues  throttled  expired  first issued  peak/s  mean/s  CPU")
    for allowed in ALLOWED:
        outcome = virtual.run(scenario(allowed))
        print(
            f"{outcome.allowed_per_s:>9}  {outcome.issues:>7,}  {outcome.throttled:>9,}  {outcome.expired:>7}  "
            f"{outcome.first_issued_s:>10.0f} s  {outcome.peak_per_s:>6}  {outcome.mean_per_s:>6}  "
            f"{outcome.cpu_s:.1f} s",
            flush=True,
        )
        if outcome.expired:
            raise SystemExit(f"{outcome.expired} times a credential ended before another came")
    result = {
        "credentials": CREDENTIALS,
        "cycles": CYCLES,
        "issues": outcome.issues,
        "throttled": outcome.throttled,
        "expired": outcome.expired,
        "peak_per_s": outcome.peak_per_s,
        "mean_per_s": outcome.mean_per_s,
    }
    print(json.dumps(result))


main()

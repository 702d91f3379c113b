"""Accounts are listed at intervals, once for each provider; what was listed last stands whatever happens."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from pilothouse_api.conditions import Reason
from pilothouse_api.names import ProviderKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.discovered import FoundModel, Listed
from pilothouse_operator.compile.identities import Account, ModelServer
from pilothouse_operator.discovery.accounts import AccountDiscovery
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Fault, Inquiry, Surveyed
from tests import virtual

AWAY = Fault("it does not answer", reason=Reason.DISCOVERY_UNAVAILABLE, passing=True)
BUSY = Fault("slow down", reason=Reason.DISCOVERY_UNAVAILABLE, passing=True, throttled=True, retry_after_s=90.0)
FORBIDDEN = Fault("it needs a right", reason=Reason.DISCOVERY_REFUSED, passing=False)
P = ProviderKey("default/p")


def inquiry(url: str = "http://vllm", *, interval_s: int = 3_600, key: str = "") -> Inquiry:
    values = {"apiKey": Secret(key)} if key else {}
    return Inquiry(account=ModelServer(url=url), interval_s=interval_s, values=values)


class Server:
    """Has `names`; does whatever `behaviour` does first."""

    def __init__(self) -> None:
        self.names = ["one"]
        self.notes: tuple[str, ...] = ()
        self.behaviour: Callable[[float], Fault | None] = lambda now: None
        self.asked: list[float] = []
        self.keys: list[str] = []
        self._now = 0

    async def models(self, account: Account, values: Mapping[str, Secret]) -> Listed:
        assert self._now == 0, "asked twice at the same time"
        self.asked.append(asyncio.get_running_loop().time())
        self.keys.append(values["apiKey"].reveal() if values else "")
        self._now += 1
        try:
            await asyncio.sleep(0.05)
            if (fault := self.behaviour(self.asked[-1])) is not None:
                raise fault
        finally:
            self._now -= 1
        models = tuple(FoundModel(name=name, upstream=UpstreamModel(name)) for name in self.names)
        return Listed(models=models, notes=self.notes)


class Rig:
    def __init__(self) -> None:
        self.server = Server()
        self.metrics = Metrics()
        self.discovery = AccountDiscovery(
            listers={ModelServer: self.server},
            clock=virtual.VirtualClock(),
            rng=random.Random(1),
            metrics=self.metrics,
        )
        self.changes: list[float] = []
        self.moves: list[float] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        time = asyncio.get_running_loop().time
        running = self.discovery.run(lambda: self.changes.append(time()), lambda: self.moves.append(time()))
        task = asyncio.create_task(running)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def names(self) -> list[str] | None:
        models = self.discovery.read(P).models
        return None if models is None else [one.name for one in models]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"pilothouse_operator_{name}", labels)


async def until(at: float) -> None:
    await asyncio.sleep(at - asyncio.get_running_loop().time())


def test_what_nobody_wants_is_not_known() -> None:
    async def scenario() -> None:
        assert Rig().discovery.read(P) == Surveyed()

    virtual.run(scenario())


def test_it_is_listed_at_once_and_told_once() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry()})
            assert rig.discovery.read(P) == Surveyed()
            await until(1_000)
            assert rig.names == ["one"]
            assert rig.discovery.read(P).listed_at == virtual.WALL + 0.05
            assert rig.changes == [0.05]
        assert rig.metric("accounts", state="good") == 1

    virtual.run(scenario())


def test_it_is_listed_again_at_its_interval_give_or_take_a_tenth() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry(interval_s=3_600)})
            await until(100_000)
        pauses = [later - earlier for earlier, later in itertools.pairwise(rig.server.asked)]
        assert 1_800 <= pauses[0] <= 3_601
        assert all(3_240 <= pause <= 3_961 for pause in pauses[1:])
        assert len({round(pause) for pause in pauses}) > 10
        assert len(rig.changes) == 1
        assert len(rig.moves) == len(rig.server.asked) - 1

    virtual.run(scenario())


def test_another_note_is_told_of() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry(interval_s=60)})
            await until(10)
            rig.server.notes = ("no quotas",)
            await until(100)
            assert rig.discovery.read(P).notes == ("no quotas",)
            assert len(rig.changes) == 2

    virtual.run(scenario())


def test_a_new_model_is_told_of() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry(interval_s=60)})
            await until(10)
            rig.server.names.append("two")
            await until(100)
            assert rig.names == ["one", "two"]
            assert len(rig.changes) == 2

    virtual.run(scenario())


def test_while_it_is_away_the_last_list_stands_and_is_told_after_some_tries() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry(interval_s=60)})
            await until(10)
            rig.server.behaviour = lambda now: AWAY
            await until(2_000)
            read = rig.discovery.read(P)
            assert rig.names == ["one"]
            assert read.fault is not None and read.fault.message == AWAY.message
            assert rig.metric("accounts", state="stale") == 1
            tries = len(rig.server.asked)
            assert tries < 40, "it backs off"
            rig.server.behaviour = lambda now: None
            await until(3_000)
            assert rig.discovery.read(P).fault is None
            assert rig.metric("accounts", state="good") == 1

    virtual.run(scenario())


def test_who_asks_to_slow_down_is_left_alone_as_long_and_nobody_is_told() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry(interval_s=60)})
            await until(10)
            rig.server.behaviour = lambda now: BUSY if now < 200 else None
            await until(1_000)
            assert rig.discovery.read(P).fault is None
            assert rig.changes == [0.05]
            first = next(at for at in rig.server.asked if at > 10)
            again = next(at for at in rig.server.asked if at > first)
            assert again - first >= 90
        assert rig.metric("account_listings_total", service="modelServer", outcome="throttled")

    virtual.run(scenario())


def test_without_a_list_a_refusal_is_told_at_once_and_tried_rarely() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.server.behaviour = lambda now: FORBIDDEN
        async with rig.running():
            rig.discovery.want({P: inquiry()})
            await until(1)
            read = rig.discovery.read(P)
            assert (read.models, read.fault is not None and read.fault.reason) == (None, Reason.DISCOVERY_REFUSED)
            await until(600)
            assert len(rig.server.asked) <= 8

    virtual.run(scenario())


def test_other_values_are_tried_at_once_and_the_list_stays_meanwhile() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry(key="old")})
            await until(10)
            rig.discovery.want({P: inquiry(key="new")})
            assert rig.names == ["one"]
            await until(20)
        assert rig.server.keys == ["old", "new"]

    virtual.run(scenario())


def test_another_account_inherits_nothing() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry()})
            await until(10)
            rig.discovery.want({P: inquiry("http://other")})
            assert rig.names is None
            await until(20)
            assert rig.names == ["one"]
            rig.discovery.want({})
            assert rig.discovery.read(P) == Surveyed()
            await until(10_000)
        assert len(rig.server.asked) == 2

    virtual.run(scenario())


def test_a_shorter_interval_counts_from_now_on() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.discovery.want({P: inquiry(interval_s=86_400)})
            await until(10)
            rig.discovery.want({P: inquiry(interval_s=60)})
            await until(80)
        assert len(rig.server.asked) >= 2

    virtual.run(scenario())


def test_an_equal_wish_asks_nobody_again() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            for at in range(1, 100):
                rig.discovery.want({P: inquiry(key="same")})
                await until(at)
        assert len(rig.server.asked) == 1

    virtual.run(scenario())

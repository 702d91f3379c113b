import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import Address, VaultAddress, VaultIdentity
from pilothouse_operator.observe import Metrics
from pilothouse_operator.ports import Fault, Fetched, Stored, Wish
from pilothouse_operator.secretstores.poll import PolledSecrets
from tests import virtual

AWAY = Fault("Vault does not answer", reason=Reason.STORE_UNAVAILABLE, passing=True)
BUSY = Fault("slow down", reason=Reason.STORE_UNAVAILABLE, passing=True, throttled=True, retry_after_s=90.0)
MISSING = Fault("there is no secret/path", reason=Reason.SECRET_NOT_FOUND, passing=False)


def address(path: str = "path", server: str = "https://vault") -> VaultAddress:
    return VaultAddress(identity=VaultIdentity(role="r"), server=server, path=path)


def wish(path: str = "path", *, refresh_s: int = 300, token: str = "", server: str = "https://vault") -> Wish:
    sign_in = (("token", Secret(token)),) if token else ()
    return Wish(address=address(path, server), refresh_s=refresh_s, sign_in=sign_in)


class Vault:
    """Holds one value for all paths, and counts its versions; does whatever `behaviour` does first."""

    def __init__(self) -> None:
        self.value, self.version = "one", 1
        self.behaviour: Callable[[float], Fault | None] = lambda now: None
        self.asked: list[tuple[float, str]] = []
        self.known: list[str | None] = []
        self.hangs = ""
        self._now: Counter[Address] = Counter()

    def put(self, value: str) -> None:
        self.value, self.version = value, self.version + 1

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        assert isinstance(address, VaultAddress)
        now = asyncio.get_running_loop().time()
        self.asked.append((now, address.path))
        self.known.append(known)
        self._now[address] += 1
        assert sign_in or self._now[address] == 1
        try:
            if address.server == self.hangs:
                await asyncio.Event().wait()
            if (fault := self.behaviour(now)) is not None:
                raise fault
            await asyncio.sleep(0.05)
        finally:
            self._now[address] -= 1
        if known == str(self.version):
            return None
        return Fetched(value=Secret(self.value), version=str(self.version))


class Rig:
    """Polled secrets over that store."""

    def __init__(self) -> None:
        self.vault = Vault()
        self.metrics = Metrics()
        self.secrets = PolledSecrets(
            stores={VaultAddress: self.vault},
            clock=virtual.VirtualClock(),
            rng=random.Random(1),
            metrics=self.metrics,
        )
        self.changes: list[float] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(self.secrets.run(lambda: self.changes.append(loop.time())))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def want(self, *wishes: Wish) -> None:
        self.secrets.want(frozenset(wishes))

    def read(self, wished: Wish | None = None) -> Stored:
        wished = wished or wish()
        return self.secrets.read(wished.address, wished.sign_in)

    @property
    def value(self) -> str | None:
        found = self.read().value
        return found.reveal() if found is not None else None

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"pilothouse_operator_{name}", labels)


async def until(at: float) -> None:
    await asyncio.sleep(at - asyncio.get_running_loop().time())


def test_what_nobody_wishes_for_is_not_known() -> None:
    async def scenario() -> None:
        assert Rig().read() == Stored()

    virtual.run(scenario())


def test_it_is_read_at_once_and_told_once() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish())
            assert rig.read() == Stored()
            await until(1_000)
            assert rig.read() == Stored(value=Secret("one"))
            assert rig.changes == [0.05]

    virtual.run(scenario())


def test_it_is_read_again_at_its_interval_give_or_take_a_tenth() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish(refresh_s=300))
            await until(30_000)
        pauses = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(rig.vault.asked)]
        assert pauses[0] <= 301
        assert all(269 <= pause <= 331 for pause in pauses[1:])
        assert len({round(pause) for pause in pauses}) > 20

    virtual.run(scenario())


def test_the_version_that_is_known_is_shown_and_what_has_not_changed_is_kept() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish())
            await until(1_000)
            assert rig.vault.known[:3] == [None, "1", "1"]
            assert rig.metric("store_reads_total", store="vault", outcome="ok") == 1
            unchanged = rig.metric("store_reads_total", store="vault", outcome="unchanged")
            assert unchanged == len(rig.vault.asked) - 1

    virtual.run(scenario())


def test_a_rotation_is_live_within_its_interval() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish(refresh_s=60))
            await until(600)
            rig.vault.put("two")
            await until(670)
            assert rig.value == "two"
            assert len(rig.changes) == 2

    virtual.run(scenario())


def test_another_version_of_the_same_value_is_no_change() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish())
            await until(600)
            rig.vault.put("one")
            await until(1_200)
            assert rig.vault.known[-1] == "2"
            assert len(rig.changes) == 1

    virtual.run(scenario())


def test_of_wishes_that_differ_in_their_interval_alone_the_shortest_counts() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish(refresh_s=3_600), wish(refresh_s=60), wish(refresh_s=300))
            await until(3_600)
            assert 50 <= len(rig.vault.asked) <= 70

    virtual.run(scenario())


def test_a_shorter_interval_counts_at_once_and_a_longer_one_from_the_next_read_on() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish(refresh_s=36_000))
            await until(100_000)
            asked = len(rig.vault.asked)
            rig.want(wish(refresh_s=60))
            await until(100_061)
            assert len(rig.vault.asked) == asked + 1
            rig.want(wish(refresh_s=36_000))
            await until(105_000)
            assert len(rig.vault.asked) == asked + 2

    virtual.run(scenario())


def test_whoever_signs_in_as_another_gets_nothing_that_was_read_for_others() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish(token="good"))
            await until(10)
            rig.vault.behaviour = lambda now: MISSING
            rig.want(wish(token="good"), wish(token="bad"))
            assert rig.read(wish(token="bad")) == Stored()
            await until(20)
            assert rig.read(wish(token="bad")).value is None
            assert rig.read(wish(token="good")).value == Secret("one")

    virtual.run(scenario())


def test_what_is_wished_for_no_more_is_forgotten() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish())
            await until(10)
            rig.want()
            assert rig.read() == Stored()
            await until(10_000)
            assert len(rig.vault.asked) == 1
            assert rig.metric("stored_secrets", state="good") == 0

    virtual.run(scenario())


def test_an_outage_leaves_the_last_good_value_and_says_since_when() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.vault.behaviour = lambda now: AWAY if 1_000 < now < 4_600 else None
        async with rig.running():
            rig.want(wish(refresh_s=60))
            await until(4_500)
            stored = rig.read()
            assert (stored.value, stored.fault) == (Secret("one"), AWAY)
            assert virtual.WALL + 1_000 < stored.since < virtual.WALL + 1_067
            assert rig.metric("stored_stale_since_seconds") == stored.since
            assert rig.metric("stored_secrets", state="stale") == 1
            await until(5_000)
            assert rig.read() == Stored(value=Secret("one"))
            assert rig.metric("stored_stale_since_seconds") == 0
            assert len(rig.changes) == 3

    virtual.run(scenario())


def test_a_single_failure_is_no_news() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.vault.behaviour = lambda now: AWAY if 299 < now < 300 else None
        async with rig.running():
            rig.want(wish(refresh_s=10))
            await until(1_000)
            assert len(rig.changes) == 1

    virtual.run(scenario())


def test_a_secret_that_is_missing_is_told_at_once_and_asked_for_rarely() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.vault.behaviour = lambda now: MISSING
        async with rig.running():
            rig.want(wish(refresh_s=10))
            await until(1)
            assert rig.read() == Stored(fault=MISSING, since=virtual.WALL)
            await until(1_000)
            assert len(rig.vault.asked) < 15

    virtual.run(scenario())


def test_a_store_that_asks_to_slow_down_is_left_alone_by_all_and_no_value_is_at_fault() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.vault.behaviour = lambda now: BUSY if 600 < now < 602 else None
        async with rig.running():
            rig.want(*(wish(f"path {number}", refresh_s=60) for number in range(100)), wish(refresh_s=60))
            await until(603)
            throttled = rig.metric("throttles_total", service="vault")
            assert throttled is not None
            assert 1 <= throttled <= 5
            asked = len(rig.vault.asked)
            await until(689)
            assert len(rig.vault.asked) == asked
            assert rig.read() == Stored(value=Secret("one"))
            assert rig.metric("stored_secrets", state="good") == 101
            await until(900)
            assert len(rig.vault.asked) > asked + 100
            assert len(rig.changes) == 101

    virtual.run(scenario())


def test_a_store_that_hangs_is_a_fault_and_holds_up_no_other_store() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.vault.hangs = "https://vault"
        elsewhere = wish(server="https://another")
        async with rig.running():
            rig.want(wish(), *(wish(f"path {number}") for number in range(100)))
            await until(10)
            rig.want(wish(), elsewhere)
            await until(11)
            assert rig.read(elsewhere).value == Secret("one")
            await until(100)
            fault = rig.read().fault
            assert fault is not None
            assert fault.message == "Vault (https://vault) has not answered within 30 s; it is asked again"

    virtual.run(scenario())


def test_thousands_that_are_read_at_the_start_are_read_evenly_from_then_on() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(*(wish(f"path {number}", refresh_s=600) for number in range(2_000)))
            await until(60)
            assert rig.metric("stored_secrets", state="good") == 2_000
            await until(1_800)
        minutes = Counter(int(at // 60) for at, _ in rig.vault.asked if at >= 660)
        assert max(minutes.values()) < 1.5 * 200

    virtual.run(scenario())


def test_it_runs_on_after_a_stop_with_what_it_had() -> None:
    async def scenario() -> None:
        rig = Rig()
        async with rig.running():
            rig.want(wish())
            await until(10)
        rig.vault.put("two")
        assert rig.value == "one"
        async with rig.running():
            await until(700)
            assert rig.value == "two"

    virtual.run(scenario())


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.frozensets(st.tuples(st.sampled_from("abc"), st.sampled_from([5, 60, 300])), max_size=6),
            st.sampled_from([None, AWAY, BUSY, MISSING]),
            st.floats(0, 400),
        ),
        max_size=20,
    )
)
def test_whatever_happens_one_call_at_a_time_for_a_secret_and_the_newest_value_in_the_end(
    steps: list[tuple[frozenset[tuple[str, int]], Fault | None, float]],
) -> None:
    async def scenario() -> None:
        rig = Rig()
        fault: Fault | None = None
        rig.vault.behaviour = lambda now: fault
        wishes: list[Wish] = []
        async with rig.running():
            for number, (wanted, becomes, wait) in enumerate(steps):
                fault = becomes
                wishes = [wish(path, refresh_s=refresh_s) for path, refresh_s in wanted]
                rig.want(*wishes)
                rig.vault.put(f"value {number}")
                await asyncio.sleep(wait)
            fault = None
            await asyncio.sleep(1_300)
            newest = Stored(value=Secret(rig.vault.value))
            assert all(rig.read(each) == newest for each in wishes)
            assert rig.metric("stored_secrets", state="good") == len({each.address for each in wishes})

    virtual.run(scenario())

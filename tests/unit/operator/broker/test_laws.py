"""Laws of the broker, whatever the cloud does."""

import asyncio
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.names import ProviderKey
from pilothouse_operator.ports import Application, Fault, Issued
from tests import virtual
from tests.unit.operator.broker.cloud import BUSY, DENIED, DOWN, HOUR, PROVIDER, Rig, application, until

# A try that hangs takes this long to be given up; the lane's slowest pace adds a little.
_BOUND_S = 30.0
_PACE_S = 3.0


@settings(deadline=None, max_examples=60)
@given(
    life=st.floats(600, 43_200),
    start=st.floats(0.79, 0.99),
    seed=st.integers(0, 1_000),
    hangs=st.booleans(),
    fault=st.sampled_from([DOWN, BUSY]),
)
def test_a_service_that_answers_for_a_while_before_the_end_is_enough(
    life: float, start: float, seed: int, hangs: bool, fault: Fault
) -> None:
    """For a quarter of what was left then, or five minutes, if that is less."""
    opens = start * life
    rest = life - opens
    open_s = min(rest / 4, 300.0) + _BOUND_S + _PACE_S
    if opens + open_s > life - 1:
        return

    async def scenario() -> None:
        rig = Rig(seed=seed)
        rig.cloud.life_s = life

        def away(now: float) -> bool:
            return now > 1 and not opens <= now < opens + open_s

        rig.cloud.hangs = lambda now: hangs and away(now)
        rig.cloud.behaviour = lambda now: fault if away(now) else None
        async with rig.running():
            rig.want(application())
            await until(opens + open_s + 1)
            assert rig.token == "token 2"

    virtual.run(scenario())


@settings(deadline=None, max_examples=40)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["want", "another", "gone", "refused", "stop"]), st.integers(0, 3), st.floats(0, 1_500)
        ),
        max_size=30,
    ),
    seed=st.integers(0, 1_000),
)
def test_no_provider_is_ever_asked_for_twice_at_once(steps: list[tuple[str, int, float]], seed: int) -> None:
    async def scenario() -> None:
        rig = Rig(seed=seed)
        rng = random.Random(seed)
        now: Counter[str] = Counter()
        issue = rig.cloud.issue

        async def watched(application: Application) -> Issued:
            who = application.values["secretAccessKey"].reveal().split()[0]
            now[who] += 1
            assert now[who] == 1
            try:
                if rng.random() < 0.1:
                    raise rng.choice([DOWN, BUSY, DENIED])
                await asyncio.sleep(rng.choice([0.0, 1.0, 30.0]))
                return await issue(application)
            finally:
                now[who] -= 1

        rig.cloud.issue = watched  # type: ignore[method-assign]
        wanted: dict[ProviderKey, Application] = {}
        version = 0
        running = rig.running()
        await running.__aenter__()
        for what, number, wait in steps:
            provider = ProviderKey(f"ns/{number}")
            match what:
                case "want":
                    wanted.setdefault(provider, application(f"{number} 0"))
                case "another":
                    version += 1
                    wanted[provider] = application(f"{number} {version}", region=rng.choice(["eu-west-1", "us-east-1"]))
                case "gone":
                    wanted.pop(provider, None)
                case "refused":
                    issued = rig.broker.read(provider).issued
                    if issued is not None:
                        rig.broker.refused(provider, rig.broker._entries[provider].fingerprint)
                case _:
                    await running.__aexit__(None, None, None)
                    running = rig.running()
                    await running.__aenter__()
            rig.broker.want(wanted)
            await asyncio.sleep(wait)
        await asyncio.sleep(HOUR)
        assert all(rig.broker.read(provider).issued is not None for provider in wanted)
        await running.__aexit__(None, None, None)
        rig.broker.want({})
        assert not len(rig.broker._calendar)
        assert not len(rig.broker._ends)
        assert all(rig.metric("credentials", state=state) == 0 for state in ("good", "failing", "none"))

    virtual.run(scenario())


@settings(deadline=None, max_examples=30)
@given(storms=st.lists(st.floats(0, 2_000), min_size=1, max_size=50), seed=st.integers(0, 1_000))
def test_a_storm_of_refusals_of_one_credential_brings_one_issue(storms: list[float], seed: int) -> None:
    async def scenario() -> None:
        rig = Rig(seed=seed)
        rig.cloud.life_s = 12 * HOUR
        async with rig.running():
            rig.want(application())
            await until(10)
            fingerprint = rig.fingerprint
            for storm in sorted(storms):
                await until(10 + storm)
                rig.broker.refused(PROVIDER, fingerprint)
            await until(3_000)
            assert len(rig.cloud.asked) == 2

    virtual.run(scenario())


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1_000), up_s=st.floats(240, 400), down_s=st.floats(30, 400))
def test_a_service_that_comes_and_goes_leaves_no_gap(seed: int, up_s: float, down_s: float) -> None:
    async def scenario() -> None:
        rig = Rig(seed=seed)
        rig.cloud.behaviour = lambda now: DOWN if now % (up_s + down_s) > up_s else None
        async with rig.running():
            rig.want(*[application()] * 20)
            await until(600)
            for minute in range(10, 360):
                await until(minute * 60.0)
                assert rig.metric("credentials", state="none") == 0

    virtual.run(scenario())


def test_an_hour_without_the_service_costs_nothing_but_the_credentials_that_end_in_it() -> None:
    async def scenario() -> None:
        rig = Rig()
        rig.cloud.behaviour = lambda now: DOWN if HOUR / 4 < now < HOUR * 1.25 else None
        async with rig.running():
            rig.want(*[application()] * 1_000)
            await until(HOUR - 1)
            assert rig.metric("credentials", state="none") == 0
            asked = len(rig.cloud.asked)
            assert asked < 1_000 + HOUR
            await until(HOUR * 1.25 + 120)
            assert rig.metric("credentials", state="good") == 1_000

    virtual.run(scenario())

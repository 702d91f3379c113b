"""The release's keys in their Secret: made once, shared, renewed by the leader, never lost."""

import asyncio
import base64
from dataclasses import replace
from typing import Any, cast

import pytest

from pilothouse_operator.distribution import certificates, keys
from pilothouse_operator.distribution.issued import IssuedSecret
from pilothouse_operator.distribution.keyring import ROTATE, Keyring
from pilothouse_operator.distribution.keys import Keys
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.observe import Metrics
from tests.unit.operator.distribution.api import Objects

NAMES = ("operator.pilothouse.svc", "127.0.0.1")
DAY = 86_400
KEY = ("secrets", "pilothouse", "operator-tls")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class Leads:
    def __init__(self, *, yes: bool) -> None:
        self.yes = yes

    def __call__(self) -> bool:
        return self.yes


def keyring(
    objects: Objects,
    clock: Clock,
    *,
    leads: bool = True,
    names: tuple[str, ...] = NAMES,
    metrics: Metrics | None = None,
    issued: IssuedSecret | None = None,
) -> Keyring:
    return Keyring(
        api=cast(Api, objects),
        namespace="pilothouse",
        secret="operator-tls",
        names=names,
        clock=clock,
        metrics=metrics or Metrics(),
        is_leader=Leads(yes=leads),
        issued=issued,
    )


async def look(ring: Keyring) -> None:
    await ring._attempt()


def leaf(objects: Objects) -> bytes:
    return base64.b64decode(objects.stored[KEY]["data"]["tls.crt"])


async def test_the_first_replica_makes_the_keys_and_the_others_use_them() -> None:
    objects, clock = Objects(), Clock()
    rings = [keyring(objects, clock) for _ in range(3)]
    await asyncio.gather(*(look(ring) for ring in rings))
    await asyncio.gather(*(look(ring) for ring in rings))
    assert rings[0].keys is not None
    assert all(ring.keys == rings[0].keys for ring in rings)
    assert objects.writes == [KEY]


async def test_what_is_made_can_be_served() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    assert ring.keys is not None
    certificates.check(trust=ring.keys.trust, leaf=ring.keys.leaf, now=clock.now)
    assert ring.peer_key == ring.keys.peer


async def test_the_leader_renews_a_leaf_that_ends_soon_and_keeps_the_authority() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    before = objects.stored[KEY]["data"]
    clock.now += 61 * DAY
    await look(ring)
    after = objects.stored[KEY]["data"]
    assert after["tls.crt"] != before["tls.crt"]
    assert (after["ca.crt"], after["peer.key"]) == (before["ca.crt"], before["peer.key"])


async def test_other_replicas_wait_for_the_leaders_renewal() -> None:
    objects, clock = Objects(), Clock()
    leader, follower = keyring(objects, clock), keyring(objects, clock, leads=False)
    await leader.ready()
    await follower.ready()
    clock.now += 61 * DAY
    await look(follower)
    assert objects.writes == [KEY]
    await look(leader)
    await look(follower)
    assert follower.keys == leader.keys
    assert objects.writes == [KEY, KEY]


async def test_a_new_name_renews_the_leaf() -> None:
    objects, clock = Objects(), Clock()
    await keyring(objects, clock).ready()
    before = leaf(objects)
    await keyring(objects, clock, names=(*NAMES, "another.name")).ready()
    assert leaf(objects) != before


async def test_a_deleted_secret_is_written_again_with_the_same_keys_and_a_successor() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    before = ring.keys
    objects.stored.pop(KEY)
    await look(ring)
    assert ring.keys is not None
    assert replace(ring.keys, successor=None) == before
    assert ring.keys.successor is not None
    assert keys.decode(objects.stored[KEY]["data"]) == ring.keys


@pytest.mark.parametrize(
    "damage",
    [
        {"tls.crt": ""},
        {"tls.key": "!"},
        {"tls.crt": base64.b64encode(b"rubbish").decode()},
        {"peer.key": base64.b64encode(b"\xff").decode()},
    ],
)
async def test_a_damaged_secret_keeps_what_was_read_and_says_what_to_do(
    damage: dict[str, str | None], caplog: pytest.LogCaptureFixture
) -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    before = ring.keys
    content: dict[str, Any] = objects.stored[KEY]["data"]
    objects.stored[KEY]["data"] = {k: v for k, v in {**content, **damage}.items() if v is not None}
    await look(ring)
    assert ring.keys == before
    assert "delete the Secret" in caplog.text


async def test_a_missing_right_is_told_and_heals(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    objects.fail["secrets"] = errors.Forbidden("get secrets: no")
    ring = keyring(objects, clock)
    await look(ring)
    assert ring.keys is None
    assert "No proxy can connect" in caplog.text
    del objects.fail["secrets"]
    await look(ring)
    assert ring.keys is not None


async def test_a_renewal_that_another_has_just_made_is_left_alone() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    clock.now += 61 * DAY
    stale = await objects.get(resources.SECRETS, name="operator-tls", namespace="pilothouse")
    objects.stored[KEY]["metadata"]["resourceVersion"] = "999"
    assert ring.keys is not None
    assert await ring._advance(stale, ring.keys) == ring.keys


async def test_a_certificate_that_has_ended_is_renewed_by_the_leader_alone(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    await keyring(objects, clock).ready()
    clock.now += 200 * DAY
    follower, leader = keyring(objects, clock, leads=False), keyring(objects, clock)
    await look(follower)
    assert follower.keys is None
    assert "not valid at this time" in caplog.text
    await look(leader)
    await look(follower)
    assert follower.keys == leader.keys
    assert leader.keys is not None


async def turn(ring: Keyring, clock: Clock, *, minutes: float = 0) -> Keys:
    """The trust is brought to all namespaces, time passes, and the keyring looks."""
    assert ring.keys is not None
    ring.spread(ring.keys.trust, lacking=())
    clock.now += minutes * 60
    await look(ring)
    return ring.keys


def ask(objects: Objects, what: str) -> None:
    objects.stored[KEY]["metadata"]["annotations"] = {ROTATE: what, "other": "stays"}


async def test_an_annotation_brings_another_authority_step_by_step_and_is_taken_off() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    first = ring.keys
    assert first is not None
    ask(objects, "ca")
    announced = await turn(ring, clock)
    assert announced.leaf == first.leaf
    assert announced.successor is not None
    assert objects.stored[KEY]["metadata"]["annotations"] == {"other": "stays"}
    for _ in range(2):
        switched = await turn(ring, clock, minutes=30)
    assert switched.authority == announced.successor
    assert switched.leaf != first.leaf
    assert switched.trust == announced.trust
    after = await turn(ring, clock, minutes=30)
    assert after.trust == announced.successor.certificate
    assert after.leaf == switched.leaf


async def test_another_leader_goes_on_where_the_first_one_stood() -> None:
    objects, clock = Objects(), Clock()
    first = keyring(objects, clock)
    await first.ready()
    ask(objects, "ca")
    await turn(first, clock)
    confirmed = await turn(first, clock)
    second = keyring(objects, clock)
    await second.ready()
    assert second.keys == confirmed
    switched = await turn(second, clock, minutes=30)
    assert switched.authority == confirmed.successor


async def test_an_authority_with_a_third_of_its_life_left_gets_a_successor() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    clock.now += 720 * DAY
    assert (await turn(ring, clock)).successor is None
    clock.now += 12 * DAY
    assert (await turn(ring, clock)).successor is not None


async def test_an_authority_whose_key_is_gone_gets_a_successor() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    del objects.stored[KEY]["data"]["ca.key"]
    assert (await turn(ring, clock)).successor is not None


async def test_nothing_is_shown_before_its_trust_is_everywhere_and_the_log_says_where_it_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    ring.spread("", lacking=("the namespace team-a",))
    ask(objects, "ca")
    announced = await turn(ring, clock)
    for _ in range(3):
        ring.spread(announced.trust, lacking=("the namespace team-a",))
        clock.now += 3_600
        await look(ring)
    assert ring.keys is not None
    assert ring.keys.leaf == announced.leaf
    assert caplog.text.count("could not be brought to the namespace team-a") == 1


async def test_metrics_tell_the_ends_and_how_far_a_succession_is() -> None:
    objects, clock, metrics = Objects(), Clock(), Metrics()
    ring = keyring(objects, clock, metrics=metrics)
    await ring.ready()
    ask(objects, "ca")
    announced = await turn(ring, clock)

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"pilothouse_operator_{name}", labels)

    assert sample("certificate_ends_seconds", certificate="leaf") == certificates.ends(announced.leaf.certificate)
    assert sample("certificate_succession", phase="announced") == 1
    assert sample("certificate_succession", phase="steady") == 0
    assert sample("certificate_steps_total", step="announce") == 1


@pytest.mark.parametrize(("request_", "foreign"), [("leaf", False), ("ca", True)])
async def test_a_request_that_is_not_heeded_is_answered_once(
    request_: str, foreign: bool, caplog: pytest.LogCaptureFixture
) -> None:
    objects, clock = Objects(), Clock()
    await keyring(objects, clock).ready()
    issued = IssuedSecret(api=cast(Api, objects), namespace="pilothouse", secret="none", name=NAMES[0], clock=clock)
    ring = keyring(objects, clock, issued=issued if foreign else None)
    await ring.ready()
    ask(objects, request_)
    for _ in range(3):
        await look(ring)
    assert caplog.text.count(f"{ROTATE}={request_} of the Secret pilothouse/operator-tls is not heeded") == 1

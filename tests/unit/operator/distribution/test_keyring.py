"""The release's keys in their Secret: made once, shared, renewed by the leader, never lost."""

import asyncio
import base64
from typing import Any, cast

import pytest

from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.keyring import Keyring
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
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


def keyring(objects: Objects, clock: Clock, *, leads: bool = True, names: tuple[str, ...] = NAMES) -> Keyring:
    return Keyring(
        api=cast(Api, objects),
        namespace="pilothouse",
        secret="operator-tls",
        names=names,
        clock=clock,
        is_leader=Leads(yes=leads),
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
    certificates.check(authority=ring.keys.authority, leaf=ring.keys.leaf, now=clock.now)
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


async def test_a_deleted_secret_is_written_again_with_the_same_keys() -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock)
    await ring.ready()
    before = objects.stored.pop(KEY)["data"]
    await look(ring)
    assert objects.stored[KEY]["data"] == before


@pytest.mark.parametrize(
    "damage",
    [
        {"tls.crt": ""},
        {"ca.key": None},
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
    assert await ring._renew(stale, ring.keys) == ring.keys

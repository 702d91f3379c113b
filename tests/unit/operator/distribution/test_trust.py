"""The ConfigMap with the CA, where proxies are."""

from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from pilothouse_api.names import GATEWAY_SCOPE, sidecar_scope
from pilothouse_api.snapshot.stream import Subject
from pilothouse_operator.distribution.hub import Hub
from pilothouse_operator.distribution.trust import CONFIG_MAP, Trust
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.ports import ProxyIdentity
from tests.unit.operator.distribution.api import Objects
from tests.unit.operator.distribution.test_keyring import KEY, Clock, keyring, look

OURS, THEIRS = "pilothouse/pilothouse/main", "pilothouse/elsewhere/other"


async def nobody(managers: frozenset[str]) -> str | None:
    return None


async def everybody(managers: frozenset[str]) -> str | None:
    return min(managers)


async def trust(
    objects: Objects,
    clock: Clock,
    hub: Hub | None = None,
    rival: Callable[[frozenset[str]], Awaitable[str | None]] = nobody,
) -> Trust:
    ring = keyring(objects, clock)
    await ring.ready()
    return Trust(
        api=cast(Api, objects),
        keyring=ring,
        hub=hub or Hub(replica="r", boot="b"),
        namespace="pilothouse",
        field_manager=OURS,
        clock=clock,
        is_leader=lambda: True,
        rival=rival,
    )


def where(objects: Objects) -> set[str]:
    return {namespace for plural, namespace, name in objects.stored if (plural, name) == ("configmaps", CONFIG_MAP)}


async def test_it_is_kept_where_proxies_are_connected_or_waiting_to_start() -> None:
    objects, clock, hub = Objects(), Clock(), Hub(replica="r", boot="b")
    for pod, scope in (("a", sidecar_scope("connected")), ("g", GATEWAY_SCOPE)):
        subject = Subject(namespace="x", service_account="y")
        identity = ProxyIdentity(scope=scope, subject=subject, pod=pod, pod_uid=pod, expires=0)
        hub.attach(identity, wake=lambda: None, now=0)
    objects.add(resources.PODS, "waiting", "app", labels={"pilothouse.dev/injected": "true"})
    objects.add(resources.PODS, "unrelated", "app")
    await (await trust(objects, clock, hub)).round()
    assert where(objects) == {"pilothouse", "connected", "waiting"}


async def test_it_holds_the_authoritys_certificate_alone() -> None:
    objects, clock = Objects(), Clock()
    await (await trust(objects, clock)).round()
    data = objects.stored["configmaps", "pilothouse", CONFIG_MAP]["data"]
    assert list(data) == ["ca.crt"]
    assert data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in data["ca.crt"]


async def test_it_is_not_written_again_for_nothing_but_now_and_then() -> None:
    objects, clock = Objects(), Clock()
    kept = await trust(objects, clock)
    for later_s in (0, 5, 400):
        clock.now += later_s
        await kept.round()
    assert sum(plural == "configmaps" for plural, *_ in objects.writes) == 2


async def test_another_releases_config_map_is_left_to_it(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    objects.add(resources.CONFIG_MAPS, "pilothouse", CONFIG_MAP, data={"ca.crt": "theirs"})
    objects.managers["configmaps", "pilothouse", CONFIG_MAP] = THEIRS
    kept = await trust(objects, clock, rival=everybody)
    for _ in range(10):
        await kept.round()
        clock.now += 5
    assert objects.stored["configmaps", "pilothouse", CONFIG_MAP]["data"] == {"ca.crt": "theirs"}
    assert caplog.text.count("belongs to another release that is alive") == 1


async def test_that_of_a_release_that_is_gone_is_taken_over() -> None:
    objects, clock = Objects(), Clock()
    objects.add(resources.CONFIG_MAPS, "pilothouse", CONFIG_MAP, data={"ca.crt": "theirs"})
    objects.managers["configmaps", "pilothouse", CONFIG_MAP] = THEIRS
    await (await trust(objects, clock, rival=nobody)).round()
    assert objects.stored["configmaps", "pilothouse", CONFIG_MAP]["data"] != {"ca.crt": "theirs"}


async def test_a_hand_edit_is_undone() -> None:
    objects, clock = Objects(), Clock()
    objects.add(resources.CONFIG_MAPS, "pilothouse", CONFIG_MAP, data={"ca.crt": "mine"})
    objects.managers["configmaps", "pilothouse", CONFIG_MAP] = "kubectl-edit"
    await (await trust(objects, clock)).round()
    assert objects.stored["configmaps", "pilothouse", CONFIG_MAP]["data"] != {"ca.crt": "mine"}


async def test_a_namespace_that_refuses_does_not_keep_it_from_others() -> None:
    objects, clock = Objects(), Clock()
    objects.add(resources.PODS, "aaa", "app", labels={"pilothouse.dev/injected": "true"})
    apply = objects.apply

    async def refusing(kind: object, **call: object) -> object:
        if call["namespace"] == "aaa":
            raise errors.Forbidden("the namespace is being terminated")
        return await apply(kind, **call)  # type: ignore[arg-type]

    objects.apply = refusing  # type: ignore[method-assign, assignment]
    await (await trust(objects, clock)).round()
    assert where(objects) == {"pilothouse"}


async def test_without_the_right_to_list_pods_the_others_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    objects.fail["pods"] = errors.Forbidden("list pods: no")
    kept = await trust(objects, clock)
    await kept.round()
    await kept.round()
    assert where(objects) == {"pilothouse"}
    assert caplog.text.count("pods with sidecars cannot be listed") == 1


async def test_the_keyring_hears_where_its_trust_could_not_be_brought() -> None:
    objects, clock = Objects(), Clock()
    kept, heard = await trust(objects, clock), []
    kept._keyring.spread = lambda text, *, lacking: heard.append(lacking)  # type: ignore[method-assign]
    await kept.round()
    objects.fail["pods"] = errors.Forbidden("list pods: no")
    objects.fail["configmaps"] = errors.Forbidden("patch configmaps: no")
    clock.now += 400
    await kept.round()
    assert heard == [(), ("the namespace pilothouse", "namespaces with sidecars, which cannot be listed")]


async def test_both_authorities_are_in_it_while_one_follows_the_other() -> None:
    objects, clock = Objects(), Clock()
    kept = await trust(objects, clock)
    del objects.stored[KEY]
    await look(kept._keyring)
    await kept.round()
    assert objects.stored["configmaps", "pilothouse", CONFIG_MAP]["data"]["ca.crt"].count("BEGIN CERTIFICATE") == 2

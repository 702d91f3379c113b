import dataclasses
import gc
import math
from types import FunctionType, ModuleType
from typing import Any

import msgspec
import pytest

from pilothouse_api.names import ProviderKey, SnapshotVersion
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import APIKey, Basic, BearerToken, Credential
from pilothouse_api.snapshot.identity import Identity, KeyHolder
from pilothouse_api.snapshot.providers import Proxy
from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_proxy import runtime
from pilothouse_proxy.auth import subject
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.operations import Operation
from pilothouse_proxy.quota.stores.memory import Store
from tests.integration.proxy.configurations import limit, provider, quota, route, snapshot, target

METRICS, STORE = Metrics(), Store()


def built(
    of: Snapshot,
    *,
    previous: runtime.Runtime | None = None,
    resident: Any = None,
    renewed: dict[ProviderKey, Credential] | None = None,
) -> runtime.Runtime | runtime.Rejected:
    return runtime.build(
        of,
        version=SnapshotVersion("sha256:x"),
        renewed=renewed or {},
        resident=resident,
        metrics=METRICS,
        store=STORE,
        previous=previous,
        now=0.0,
    )


def good(of: Snapshot, *, previous: runtime.Runtime | None = None, **more: Any) -> runtime.Runtime:
    found = built(of, previous=previous, **more)
    assert isinstance(found, runtime.Runtime), found
    return found


def rejected(of: Snapshot) -> runtime.Rejected:
    found = built(of)
    assert isinstance(found, runtime.Rejected)
    return found


CLOUD = provider("http://cloud/v1", models={"m": "gpt-x", "n": "gpt-y"})
ONE = snapshot({"a": CLOUD}, {"r": route(target("a", model="m"))})


def test_a_newer_schema_is_refused() -> None:
    assert rejected(msgspec.structs.replace(ONE, schema=SCHEMA + 1)).path == "schema"


def test_a_target_without_its_provider_is_refused_by_path() -> None:
    found = rejected(snapshot({}, {"r": route(target("gone"))}))
    assert found.path == "routes.apps/r.targets[0]"
    assert "clouds/gone" in found.reason


def test_a_model_that_the_provider_lacks_is_refused_by_path() -> None:
    found = rejected(snapshot({"a": CLOUD}, {"r": route(target("a", model="m"), target("a", model="z"))}))
    assert found.path == "routes.apps/r.targets[1].model"


@pytest.mark.parametrize("url", ["ftp://cloud", "cloud", "http://user@cloud", "http://cloud:99999"])
def test_an_address_that_leads_nowhere_is_refused(url: str) -> None:
    assert rejected(snapshot({"a": provider(url)}, {"r": route(target("a"))})).path == "providers.clouds/a.endpoint.url"


def test_a_ca_bundle_that_is_none_is_refused() -> None:
    broken = provider("https://cloud", ca_bundle="no PEM")
    assert rejected(snapshot({"a": broken}, {"r": route(target("a"))})).path == "providers.clouds/a.connection.caBundle"


def proxied(**proxy: Any) -> Snapshot:
    through = provider("https://cloud/v1", proxy=Proxy(**proxy))
    basic = Basic(username=Secret("aladdin"), password=Secret("sesame"))
    return snapshot({"a": through}, {"r": route(target("a"))}, proxy_credentials={ProviderKey("clouds/a"): basic})


def test_a_forward_proxy_is_part_of_the_place_with_its_credential() -> None:
    (bound,) = good(proxied(url="http://proxy:3128")).routes["apps/r"].targets  # type: ignore[index] # NewType
    assert bound.passing is not None
    (way,) = bound.passing.serve("m", "*").ways[Operation.CHAT]
    found = way.base.origin.proxy
    assert found is not None
    assert (found.scheme, found.host, found.port) == ("http", "proxy", 3128)
    assert found.authorization == Secret("Basic YWxhZGRpbjpzZXNhbWU=")


@pytest.mark.parametrize(
    ("proxy", "path"),
    [
        ({"url": "http://aladdin:sesame@proxy"}, "url"),
        ({"url": "socks5://proxy"}, "url"),
        ({"url": "http://proxy/path"}, "url"),
        ({"url": "https://proxy", "ca_bundle": "no PEM"}, "caBundle"),
    ],
)
def test_a_forward_proxy_that_cannot_be_used_is_refused_by_path(proxy: dict[str, Any], path: str) -> None:
    found = rejected(proxied(**proxy))
    assert found.path == f"providers.clouds/a.connection.proxy.{path}"
    assert "sesame" not in found.reason


def test_a_rotated_password_of_a_forward_proxy_gives_a_target_a_fresh_start() -> None:
    one = proxied(url="http://proxy:3128")
    before = good(one)
    new = Basic(username=Secret("aladdin"), password=Secret("new"))
    rotated = msgspec.structs.replace(one, proxy_credentials=dict.fromkeys(one.proxy_credentials, new))
    assert health_of(good(rotated, previous=before)) is not health_of(before)


def test_a_key_s_hash_that_is_none_is_refused() -> None:
    identity = Identity(api_keys={"zz": KeyHolder(namespace="a", user="b")})
    assert rejected(snapshot({}, {}, identity=identity)).path == "identity.apiKeys"


@pytest.mark.parametrize(
    ("withheld", "why"),
    [
        (
            1,
            "the credentials of its providers are not given to this sidecar: `delivery` of each LLMProvider says which "
            "proxies may have them; a shared gateway serves it",
        ),
        (0, "none of its targets can be used; the status of its ModelRoute says why"),
    ],
)
def test_a_route_without_targets_says_why_it_has_none(withheld: int, why: str) -> None:
    routes = good(snapshot({}, {"r": route(withheld=withheld)})).routes
    assert [each.unusable for each in routes.values()] == [why]


def test_times_are_in_seconds() -> None:
    bound = good(ONE).routes["apps/r"]  # type: ignore[index] # NewType
    assert (bound.first_token_s, bound.idle_s, bound.total_s) == (2.0, 2.0, 5.0)


def listed(of: Snapshot, namespace: str = "apps") -> list[str]:
    return [name for name, _ in runtime.listed(good(of), namespace=namespace)]


def test_the_list_has_exact_names_and_what_patterns_stand_for() -> None:
    routes = {"r": route(target("a"), models=("m*", "n*")), "s": route(target("a", model="m"), models=("chat",))}
    assert listed(snapshot({"a": CLOUD}, routes)) == ["chat", "m", "n"]


def test_the_list_has_no_name_that_another_route_would_serve() -> None:
    routes = {"r": route(target("a"), models=("*",)), "s": route(target("a", model="m"), models=("m",))}
    assert listed(snapshot({"a": CLOUD}, routes)) == ["m", "n"]


def test_the_list_is_empty_for_whom_nothing_is_open() -> None:
    assert listed(ONE, namespace="elsewhere") == []


def health_of(of: runtime.Runtime) -> Any:
    (found,) = of.records.healths.values()
    return found


def test_what_is_known_of_a_target_is_kept_while_nothing_changes_about_it() -> None:
    before = good(ONE)
    assert health_of(good(ONE, previous=before)) is health_of(before)


def test_a_rotated_credential_gives_a_target_a_fresh_start() -> None:
    before = good(ONE)
    rotated = msgspec.structs.replace(ONE, credentials={key: APIKey(key=Secret("new")) for key in ONE.credentials})
    assert health_of(good(rotated, previous=before)) is not health_of(before)


def test_known_callers_are_kept_while_the_identity_is_the_same() -> None:
    before = good(ONE)
    assert good(ONE, previous=before).callers is before.callers
    changed = snapshot({"a": CLOUD}, {"r": route(target("a", model="m"))}, identity=Identity())
    assert good(changed, previous=before).callers is not before.callers


def test_another_resident_is_another_caller() -> None:
    one = subject.of_service_account(namespace="a", name="b")
    before = built(ONE, resident=one)
    assert isinstance(before, runtime.Runtime)
    again = built(ONE, previous=before, resident=subject.of_service_account(namespace="a", name="c"))
    assert isinstance(again, runtime.Runtime)
    assert again.callers is not before.callers


def held_by(holder: object) -> set[int]:
    """What can be reached from an object, by identity; not by way of code."""
    seen: set[int] = set()
    ahead = [holder]
    while ahead:
        for found in gc.get_referents(ahead.pop()):
            if id(found) not in seen and not isinstance(found, type | ModuleType | FunctionType):
                seen.add(id(found))
                ahead.append(found)
    return seen


def test_a_runtime_does_not_hold_on_to_the_one_before() -> None:
    passing = snapshot(
        {"a": provider("http://cloud/v1")}, {"r": route(target("a"))}, quotas={"q": quota(limit(Resource.REQUESTS, 1))}
    )
    first = good(passing)
    second = good(passing, previous=first)
    assert {id(second.table), id(second.routes)} <= held_by(second)
    assert id(first) not in held_by(second)


def test_a_name_that_would_break_a_header_is_not_shown_in_one() -> None:
    bound = good(snapshot({"a": provider("http://cloud/v1")}, {"r": route(target("a"), models=("*",))}))
    active_route = next(iter(bound.routes.values()))
    match = bound.table.find(namespace="apps", name="evil\r\nx: y")
    assert match is not None
    served = active_route.targets[0].serve(match, "evil\r\nx: y")
    assert served is not None
    assert [line.partition(b":")[0] for line in served.lines.splitlines()] == [b"x-pilothouse-provider"]


A = ProviderKey("clouds/a")
UNSIGNED = snapshot({"a": CLOUD}, {"r": route(target("a", model="m"))}, unsigned=("a",))


def token(value: str, *, expires_at: int | None = 2_000_000_000) -> BearerToken:
    return BearerToken(token=Secret(value), expires_at=expires_at)


def test_a_key_of_the_snapshot_signs_in_before_a_renewed_credential() -> None:
    found = good(ONE, renewed={A: token("t")}).sign_ins[A]
    assert (found.credential, found.renewed, found.ends) == (ONE.credentials[A], False, math.inf)


def test_what_the_snapshot_has_no_credential_for_is_signed_in_to_with_a_renewed_one() -> None:
    assert good(UNSIGNED).sign_ins == {}
    found = good(UNSIGNED, renewed={A: token("t"), ProviderKey("clouds/gone"): token("u")}).sign_ins
    assert found.keys() == {A}
    assert (found[A].credential, found[A].renewed, found[A].ends) == (token("t"), True, 2_000_000_000.0)


def test_other_credentials_leave_all_else_as_it_is() -> None:
    before = good(UNSIGNED, renewed={A: token("t")})
    after = runtime.signed_in(before, {A: token("u")})
    assert before.sign_ins[A].credential == token("t")
    assert after.sign_ins[A].credential == token("u")
    fields = [field.name for field in dataclasses.fields(after) if field.name != "sign_ins"]
    assert all(getattr(after, name) is getattr(before, name) for name in fields)


def test_a_renewed_credential_gives_no_target_a_fresh_start() -> None:
    before = good(UNSIGNED, renewed={A: token("t")})
    assert health_of(good(UNSIGNED, previous=before, renewed={A: token("u")})) is health_of(before)

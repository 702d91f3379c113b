from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, BearerToken, Credential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Provider
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_proxy.config.overlay import Overlay
from tests.integration.proxy.configurations import provider, snapshot

NOW = 1_700_000_000.0
A, B = ProviderKey("clouds/a"), ProviderKey("clouds/b")
CLOUD = provider("http://cloud/v1")
BEDROCK = Provider(endpoint=BedrockEndpoint(url="https://bedrock", region="eu-west-1"))


def token(value: str, *, expires_at: int = 1_700_003_600) -> BearerToken:
    return BearerToken(token=Secret(value), expires_at=expires_at)


def session(value: str) -> AccessKey:
    return AccessKey(access_key_id=value, secret_access_key=Secret("s"), session_token=Secret("t"))


def without_keys(**providers: Provider) -> Snapshot:
    return snapshot(providers, {}, unsigned=tuple(providers))


def renew(overlay: Overlay, running: Snapshot | None, credentials: dict[ProviderKey, Credential]) -> None:
    assert overlay.renew(credentials, running, now=NOW) == {}


def apply(overlay: Overlay, taken: Snapshot) -> Mapping[ProviderKey, str]:
    used, reasons = overlay.fit(taken)
    overlay.settle(taken, used)
    return reasons


def test_a_renewal_before_its_snapshot_is_used_when_that_comes() -> None:
    overlay = Overlay()
    renew(overlay, None, {A: token("1")})
    assert overlay.used == {}
    assert apply(overlay, without_keys(a=CLOUD)) == {}
    assert overlay.used == {A: token("1")}


def test_a_renewal_takes_the_place_of_the_former_at_once() -> None:
    overlay, running = Overlay(), without_keys(a=CLOUD, b=CLOUD)
    apply(overlay, running)
    renew(overlay, running, {A: token("1"), B: token("2")})
    renew(overlay, running, {A: token("3")})
    assert overlay.used == {A: token("3"), B: token("2")}


def test_the_snapshot_s_own_credential_comes_first() -> None:
    overlay = Overlay()
    renew(overlay, None, {A: token("1")})
    apply(overlay, snapshot({"a": CLOUD}, {}))
    assert overlay.used == {}


def test_what_the_applied_snapshot_has_no_provider_for_is_dropped() -> None:
    overlay, running = Overlay(), without_keys(a=CLOUD, b=CLOUD)
    apply(overlay, running)
    renew(overlay, running, {A: token("1"), B: token("2")})
    apply(overlay, without_keys(b=CLOUD))
    assert overlay.kept == {B: token("2")}


def test_nothing_is_dropped_for_a_snapshot_that_is_not_applied() -> None:
    overlay, running = Overlay(), without_keys(a=CLOUD)
    apply(overlay, running)
    renew(overlay, running, {A: token("1"), B: token("2")})
    overlay.fit(without_keys())
    assert overlay.kept == {A: token("1"), B: token("2")}


def test_one_that_cannot_be_sent_is_told_without_its_value_and_the_former_stays() -> None:
    overlay, running = Overlay(), without_keys(a=CLOUD)
    apply(overlay, running)
    renew(overlay, running, {A: token("1")})
    reasons = overlay.renew({A: token("evil\r\nx: y")}, running, now=NOW)
    assert set(reasons) == {A}
    assert "evil" not in reasons[A]
    assert overlay.used == overlay.kept == {A: token("1")}
    assert set(apply(overlay, running)) == {A}
    assert overlay.used == {A: token("1")}


def test_one_that_had_ended_when_it_came_replaces_nothing() -> None:
    overlay, running = Overlay(), without_keys(a=CLOUD)
    apply(overlay, running)
    renew(overlay, running, {A: token("1")})
    reasons = overlay.renew({A: token("2", expires_at=int(NOW))}, running, now=NOW)
    assert "clock" in reasons[A]
    apply(overlay, running)
    assert overlay.used == {A: token("1")}


def test_one_that_the_next_snapshot_alone_can_use_waits_for_it() -> None:
    overlay, running = Overlay(), without_keys(a=CLOUD)
    apply(overlay, running)
    renew(overlay, running, {A: token("1")})
    assert set(overlay.renew({A: session("AKID")}, running, now=NOW)) == {A}
    assert overlay.used == {A: token("1")}
    assert apply(overlay, without_keys(a=BEDROCK)) == {}
    assert overlay.used == {A: session("AKID")}


def test_one_that_another_kind_of_provider_cannot_use_is_told() -> None:
    overlay, running = Overlay(), without_keys(a=BEDROCK)
    apply(overlay, running)
    renew(overlay, running, {A: session("AKID")})
    assert set(apply(overlay, without_keys(a=CLOUD))) == {A}
    assert overlay.used == {}


NAMES = st.sampled_from("abc")
RENEWALS = st.dictionaries(NAMES, st.integers(0, 99).map(lambda value: token(str(value))), min_size=1)
PUBLICATIONS = st.tuples(st.sets(NAMES), st.sets(NAMES), st.booleans())
"""Providers; those with a key in the snapshot; whether it is applied."""


@given(st.lists(RENEWALS | PUBLICATIONS, max_size=12))
def test_any_sequence_ends_in_the_same_state_as_the_last_of_each(told: list[object]) -> None:
    overlay, running = Overlay(), snapshot({}, {})
    apply(overlay, running)
    last: dict[ProviderKey, Credential] = {}
    for one in told:
        if isinstance(one, dict):
            credentials = {ProviderKey(f"clouds/{name}"): credential for name, credential in one.items()}
            renew(overlay, running, credentials)
            last |= credentials
            continue
        assert isinstance(one, tuple)
        names, keyed, applied = one
        made = snapshot(dict.fromkeys(names, CLOUD), {}, unsigned=tuple(names - keyed))
        overlay.fit(made)
        if applied:
            apply(overlay, made)
            running = made
            last = {key: credential for key, credential in last.items() if key in made.providers}
    unsigned = running.providers.keys() - running.credentials.keys()
    assert overlay.used == {key: credential for key, credential in last.items() if key in unsigned}
    assert overlay.kept == last


@pytest.mark.parametrize("endless", [APIKey(key=Secret("k")), msgspec.structs.replace(token("t"), expires_at=None)])
def test_what_is_not_known_to_end_has_not_ended(endless: Credential) -> None:
    overlay, running = Overlay(), without_keys(a=CLOUD)
    apply(overlay, running)
    renew(overlay, running, {A: endless})
    assert overlay.used == {A: endless}

"""Publishing, coalescing, acks and reports of one replica."""

import msgspec

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, QuotaKey, RouteKey, Scope, SnapshotVersion, sidecar_scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Basic, Credential
from pilothouse_api.snapshot.quotas import Limit, Per, Quota, Resource
from pilothouse_api.snapshot.routes import Route, Target
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_api.snapshot.stream import (
    Ack,
    AckState,
    LimitUse,
    Publication,
    Refusal,
    Renewal,
    Report,
    Subject,
    Unknown,
)
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.distribution import fleet
from pilothouse_operator.distribution.handing import Shows
from pilothouse_operator.distribution.hub import Hub, Prepared, Subscription, prepare
from pilothouse_operator.ports import ProxyIdentity, Rollout

CHAT = ResourceKey(Kind.ROUTE, "default", "chat")
OTHER = ResourceKey(Kind.ROUTE, "default", "other")


def snapshot(scope: Scope = GATEWAY_SCOPE, **generations: int) -> Prepared:
    routes = {
        RouteKey(f"default/{name}"): Route(
            models=(name,),
            created="2026-01-01T00:00:00Z",
            generation=generation,
            targets=(Target(provider=ProviderKey("default/p")),),
        )
        for name, generation in generations.items()
    }
    return prepare(Snapshot(schema=SCHEMA, scope=scope, routes=routes))


def identity(pod: str, scope: Scope = GATEWAY_SCOPE) -> ProxyIdentity:
    subject = Subject(namespace="default", service_account="proxy")
    return ProxyIdentity(scope=scope, subject=subject, pod=pod, pod_uid=f"uid-{pod}", expires=1e12)


def hub() -> Hub:
    return Hub(replica="replica-0", boot="b")


def attach(of: Hub, pod: str, scope: Scope = GATEWAY_SCOPE) -> Subscription:
    return of.attach(identity(pod, scope), wake=lambda: None, now=0.0)


def taken(stream: Subscription) -> bytes:
    """The one line that the stream has."""
    found = stream.take()
    assert found is not None
    [line] = found.lines
    return line


def applied(version: SnapshotVersion) -> Ack:
    return Ack(version=version, state=AckState.APPLIED)


def rejected(version: SnapshotVersion, path: str, reason: str = "cannot be built") -> Ack:
    return Ack(version=version, state=AckState.REJECTED, path=path, reason=reason)


def rollout(of: Hub, key: ResourceKey = CHAT) -> Rollout:
    return fleet.rollouts(histories=of.histories, views=[of.fleet()], unreachable=())[key]


def test_streams_of_a_scope_share_one_line() -> None:
    served = hub()
    first, second = attach(served, "a"), attach(served, "b")
    served.publish(snapshot(chat=1), {})
    line = taken(first)
    assert line is taken(second)
    assert line is taken(attach(served, "c"))


def test_a_line_holds_the_snapshot_whose_hash_is_its_version() -> None:
    served = hub()
    stream = attach(served, "a")
    served.publish(snapshot(chat=1), {"modelroutes": "7"})
    line = taken(stream)
    assert line.endswith(b"\n")
    publication = msgspec.json.decode(line, type=Publication)
    assert canonical.version(publication.snapshot) == publication.version
    assert publication.seen == {"modelroutes": "7"}


def test_a_slow_reader_finds_only_the_newest_line() -> None:
    served = hub()
    stream = attach(served, "a")
    for generation in (1, 2, 3):
        served.publish(snapshot(chat=generation), {})
    line = taken(stream)
    assert msgspec.json.decode(line, type=Publication).version == snapshot(chat=3).version
    assert stream.take() is None


def test_an_equal_snapshot_wakes_nobody() -> None:
    served = hub()
    stream = attach(served, "a")
    assert served.publish(snapshot(chat=1), {"modelroutes": "7"})
    stream.take()
    assert not served.publish(snapshot(chat=1), {"modelroutes": "8"})
    assert stream.take() is None


def test_a_stream_that_opens_later_hears_of_the_later_view() -> None:
    served = hub()
    served.publish(snapshot(chat=1), {"modelroutes": "7"})
    served.publish(snapshot(chat=1), {"modelroutes": "8"})
    line = taken(attach(served, "a"))
    assert msgspec.json.decode(line, type=Publication).seen == {"modelroutes": "8"}


def test_a_scope_gets_its_own_snapshots_only() -> None:
    served = hub()
    stream = attach(served, "a", sidecar_scope("team-a"))
    served.publish(snapshot(chat=1), {})
    assert stream.take() is None
    served.publish(snapshot(sidecar_scope("team-a"), chat=1), {})
    assert stream.take() is not None


def test_a_scope_that_nobody_had_is_asked_for() -> None:
    served = hub()
    asked: list[None] = []
    served.notify(wanted=lambda: asked.append(None), moved=lambda: None)
    attach(served, "a", sidecar_scope("team-a"))
    assert asked
    assert served.scopes(0.0) == {GATEWAY_SCOPE, sidecar_scope("team-a")}


def test_a_scope_without_streams_is_forgotten_after_a_while() -> None:
    served = hub()
    served.detach(attach(served, "a", sidecar_scope("team-a")), now=100.0)
    assert sidecar_scope("team-a") in served.scopes(200.0)
    assert served.scopes(800.0) == {GATEWAY_SCOPE}


def test_a_scope_is_compiled_where_its_proxies_only_send_their_acks() -> None:
    """Behind a Service the stream may end at one replica and the acks at another."""
    served = hub()
    asked: list[None] = []
    served.notify(wanted=lambda: asked.append(None), moved=lambda: None)
    scope = sidecar_scope("team-a")
    version = snapshot(scope, chat=1).version
    assert not served.ack(identity("a", scope), applied(version), now=0.0)
    assert asked
    assert scope in served.scopes(1.0)
    served.publish(snapshot(scope, chat=1), {})
    assert served.ack(identity("a", scope), applied(version), now=2.0)
    assert scope not in served.scopes(700.0)


def test_a_scope_is_compiled_as_long_as_it_has_streams_elsewhere() -> None:
    served = hub()
    scope = sidecar_scope("team-a")
    assert scope in served.scopes(0.0, elsewhere=[scope])
    assert scope in served.scopes(1_000.0, elsewhere=[scope])
    assert scope not in served.scopes(2_000.0)


def test_nothing_is_open_before_the_first_publication() -> None:
    served = hub()
    attach(served, "a")
    assert not served.open
    served.publish(snapshot(), {})
    assert served.open


def test_programmed_counts_the_proxies_that_run_the_generation() -> None:
    served = hub()
    for pod in ("a", "b"):
        attach(served, pod)
    version = snapshot(chat=1).version
    served.publish(snapshot(chat=1), {})
    assert rollout(served) == Rollout(applied=0, total=2, laggards=("a", "b"))
    served.ack(identity("a"), applied(version), now=1.0)
    assert rollout(served) == Rollout(applied=1, total=2, laggards=("b",))
    served.ack(identity("b"), applied(version), now=1.0)
    assert rollout(served) == Rollout(applied=2, total=2)


def test_a_later_version_with_the_same_generation_takes_nothing_back() -> None:
    served = hub()
    attach(served, "a")
    served.publish(snapshot(chat=1), {})
    served.ack(identity("a"), applied(snapshot(chat=1).version), now=1.0)
    served.publish(snapshot(chat=1, other=1), {})
    assert rollout(served).applied == 1
    assert rollout(served, OTHER).applied == 0


def test_an_edit_that_was_undone_counts_again() -> None:
    served = hub()
    attach(served, "a")
    for generation in (1, 2, 1):
        served.publish(snapshot(chat=generation), {})
    served.ack(identity("a"), applied(snapshot(chat=2).version), now=1.0)
    assert rollout(served).applied == 0
    served.ack(identity("a"), applied(snapshot(chat=1).version), now=1.0)
    assert rollout(served).applied == 1


def test_an_ack_of_a_version_never_published_is_counted_and_dropped() -> None:
    served = hub()
    attach(served, "a")
    served.publish(snapshot(chat=1), {})
    assert not served.ack(identity("a"), applied(SnapshotVersion("sha256:00")), now=1.0)
    assert not served.ack(identity("b", sidecar_scope("x")), applied(snapshot(chat=1).version), now=1.0)
    assert served.take_acks() == {"unknown": 2}
    assert not served.take_acks()
    assert rollout(served).applied == 0


def test_one_made_anew_under_its_name_is_not_taken_for_the_old_one() -> None:
    """Its generation is 1 again, and creation times have whole seconds."""
    served = hub()
    attach(served, "a")
    old, new = (
        Route(models=(model,), created="2026-01-01T00:00:00Z", generation=1, targets=()) for model in ("old", "new")
    )
    first, second = (
        prepare(Snapshot(schema=SCHEMA, scope=GATEWAY_SCOPE, routes={RouteKey("default/chat"): route}))
        for route in (old, new)
    )
    served.publish(first, {})
    served.ack(identity("a"), applied(first.version), now=1.0)
    served.publish(second, {})
    assert rollout(served).applied == 0


def test_what_is_prepared_shows_no_secret() -> None:
    made = prepare(
        Snapshot(schema=SCHEMA, scope=GATEWAY_SCOPE, credentials={ProviderKey("a/b"): APIKey(key=Secret("sesame"))})
    )
    assert b"sesame" in made.encoded
    assert "sesame" not in repr(made)


def test_a_proxy_that_has_gone_is_not_counted() -> None:
    served = hub()
    stream = attach(served, "a")
    served.publish(snapshot(chat=1), {})
    served.ack(identity("a"), applied(snapshot(chat=1).version), now=1.0)
    served.detach(stream, now=2.0)
    assert rollout(served) == Rollout(applied=0, total=0)


def test_two_streams_of_one_pod_are_one_proxy() -> None:
    served = hub()
    attach(served, "a")
    second = attach(served, "a")
    served.publish(snapshot(chat=1), {})
    assert rollout(served).total == 1
    served.detach(second, now=1.0)
    assert rollout(served).total == 1


def test_a_rejection_reaches_the_resource_that_it_names() -> None:
    served = hub()
    attach(served, "a")
    served.publish(snapshot(chat=1, other=1), {})
    version = snapshot(chat=1, other=1).version
    served.ack(identity("a"), rejected(version, "routes.default/chat.targets[0]", "no\nsuch kind"), now=1.0)
    blamed = rollout(served).rejection
    assert blamed is not None
    assert (blamed.path, blamed.reason, blamed.proxies) == ("routes.default/chat.targets[0]", "no such kind", 1)


def test_a_rejection_of_a_provider_reaches_the_routes_that_use_it() -> None:
    served = hub()
    attach(served, "a")
    served.publish(snapshot(chat=1), {})
    served.ack(identity("a"), applied(snapshot(chat=1).version), now=1.0)
    served.publish(snapshot(chat=1, other=1), {})
    served.ack(identity("a"), rejected(snapshot(chat=1, other=1).version, "providers.default/p"), now=1.0)
    assert rollout(served).rejection is not None


def test_a_rejection_ends_with_the_version_it_was_for() -> None:
    served = hub()
    attach(served, "a")
    served.publish(snapshot(chat=1), {})
    served.ack(identity("a"), rejected(snapshot(chat=1).version, "routes.default/chat"), now=1.0)
    served.publish(snapshot(chat=2), {})
    assert rollout(served).rejection is None


def test_a_foreign_sidecar_writes_no_words_into_another_namespaces_status() -> None:
    served = hub()
    scope = sidecar_scope("team-b")
    attach(served, "thief", scope)
    served.publish(snapshot(scope, chat=1), {})
    served.ack(
        identity("thief", scope),
        rejected(snapshot(scope, chat=1).version, "routes.default/chat", "call 555-0100"),
        now=1.0,
    )
    blamed = rollout(served).rejection
    assert blamed is not None
    assert blamed.path == ""
    assert "555" not in blamed.reason


def test_a_path_of_another_namespace_is_not_shown() -> None:
    served = hub()
    attach(served, "a")
    served.publish(snapshot(chat=1), {})
    served.ack(identity("a"), rejected(snapshot(chat=1).version, "routes.secret-project/x", "bad"), now=1.0)
    blamed = rollout(served).rejection
    assert blamed is not None
    assert "secret-project" not in blamed.path + blamed.reason


def test_a_report_heals_a_lost_ack() -> None:
    served = hub()
    attach(served, "a")
    served.publish(snapshot(chat=1), {})
    assert served.report(identity("a"), Report(boot="1", sequence=1, applied=snapshot(chat=1).version), now=1.0)
    assert rollout(served).applied == 1


def test_a_report_heals_it_although_the_version_is_published_later() -> None:
    served = hub()
    attach(served, "a")
    served.report(identity("a"), Report(boot="1", sequence=1, applied=snapshot(chat=1).version), now=1.0)
    served.publish(snapshot(chat=1), {})
    assert rollout(served).applied == 1


def quota(scope: Scope = GATEWAY_SCOPE) -> Prepared:
    limits = (Limit(resource=Resource.REQUESTS, amount=5, window="1m", window_s=60),)
    made = Quota(namespace="default", generation=1, per=Per.SUBJECT, limits=limits)
    return prepare(Snapshot(schema=SCHEMA, scope=scope, quotas={QuotaKey("default/q"): made}))


def test_a_sidecars_report_counts_for_what_it_was_given_only() -> None:
    served = hub()
    scope = sidecar_scope("team-b")
    use = (LimitUse(resource="Requests", window="1m", used=3, counters=1),)
    attach(served, "a", scope)
    served.publish(quota(scope), {})
    said = {QuotaKey("default/q"): use, QuotaKey("team-a/theirs"): use}
    met = {ProviderKey("team-a/theirs"): (Unknown(dialect="d", what="w"),)}
    served.report(identity("a", scope), Report(boot="1", sequence=1, quotas=said, unknown=met), now=1.0)
    assert served.reports(1.0).reports["uid-a"].quotas == {QuotaKey("default/q"): use}
    assert not served.reports(1.0).reports["uid-a"].unknown


def test_an_older_report_is_dropped_but_not_one_of_a_new_start() -> None:
    served = hub()
    served.publish(quota(), {})
    use = {QuotaKey("default/q"): (LimitUse(resource="Requests", window="1m", used=3, counters=1),)}
    assert served.report(identity("a"), Report(boot="1", sequence=5, quotas=use), now=1.0)
    assert not served.report(identity("a"), Report(boot="1", sequence=5), now=1.0)
    assert not served.report(identity("a"), Report(boot="1", sequence=4), now=1.0)
    assert served.reports(1.0).reports["uid-a"].quotas == use
    assert served.report(identity("a"), Report(boot="2", sequence=1), now=1.0)


def test_old_reports_are_not_believed() -> None:
    served = hub()
    served.report(identity("a"), Report(boot="1", sequence=1), now=0.0)
    assert served.reports(120.0).reports
    assert not served.reports(200.0).reports
    served.forget(200.0)
    assert not served.reports(0.0).reports


def test_a_proxy_that_is_long_gone_is_forgotten() -> None:
    served = hub()
    stream = attach(served, "a")
    served.forget(10_000.0)
    assert served.fleet().scopes
    served.detach(stream, now=10_000.0)
    served.forget(11_000.0)
    assert not served.fleet().scopes


def test_revisions_change_with_what_peers_would_see() -> None:
    served = hub()
    before = served.revision
    attach(served, "a")
    assert served.revision != before


def test_closing_ends_every_stream() -> None:
    served = hub()
    woken: list[None] = []
    stream = served.attach(identity("a"), wake=lambda: woken.append(None), now=0.0)
    served.close()
    assert stream.closed
    assert woken


BEDROCK = ProviderKey("default/bedrock")
AZURE = ProviderKey("default/azure")


def session(name: str) -> AccessKey:
    return AccessKey(access_key_id="ASIAEXAMPLE000000001", secret_access_key=Secret(name), expires_at=2_000)


def renewals(stream: Subscription) -> list[dict[ProviderKey, Credential] | SnapshotVersion]:
    """What the stream has next: the credentials of a renewal, the version of a snapshot."""
    found = stream.take()
    lines = [canonical.decode_line(line) for line in (found.lines if found else ())]
    return [line.credentials if isinstance(line, Renewal) else line.version for line in lines]  # type: ignore[union-attr]


def test_credentials_that_end_come_before_the_snapshot_that_needs_them() -> None:
    served = hub()
    stream = attach(served, "a")
    made = snapshot(chat=1)
    served.publish(made, {}, {BEDROCK: session("one")})
    assert renewals(stream) == [{BEDROCK: session("one")}, made.version]
    assert renewals(attach(served, "late")) == [{BEDROCK: session("one")}, made.version]


def test_a_renewed_credential_goes_out_alone_to_the_scopes_that_need_it() -> None:
    served = hub()
    stream, other = attach(served, "a"), attach(served, "b", sidecar_scope("team-a"))
    served.publish(snapshot(chat=1), {}, {BEDROCK: session("one"), AZURE: session("x")})
    served.publish(snapshot(sidecar_scope("team-a"), chat=1), {}, {AZURE: session("x")})
    stream.take(), other.take()
    served.renew(BEDROCK, session("two"))
    assert renewals(stream) == [{BEDROCK: session("two")}]
    assert renewals(other) == []


def test_a_slow_reader_finds_only_the_newest_credential() -> None:
    served = hub()
    stream = attach(served, "a")
    served.publish(snapshot(chat=1), {}, {BEDROCK: session("one"), AZURE: session("x")})
    stream.take()
    for name in ("two", "three"):
        served.renew(BEDROCK, session(name))
    assert renewals(stream) == [{BEDROCK: session("three")}]
    assert renewals(stream) == []


def test_credentials_wake_nobody_when_they_are_the_same() -> None:
    served = hub()
    stream = attach(served, "a")
    served.publish(snapshot(chat=1), {}, {BEDROCK: session("one")})
    stream.take()
    assert not served.publish(snapshot(chat=1), {}, {BEDROCK: session("one")})
    served.renew(BEDROCK, session("one"))
    served.renew(ProviderKey("default/unknown"), session("two"))
    assert stream.take() is None


def test_a_credential_that_no_route_needs_any_more_is_given_to_nobody() -> None:
    served = hub()
    served.publish(snapshot(chat=1), {}, {BEDROCK: session("one")})
    made = snapshot(chat=2)
    served.publish(made, {}, {})
    served.renew(BEDROCK, session("two"))
    assert renewals(attach(served, "a")) == [made.version]


def test_what_is_handed_out_is_told_once_for_each_stream() -> None:
    served = hub()
    stream = attach(served, "a")
    egress = Basic(username=Secret("u"), password=Secret("p"))
    static = msgspec.structs.replace(
        snapshot(chat=1).snapshot, credentials={AZURE: APIKey(key=Secret("k"))}, proxy_credentials={AZURE: egress}
    )
    served.publish(prepare(static), {}, {BEDROCK: session("one")})
    first = stream.take()
    assert first is not None
    assert first.handed == {
        (AZURE, Shows.PROVIDER): APIKey(key=Secret("k")),
        (AZURE, Shows.FORWARD_PROXY): egress,
        (BEDROCK, Shows.PROVIDER): session("one"),
    }
    served.renew(BEDROCK, session("two"))
    second = stream.take()
    assert second is not None
    assert second.handed == {(BEDROCK, Shows.PROVIDER): session("two")}
    other = msgspec.structs.replace(static, schema=1)
    served.publish(prepare(other), {}, {BEDROCK: session("two")})
    third = stream.take()
    assert third is not None
    assert (len(third.lines), third.handed) == (1, {})


def test_a_refusal_is_passed_on_only_for_the_credential_that_the_proxy_has_now() -> None:
    served = hub()
    told: list[tuple[ProviderKey, str]] = []
    served.notify(wanted=lambda: None, moved=lambda: None, refused=lambda *what: told.append(what))
    served.publish(snapshot(chat=1), {}, {BEDROCK: session("one")})
    current = canonical.fingerprint(session("one"))
    served.refuse(identity("a"), Refusal(provider=BEDROCK, fingerprint=canonical.fingerprint(session("older"))))
    served.refuse(identity("a"), Refusal(provider=AZURE, fingerprint=current))
    served.refuse(identity("b", sidecar_scope("team-a")), Refusal(provider=BEDROCK, fingerprint=current))
    assert told == []
    served.refuse(identity("a"), Refusal(provider=BEDROCK, fingerprint=current))
    assert told == [(BEDROCK, current)]

"""What the terminal of `pilothouse up` says."""

import json
from typing import Any

import pytest

from pilothouse import console
from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, QuotaKey, RouteKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import APIKey
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.identity import Identity, KeyHolder
from pilothouse_api.snapshot.providers import Provider
from pilothouse_api.snapshot.quotas import Limit, Per, Quota, Resource
from pilothouse_api.snapshot.routes import Route, Target
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_operator.compile.world import Kind, ResourceKey

CHAT = RouteKey("default/chat")
CHAT_RESOURCE = ResourceKey(Kind.ROUTE, "default", "chat")


def target(name: str, *, weight: int = 1, priority: int = 0) -> Target:
    provider, _, model = name.partition("/")
    return Target(provider=ProviderKey(f"default/{provider}"), model=model or None, weight=weight, priority=priority)


def chat(*targets: Target, models: tuple[str, ...] = ("chat",)) -> Route:
    return Route(models=models, created="", generation=1, targets=targets)


def snapshot(**tables: Any) -> Snapshot:
    return Snapshot(schema=SCHEMA, scope=GATEWAY_SCOPE, **tables)


@pytest.mark.parametrize(
    ("targets", "shown"),
    [
        ([target("a/x")], "a/x"),
        ([target("a")], "a"),
        ([target("a/x", weight=50), target("b/y", weight=50)], "50 % a/x, 50 % b/y"),
        ([target("a/x", weight=1), target("b/y", weight=2)], "33 % a/x, 67 % b/y"),
        ([target("a/x"), target("b/y", priority=1)], "a/x; then b/y"),
        ([target("a/x"), target("b/y", weight=0)], "a/x, b/y as a spare"),
        ([target("a/x", weight=0)], "a/x"),
        ([target("a/x", weight=0), target("b/y", weight=0)], "a/x, b/y"),
        ([], "no target that can be used"),
    ],
)
def test_targets_show_shares_within_a_priority_and_priorities_in_turn(targets: list[Target], shown: str) -> None:
    assert console.targets(chat(*targets)) == shown


def test_a_changed_weight_is_told_by_target() -> None:
    before = snapshot(routes={CHAT: chat(target("a/x", weight=50), target("b/y", weight=50))})
    after = snapshot(routes={CHAT: chat(target("a/x", weight=10), target("b/y", weight=50))})
    assert console.changes(before, after) == {CHAT_RESOURCE: "route default/chat: a/x 50→10"}


def test_other_targets_are_told_whole() -> None:
    before = snapshot(routes={CHAT: chat(target("a/x"))})
    after = snapshot(routes={CHAT: chat(target("b/y"))})
    assert console.changes(before, after) == {CHAT_RESOURCE: "route default/chat: targets a/x → b/y"}


def test_what_comes_and_goes_is_told() -> None:
    empty, full = snapshot(), snapshot(routes={CHAT: chat(target("a/x"))})
    assert console.changes(empty, full) == {CHAT_RESOURCE: "route default/chat: added, chat → a/x"}
    assert console.changes(full, empty) == {CHAT_RESOURCE: "route default/chat: removed"}


def test_renamed_models_are_told() -> None:
    before = snapshot(routes={CHAT: chat(models=("old",))})
    after = snapshot(routes={CHAT: chat(models=("new",))})
    assert console.changes(before, after)[CHAT_RESOURCE] == "route default/chat: models old → new"


def test_a_change_that_has_no_words_is_a_change_all_the_same() -> None:
    before, after = (
        snapshot(routes={CHAT: chat()}),
        snapshot(routes={CHAT: Route(models=("chat",), created="", generation=2)}),
    )
    assert console.changes(before, after)[CHAT_RESOURCE] == "route default/chat: changed"


def test_a_rotated_credential_is_told_without_it() -> None:
    key = ProviderKey("default/a")
    providers = {key: Provider(endpoint=OpenAIEndpoint(url="http://a"))}
    before = snapshot(providers=providers, credentials={key: APIKey(key=Secret("old"))})
    after = snapshot(providers=providers, credentials={key: APIKey(key=Secret("new"))})
    found = console.changes(before, after)
    assert list(found.values()) == ["provider default/a: signs in with a new credential"]


def test_a_changed_quota_shows_its_limits() -> None:
    def quota(amount: int) -> Snapshot:
        limit = Limit(resource=Resource.REQUESTS, amount=amount, window="1m", window_s=60)
        made = Quota(namespace="default", generation=1, per=Per.SUBJECT, limits=(limit,))
        return snapshot(quotas={QuotaKey("default/q"): made})

    assert list(console.changes(quota(1), quota(2)).values()) == ["quota default/q: 2 Requests in 1m, per Subject"]


def test_equal_snapshots_have_no_changes() -> None:
    same = snapshot(routes={CHAT: chat(target("a/x"))})
    assert console.changes(same, same) == {}


def test_another_age_is_no_change_to_tell() -> None:
    before, after = (
        snapshot(routes={CHAT: Route(models=("chat",), created=created, generation=1, targets=(target("a/x"),))})
        for created in ("2000-01-01T00:00:01Z", "2000-01-01T00:00:02Z")
    )
    assert console.changes(before, after) == {}


def test_callers_without_keys_are_told_how_to_make_one() -> None:
    assert "pilothouse.dev/type: api-key" in console.callers(Identity())
    holder = KeyHolder(namespace="default", user="local")
    assert console.callers(Identity(anonymous=holder)) == "anybody on this machine, as default/local"
    assert console.callers(Identity(api_keys={"00": holder})) == "1 API key"
    assert console.callers(Identity(api_keys={"00": holder}, anonymous=holder)).endswith("; 1 API key")


def test_the_curl_to_try_has_a_body_that_is_json() -> None:
    place = console.Place(file="routes.yaml:1", model="chat", url="http://127.0.0.1:8080/v1", key_needed=False)
    first = console.things_to_try(place)[0]
    assert json.loads(first[first.index("{") : first.rindex("}") + 1])["model"] == "chat"


def test_with_keys_the_things_to_try_use_one() -> None:
    place = console.Place(file="routes.yaml:1", model="chat", url="http://0.0.0.0:8080/v1", key_needed=True)
    shown = "\n".join(console.things_to_try(place))
    assert "authorization: Bearer" in shown
    assert 'os.environ["PILOTHOUSE_KEY"]' in shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            {"status": 200, "model": "chat", "provider": "default/a", "upstream_model": "x", "duration_ms": 12.4},
            "200  chat  → a/x  12 ms",
        ),
        ({"status": 404, "path": "/v1/x", "duration_ms": 0.2, "error": "not_found"}, "404  /v1/x  0 ms  not_found"),
        (
            {"status": 200, "model": "c", "duration_ms": 9.6, "stream": True, "first_byte_ms": 2.0, "attempts": 2},
            "200  c  10 ms  streamed, first byte 2 ms  2 attempts",
        ),
        (
            {
                "status": 200,
                "model": "c",
                "duration_ms": 1,
                "input_tokens": 3,
                "output_tokens": 4,
                "subject": "user:d/u",
            },
            "200  c  1 ms  3+4 tokens  by user:d/u",
        ),
        (
            {
                "status": 200,
                "model": "c",
                "duration_ms": 1,
                "output_tokens": 4,
                "tokens_estimated": True,
                "subject": "anonymous",
            },
            "200  c  1 ms  ~0+4 tokens",
        ),
        ({"status": 404, "model": "\x1b[2Jm\n", "duration_ms": 1}, "404  ?[2Jm?  1 ms"),
        (
            {"status": 413, "path": "", "duration_ms": 0, "error": "too_large", "note": "the body is larger"},
            "413  0 ms  too_large  the body is larger",
        ),
        (
            {"status": 400, "model": "c", "duration_ms": 1, "error": "unsupported", "param": "n"},
            "400  c  1 ms  unsupported (n)",
        ),
        (
            {
                "status": 429,
                "model": "c",
                "provider": "d/a",
                "upstream_model": "x",
                "duration_ms": 1,
                "error": "rate_limited",
                "note": "d/a: rate_limited",
            },
            "429  c  → a/x  1 ms  rate_limited",
        ),
        (
            {
                "status": 502,
                "model": "c",
                "provider": "d/a",
                "upstream_model": "x",
                "duration_ms": 1,
                "error": "connect",
                "note": "d/a: connect (refused)",
            },
            "502  c  → a/x  1 ms  connect  d/a: connect (refused)",
        ),
    ],
)
def test_a_request_is_one_short_line(line: dict[str, Any], shown: str) -> None:
    assert console.request_line(line) == shown

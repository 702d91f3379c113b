import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import ProviderKey, RouteKey, Scope, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Basic, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Connection, Model, Provider, Proxy
from pilothouse_api.snapshot.routes import FailureClass, Retry, Route, Target
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from pilothouse_api.snapshot.stream import Renewal

words = st.text(st.characters(codec="utf-8"), max_size=8)
keys = words.map(ProviderKey)
secrets = words.map(Secret)
credentials = st.one_of(
    st.builds(
        AccessKey,
        access_key_id=words,
        secret_access_key=secrets,
        session_token=st.none() | secrets,
        expires_at=st.none() | st.integers(0, 2**53),
    ),
    st.builds(BearerToken, token=secrets, expires_at=st.none() | st.integers(0, 2**53)),
    st.builds(APIKey, key=secrets),
    st.just(NoCredential()),
)
endpoints = st.one_of(
    st.builds(AnthropicEndpoint, url=words),
    st.builds(AzureOpenAIEndpoint, url=words, api_version=words),
    st.builds(BedrockEndpoint, url=words, region=words),
    st.builds(OpenAIEndpoint, url=words),
)
models = st.builds(Model, upstream=words.map(UpstreamModel), family=st.none() | words)
providers = st.builds(
    Provider,
    endpoint=endpoints,
    models=st.dictionaries(words, models, max_size=2),
    connection=st.builds(
        Connection, pool_size=st.integers(1, 9), proxy=st.none() | st.builds(Proxy, url=words, ca_bundle=st.none())
    ),
)
routes = st.builds(
    Route,
    models=st.tuples(words),
    created=words,
    generation=st.integers(0, 2**53),
    access=st.none() | st.tuples(words),
    targets=st.lists(st.builds(Target, provider=keys, weight=st.integers(0, 9)), max_size=2).map(tuple),
    retry=st.builds(Retry, on=st.lists(st.sampled_from(FailureClass), max_size=2).map(tuple)),
)
snapshots = st.builds(
    Snapshot,
    schema=st.just(SCHEMA),
    scope=words.map(Scope),
    providers=st.dictionaries(keys, providers, max_size=3),
    credentials=st.dictionaries(keys, credentials, max_size=3),
    proxy_credentials=st.dictionaries(keys, st.builds(Basic, username=secrets, password=secrets), max_size=3),
    routes=st.dictionaries(words.map(RouteKey), routes, max_size=3),
)
SMALL = Snapshot(schema=SCHEMA, scope=Scope("gateway"))


@given(snapshots)
def test_decoding_gives_back_what_was_encoded(snapshot: Snapshot) -> None:
    assert canonical.decode(canonical.encode(snapshot)) == snapshot


@given(snapshots)
def test_the_order_of_tables_changes_no_byte(snapshot: Snapshot) -> None:
    turned = msgspec.structs.replace(
        snapshot,
        providers=dict(reversed(snapshot.providers.items())),
        credentials=dict(reversed(snapshot.credentials.items())),
        routes=dict(reversed(snapshot.routes.items())),
    )
    assert canonical.encode(turned) == canonical.encode(snapshot)


@given(snapshots, snapshots)
def test_versions_are_equal_exactly_when_snapshots_are(one: Snapshot, other: Snapshot) -> None:
    versions = canonical.version(canonical.encode(one)), canonical.version(canonical.encode(other))
    assert (versions[0] == versions[1]) == (one == other)


def test_the_version_names_its_hash() -> None:
    assert canonical.version(b"{}") == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_secrets_are_in_the_bytes_and_nowhere_else() -> None:
    snapshot = msgspec.structs.replace(SMALL, credentials={ProviderKey("a/b"): APIKey(key=Secret("hidden-key"))})
    assert b"hidden-key" in canonical.encode(snapshot)
    assert "hidden-key" not in repr(snapshot)


def test_bytes_are_sorted_json_without_blanks_and_defaults() -> None:
    encoded = canonical.encode(SMALL)
    assert encoded == json.dumps(json.loads(encoded), sort_keys=True, separators=(",", ":")).encode()
    assert b"routes" not in encoded


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert canonical.decode(b'{"schema":4,"scope":"gateway","invented":{"x":1}}') == SMALL


@pytest.mark.parametrize(
    ("encoded", "place"),
    [
        (b'{"schema":1,"scope":"gateway","routes":{"a/b":{"models":["m"],"created":"x"}}}', "routes"),
        (b'{"schema":"1","scope":"gateway"}', r"\$.schema"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(encoded: bytes, place: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=place):
        canonical.decode(encoded)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        canonical.decode(b"{")


@given(st.dictionaries(keys, credentials, max_size=3))
def test_a_renewal_comes_out_of_its_line_as_it_went_in(issued: dict[ProviderKey, Credential]) -> None:
    assert canonical.decode_line(canonical.encode_renewal(Renewal(credentials=issued))) == Renewal(credentials=issued)


@given(credentials, credentials)
def test_a_fingerprint_tells_credentials_apart_and_holds_nothing_of_them(one: Credential, other: Credential) -> None:
    print_of_one = canonical.fingerprint(one)
    assert (print_of_one == canonical.fingerprint(other)) == (one == other)
    assert re.fullmatch("[0-9a-f]{16}", print_of_one)

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Connection, Provider, Proxy
from pilothouse_api.snapshot.snapshot import SCHEMA, schema_of

ENDPOINT = OpenAIEndpoint(url="https://api.openai.com/v1")


def test_a_snapshot_says_no_higher_schema_than_it_needs() -> None:
    direct = Provider(endpoint=ENDPOINT)
    through = Provider(endpoint=ENDPOINT, connection=Connection(proxy=Proxy(url="http://proxy:3128")))
    assert schema_of({}) == schema_of({ProviderKey("a/b"): direct}) == 1
    assert schema_of({ProviderKey("a/b"): direct, ProviderKey("a/c"): through}) == SCHEMA == 2

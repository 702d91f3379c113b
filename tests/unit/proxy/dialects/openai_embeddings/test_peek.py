"""The view of an embeddings request."""

import pytest

from pilothouse_proxy.dialects.openai_embeddings import peek
from pilothouse_proxy.errors import GatewayError, Kind


def test_model_and_members_are_read() -> None:
    seen = peek.read(b'{"model":"embed","input":["a","b"],"dimensions":256}')
    assert (seen.model, seen.stream) == ("embed", False)
    assert seen.members.keys() == {"model", "input", "dimensions"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"input":"a"}', "model"),
        (b'{"model":"","input":"a"}', "model"),
        (b'{"model":1,"input":"a"}', "model"),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":null}', "input"),
    ],
)
def test_what_is_missing_is_named(body: bytes, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        peek.read(body)
    assert (refused.value.kind, refused.value.param) == (Kind.INVALID_REQUEST, param)

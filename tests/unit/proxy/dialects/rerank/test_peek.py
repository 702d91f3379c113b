"""The view of a rerank request."""

import pytest

from pilothouse_proxy.dialects.rerank import peek
from pilothouse_proxy.errors import GatewayError, Kind


def test_model_and_members_are_read() -> None:
    seen = peek.read(b'{"model":"rank","query":"q","documents":["a"],"top_n":1}')
    assert (seen.model, seen.stream, seen.max_output_tokens) == ("rank", False, 0)
    assert seen.members.keys() == {"model", "query", "documents", "top_n"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"query":"q","documents":["a"]}', "model"),
        (b'{"model":"rank","documents":["a"]}', "query"),
        (b'{"model":"rank","query":null,"documents":["a"]}', "query"),
        (b'{"model":"rank","query":"q"}', "documents"),
        (b'{"model":"rank","query":"q","documents":null}', "documents"),
    ],
)
def test_what_is_missing_is_named(body: bytes, param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        peek.read(body)
    assert (refused.value.kind, refused.value.param) == (Kind.INVALID_REQUEST, param)

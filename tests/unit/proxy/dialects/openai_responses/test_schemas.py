import msgspec
import pytest

from pilothouse_proxy.dialects.openai_responses import schemas
from pilothouse_proxy.exchange.request import Strict

CLOSED = b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}'


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (CLOSED, True),
        (b'{"type":"array","items":' + CLOSED + b"}", True),
        (b'{"anyOf":[{"type":"null"},' + CLOSED + b"]}", True),
        (CLOSED.replace(b',"additionalProperties":false', b""), False),
        (CLOSED.replace(b'"required":["a"]', b'"required":[]'), False),
        (b'{"type":"array","items":{"type":"object","properties":{}}}', False),
        (b'{"$defs":{"x":{"type":"object"}}}', False),
        (b'{"type":"object","properties":[],"additionalProperties":false}', False),
        (b"true", False),
        (b"[", False),
        (b'{"items":' * 100 + b"{}" + b"}" * 100, False),
    ],
)
def test_a_schema_is_closed_if_every_object_in_it_is(schema: bytes, closed: bool) -> None:
    assert schemas.is_closed(msgspec.Raw(schema)) is closed


def test_a_function_is_held_to_a_closed_schema_unless_it_says_otherwise() -> None:
    closed = msgspec.Raw(CLOSED)
    assert [schemas.strictness(asked, closed) for asked in (None, True, False)] == [
        Strict.PREFERRED,
        Strict.YES,
        Strict.NO,
    ]
    assert schemas.strictness(None, None) is Strict.NO

import msgspec
import pytest

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members, reading


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    a: int | None = None
    schema: msgspec.Raw = msgspec.Raw()


DECODER = msgspec.json.Decoder(list[Inner])
OPAQUE = frozenset({"schema"})


def read(raw: bytes) -> list[Inner] | None:
    return reading.read(members.read(b'{"x":' + raw + b"}"), "x", DECODER, opaque=OPAQUE)


def test_a_member_that_is_absent_is_none() -> None:
    assert reading.read(members.read(b"{}"), "x", DECODER, opaque=OPAQUE) is None


def test_null_asks_for_nothing_also_where_the_member_is_unknown() -> None:
    assert read(b'[{"a":1,"b":null}]') == [Inner(a=1)]


def test_an_unknown_member_is_refused_by_its_path() -> None:
    with pytest.raises(GatewayError) as raised:
        read(b'[{"a":1},{"b":1}]')
    assert (raised.value.kind, raised.value.param) == (Kind.UNSUPPORTED, "x[1].b")


def test_a_wrong_type_is_refused_by_its_path() -> None:
    with pytest.raises(GatewayError) as raised:
        read(b'[{"a":"1"}]')
    assert (raised.value.kind, raised.value.param) == (Kind.INVALID_REQUEST, "x[0].a")


def test_what_is_opaque_keeps_its_nulls() -> None:
    found = read(b'[{"b":null,"schema":{"default":null}}]')
    assert found is not None
    assert msgspec.json.decode(found[0].schema) == {"default": None}


def test_values_are_compared_and_not_their_spelling() -> None:
    assert reading.equals(msgspec.Raw(b"[ ]"), "x", [])
    assert not reading.equals(msgspec.Raw(b"[0]"), "x", [])
    assert reading.is_null(msgspec.Raw(b"null"))


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(GatewayError) as raised:
        reading.equals(msgspec.Raw(b"[" * 100_000 + b"]" * 100_000), "x", [])
    assert raised.value.param == "x"

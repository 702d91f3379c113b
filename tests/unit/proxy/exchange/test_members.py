"""The top-level members of a body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members
from pilothouse_proxy.http.body import LARGE_BYTES, Pieces, whole

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES))
def test_replacing_nothing_gives_the_same_object(body: dict[str, object]) -> None:
    assert json.loads(members.replaced(members.read(json.dumps(body).encode()))) == body


@given(st.dictionaries(st.text(), VALUES), st.text())
def test_a_replaced_member_is_the_only_one_that_changes(body: dict[str, object], model: str) -> None:
    replaced = json.loads(members.replaced(members.read(json.dumps(body).encode()), model=model))
    assert replaced == body | {"model": model}


@given(
    st.dictionaries(st.text(), VALUES),
    st.text(),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]),
    st.booleans(),
)
def test_a_model_is_renamed_and_all_else_stays(
    body: dict[str, object], model: str, separators: tuple[str, str], escapes: bool
) -> None:
    sent = json.dumps(body | {"model": "m"}, separators=separators, ensure_ascii=escapes).encode("utf-8", "replace")
    assert json.loads(members.renamed(sent, members.read(sent), model)) == json.loads(sent) | {"model": model}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_body_as_sdks_write_it_keeps_every_other_byte(separators: tuple[str, str]) -> None:
    body = {"a": [1, {"model": "x"}], "model": "m", "z": {"n": 1.50, "t": "model"}}
    sent = json.dumps(body, separators=separators).encode()
    wanted = json.dumps(body | {"model": "other"}, separators=separators).encode()
    assert members.renamed(sent, members.read(sent), "other") == wanted


@pytest.mark.parametrize("size", [20_000, 65_000, 70_000, 1_000_000])
def test_so_does_a_long_one_and_of_a_large_one_nothing_else_is_copied(size: int) -> None:
    body = {"a": "\u00e9" * (size // 2), "model": "m", "z": 1}
    sent = json.dumps(body, ensure_ascii=False).encode()
    renamed = members.renamed(sent, members.read(sent), "other")
    assert whole(renamed) == sent.replace(b'"m"', b'"other"')
    if size > LARGE_BYTES:
        assert isinstance(renamed, Pieces)
        assert [part.obj is sent for part in renamed.parts if isinstance(part, memoryview)] == [True, True]


def test_values_pass_byte_for_byte() -> None:
    body = b'{"model" : "a", "x":\t{ "big":12345678901234567890, "n": 1.0e3, "u":"\\u00e9" } }'
    assert members.replaced(members.read(body), model="b") == (
        b'{"model":"b","x":{ "big":12345678901234567890, "n": 1.0e3, "u":"\\u00e9" }}'
    )


@pytest.mark.parametrize(
    "twice",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"mod\\u0065l":"cheap","model":"dear"}',
        b'{"model":"cheap","\\u006dodel":"dear"}',
        b'{"model": "a","model":"b"}',
        b'{"model":"a", "model":"b"}',
        b' {"model":"a","model":"b"}',
    ],
)
def test_no_second_spelling_of_a_member_gets_past_the_replacement(twice: bytes) -> None:
    assert members.replaced(members.read(twice), model="allowed") == b'{"model":"allowed"}'
    assert members.renamed(twice, members.read(twice), "allowed") == b'{"model":"allowed"}'


def test_blanks_to_spare_hide_no_second_member() -> None:
    # As long as if each comma and colon had a blank behind it.
    body = b'{"b":1,"a":0,"model":"m","d":1,"c":22}'
    assert len(members.read(body)) == 5
    twice = body.replace(b'"b":1', b'"a":1').replace(b'"c":22', b'"c": 22     ')
    assert json.loads(members.renamed(twice, members.read(twice), "x")) == {"a": 0, "model": "x", "d": 1, "c": 22}
    assert twice.count(b'"a"') == 2
    assert members.renamed(twice, members.read(twice), "x").count(b'"a"') == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b'{"a":1}{}', b'{"a":}', b'{"\xff":1}', b'{"a":' + b"[" * 100_000]
)
def test_what_is_not_one_object_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        members.read(body)
    assert refused.value.kind is Kind.INVALID_REQUEST


def test_bytes_that_are_no_text_are_refused_wherever_they_are() -> None:
    with pytest.raises(GatewayError, match="not UTF-8 at byte 26") as refused:
        members.read(b'{"model":"m","messages":["\xff"]}')
    assert refused.value.kind is Kind.INVALID_REQUEST


def test_text_of_any_script_passes() -> None:
    body = '{"model":"m","text":"Grüezi 你好 🚢"}'.encode()
    assert members.replaced(members.read(body)) == body


def test_an_empty_body_is_called_so() -> None:
    with pytest.raises(GatewayError, match="has no body"):
        members.read(b"")


@pytest.mark.parametrize("name", ["", "x" * (members.MAX_MODEL_CHARS + 1), "x" * 1_000_000])
def test_a_model_s_name_has_a_length(name: str) -> None:
    with pytest.raises(GatewayError) as refused:
        members.model(members.read(json.dumps({"model": name}).encode()))
    assert (refused.value.kind, refused.value.param) == (Kind.INVALID_REQUEST, "model")
    assert len(refused.value.message) < 100


def test_the_longest_name_passes() -> None:
    name = "x" * members.MAX_MODEL_CHARS
    assert members.model(members.read(json.dumps({"model": name}).encode())) == name

"""The view of a client's body that routing gets."""

import json

import pytest

from pilothouse_proxy.dialects.openai_chat import peek
from pilothouse_proxy.errors import GatewayError, Kind

HELLO = [{"role": "user", "content": "Hello"}]


def read(**body: object) -> object:
    return peek.read(json.dumps({"model": "m", "messages": HELLO, **body}).encode())


def test_the_least_request_has_the_least_view() -> None:
    seen = peek.read(json.dumps({"model": "m", "messages": HELLO}).encode())
    assert (seen.model, seen.stream, seen.include_usage, seen.max_output_tokens, seen.choices) == (
        "m",
        False,
        False,
        None,
        1,
    )
    assert seen.members.keys() == {"model", "messages"}


def test_what_routing_needs_is_read() -> None:
    seen = peek.read(
        json.dumps(
            {
                "model": "m", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True, "x": 1},
                "max_tokens": 10, "max_completion_tokens": 20, "n": 3,
            }
        ).encode()
    )  # fmt: skip
    assert (seen.stream, seen.include_usage, seen.max_output_tokens, seen.choices) == (True, True, 20, 3)


def test_null_is_as_good_as_absent() -> None:
    nothing = ("stream", "stream_options", "max_tokens", "max_completion_tokens", "n")
    seen = peek.read(json.dumps({"model": "m", "messages": HELLO, **dict.fromkeys(nothing)}).encode())
    assert (seen.stream, seen.include_usage, seen.max_output_tokens, seen.choices) == (False, False, None, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None), ("model", 4), ("model", ""), ("messages", None), ("messages", []), ("messages", {}),
        ("messages", "Hello"), ("stream", "yes"), ("stream", 1), ("stream_options", "usage"), ("max_tokens", 0),
        ("stream_options", {"include_usage": "yes"}), ("max_completion_tokens", -1), ("max_tokens", "many"),
        ("n", 0), ("n", 1.5),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(GatewayError) as refused:
        read(**{name: value})
    assert (refused.value.kind, refused.value.param) == (Kind.INVALID_REQUEST, name)


@pytest.mark.parametrize("name", ["model", "messages"])
def test_what_is_required_is_asked_for_by_its_name(name: str) -> None:
    body = {"model": "m", "messages": HELLO}
    del body[name]
    with pytest.raises(GatewayError) as refused:
        peek.read(json.dumps(body).encode())
    assert refused.value.param == name


def test_messages_are_not_looked_into() -> None:
    assert peek.read(b'{"model":"m","messages":[{"role":"martian"}]}').model == "m"

import json
from typing import Any

import pytest

from pilothouse_proxy.dialects.anthropic_messages import peek
from pilothouse_proxy.errors import GatewayError, Kind

ASKED: dict[str, Any] = {"model": "m", "max_tokens": 7, "messages": [{"role": "user", "content": "x"}]}


def test_what_routing_must_know_is_found() -> None:
    found = peek.read(json.dumps({**ASKED, "stream": True, "unheard_of": {"a": 1}}).encode())
    assert (found.model, found.stream, found.max_output_tokens, found.choices) == ("m", True, 7, 1)
    assert bytes(found.members["unheard_of"]) == b'{"a": 1}'


def test_a_limit_of_nothing_is_one() -> None:
    assert peek.read(json.dumps({**ASKED, "max_tokens": 0}).encode()).max_output_tokens == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None), ("model", ""), ("max_tokens", None), ("max_tokens", -1), ("max_tokens", "7"),
        ("messages", None), ("messages", []), ("messages", {}), ("stream", 1),
    ],
)  # fmt: skip
def test_a_malformed_member_is_named(name: str, value: object) -> None:
    with pytest.raises(GatewayError) as raised:
        peek.read(json.dumps({**ASKED, name: value}).encode())
    assert (raised.value.kind, raised.value.param) == (Kind.INVALID_REQUEST, name)


@pytest.mark.parametrize("name", list(ASKED))
def test_a_missing_member_is_named(name: str) -> None:
    with pytest.raises(GatewayError) as raised:
        peek.read(json.dumps({key: value for key, value in ASKED.items() if key != name}).encode())
    assert raised.value.param == name


def test_a_count_has_no_limit_and_no_stream() -> None:
    found = peek.read_count(json.dumps({"model": "m", "messages": ASKED["messages"], "stream": True}).encode())
    assert (found.max_output_tokens, found.stream) == (0, False)
    with pytest.raises(GatewayError) as raised:
        peek.read_count(b'{"model": "m"}')
    assert raised.value.param == "messages"

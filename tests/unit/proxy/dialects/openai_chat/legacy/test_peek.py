"""The view of a legacy completion that routing gets."""

import json

import pytest

from pilothouse_proxy.call import Peek
from pilothouse_proxy.dialects.openai_chat.legacy import peek
from pilothouse_proxy.errors import GatewayError, Kind


def read(**body: object) -> Peek:
    return peek.read(json.dumps({"model": "m", "prompt": "Hi", **body}).encode())


def test_the_least_request_writes_sixteen_tokens() -> None:
    seen = read()
    assert (seen.model, seen.stream, seen.include_usage, seen.max_output_tokens, seen.choices) == (
        "m",
        False,
        False,
        16,
        1,
    )


def test_what_routing_needs_is_read() -> None:
    seen = read(stream=True, stream_options={"include_usage": True}, max_tokens=0, n=2)
    assert (seen.stream, seen.include_usage, seen.max_output_tokens, seen.choices) == (True, True, 0, 2)


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        ({"prompt": ["a", "b", "c"]}, 3),
        ({"prompt": [[1, 2], [3]], "n": 2}, 4),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": []}, 1),
        ({"prompt": None}, 1),
        ({"n": 2, "best_of": 5}, 5),
        ({"n": None, "best_of": None}, 1),
    ],
)
def test_every_text_that_will_be_written_counts(body: dict[str, object], choices: int) -> None:
    assert read(**body).choices == choices


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": -1}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"best_of": "x"}, "best_of"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"model": ""}, "model"),
    ],
)
def test_what_routing_cannot_read_is_refused_by_name(body: dict[str, object], param: str) -> None:
    with pytest.raises(GatewayError) as refusal:
        read(**body)
    assert (refusal.value.kind, refusal.value.param) == (Kind.INVALID_REQUEST, param)

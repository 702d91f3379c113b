"""Reranking between two speakers of the same dialect."""

import json
from typing import Any

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.rerank import passthrough, peek
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.operations import DialectName, Operation

BODY = b'{"model":"rank","query":"q","documents":[ "a", {"text":"b"}], "x":1.50}'
SUBJECT = passthrough.PassThrough()


def call() -> Call:
    return Call(
        operation=Operation.RERANK,
        request_id="r",
        created=0,
        peek=peek.read(BODY),
        body=BODY,
        model=Model(upstream=UpstreamModel("rerank-v3.5")),
        dialect=DialectName.RERANK,
        streams=False,
    )


def test_only_the_models_name_is_replaced() -> None:
    assert SUBJECT.request(call()) == (b'{"model":"rerank-v3.5","query":"q","documents":[ "a", {"text":"b"}],"x":1.50}')


@pytest.mark.parametrize(
    ("told", "tokens", "units"),
    [
        ({}, 0, 0),
        ({"usage": None, "meta": None}, 0, 0),
        ({"usage": {"total_tokens": 7}}, 7, 0),
        ({"usage": {"prompt_tokens": 6, "total_tokens": 7}}, 6, 0),
        ({"meta": {"billed_units": {"search_units": 2.0}}}, 0, 2),
        ({"meta": {"billed_units": {"search_units": 1, "input_tokens": 9}}}, 9, 1),
        ({"meta": {"billed_units": None}}, 0, 0),
    ],
)
def test_what_is_billed_is_read(told: dict[str, Any], tokens: int, units: int) -> None:
    body = json.dumps({"results": [], **told}).encode()
    answer = SUBJECT.reply(call(), [], body)
    assert answer.usage is not None
    assert (answer.body, answer.usage.input_tokens, answer.usage.estimated) == (body, tokens, False)
    assert answer.search_units == units


def test_a_stream_is_not_what_was_asked_for() -> None:
    with pytest.raises(UpstreamBroken):
        SUBJECT.relay(call(), [])

"""Requests for embeddings to the exchange; what is refused and under which name is in the golden files."""

import json
from typing import Any

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_embeddings import decode, peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.embedding import Input, Purpose, Request
from pilothouse_proxy.operations import DialectName, Operation


def decoded(**members: Any) -> Request:
    body = json.dumps({"model": "embed", **members}).encode()
    return decode.decode(
        Call(
            operation=Operation.EMBEDDINGS,
            request_id="r",
            created=0,
            peek=peek.read(body),
            body=body,
            model=Model(upstream=UpstreamModel("m")),
            dialect=DialectName.BEDROCK_TITAN_EMBED,
            streams=False,
        )
    )


def test_a_text_and_a_list_of_texts_are_inputs_by_name() -> None:
    assert decoded(input="one") == Request(inputs=(Input(path="input", text="one"),))
    assert decoded(input=["one", {"text": "two"}]).inputs == (
        Input(path="input[0]", text="one"),
        Input(path="input[1]", text="two"),
    )


def test_what_is_told_is_kept_and_what_no_model_sees_is_not() -> None:
    request = decoded(input="one", dimensions=256, input_type="search_query", user="u", encoding_format="base64")
    assert (request.dimensions, request.purpose, request.others) == (256, Purpose.QUERY, {})


def test_others_are_kept_by_name_unless_they_are_null() -> None:
    assert decoded(input="one", truncate="END", normalize=None).others.keys() == {"truncate"}


def test_a_list_is_bounded() -> None:
    assert len(decoded(input=["x"] * decode.MAX_INPUTS).inputs) == decode.MAX_INPUTS
    with pytest.raises(GatewayError) as refused:
        decoded(input=["x"] * (decode.MAX_INPUTS + 1))
    assert (refused.value.kind, refused.value.param) == (Kind.INVALID_REQUEST, "input")


@pytest.mark.parametrize("tokens", [[1, 2], [[1], [2]], ["text", [1]]])
def test_token_ids_are_left_to_whoever_takes_them(tokens: Any) -> None:
    with pytest.raises(GatewayError) as refused:
        decoded(input=tokens)
    assert (refused.value.kind, refused.value.param) == (Kind.UNSUPPORTED, "input")

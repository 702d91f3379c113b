"""What CountTokens is sent, and what is taken from its answer."""

import json

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_converse.counting import Counter
from pilothouse_proxy.errors import GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.request import Request, Role, Tool, Turn
from tests.golden import converse_model

REQUEST = Request(
    turns=(
        Turn(role=Role.SYSTEM, parts=(Text(text="Be brief."),), at=0),
        Turn(role=Role.USER, parts=(Text(text="Hello"),), at=1),
    ),
    tools=(Tool(name="clock"),),
    effort="low",
    max_output_tokens=4_096,
    temperature=1,
)
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def model(upstream: str) -> Model:
    return Model(upstream=UpstreamModel(upstream))


def test_what_the_model_reads_is_counted_and_nothing_else() -> None:
    body = json.loads(Counter().encode_request(REQUEST, model(SONNET)))
    counted = body["input"]["converse"]
    assert counted.keys() == {"messages", "system", "toolConfig", "additionalModelRequestFields"}
    assert converse_model.problems_of_count(body, "anthropic.claude-sonnet-4-5-20250929-v1:0") == ""


@pytest.mark.parametrize(
    "upstream",
    [
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/p9q8r7s6t5u4",
    ],
)
def test_an_arn_that_does_not_tell_its_model_cannot_be_counted_for(upstream: str) -> None:
    with pytest.raises(GatewayError) as refused:
        Counter().encode_request(REQUEST, model(upstream))
    assert (refused.value.kind, refused.value.param) == (Kind.UNSUPPORTED, "model")


def test_the_count_is_the_answers() -> None:
    assert Counter().decode_count(REQUEST, model(SONNET), b'{"inputTokens":17,"new":1}').input_tokens == 17


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"inputTokens":"17"}', b'{"inputTokens":-1}', b"null"])
def test_an_answer_of_another_form_is_broken(body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        Counter().decode_count(REQUEST, model(SONNET), body)

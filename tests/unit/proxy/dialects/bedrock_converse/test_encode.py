"""Laws of the requests that Converse is sent."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.call import Call
from pilothouse_proxy.capabilities import bedrock as capabilities
from pilothouse_proxy.dialects.bedrock_converse import encode
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.operations import DialectName, Operation
from tests.golden import converse_model

MODELS = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-opus-5-5",
    "amazon.nova-pro-v1:0",
    "meta.llama3-3-70b-instruct-v1:0",
    "openai.gpt-oss-120b-1:0",
]
TEXT = st.text(max_size=12)
PLAIN = st.builds(
    lambda role, text: {"role": role, "content": text},
    st.sampled_from(["system", "developer", "user", "assistant"]),
    TEXT,
)
ROUND = st.builds(
    lambda said, names, answers: [
        {
            "role": "assistant",
            "content": said,
            "tool_calls": [
                {"id": f"c-{name}", "type": "function", "function": {"name": name, "arguments": '{"x":1}'}}
                for name in names
            ],
        },
        *[{"role": "tool", "tool_call_id": f"c-{name}", "content": answers} for name in reversed(names)],
    ],
    st.none() | TEXT,
    st.lists(st.sampled_from(["a", "b", "mcp/c d"]), min_size=1, max_size=3, unique=True),
    TEXT,
)
CONVERSATION = st.lists(PLAIN.map(lambda message: [message]) | ROUND, min_size=1, max_size=6).map(
    lambda rounds: list(itertools.chain.from_iterable(rounds))
)
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("a", "b", "mcp/c d")]


def sent(upstream: str, **body: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sent_raw(upstream, json.dumps({"model": "m", **body}).encode()))
    return document


def sent_raw(upstream: str, raw: bytes) -> bytes:
    met = translation.between(DialectName.OPENAI_CHAT, DialectName.BEDROCK_CONVERSE)
    assert met is not None
    call = Call(
        operation=Operation.CHAT,
        request_id="r",
        created=0,
        peek=translation.peek(DialectName.OPENAI_CHAT)(raw),
        body=raw,
        model=Model(upstream=UpstreamModel(upstream)),
        dialect=DialectName.BEDROCK_CONVERSE,
        streams=False,
    )
    return met.request(call)


@given(st.sampled_from(MODELS), CONVERSATION, st.sampled_from([[], TOOLS]))
def test_any_conversation_becomes_one_that_converse_takes_or_is_refused_by_name(
    upstream: str, messages: list[dict[str, object]], tools: list[dict[str, object]]
) -> None:
    try:
        body = sent(upstream, messages=messages, tools=tools)
    except GatewayError as error:
        assert error.kind in {Kind.INVALID_REQUEST, Kind.UNSUPPORTED}
        assert error.param
        return
    assert converse_model.problems_of_request(body, upstream) == ""
    roles = [message["role"] for message in body["messages"] if message["role"] != "system"]
    assert roles[0] == "user"
    assert all(one != other for one, other in itertools.pairwise(roles))
    blocks = [block for message in body["messages"] for block in message["content"]]
    assert all(block["text"].strip() for block in blocks if "text" in block)
    assert ("toolConfig" in body) == bool(tools)
    if not tools:
        assert not any("toolUse" in block or "toolResult" in block for block in blocks)


def test_instructions_between_two_turns_of_one_side_do_not_keep_these_from_being_one() -> None:
    said = [
        ("user", "a"),
        ("assistant", "b"),
        ("system", "c"),
        ("system", "C"),
        ("assistant", "d"),
        ("system", "e"),
        ("user", "f"),
    ]
    messages = [{"role": role, "content": text} for role, text in said]
    body = sent("anthropic.claude-opus-5-5", messages=messages)
    assert body["system"] == [{"text": "c"}, {"text": "C"}]
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "a"}]},
        {"role": "assistant", "content": [{"text": "b"}, {"text": "d"}]},
        {"role": "system", "content": [{"text": "e"}]},
        {"role": "user", "content": [{"text": "f"}]},
    ]


@given(st.sampled_from(MODELS), CONVERSATION)
def test_no_word_of_the_user_is_lost_and_their_order_stays(upstream: str, messages: list[dict[str, object]]) -> None:
    try:
        body = sent(upstream, messages=messages, tools=TOOLS)
    except GatewayError:
        return
    said = [str(message["content"]) for message in messages if message["role"] == "user"]
    kept = [
        block["text"]
        for message in body["messages"]
        for block in message["content"]
        if message["role"] == "user" and "text" in block and block["text"] != "Continue."
    ]
    assert kept == [text for text in said if text.strip() and text != "Continue."]


@pytest.mark.parametrize("upstream", [*MODELS, "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"])
def test_an_unnamed_limit_is_modest_and_below_the_ceiling(upstream: str) -> None:
    limit = sent(upstream, messages=[{"role": "user", "content": "x"}])["inferenceConfig"]["maxTokens"]
    ceiling = capabilities.of(Model(upstream=UpstreamModel(upstream))).output_ceiling
    assert limit <= (ceiling or encode.UNKNOWN_OUTPUT)
    assert limit >= 2_000


def test_a_tool_schema_passes_byte_for_byte() -> None:
    schema = '{"type":"object", "properties":{"b":{"default":1.0},"a":{"const":null}} }'
    body = (
        '{"model":"m","messages":[{"role":"user","content":"x"}],'
        '"tools":[{"type":"function","function":{"name":"f","parameters":' + schema + "}}]}"
    ).encode()
    assert schema.encode() in sent_raw(MODELS[0], body)


@pytest.mark.parametrize("deep", [*range(930, 1_000, 3), 100_000])
@pytest.mark.parametrize("name", ["logit_bias", "tools", "tool_choice", "response_format", "unknown"])
def test_a_body_nested_too_deeply_is_refused_not_fatal(name: str, deep: int) -> None:
    nested = '{"a":' * deep + "1" + "}" * deep
    wrapped = {
        "tools": '[{"type":"function","function":{"name":"f","parameters":' + nested + "}}]",
        "response_format": '{"type":"json_schema","json_schema":{"name":"n","schema":' + nested + "}}",
    }
    body = f'{{"model":"m","messages":[{{"role":"user","content":"x"}}],"{name}":{wrapped.get(name, nested)}}}'
    try:
        sent_raw(MODELS[1], body.encode())
    except GatewayError as error:
        assert error.kind in {Kind.INVALID_REQUEST, Kind.UNSUPPORTED}
    else:
        assert name in wrapped


def test_a_call_with_arguments_nested_too_deeply_is_refused_not_fatal() -> None:
    arguments = '{"a":' * 100_000 + "1" + "}" * 100_000
    asked = {"id": "c", "type": "function", "function": {"name": "a", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c", "content": arguments},
    ]
    with pytest.raises(GatewayError) as refused:
        sent(MODELS[1], messages=messages, tools=TOOLS)
    assert refused.value.param == "messages[1].tool_calls[0].function.arguments"


@pytest.mark.parametrize("value", [{"deep": "x"}, "text", 3, True, [1], "none", ""])
@pytest.mark.parametrize(
    "name",
    [
        "tools", "tool_choice", "response_format", "stop", "temperature", "top_p", "metadata", "reasoning_effort",
        "service_tier", "parallel_tool_calls", "prompt_cache_options", "stream_options", "n", "seed", "logprobs",
    ],
)  # fmt: skip
def test_a_value_of_any_type_is_taken_or_refused_by_its_name(name: str, value: object) -> None:
    try:
        body = sent(MODELS[1], messages=[{"role": "user", "content": "x"}], **{name: value})
    except GatewayError as error:
        assert error.param is not None
        assert error.param.startswith(name)
    else:
        assert converse_model.problems_of_request(body, MODELS[1]) == ""
